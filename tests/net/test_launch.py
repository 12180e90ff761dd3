"""The last step before a program of exec, with root's ``-`` in the place of a user to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import ROOT, environment
from tvpn.net.launch import CANNOT_RUN, NOT_FOUND

HELD = "import os; print(sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1])"


class LaunchTests(SynchronousTestCase):
    """What the program finds."""

    def launch(self, *command: str, given: Sequence[int] = (), **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "tvpn.net.launch", "-", *command], capture_output=True, text=True, timeout=20,
            env={**environment(), **more}, stdin=subprocess.DEVNULL, cwd=ROOT, pass_fds=given,
        )  # fmt: skip

    def test_statuses(self) -> None:
        """The program's own, or those of env(1) with a sentence."""
        self.assertEqual(self.launch("sh", "-c", "exit 5").returncode, 5)
        for command, status, said in (
            ("no-such-program", NOT_FOUND, "tvpn: no-such-program: not found; check its name and PATH\n"),
            ("./no-such-program", NOT_FOUND, "tvpn: ./no-such-program: not found; check its name and PATH\n"),
            ("/etc", CANNOT_RUN, "tvpn: /etc: cannot be run (permission denied)\n"),
            ("/etc/passwd/x", CANNOT_RUN, "tvpn: /etc/passwd/x: cannot be run (not a directory)\n"),
        ):
            done = self.launch(command)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (status, "", said))

    def test_descriptors(self) -> None:
        """P-06: it holds 0, 1 and 2 and nothing else, whatever was left open."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        done = self.launch(sys.executable, "-c", HELD, given=(reading, writing))
        self.assertEqual(done.stdout, "[0, 1, 2]\n", done.stderr)

    def test_environment(self) -> None:
        """Python's change to a C locale is not passed on; odd bytes are."""
        odd = os.fsdecode(b"\xff=\xfe")
        done = self.launch("env", "-0", LC_ALL="", LANG="")
        variables = done.stdout.split("\0")
        self.assertNotIn("LC_CTYPE=C.UTF-8", variables)
        self.assertIn("LANG=", variables)
        self.assertEqual(self.launch("sh", "-c", "printf %s \"$ODD\" | od -An -tx1", ODD=odd).stdout, " ff 3d fe\n")

    def test_signals(self) -> None:
        """What Python ignores is not ignored, and what it answers with a traceback has its usual effect."""
        done = self.launch("sh", "-c", "kill -PIPE $$; echo survived")
        self.assertEqual((done.returncode, done.stdout), (-signal.SIGPIPE, ""))
        done = self.launch("sh", "-c", "kill -INT $$; echo survived")
        self.assertEqual((done.returncode, done.stdout), (-signal.SIGINT, ""))
