"""That a client is running on this machine, and how to end it.

A client holds a socket with an abstract name (unix(7)): it belongs to the network namespace, as routes do, and is gone
with its process, however that ended. Whoever connects is told by the kernel which process listens.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError

SOCKETS = Path("/proc/self/net/unix")
_NAME = re.compile(r"@(tvpn-client/\d+)$", re.MULTILINE)
_CREDENTIALS = struct.Struct("=iII")
PATIENCE = 10.0
"""Seconds for a client to put everything back."""
ANSWER, PAUSE = 1.0, 0.05
"""Seconds for all that have no room for a question, and between two tries."""
MOST_GUESTS = 64
"""Let go in one turn of the reactor."""


@implementer(IReadDescriptor)
class Presence:
    """Our own. A machine that has no room for it is none the worse."""

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._socket: socket.socket | None = None

    def announce(self) -> None:
        if self._socket is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            try:
                made.bind(f"\0tvpn-client/{os.getpid()}")
                made.listen()
            except OSError:
                made.close()
                return
            self._socket = made
            self._reactor.addReader(self)

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "presence"

    def doRead(self) -> None:
        """Whoever has asked knows by now; those that come after find room."""
        with suppress(OSError):
            for _ in range(MOST_GUESTS):
                if self._socket is not None:
                    self._socket.accept()[0].close()

    def connectionLost(self, reason: Failure) -> None:
        self.withdraw()

    def withdraw(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None


def clients(sockets: Path = SOCKETS) -> list[int]:
    """The process ids of the clients in this network namespace that are ours or root's.

    Anybody may take such names, and many of them: none of them is passed over for it, and all together have so long to
    take us in.
    """
    names = sorted(set(_NAME.findall(sockets.read_text(errors="replace"))))
    found: list[int] = []
    until = time.monotonic() + ANSWER
    while names:
        full = []
        for name in names:
            try:
                pid, user = _listener(name)
            except BlockingIOError:
                full.append(name)
            except OSError:
                continue
            else:
                # Nobody else's process is ended for its name.
                found += [pid] if user in (0, os.geteuid()) else []
        if time.monotonic() > until:
            break
        names = full
        time.sleep(PAUSE if names else 0)
    return found


def _listener(name: str) -> tuple[int, int]:
    """(process, user) that listens at this name; raises BlockingIOError where its queue is full, OSError for nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
        asking.connect(f"\0{name}")
        pid, user, _ = _CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return pid, user


def end_all(sockets: Path = SOCKETS) -> list[int]:
    """End each of them in its own way; their process ids. Raises TvpnError for one that may not be ended, or does not
    end.
    """
    found = clients(sockets)
    for pid in found:
        _end(pid)
    return found


def _end(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        waiting = select.poll()
        waiting.register(process, select.POLLIN)
        if not waiting.poll(PATIENCE * 1000):
            raise TvpnError(f"the client (process {pid}) does not end; end it with: kill -9 {pid}")
    except PermissionError:
        raise TvpnError(f"the client (process {pid}) is not ours to end; run this as root (sudo)") from None
    finally:
        os.close(process)
