"""Whoever can be asked, with a terminal and without; a script stands in for systemd-ask-password."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from threading import Thread
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.lab import ROOT, environment
from tvpn.errors import TvpnError
from tvpn.net import person, terminal
from tvpn.net.person import Unanswered, ask_now, can_be_asked, question


class AgentCase(TestCase):
    """No terminal, and a folder that is all of PATH."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.patch(os, "environ", {"PATH": str(self.folder)})
        self.patch(terminal, "TERMINAL", "/dev/there-is-none")

    def agent(self, *lines: str) -> None:
        """A stand-in that writes down its arguments and does these lines of Python."""
        path = self.folder / "systemd-ask-password"
        book = self.folder / "book"
        start = f"#!{sys.executable}\nimport sys, time\nopen({str(book)!r}, 'w').write('|'.join(sys.argv[1:]))\n"
        path.write_text(start + "\n".join(lines) + "\n")
        path.chmod(0o700)

    def told(self) -> list[str]:
        return (self.folder / "book").read_text().split("|")


class AgentTests(AgentCase):
    async def test_answered(self) -> None:
        """The question is an argument, the answer comes through standard output, in the reactor and before it."""
        self.agent("print('open  sesame')")
        self.assertTrue(can_be_asked())
        self.assertEqual(await question(reactor, "Password", False).answered, "open  sesame")
        self.assertEqual(self.told(), ["--no-tty", "--timeout=180", "--id=tvpn", "--", "Password:"])
        self.assertEqual(await question(reactor, "Username", True).answered, "open  sesame")
        self.assertIn("--echo", self.told())
        self.assertEqual(ask_now("Passphrase"), "open  sesame")

    async def test_unanswered(self) -> None:
        """Nobody answers in time: one sentence with systemd's reason, in both ways."""
        self.agent("sys.stderr.write('Failed to query password: Timer expired\\n')", "sys.exit(1)")
        error = await self.assertFailure(question(reactor, "Password", False).answered, Unanswered)
        for said in (str(error), str(self.assertRaises(Unanswered, ask_now, "Password"))):
            self.assertIn("(Failed to query password: Timer expired); start it in the foreground", said)

    async def test_withdrawn(self) -> None:
        """A question that is withdrawn is asked no longer."""
        self.agent("time.sleep(60)")
        asked = question(reactor, "Password", False)
        asked.answered.cancel()
        await self.assertFailure(asked.answered, CancelledError)
        for _ in range(200):
            # twisted forgets the number of a process that has ended.
            if asked._process.pid is None:  # type: ignore[attr-defined]
                break
            await deferLater(reactor, 0.02)
        self.assertIsNone(asked._process.pid)  # type: ignore[attr-defined]

    def test_nobody(self) -> None:
        """Neither terminal nor systemd: one sentence with the question."""
        self.assertFalse(can_be_asked())
        for ask in (lambda: question(reactor, "Password", False), lambda: ask_now("Password")):
            error = self.assertRaises(Unanswered, ask)
            self.assertIn("'Password' is asked, and there is no terminal to ask at", str(error))


PROGRAM = """
import resource
from tvpn.net import terminal
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
terminal.TERMINAL = {terminal!r}
terminal.prompt("Passphrase", False)
"""


class PromptTests(TestCase):
    """A terminal of our own making, before the reactor runs."""

    def setUp(self) -> None:
        self.person, inner = pty.openpty()
        self.addCleanup(os.close, self.person)
        self.addCleanup(os.close, inner)
        self.inner = inner
        self.patch(terminal, "TERMINAL", os.ttyname(inner))
        self.patch(person, "has_terminal", lambda: True)

    def answer(self, typed: bytes) -> str:
        """What ``ask_now`` returns when this is typed once the question is shown."""
        self.seen = b""

        def sit() -> None:
            self.seen = os.read(self.person, 4096)
            self.echoing = bool(termios.tcgetattr(self.inner)[3] & termios.ECHO)
            os.write(self.person, typed)

        thread = Thread(target=sit)
        thread.start()
        try:
            return ask_now("Passphrase of own.key")
        finally:
            thread.join()

    def test_asked(self) -> None:
        """The question is shown, the answer is not, and the terminal is as it was."""
        self.assertEqual(self.answer(b"open sesame\n"), "open sesame")
        self.assertEqual((self.seen, self.echoing), (b"Passphrase of own.key: ", False))
        self.assertTrue(termios.tcgetattr(self.inner)[3] & termios.ECHO)
        self.assertNotIn(b"sesame", os.read(self.person, 4096))

    def test_ended(self) -> None:
        """Signals that end the process end it as ever, and the terminal is as it was."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            program = PROGRAM.format(terminal=os.ttyname(self.inner))
            process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment())
            self.addCleanup(process.kill)
            self.assertEqual(os.read(self.person, 4096), b"Passphrase: ")
            self.assertFalse(termios.tcgetattr(self.inner)[3] & termios.ECHO)
            process.send_signal(number)
            self.assertEqual(process.wait(10), -number)
            self.assertTrue(termios.tcgetattr(self.inner)[3] & termios.ECHO)

    def test_handlers(self) -> None:
        """Afterwards each signal means what it meant before."""
        before = {number: signal.getsignal(number) for number in terminal.ENDING}
        self.answer(b"open sesame\n")
        self.assertEqual({number: signal.getsignal(number) for number in terminal.ENDING}, before)

    def test_closed(self) -> None:
        """The end of the input is no answer, and neither is a terminal that hangs up."""
        with mock.patch.object(terminal.os, "read", side_effect=OSError(errno.EIO, "Input/output error")):
            self.assertRaises(TvpnError, ask_now, "Passphrase of own.key")
        os.read(self.person, 4096)
        self.assertRaises(TvpnError, self.answer, b"\x04")
        self.assertTrue(termios.tcgetattr(self.inner)[3] & termios.ECHO)
