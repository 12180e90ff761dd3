"""A question at a terminal of our own making."""

from __future__ import annotations

import os
import pty
import select
import termios
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from tvpn.errors import TvpnError
from tvpn.net import terminal
from tvpn.net.terminal import Question, has_terminal


class QuestionTests(TestCase):
    def setUp(self) -> None:
        self.person, inner = pty.openpty()
        self.addCleanup(os.close, self.person)
        self.addCleanup(os.close, inner)
        self.inner = inner
        self.patch(terminal, "TERMINAL", os.ttyname(inner))

    def shown(self) -> bytes:
        return os.read(self.person, 4096)

    def is_echoing(self) -> bool:
        return bool(termios.tcgetattr(self.inner)[3] & termios.ECHO)

    async def test_answered(self) -> None:
        """The text is shown, the typed line is the answer, and the terminal is as it was."""
        for echo in (True, False):
            question = Question(reactor, "Your code", echo)
            self.assertEqual((self.shown(), self.is_echoing()), (b"Your code: ", echo))
            os.write(self.person, b"42\n")
            self.assertEqual(await question.answered, "42")
            self.assertTrue(self.is_echoing())
            self.assertEqual(b"42" in self.shown(), echo)

    async def test_typed_before(self) -> None:
        """What was typed before the question is no answer to it."""
        os.write(self.person, b"early\n")
        self.assertTrue(select.select([self.inner], [], [], 5)[0])
        question = Question(reactor, "Your code", True)
        os.write(self.person, b"42\n")
        self.assertEqual(await question.answered, "42")

    async def test_withdrawn(self) -> None:
        """A question can be withdrawn; the terminal is as it was, and the next question works."""
        question = Question(reactor, "Your code", False)
        question.answered.cancel()
        await self.assertFailure(question.answered, CancelledError)
        self.assertTrue(self.is_echoing())
        again = Question(reactor, "Your code", True)
        os.write(self.person, b"43\n")
        self.assertEqual(await again.answered, "43")

    def test_end_of_file(self) -> Deferred[Exception]:
        """Who ends the input instead of answering has not answered."""
        question = Question(reactor, "Your code", True)
        os.write(self.person, b"\x04")
        return self.assertFailure(question.answered, TvpnError)

    async def test_stopped(self) -> None:
        """A terminal that was stopped (Ctrl-S) is not waited for: neither to ask nor to put its modes back."""
        waits: list[int] = []

        def change(descriptor: int, when: int, modes: list[Any]) -> None:
            waits.append(when)

        self.patch(termios, "tcsetattr", change)
        question = Question(reactor, "Your code", False)
        question.answered.cancel()
        await self.assertFailure(question.answered, CancelledError)
        self.assertEqual(waits, [termios.TCSANOW] * 2)

    def test_hung_up(self) -> Deferred[Exception]:
        """A terminal that is closed answers nothing, and holds nothing."""
        person, inner = pty.openpty()
        self.patch(terminal, "TERMINAL", os.ttyname(inner))
        question = Question(reactor, "Your code", False)
        os.close(inner)
        os.close(person)
        done = self.assertFailure(question.answered, TvpnError)
        return done.addCallback(lambda _: self.assertEqual(question.fileno(), -1))

    def test_none(self) -> None:
        """Without a terminal it is one sentence that names the question."""
        self.patch(terminal.os, "tcgetpgrp", lambda descriptor: os.getpgrp())
        self.assertTrue(has_terminal())
        self.patch(terminal.os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
        self.assertFalse(has_terminal())
        self.patch(terminal, "TERMINAL", "/dev/there-is-none")
        self.assertFalse(has_terminal())
        with self.assertRaisesRegex(TvpnError, "'Your code' is asked, and there is no terminal"):
            Question(reactor, "Your code", True)
