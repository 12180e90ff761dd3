"""A client that runs for one program: what ends it, and who hears of signals."""

from __future__ import annotations

import signal
from typing import Any
from unittest import mock

from twisted.internet.error import ReactorNotRunning
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.event import Disconnected, PageAsked
from tvpn.service import supervision
from tvpn.service.progress import CallFailed
from tvpn.service.supervision import HANDED_ON, Outcome, Supervision


class Program:
    """Writes down the signals it gets."""

    def __init__(self) -> None:
        self.has_begun = False
        self.signals: list[int] = []
        self.end: Any = None

    def watch(self, reactor: object, on_end: object) -> None:
        self.end = on_end

    def signal(self, number: int) -> None:
        self.signals.append(number)


class SupervisionTests(SynchronousTestCase):
    """Around a stand-in for the program, the client and the process's signals."""

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.stops = 0
        self.reactor.stop = self.stop
        self.program = Program()
        self.client = mock.Mock(watchers=[])
        self.complaints: list[str] = []
        self.handlers: dict[int, Any] = {signal.SIGHUP: signal.SIG_IGN}
        self.patch(supervision.signal, "signal", self.handlers.__setitem__)
        self.patch(supervision.signal, "getsignal", lambda number: self.handlers.get(number, signal.SIG_DFL))
        self.supervision = self.build(at_terminal=True)

    def build(self, at_terminal: bool) -> Supervision:
        made = Supervision(
            self.reactor, self.client, self.program, 30.0, at_terminal, self.complaints.append  # type: ignore[arg-type]
        )
        made.start()
        return made

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning

    def test_end(self) -> None:
        """The program's end is the end, with its status; what goes wrong because of it is no other reason."""
        self.program.has_begun = True
        self.program.end(0x300, "")
        self.program.end(None, "it broke")
        self.assertEqual((self.supervision.outcome, self.stops), (Outcome(status=0x300), 1))

    def test_broken(self) -> None:
        """A keeper that is gone is a sentence."""
        self.program.end(None, "it broke")
        self.assertEqual(self.supervision.outcome, Outcome(sentence="it broke"))

    def test_given_up(self) -> None:
        """When the client gives up it has said why: what breaks while all is stopped is not told as well."""
        for action, arguments, _ in self.reactor.triggers["before"]["shutdown"]:
            action(*arguments)
        self.program.end(None, "it broke")
        self.assertEqual(self.supervision.outcome, Outcome())

    def test_too_late(self) -> None:
        """Without a first connection in time it gives up, and says what happened last; a program that runs stays."""
        for progress, said in (
            (None, "no connection within 30 s; no server answered"),
            (CallFailed("cannot find the address of one.example: unknown"), "unknown"),
            (Disconnected("AUTH_FAILED", True), "no connection within 30 s: disconnected: AUTH_FAILED"),
        ):
            made = self.build(True)
            if progress is not None:
                self.client.watchers[-1](progress)
            self.reactor.advance(31)
            outcome = made.outcome
            self.assertIn(said, outcome.sentence if outcome is not None else "")
        self.program.has_begun = True
        made = self.build(True)
        self.reactor.advance(31)
        self.assertIsNone(made.outcome)

    def test_signals(self) -> None:
        """They are the program's; what is typed at the terminal it has got already, and what was ignored is left."""
        self.program.has_begun = True
        for number in HANDED_ON:
            self.supervision.hand_on(number)
        others = [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
        self.assertEqual(self.program.signals, others)
        self.program.signals.clear()
        elsewhere = self.build(at_terminal=False)
        for number in HANDED_ON:
            elsewhere.hand_on(number)
        self.assertEqual(self.program.signals, [signal.SIGINT, signal.SIGQUIT, *others])
        self.assertIsNone(self.supervision.outcome)
        self.assertEqual(self.handlers[signal.SIGHUP], signal.SIG_IGN)

    def test_signal_before(self) -> None:
        """Before there is a program a signal ends us."""
        self.supervision.hand_on(signal.SIGINT)
        self.assertEqual((self.supervision.outcome, self.program.signals), (Outcome(signal=signal.SIGINT), []))

    def test_page(self) -> None:
        """A page that the server waits for is told to the person, however quiet the log is."""
        self.client.watchers[0](PageAsked("https://sso.example/1"))
        self.assertEqual(len(self.complaints), 1)
        self.assertIn("https://sso.example/1", self.complaints[0])
