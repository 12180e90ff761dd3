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
from pathlib import Path

from tvpn.errors import TvpnError

SOCKETS = Path("/proc/self/net/unix")
_NAME = re.compile(r"@(tvpn-client/\d+)$", re.MULTILINE)
_CREDENTIALS = struct.Struct("=iII")
PATIENCE = 10.0
"""Seconds for a client to put everything back."""


class Presence:
    """Our own. A machine that has no room for it is none the worse."""

    def __init__(self) -> None:
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

    def withdraw(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def clients(sockets: Path = SOCKETS) -> list[int]:
    """The process ids of the clients in this network namespace that are ours or root's."""
    found = []
    for name in sorted(set(_NAME.findall(sockets.read_text(errors="replace")))):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(1.0)
            try:
                asking.connect(f"\0{name}")
            except OSError:
                continue
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            pid, user, _ = _CREDENTIALS.unpack(credentials)
            # Anybody may take the name; nobody else's process is ended for it.
            if user in (0, os.geteuid()):
                found.append(pid)
    return found


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
