"""The terminal of whoever started the process, to ask a question at; the reactor goes on meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred

from tvpn.errors import TvpnError

TERMINAL = "/dev/tty"
LONGEST_LINE = 1024
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
REMEDY = "start it in the foreground of a terminal (twistd needs -n)"
"""Where nobody can be asked, whatever it was that asked."""


class Question(FileDescriptor):
    """One question; ``answered`` fires with the line that was typed. Without ``echo`` it is not shown."""

    def __init__(self, reactor: Any, text: str, echo: bool) -> None:
        super().__init__(reactor)
        try:
            self._descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise TvpnError(f"{text!r} is asked, and there is no terminal to ask at; {REMEDY}") from None
        self._line = b""
        self._modes = _put(self._descriptor, text, echo)
        self.answered: Deferred[str] = Deferred(lambda _: self._close())
        self.startReading()

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> Exception | None:
        try:
            data = os.read(self._descriptor, LONGEST_LINE)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self._line += data
        if not data or b"\n" in self._line or len(self._line) > LONGEST_LINE:
            self._close()
            if not data:
                self.answered.errback(TvpnError("the terminal was closed before the question was answered"))
            else:
                self.answered.callback(self._line.split(b"\n", 1)[0].decode("utf-8", "replace"))
        return None

    def _close(self) -> None:
        self.stopReading()
        with suppress(termios.error):
            # One that has hung up has no modes any more.
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._modes)
        os.close(self._descriptor)
        self._descriptor = -1


def prompt(text: str, echo: bool) -> str:
    """Ask one question and wait for the line that is typed; raises TvpnError where the terminal is closed instead."""
    descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        with _put_back(descriptor):
            _put(descriptor, text, echo)
            line = os.read(descriptor, LONGEST_LINE)
    except (KeyboardInterrupt, OSError):
        # Given up, or hung up.
        line = b""
    finally:
        os.close(descriptor)
    if not line:
        raise TvpnError("the terminal was closed before the question was answered")
    return line.split(b"\n", 1)[0].decode("utf-8", "replace")


@contextmanager
def _put_back(descriptor: int) -> Iterator[None]:
    """The terminal's modes are afterwards what they were before, even where a signal is the end of the process."""
    modes = termios.tcgetattr(descriptor)

    def end(number: int, frame: FrameType | None) -> None:
        # In the background the shell has put its own modes back, and setting ours would stop us.
        with suppress(termios.error):
            if _in_foreground(descriptor):
                termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        signal.signal(number, former[number])
        os.kill(os.getpid(), number)

    former: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    # None: whoever is told of it is none of Python's.
    former = {number: handler for number, handler in former.items() if handler not in (signal.SIG_IGN, None)}
    for number in former:
        signal.signal(number, end)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, modes)
        for number, handler in former.items():
            signal.signal(number, handler)


def _in_foreground(descriptor: int) -> bool:
    """Whether the terminal is ours to set now; one that we were not started from always is."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError as error:
        return error.errno == errno.ENOTTY


def _put(descriptor: int, text: str, echo: bool) -> list[Any]:
    """Show the question; the modes that the terminal had before."""
    former = termios.tcgetattr(descriptor)
    modes = termios.tcgetattr(descriptor)
    if not echo:
        modes[3] &= ~termios.ECHO
        modes[3] |= termios.ECHONL
    # At once: a terminal that is stopped (Ctrl-S) would keep us waiting until it has shown all.
    termios.tcsetattr(descriptor, termios.TCSANOW, modes)
    # What was typed before the question is no answer to it.
    termios.tcflush(descriptor, termios.TCIFLUSH)
    with suppress(OSError):
        # A terminal that is stopped shows the question later, or never; whoever types is heard.
        os.write(descriptor, f"{text.rstrip(' :')}: ".encode())
    return former


def has_terminal() -> bool:
    """There is somebody to ask: a terminal, and we are not in its background."""
    try:
        descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)
