"""How the process ends: 0 after SIGTERM and SIGINT, 1 with a sentence after SIGHUP and when it cannot go on.

twistd itself would die of the signal it was sent, and knows no other exit status.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

_log = Logger()


HUNG_UP = "SIGHUP came, as it does when a terminal is closed"


def end_on_signals(reactor: Any, hung_up: Callable[[str], None] | None = None) -> None:
    """Take the signals over, without a gap: at once, so that one that comes while the service starts stops it as soon
    as it runs, and in the reactor's own methods, which it installs as handlers when it starts to run.

    ``hung_up`` ends the service after SIGHUP, with the sentence that it is given; ``fail`` if there is none. Ignored
    already (nohup), it stays so.
    """

    def stop(number: int, frame: FrameType | None = None) -> None:
        reactor.callFromThread(_stop, reactor)

    reactor.sigTerm = reactor.sigInt = stop
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        give_up = hung_up or partial(fail, reactor)
        signal.signal(signal.SIGHUP, lambda number, frame: reactor.callFromThread(give_up, HUNG_UP))


def _stop(reactor: Any) -> None:
    # Stopping already: a second signal, or a second failure, has nothing to add.
    with suppress(ReactorNotRunning):
        reactor.stop()


class Refused(SystemExit):
    """A start that ends here: exit status 1, and the sentence that says why, written down already."""

    def __init__(self, sentence: str) -> None:
        super().__init__(1)
        self.sentence = sentence
        sys.stderr.write(f"tvpn: {sentence}\n")


class Doorstep(MultiService):
    """What twistd starts. It expects no SystemExit here: its pid file would stay behind, and as a daemon's parent it
    would wait for ever for word of its child. ``twistd`` is its configuration.
    """

    def __init__(self, twistd: MutableMapping[str, Any]) -> None:
        super().__init__()
        self._twistd = twistd

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except Refused as refused:
            self._tell(refused.sentence)
            raise

    def _tell(self, sentence: str) -> None:
        pid_file, pipe = self._twistd.get("pidfile"), self._twistd.get("statusPipe")
        if pid_file:
            with suppress(OSError):
                os.unlink(pid_file)
        if pipe is not None:
            # The parent shows what follows a status and a blank, and no more than 100 bytes.
            os.write(pipe, f"1 {sentence}".encode()[:100])


def fail(reactor: Any, sentence: str) -> None:
    """End a running service with exit status 1, after everything was stopped in order."""
    _log.critical("{sentence}", sentence=sentence)
    atexit.register(_exit_with_failure)
    _stop(reactor)


def finish(reactor: Any, sentence: str) -> None:
    """End a running service as it was agreed, with exit status 0."""
    _log.info("{sentence}; the client stops", sentence=sentence)
    _stop(reactor)


def _exit_with_failure() -> None:
    # The last thing that runs: twistd would have ended with 0.
    # Nobody may be there to read it.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(1)
