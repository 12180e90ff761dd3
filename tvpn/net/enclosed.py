"""A program in a namespace of its own, as seen from outside: started, told what its network is like, and watched."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.net.launch import HELD_BACK, first_environment
from tvpn.net.namespace import Inner, message

LONGEST = 65536
PREPARATION = 20.0
"""Seconds to make a namespace in; it takes a fifth of one."""


@implementer(IReadDescriptor)
class EnclosedProgram:
    """``on_end`` hears once how it ended: a status as waitpid has it, or None and a sentence."""

    def __init__(self, command: Sequence[str], profile: str) -> None:
        """Start its keeper, while there is nothing in this process that it should not have."""
        self.has_begun = False
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.set_inheritable(True)
            argv = [sys.executable, "-P", "-m", "tvpn.net.keeper", str(theirs.fileno()), profile, *command]
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) | set(HELD_BACK)
            try:
                self._process = os.posix_spawn(sys.executable, argv, first_environment(), setsigmask=mask)
            except OSError as error:
                self._channel.close()
                raise TvpnError(f"cannot run {sys.executable} a second time ({error.strerror})") from None
        self._reactor: Any = None
        self._on_end: Callable[[int | None, str], None] | None = None

    def device(self) -> tuple[str, int]:
        """Wait for the namespace: the kind of its device, and the descriptor. Raises TvpnError."""
        self._channel.settimeout(PREPARATION)
        try:
            said, ancillary, _, _ = self._channel.recvmsg(
                LONGEST, socket.CMSG_SPACE(struct.calcsize("i")), socket.MSG_CMSG_CLOEXEC
            )
        except TimeoutError:
            raise TvpnError(f"the namespace was not made within {PREPARATION:.0f} s") from None
        except ConnectionError:
            said, ancillary = b"", []
        answer = json.loads(said or b"{}")
        if "device" not in answer or not ancillary:
            raise TvpnError(answer.get("failed", "the process that should make the namespace ended"))
        self._channel.setblocking(False)
        return answer["device"], struct.unpack("i", ancillary[0][2])[0]

    def watch(self, reactor: Any, on_end: Callable[[int | None, str], None]) -> None:
        self._reactor, self._on_end = reactor, on_end
        reactor.addReader(self)

    # What it is told

    def arrange(self, inner: Inner) -> None:
        """Its network is like this from now on. Raises TvpnError."""
        self._tell(message(inner=inner.encode()))

    def begin(self) -> None:
        """The program may run. Raises TvpnError."""
        self.has_begun = True
        self._tell(message(begin=True))

    def signal(self, number: int) -> None:
        with suppress(TvpnError):
            self._tell(message(signal=number))

    def _tell(self, told: bytes) -> None:
        try:
            self._channel.send(told)
        except OSError as error:
            raise TvpnError(f"the keeper of the namespace does not listen ({error.strerror})") from None

    # What it says

    def fileno(self) -> int:
        return self._channel.fileno()

    def logPrefix(self) -> str:
        return "namespace"

    def doRead(self) -> None:
        try:
            said = self._channel.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        answer = json.loads(said or b"{}")
        sentence = answer.get("failed", "the process that kept the namespace is gone, and the program with it")
        self._report(answer.get("ended"), sentence)

    def connectionLost(self, reason: Failure) -> None:
        self._report(None, "the way to the process that keeps the namespace broke")

    def _report(self, status: int | None, sentence: str) -> None:
        on_end, self._on_end = self._on_end, None
        self._reactor.removeReader(self)
        if on_end is not None:
            on_end(status, sentence)

    def close(self) -> None:
        """Nothing of it is left: a program that still runs is ended."""
        if self._channel.fileno() < 0:
            return
        if self._on_end is not None:
            self._on_end = None
            self._reactor.removeReader(self)
        self._channel.close()
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)
