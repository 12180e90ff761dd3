"""``tvpn exec`` before it has a tunnel: what cannot be the program's status is 125."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.scene import PEM
from tests.lab import BIN, environment

SERVER = "[tvpn]\nrole = server\nstate = state\n[tunnel]\nserver = 10.87.0.0/24\n"


class RefusalTests(SynchronousTestCase):
    """One sentence each, and the program never runs."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "tvpn"), "exec", *words], capture_output=True, text=True, timeout=30, env=environment(),
            stdin=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip

    def refused(self, *words: str) -> str:
        done = self.exec(*words)
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        return done.stderr

    def test_no_profile(self) -> None:
        """A profile that is not there."""
        said = self.refused("nowhere.ovpn", "--", "echo", "began")
        self.assertIn("nowhere.ovpn: cannot be read", said)
        self.assertEqual(said.count("\n"), 1)

    def test_server(self) -> None:
        """A server's configuration."""
        (self.folder / "server.ini").write_text(SERVER)
        said = self.refused("server.ini", "echo", "began")
        self.assertEqual(said, "tvpn: server.ini describes a server; name a client's profile\n")

    def test_frames(self) -> None:
        """A profile for frames, which exec and explain have no use for."""
        blocks = "".join(f"<{word}>\n{PEM}</{word}>\n" for word in ("ca", "cert", "key"))
        (self.folder / "a.ovpn").write_text(f"client\ndev tap\nremote a\nremote-cert-tls server\n{blocks}")
        said = self.refused("a.ovpn", "echo", "began")
        self.assertIn("a.ovpn: its tunnel is an Ethernet (dev tap)", said)
        done = subprocess.run([str(BIN / "tvpn"), "explain", "a.ovpn"], capture_output=True, text=True, timeout=30,
                              env=environment(), cwd=self.folder)  # fmt: skip
        self.assertEqual((done.returncode, "is an Ethernet (dev tap)" in done.stderr), (1, True), done.stderr)

    def test_usage(self) -> None:
        """Wrong usage; words behind the profile are the program's."""
        for words in ((), ("--no-such-option", "a.ovpn"), ("--timeout", "0", "a.ovpn")):
            self.assertIn("Usage: tvpn exec", self.refused(*words))
        self.assertIn("a.ovpn: cannot be read", self.refused("a.ovpn", "--no-such-option"))

    def test_help(self) -> None:
        """Help is no failure."""
        done = self.exec("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("all it can reach is the tunnel", done.stdout)
