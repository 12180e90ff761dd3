"""A person at a stock client: its management socket."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

from tests.lab import Program


class Management:
    """``management PATH unix`` of a running openvpn."""

    def __init__(self, program: Program, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(15)
        until = time.monotonic() + 10
        # The socket is there before it listens.
        while self._socket.connect_ex(str(path)) and time.monotonic() < until and program.process.poll() is None:
            time.sleep(0.02)
        self._socket.getpeername()
        self.heard = ""
        self._at = 0

    def wait_for(self, pattern: str) -> str:
        """The next part of what it says that this pattern fits."""
        while (found := re.compile(pattern).search(self.heard, self._at)) is None:
            data = self._socket.recv(4096)
            if not data:
                raise AssertionError(f"{pattern!r} was not said:\n{self.heard}")
            self.heard += data.decode(errors="replace")
        self._at = found.end()
        return found[0]

    def say(self, *lines: str) -> None:
        self._socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        self._socket.close()
