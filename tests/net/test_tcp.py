"""TCP links: on a transport in memory, and over loopback where the kernel's buffers matter."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tvpn.errors import TvpnError
from tvpn.net import tcp
from tvpn.net.tcp import TCPFactory, TCPLink, open_tcp
from tvpn.plane.verbs import Arrival

PEER = ("192.0.2.7", 40000)
CONTROL, DATA = b"\x38hello", b"\x48data"


def framed(*packets: bytes) -> bytes:
    """As on the wire: a length of 16 bits before each."""
    return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)


class LinkTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.batches: list[list[Arrival]] = []
        self.told: list[str] = []
        self.clock = Clock()
        self.link = self.build()
        self.transport: Any = StringTransport(peerAddress=IPv4Address("TCP", *PEER))
        self.transport.setTcpNoDelay = lambda on: self.told.append(f"no delay {on}")
        self.link.makeConnection(self.transport)

    def build(self) -> TCPLink:
        return TCPLink(
            self.clock, lambda link: self.told.append("began"), lambda link, batch: self.batches.append(batch),
            lambda link: self.told.append("ended"),
        )  # fmt: skip

    def test_began(self) -> None:
        """A connection is announced once it has its address, and small packets wait for nothing."""
        self.assertEqual((self.told, self.link.address), (["no delay True", "began"], PEER))

    def test_packets(self) -> None:
        """W-18: however the stream is cut, the packets come whole, in order, as from a UDP socket."""
        stream = framed(CONTROL, DATA, CONTROL)
        for size in (1, 2, 5, len(stream)):
            self.batches.clear()
            for at in range(0, len(stream), size):
                self.link.dataReceived(stream[at : at + size])
            arrivals = [arrival for batch in self.batches for arrival in batch]
            self.assertEqual(arrivals, [(PEER, b"", 0, packet) for packet in (CONTROL, DATA, CONTROL)])

    def test_one_batch(self) -> None:
        """What comes together is one batch."""
        self.link.dataReceived(framed(*[DATA] * 30))
        self.assertEqual([len(batch) for batch in self.batches], [30])

    def test_impossible_length(self) -> None:
        """W-18: a length that no packet has ends the connection and is counted; what follows is not looked at."""
        self.link.dataReceived(b"\0\0" + framed(CONTROL))
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual((self.batches, sum(self.link.counters.drops.values())), ([], 1))

    def test_delivery_fails(self) -> None:
        """An error of ours loses the batch, with a traceback in the log, and not the connection."""
        self.link._deliver = lambda link, batch: self.batches[9]  # type: ignore[assignment,func-returns-value]
        self.link.dataReceived(framed(CONTROL))
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)
        self.assertFalse(self.transport.disconnecting)

    def test_send(self) -> None:
        """A burst is framed segment by segment, the last one shorter."""
        self.link.send(PEER, b"", 5, b"aaaaabbbbbcc")
        self.assertEqual(self.transport.value(), framed(b"aaaaa", b"bbbbb", b"cc"))

    def test_full(self) -> None:
        """While the peer does not read, data is dropped and counted by packets; control words still go."""
        self.transport.producer.pauseProducing()
        self.link.send(PEER, b"", 5, DATA * 3 + b"\x48")
        self.assertEqual(self.transport.value(), b"")
        self.assertEqual(self.link.counters.drops, {"send-queue-full": 4})
        self.link.send(PEER, b"", len(CONTROL), CONTROL)
        self.transport.producer.resumeProducing()
        self.link.send(PEER, b"", 5, DATA)
        self.assertEqual(self.transport.value(), framed(CONTROL, DATA))

    def test_ended(self) -> None:
        """The end is told once; what is sent or closed afterwards changes nothing and leaves no timer."""
        self.link.connectionLost(Failure(ConnectionDone()))
        self.link.send(PEER, b"", 5, DATA)
        self.link.close()
        self.assertEqual(self.told[2:], ["ended"])
        self.assertEqual((self.transport.value(), self.clock.getDelayedCalls()), (b"", []))

    def test_before(self) -> None:
        """A link that is not connected yet takes words and goodbyes without an error."""
        link = self.build()
        link.send(PEER, b"", 5, DATA)
        link.close()
        self.assertEqual(link.counters.drops, {})

    def test_close(self) -> None:
        """Closing lets what was written leave; twice is no error."""
        self.link.send(PEER, b"", 5, DATA)
        self.link.close()
        self.link.close()
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.transport.value(), framed(DATA))
        self.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LoopbackTests(TestCase):
    """Over the kernel's sockets."""

    timeout = 20

    def setUp(self) -> None:
        self.began: Deferred[TCPLink] = Deferred()
        self.ended: Deferred[TCPLink] = Deferred()
        self.batches: list[list[Arrival]] = []
        listener = open_tcp(socket.AF_INET, "127.0.0.1", 0)
        self.place = listener.getsockname()
        factory = TCPFactory(self.build)
        port = reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, factory)  # type: ignore[attr-defined]
        listener.close()
        self.addCleanup(port.stopListening)
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(self.peer.close)
        # The kernel would take megabytes for a peer that does not read.
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.peer.settimeout(5)
        self.peer.connect(self.place)

    def build(self) -> TCPLink:
        return TCPLink(
            reactor, self.began.callback, lambda link, batch: self.batches.append(batch), self.ended.callback
        )  # type: ignore[arg-type]

    async def test_exchange(self) -> None:
        """Packets go both ways, and the peer's end is noticed."""
        link = await self.began
        self.peer.sendall(framed(CONTROL))
        link.send(link.address, b"", 5, DATA)
        self.assertEqual(link.address, self.peer.getsockname())
        await deferLater(reactor, 0.05)
        self.assertEqual(self.peer.recv(100), framed(DATA))
        self.assertEqual(self.batches, [[(link.address, b"", 0, CONTROL)]])
        self.peer.close()
        self.assertIs(await self.ended, link)

    async def stuffed(self) -> tuple[TCPLink, Any]:
        """A link, and its transport, that got far more than its peer reads."""
        link = await self.began
        transport: Any = link.transport
        transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for _ in range(100):
            link.send(link.address, b"", 1000, (b"\x48" + bytes(999)) * 60)
            await deferLater(reactor, 0)
        return link, transport

    async def test_bounded(self) -> None:
        """W-18: a peer that does not read costs a bounded queue: the rest is dropped."""
        link, transport = await self.stuffed()
        queued = len(transport.dataBuffer) + transport._tempDataLen
        self.assertLess(queued, 4 * transport.bufferSize)
        self.assertGreater(link.counters.drops["send-queue-full"], 60)
        transport.abortConnection()
        await self.ended

    async def test_stuck(self) -> None:
        """A peer that does not read keeps no closed connection open for longer than a moment."""
        self.patch(tcp, "PATIENCE", 0.2)
        link, _ = await self.stuffed()
        link.close()
        await self.ended


