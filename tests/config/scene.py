"""Configuration files on disk for the tests of this package, and what one expects of a refusal."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.settings import Settings, load
from tvpn.errors import ConfigError

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SERVER = "[tunnel]\nserver = 10.8.0.0/24\n"


class ConfigCase(SynchronousTestCase):
    """A folder of its own for each test; files in it are private unless a mode is given."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def identity(self) -> None:
        for name in ("ca.crt", "own.crt", "own.key", "ta.key"):
            self.write(name, PEM)

    def load(self, text: str, name: str = "server.ini") -> Settings:
        return load(self.write(name, text), environ={})

    def refused(
        self, text: str, line: int | None, option: str | None, *parts: str, name: str = "server.ini"
    ) -> ConfigError:
        """The error of a file, which must stand at this line and option and say these parts."""
        error: ConfigError = self.assertRaises(ConfigError, self.load, text, name)
        self.assertEqual((error.file, error.line, error.option), (self.folder / name, line, option), str(error))
        for part in parts:
            self.assertIn(part, str(error))
        return error
