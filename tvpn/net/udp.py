"""UDP sockets: batches of datagrams with the local address they came to, bursts in and out in one system call.

Never connected: a forged ICMP error must not reach us (it would close the socket under Twisted). The don't-fragment
decision is left out of it (IP_PMTUDISC_OMIT), so that a forged "too big" has no effect either.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.plane.verbs import Address, Arrival, Counters

# What the socket module has no names for (linux: udp.h, in.h, in6.h, sock_diag.h; asm-generic/socket.h).
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
IP_PKTINFO, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT = 8, 10, 5
IPV6_MTU_DISCOVER = 23
SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MEMINFO = 32, 33, 55

BUDGET = 64
#: A datagram after a longer silence (seconds) is delivered at once, without asking the kernel for another one first.
STREAM_GAP = 0.005
#: A datagram, or several of one sender and size that the kernel has put together (UDP_GRO).
LARGEST_READ = 65535
BUFFER_SIZE = 1 << 20
_ANCILLARY_SIZE = 64

_PKTINFO_V4 = struct.Struct("=I4s4s")
_PKTINFO_V6 = struct.Struct("=16sI")
_SEGMENT = struct.Struct("=H")
_RECEIVED_SEGMENT = struct.Struct("=i")
_MEMORY = struct.Struct("=9I")


def open_udp(family: int, host: str, port: int, *, several_addresses: bool) -> socket.socket:
    """A bound socket; ``several_addresses``: note which of ours each datagram came to. Raises TvpnError."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        _enlarge_buffers(sock)
        with suppress(OSError):
            # An older kernel gives one datagram at a time.
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
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


def _enlarge_buffers(sock: socket.socket) -> None:
    """A megabyte each way; without the privilege to have that (CAP_NET_ADMIN) what net.core.rmem_max allows."""
    for forced, option in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_SIZE)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_SIZE)


@implementer(IReadDescriptor)
class UDPLink:
    """One socket. ``deliver`` gets batches; ``send`` puts a burst on the wire."""

    _log = Logger()
    overhead = 0

    def __init__(
        self, sock: socket.socket, reactor: IReactorFDSet, deliver: Callable[[UDPLink, list[Arrival]], None]
    ) -> None:
        self.counters = Counters.zero()
        self._socket = sock
        self._reactor = reactor
        self._deliver = deliver
        self._is_v6 = sock.family == socket.AF_INET6
        self._read_at = 0.0
        # Where in what the kernel tells beside a datagram our own address stands.
        self._local_at = slice(0, 16) if self._is_v6 else slice(4, 8)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def family(self) -> int:
        return self._socket.family

    @property
    def overflowed(self) -> int:
        """How many datagrams the kernel had no room for until we came to read."""
        *_, drops = _MEMORY.unpack(self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMORY.size))
        return int(drops)

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
        receive, local_at = self._socket.recvmsg, self._local_at
        now = monotonic()
        left = BUDGET if now - self._read_at < STREAM_GAP else 1
        self._read_at = now
        try:
            while left > 0:
                buffer, ancillary, _, address = receive(LARGEST_READ, _ANCILLARY_SIZE)
                local, segment = b"", 0
                for level, _, value in ancillary:
                    if level == SOL_UDP:
                        (segment,) = _RECEIVED_SEGMENT.unpack(value)
                    else:
                        local = value[local_at]
                if buffer:
                    batch.append((address, local, segment, buffer))
                left -= len(buffer) // segment if segment else 1
        except BlockingIOError:
            pass
        except OSError as error:
            self.counters.drop(f"receive-{errno.errorcode.get(error.errno or 0, 'error')}")
        if batch:
            try:
                self._deliver(self, batch)
            except Exception:
                self._log.failure("a batch from the network failed and is lost")

    def send(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        """A burst of datagrams of ``segment`` bytes each; what the socket does not take is dropped and counted."""
        ancillary: list[tuple[int, int, bytes]] = []
        if local and self._is_v6:
            ancillary.append((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO_V6.pack(local, 0)))
        elif local:
            ancillary.append((socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO_V4.pack(0, local, bytes(4))))
        several = segment < len(buffer)
        if several:
            ancillary.append((SOL_UDP, UDP_SEGMENT, _SEGMENT.pack(segment)))
        try:
            self._socket.sendmsg((buffer,), ancillary, 0, address)
        except OSError as error:
            if not several:
                self.counters.drop(f"send-{errno.errorcode.get(error.errno or 0, 'error')}")
            elif isinstance(error, BlockingIOError):
                self.counters.drop("send-EAGAIN", -(-len(buffer) // segment))
            else:
                self._send_one_by_one(address, local, segment, buffer)

    def _send_one_by_one(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        """The path is smaller than the segment, or the kernel has no UDP_SEGMENT: fragmented if need be."""
        self.counters.drop("send-unsegmented")
        for at in range(0, len(buffer), segment):
            self.send(address, local, segment, buffer[at : at + segment])

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has lost interest; nothing of ours leads here."""

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()
