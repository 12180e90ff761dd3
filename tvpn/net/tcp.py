"""TCP connections as links: lengths are stripped and added here, everything else is as with UDP.

The output is bounded: while the kernel does not take what was written (Twisted's buffer is 64 KiB), further packets
are dropped and counted, as a full network would do; control packets have as much again, and then it ends.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import Drop, TvpnError
from tvpn.plane.verbs import Address, Arrival, Counters
from tvpn.wire.header import DATA_FIRST_BYTES
from tvpn.wire.stream import Unstreamer, encode_burst

BACKLOG = 1024
"""Connections that the kernel holds until they are taken: where one does not fit, its peer waits a second."""
#: Control packets are not dropped while the kernel takes nothing; who has not read after so many bytes is cut off.
LARGEST_OVERFLOW = 65536
PATIENCE = 5.0
"""Seconds that a closed connection's peer has to take what was written before."""


@implementer(IPushProducer)
class TCPLink(Protocol):
    """One connection. ``deliver`` gets batches as from a UDP socket; ``ended`` hears once that it is over."""

    _log = Logger()
    overhead = 0

    def __init__(
        self, reactor: IReactorTime, began: Callable[[TCPLink], None],
        deliver: Callable[[TCPLink, list[Arrival]], None], ended: Callable[[TCPLink], None],
    ) -> None:  # fmt: skip
        self.counters = Counters.zero()
        self.address: Address = ("", 0)
        self._reactor = reactor
        self._began = began
        self._deliver = deliver
        self._ended = ended
        self._stream = Unstreamer()
        self._is_full = False
        self._overflow = 0
        self._cut_off: IDelayedCall | None = None

    def connectionMade(self) -> None:
        transport: Any = self.transport
        peer = transport.getPeer()
        self.address = (peer.host, peer.port)
        transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self._began(self)

    def dataReceived(self, data: bytes) -> None:
        try:
            packets = self._stream.receive(data)
        except Drop as drop:
            self.counters.drop(drop.reason)
            self.close()
            return
        if packets:
            try:
                self._deliver(self, [(self.address, b"", 0, packet) for packet in packets])
            except Exception:
                self._log.failure("a batch from a TCP connection failed and is lost")

    def send(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        if self._is_full and buffer[0] in DATA_FIRST_BYTES:
            self.counters.drop("send-queue-full", -(-len(buffer) // segment))
            return
        transport: Any = self.transport
        if transport is None:
            return
        if self._is_full:
            self._overflow += len(buffer)
            if self._overflow > LARGEST_OVERFLOW:
                self.counters.drop("send-reader-too-slow")
                transport.abortConnection()
                return
        transport.write(encode_burst(segment, buffer))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._cut_off is not None and self._cut_off.active():
            self._cut_off.cancel()
        self.transport = None
        self._ended(self)

    def close(self) -> None:
        """What was written still leaves; a peer that does not take it within a moment is cut off."""
        transport: Any = self.transport
        if transport is not None and self._cut_off is None:
            self._cut_off = self._reactor.callLater(PATIENCE, transport.abortConnection)
            transport.unregisterProducer()
            transport.loseConnection()

    # IPushProducer: Twisted tells us when its buffer is full and when it is not.

    def pauseProducing(self) -> None:
        self._is_full = True

    def resumeProducing(self) -> None:
        self._is_full = False
        self._overflow = 0

    def stopProducing(self) -> None:
        self._is_full = True


class TCPFactory(Factory):
    """Makes a link of each connection, or what becomes one."""

    noisy = False

    def __init__(self, build: Callable[[], Protocol]) -> None:
        self._build = build

    def buildProtocol(self, address: object) -> Protocol:
        return self._build()


def raise_descriptor_limit() -> None:
    """As many descriptors as we may have: each connection takes one, and the usual 1024 do not suffice."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def open_tcp(family: int, host: str, port: int) -> socket.socket:
    """A listening socket; raises TvpnError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        shown = f"[{host}]" if ":" in host else host
        raise TvpnError(f"cannot listen on tcp {shown}:{port}: {error.strerror}") from None
    return sock
