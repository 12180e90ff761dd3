"""A client that runs for one program: it has so long to connect, hands on signals, and ends with the program."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from twisted.internet.error import ReactorNotRunning

from tvpn.hub.event import Disconnected, PageAsked
from tvpn.net.enclosed import EnclosedProgram
from tvpn.service.client import ClientService
from tvpn.service.narrator import sentence
from tvpn.service.progress import CallFailed, Progress

#: Handed on to the program; the first two only where no terminal has sent them to it already.
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
HANDED_ON = (*FROM_TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of these: the program's ``status`` as waitpid has it, the number of a ``signal`` that came before the
    program ran, or neither, which is a failure of ours (with a ``sentence``, unless it was told already).
    """

    status: int | None = None
    signal: int | None = None
    sentence: str = ""


class Supervision:
    """``patience``: seconds until the first connection; ``at_terminal``: what is typed there, the program hears."""

    def __init__(
        self, reactor: Any, client: ClientService, program: EnclosedProgram, patience: float, at_terminal: bool,
        complain: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.outcome: Outcome | None = None
        self._reactor = reactor
        self._client = client
        self._program = program
        self._patience = patience
        self._at_terminal = at_terminal
        self._complain = complain
        self._last = ""

    def run(self) -> Outcome:
        """Until the program has ended, or cannot begin."""
        self.start()
        self._reactor.run()
        return self.outcome or Outcome()

    def start(self) -> None:
        reactor, client = self._reactor, self._client
        self._take_signals()
        self._program.watch(reactor, self._ended)
        client.watchers.append(self._hear)
        reactor.callLater(self._patience, self._give_up)
        reactor.callWhenRunning(client.startService)
        reactor.addSystemEventTrigger("before", "shutdown", self._settle)
        reactor.addSystemEventTrigger("before", "shutdown", client.stopService)

    def _take_signals(self) -> None:
        def take(number: int, frame: FrameType | None = None) -> None:
            self._reactor.callFromThread(self.hand_on, number)

        for number in HANDED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, take)
        # Behind a shell of ours we are in the background: a question is then refused, and nothing stops.
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        # The reactor installs these when it starts to run.
        self._reactor.sigInt = self._reactor.sigTerm = take

    def hand_on(self, number: int) -> None:
        """A signal is the program's, and ours as long as there is none."""
        if not self._program.has_begun:
            self._finish(Outcome(signal=number))
        elif number not in FROM_TERMINAL or not self._at_terminal:
            self._program.signal(number)

    def _hear(self, progress: Progress) -> None:
        if isinstance(progress, Disconnected | CallFailed):
            self._last = sentence(progress) or ""
        elif isinstance(progress, PageAsked):
            self._complain(sentence(progress) or "")

    def _give_up(self) -> None:
        if not self._program.has_begun:
            why = f": {self._last}" if self._last else "; no server answered"
            self._finish(Outcome(sentence=f"no connection within {self._patience:g} s{why}"))

    def _ended(self, status: int | None, sentence: str) -> None:
        self._finish(Outcome(status) if status is not None else Outcome(sentence=sentence))

    def _settle(self) -> None:
        """Whoever stopped the reactor has said why; what breaks from now on is no reason."""
        self.outcome = self.outcome or Outcome()

    def _finish(self, outcome: Outcome) -> None:
        """The first reason counts; others follow from it."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            return
