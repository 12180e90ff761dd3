"""Datagrams through a SOCKS 5 proxy: a link like a UDP socket, whose datagrams carry the proxy's header both ways.

The relay belongs to the TCP connection that asked for it: when that ends, so does the link.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tvpn.errors import Drop
from tvpn.net.socks import datagram_header, header_of, is_from
from tvpn.net.udp import UDPLink
from tvpn.plane.verbs import Address, Arrival

LARGEST_BURST = 65000
"""Of one system call, headers included: the kernel takes no more than 64 KiB."""
SILENCE = 60
"""Seconds without a byte after which the kernel asks whether the proxy is still there: a NAT in between forgets."""


class Association(Protocol):
    """The connection that keeps a relay open; nothing more is said on it. A link: see ``UDPLink``.

    ``target`` is the server's host and port as the proxy is told them, ``relay`` where the proxy takes datagrams.
    ``ended`` hears once that it is over.
    """

    def __init__(
        self, sock: socket.socket, reactor: IReactorFDSet, target: tuple[str, int], relay: Address,
        deliver: Callable[[Association, list[Arrival]], None], ended: Callable[[Association], None],
    ) -> None:  # fmt: skip
        self._udp = UDPLink(sock, reactor, self._arrived)
        self._deliver = deliver
        self._ended = ended
        self._relay = relay
        self._header = self._accepted = datagram_header(*target)
        self.counters = self._udp.counters
        self.overhead = len(self._header)

    # The connection

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpKeepAlive(True)
        transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE)
        self._udp.start()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._udp.close()
        self.transport = None
        self._ended(self)

    def close(self) -> None:
        self._udp.close()
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()

    # The datagrams

    def send(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        """A burst of datagrams of ``segment`` bytes each; what cannot leave at once is dropped and counted."""
        header = self._header
        if segment >= len(buffer):
            self._udp.send(self._relay, b"", self.overhead + len(buffer), header + buffer)
            return
        parts = [part for at in range(0, len(buffer), segment) for part in (header, buffer[at : at + segment])]
        size = segment + self.overhead
        # Two parts a datagram.
        most = 2 * (LARGEST_BURST // size or 1)
        for at in range(0, len(parts), most):
            self._udp.send(self._relay, b"", size, b"".join(parts[at : at + most]))

    def _arrived(self, udp: UDPLink, batch: list[Arrival]) -> None:
        found: list[Arrival] = []
        relay = self._relay
        for address, _, segment, buffer in batch:
            if address[:2] != relay[:2]:
                self.counters.drop("wrong-address")
                continue
            size = segment or len(buffer)
            for at in range(0, len(buffer), size):
                payload = self._stripped(buffer[at : at + size])
                if payload:
                    found.append((relay, b"", 0, payload))
        if found:
            self._deliver(self, found)

    def _stripped(self, datagram: bytes) -> bytes:
        """What the server has sent, nothing where it was somebody else."""
        header = self._accepted
        if not datagram.startswith(header):
            try:
                header = header_of(datagram)
            except Drop as drop:
                self.counters.drop(drop.reason)
                return b""
            if not is_from(header, self._header):
                self.counters.drop("wrong-address")
                return b""
            self._accepted = header
        return datagram[len(header) :]
