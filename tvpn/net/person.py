"""Whoever can be asked: the person at the terminal, else whoever answers systemd's questions (systemd-ask-password)."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tvpn.errors import TvpnError
from tvpn.net.terminal import LONGEST_LINE, REMEDY, Question, has_terminal, prompt

AGENT = "systemd-ask-password"
PATIENCE = 180
"""Seconds for somebody to answer systemd's question."""


class Unanswered(TvpnError):
    """There is nobody to ask, or nobody has answered."""


class Asked(Protocol):
    """A question that is out. ``answered`` fires with the line that was typed; to cancel it is to withdraw it."""

    answered: Deferred[str]


def can_be_asked() -> bool:
    """There is a terminal or a way to ask without one."""
    return has_terminal() or shutil.which(AGENT) is not None


def question(reactor: Any, text: str, echo: bool) -> Asked:
    """Ask while the reactor goes on; raises Unanswered where there is nobody."""
    if has_terminal():
        return Question(reactor, text, echo)
    return AgentQuestion(reactor, text, echo)


def ask_now(text: str, echo: bool = False) -> str:
    """Ask and wait: for a start, before the reactor runs. Raises TvpnError."""
    if has_terminal():
        return prompt(text, echo)
    command = _command(text, echo)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE + 10)
    except (OSError, subprocess.TimeoutExpired):
        raise Unanswered(f"{text!r} is asked, and {AGENT} does not work; {REMEDY}") from None
    return _answer(done.stdout, done.stderr)


class AgentQuestion(ProcessProtocol):
    """One question of systemd's; the answer comes through its standard output alone."""

    def __init__(self, reactor: Any, text: str, echo: bool) -> None:
        command = _command(text, echo)
        self._output = self._complaint = b""
        self.answered: Deferred[str] = Deferred(self._withdraw)
        self._process = reactor.spawnProcess(self, command[0], command, env=dict(os.environ))

    def outReceived(self, data: bytes) -> None:
        self._output += data[:LONGEST_LINE]

    def errReceived(self, data: bytes) -> None:
        self._complaint += data[:LONGEST_LINE]

    def processEnded(self, reason: Failure) -> None:
        if self.answered.called:
            return
        try:
            self.answered.callback(_answer(self._output, self._complaint))
        except Unanswered as error:
            self.answered.errback(error)

    def _withdraw(self, answered: Deferred[str]) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")


def _command(text: str, echo: bool) -> list[str]:
    """The argument vector of a question; raises Unanswered."""
    found = shutil.which(AGENT)
    if found is None:
        raise Unanswered(f"{text!r} is asked, and there is no terminal to ask at; {REMEDY}")
    shown = ["--echo"] if echo else []
    return [found, "--no-tty", f"--timeout={PATIENCE}", "--id=tvpn", *shown, "--", f"{text.rstrip(' :')}:"]


def _answer(output: bytes, complaint: bytes) -> str:
    """The line that was typed; raises Unanswered where there is none."""
    line, end, _ = output.partition(b"\n")
    if not end:
        said = complaint.decode("utf-8", "replace").strip().splitlines()
        reason = f" ({said[-1]})" if said and said[-1].isprintable() else ""
        raise Unanswered(f"{AGENT} brought no answer{reason}; {REMEDY}, or name a file with it")
    return line.decode("utf-8", "replace")
