"""UDP sockets: batches of datagrams with the local address they came to, bursts out in one system call.

Never connected: a forged ICMP error must not reach us (it would close the socket under Twisted). The don't-fragment
decision is left out of it (IP_PMTUDISC_OMIT), so that a forged "too big" has no effect either.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.plane.verbs import Address, Arrival, Counters

# What the socket module has no names for (linux/udp.h, linux/in.h, linux/in6.h).
SOL_UDP, UDP_SEGMENT = 17, 103
IP_PKTINFO, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT = 8, 10, 5
IPV6_MTU_DISCOVER = 23

BUDGET = 64
DATAGRAM_SIZE = 9216
BUFFER_SIZE = 1 << 20
_ANCILLARY_SIZE = 64

_PKTINFO_V4 = struct.Struct("=I4s4s")
_PKTINFO_V6 = struct.Struct("=16sI")


def open_udp(family: int, host: str, port: int, *, several_addresses: bool) -> socket.socket:
    """A bound socket; ``several_addresses``: note which of ours each datagram came to. Raises TvpnError."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_SIZE)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_OMIT)
            if several_addresses:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT)
            if several_addresses:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        shown = f"[{host}]" if ":" in host else host
        hint = "; is another server running?" if error.errno == errno.EADDRINUSE else ""
        raise TvpnError(f"cannot listen on udp {shown}:{port}: {error.strerror}{hint}") from None
    return sock


@implementer(IReadDescriptor)
class UDPLink:
    """One socket. ``deliver`` gets batches; ``send`` puts a burst on the wire."""

    _log = Logger()

    def __init__(
        self, sock: socket.socket, reactor: IReactorFDSet, deliver: Callable[[UDPLink, list[Arrival]], None]
    ) -> None:
        self.counters = Counters.zero()
        self._socket = sock
        self._reactor = reactor
        self._deliver = deliver
        self._is_v6 = sock.family == socket.AF_INET6

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def family(self) -> int:
        return self._socket.family

    def __repr__(self) -> str:
        return f"udp{6 if self._is_v6 else 4}:{self._socket.fileno()}"

    def start(self) -> None:
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "udp"

    def doRead(self) -> None:
        batch: list[Arrival] = []
        receive = self._socket.recvmsg
        try:
            for _ in range(BUDGET):
                datagram, ancillary, _, address = receive(DATAGRAM_SIZE, _ANCILLARY_SIZE)
                if datagram:
                    batch.append((address, self._local(ancillary) if ancillary else b"", 0, datagram))
        except BlockingIOError:
            pass
        except OSError as error:
            self.counters.drop(f"receive-{errno.errorcode.get(error.errno or 0, 'error')}")
        if batch:
            try:
                self._deliver(self, batch)
            except Exception:
                self._log.failure("a batch from the network failed and is lost")

    def _local(self, ancillary: list[tuple[int, int, bytes]]) -> bytes:
        """The packed local address a datagram came to."""
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
                return data[4:8]
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                return data[:16]
        return b""

    def send(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        """A burst of datagrams of ``segment`` bytes each; what the socket does not take is dropped and counted."""
        ancillary: list[tuple[int, int, bytes]] = []
        if local and self._is_v6:
            ancillary.append((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO_V6.pack(local, 0)))
        elif local:
            ancillary.append((socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO_V4.pack(0, local, bytes(4))))
        if segment >= len(buffer):
            self._send_plain(address, ancillary, buffer)
            return
        try:
            size = (SOL_UDP, UDP_SEGMENT, struct.pack("H", segment))
            self._socket.sendmsg([buffer], [*ancillary, size], 0, address)
        except BlockingIOError:
            self.counters.drop("send-EAGAIN", -(-len(buffer) // segment))
        except OSError:
            # The path is smaller than the segment, or the kernel has no UDP_SEGMENT: one by one, fragmented if need be.
            self.counters.drop("send-unsegmented")
            for at in range(0, len(buffer), segment):
                self._send_plain(address, ancillary, buffer[at : at + segment])

    def _send_plain(self, address: Address, ancillary: list[tuple[int, int, bytes]], datagram: bytes) -> None:
        try:
            self._socket.sendmsg([datagram], ancillary, 0, address)
        except OSError as error:
            self.counters.drop(f"send-{errno.errorcode.get(error.errno or 0, 'error')}")

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has lost interest; nothing of ours leads here."""

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()