class HostileTests(TestCase):
    """W-18: strangers on a listening port of ours."""

    timeout = 20

    def setUp(self) -> None:
        self.packets: list[bytes] = []
        self.links: list[TCPLink] = []
        self.kept = 0
        listener = open_tcp(socket.AF_INET, "127.0.0.1", 0)
        self.place = listener.getsockname()
        port = reactor.adoptStreamPort(  # type: ignore[attr-defined]
            listener.fileno(), socket.AF_INET, TCPFactory(self.build)
        )
        listener.close()
        self.addCleanup(port.stopListening)

    def build(self) -> TCPLink:
        return TCPLink(reactor, self.links.append, self.deliver, self.links.remove)  # type: ignore[arg-type]

    def deliver(self, link: TCPLink, batch: list[Arrival]) -> None:
        self.packets += [packet for _, _, _, packet in batch]
        self.kept = max(self.kept, len(link._stream._rest))

    def call(self) -> socket.socket:
        peer = socket.create_connection(self.place, 5)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(peer.close)
        return peer

    async def heard(self, number: int) -> None:
        while len(self.packets) < number:
            await deferLater(reactor, 0.01)

    async def test_nonsense(self) -> None:
        """W-18: length 0, length 65535 and HTTP: closed within a second, and nothing is delivered."""
        for start in (b"\0\0", b"\0\0" + framed(CONTROL), b"\xff\xff", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            peer = self.call()
            peer.settimeout(1)
            peer.sendall(start)
            ending = deferToThread(peer.recv, 100).addErrback(lambda failure: failure.trap(ConnectionResetError))
            self.assertIn(await ending, (b"", ConnectionResetError), start)
            self.assertEqual((self.packets, self.links), ([], []))

    async def test_shortest(self) -> None:
        """W-18: a packet of one byte is one, however little it means; the connection lives."""
        self.call().sendall(b"\0\x01\x38")
        await self.heard(1)
        self.assertEqual((self.packets, len(self.links)), ([b"\x38"], 1))

    async def test_byte_by_byte(self) -> None:
        """W-18: a packet that comes byte by byte is delivered once, whole, and no more than itself is kept."""
        packet = b"\x38" + bytes(1999)
        peer = self.call()
        for byte in framed(packet):
            peer.sendall(bytes([byte]))
            await deferLater(reactor, 0)
            self.kept = max([self.kept, *(len(link._stream._rest) for link in self.links)])
        await self.heard(1)
        self.assertEqual(self.packets, [packet])
        self.assertIn(self.kept, range(1000, 2 + 2000))

    async def test_tiny_packets(self) -> None:
        """W-18: 10^5 packets of one byte cost less than a second and 64 kB."""
        peer = self.call()
        began = time.process_time()
        sent = deferToThread(peer.sendall, b"\0\x01x" * 100_000)
        await self.heard(100_000)
        await sent
        self.assertEqual(self.packets, [b"x"] * 100_000)
        self.assertLess(time.process_time() - began, 1)
        self.assertLess(self.kept, 65536)


class OpenTests(SynchronousTestCase):
    """The listening socket."""

    def test_port_in_use(self) -> None:
        """A port that is taken is a sentence that names it."""
        first = open_tcp(socket.AF_INET, "127.0.0.1", 0)
        self.addCleanup(first.close)
        port = first.getsockname()[1]
        error = self.assertRaises(TvpnError, open_tcp, socket.AF_INET, "127.0.0.1", port)
        self.assertIn(f"cannot listen on tcp 127.0.0.1:{port}: Address already in use", str(error))

    def test_both_families(self) -> None:
        """IPv6 leaves the port of IPv4 free."""
        try:
            first = open_tcp(socket.AF_INET6, "::", 0)
        except (TvpnError, OSError):
            self.skipTest("there is no IPv6 here")
        self.addCleanup(first.close)
        second = open_tcp(socket.AF_INET, "0.0.0.0", first.getsockname()[1])
        self.addCleanup(second.close)
        self.assertEqual(second.getsockname()[1], first.getsockname()[1])
