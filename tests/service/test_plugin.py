"""``twistd tvpn`` before the reactor runs: what is refused, in one sentence and with exit status 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import BIN, ROOT, environment, skip_unless_possible
from tvpn.errors import TvpnError
from tvpn.plugin import Options, makeService
from tvpn.service.privilege import require_net_admin

SERVER = "[tvpn]\nrole = server\nstate = state\n[tunnel]\nserver = 10.87.0.0/24\n"


class OptionTests(SynchronousTestCase):
    """twistd's own words."""

    def test_config(self) -> None:
        """--config names the file, -c for short."""
        for words in (["--config", "a.ini"], ["--config=a.ini"], ["-c", "a.ini"]):
            options = Options()
            options.parseOptions(words)
            self.assertEqual(options["config"], "a.ini")

    def test_no_config(self) -> None:
        """Without it twistd shows how it is done."""
        error = self.assertRaises(usage.UsageError, Options().parseOptions, [])
        self.assertIn("twistd tvpn --config etc/server.ini", str(error))


class StartTests(SynchronousTestCase):
    """Errors before the reactor runs."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def test_sentence(self) -> None:
        """A configuration that cannot be used is its sentence as the reason of the exit."""
        options = Options()
        options.parseOptions(["--config", str(self.folder / "no.ini")])
        error = self.assertRaises(SystemExit, makeService, options)
        self.assertTrue(str(error.code).startswith(f"tvpn: {self.folder / 'no.ini'}: cannot be read"), error.code)

    def test_capability(self) -> None:
        """CAP_NET_ADMIN is enough, whatever else there is; without it the sentence says how to get it."""
        status = self.folder / "status"
        for effective, allowed in (("0000000000001000", True), ("000001ffffffffff", True), ("0000000000000000", False),
                                   ("000001ffffffefff", False)):  # fmt: skip
            status.write_text(f"Name:\ttwistd\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\n")
            if allowed:
                require_net_admin(status)
            else:
                error = self.assertRaises(TvpnError, require_net_admin, status)
                self.assertIn("AmbientCapabilities=CAP_NET_ADMIN", str(error))


class ProcessCase(SynchronousTestCase):
    """The genuine twistd."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.config = self.folder / "server.ini"

    def twistd(self, *before: str) -> subprocess.CompletedProcess[str]:
        command = [*before, str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment())
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        return done


class ProcessTests(ProcessCase):
    """As anybody."""

    def test_bad_word(self) -> None:
        """A misspelt word: file, line and the nearest known word in one line, exit status 1, nothing made."""
        self.config.write_text(SERVER + "kepalive = 10 60\n")
        done = self.twistd()
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith(f"tvpn: {self.config}:6: kepalive: "), done.stderr)
        self.assertIn("keepalive", done.stderr.partition("kepalive: ")[2])
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertFalse((self.folder / "state").exists())

    def test_listed(self) -> None:
        """twistd knows tvpn by its plugin, and finding that imports nothing of ours."""
        program = (
            "import sys\nfrom twisted.application.service import IServiceMaker\nfrom twisted.plugin import getPlugins\n"
            "print([one.tapname for one in getPlugins(IServiceMaker)])\n"
            "print([name for name in sys.modules if name.startswith('tvpn')])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment()
        )
        found, imported = done.stdout.splitlines()
        self.assertIn("'tvpn'", found)
        self.assertEqual(imported, "[]")


class UnprivilegedTests(ProcessCase):
    """Without the right to make devices."""

    skip = skip_unless_possible("setpriv")

    def test_nobody(self) -> None:
        """Without CAP_NET_ADMIN, root or not: one sentence with the way out, exit status 1, nothing made."""
        self.config.write_text(SERVER)
        done = self.twistd("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("needs root or the capability CAP_NET_ADMIN", done.stderr)
        self.assertIn(f"uid {os.getuid()}", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertFalse((self.folder / "state").exists())
