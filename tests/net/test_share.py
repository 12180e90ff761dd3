"""A port shared with a web server, over loopback: plain sockets are the guests and the web server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.net.test_tcp import CONTROL, framed
from tvpn.net import share
from tvpn.net.share import MOST_OF_SITE, Newcomer, Share
from tvpn.net.tcp import TCPFactory, TCPLink, open_tcp
from tvpn.plane.verbs import Arrival

HELLO = b"\x16\x03\x01\x00\x05hello"
RESET = b"\x38" + bytes(range(1, 60))
HERE = "127.0.0.1"
RESETTING = struct.pack("ii", 1, 0)  # linger for no time: closing is a reset


class ShareCase(TestCase):
    """A port of ours with a web server behind it."""

    timeout = 30

    def setUp(self) -> None:
        self.began: list[TCPLink] = []
        self.ended: list[TCPLink] = []
        self.batches: list[list[Arrival]] = []
        self.logged: list[str] = []
        self.web = socket.create_server((HERE, 0))
        self.addCleanup(self.web.close)
        self.web.settimeout(5)
        self.web_port = self.web.getsockname()[1]
        self.share = self.shared(HERE, self.web_port)
        listener = open_tcp(socket.AF_INET, HERE, 0)
        self.place = listener.getsockname()
        factory = TCPFactory(self.build)
        port = reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, factory)  # type: ignore[attr-defined]
        listener.close()
        self.addCleanup(port.stopListening)
        # Aborted connections are told so one turn of the reactor later.
        self.addCleanup(deferLater, reactor, 0.05)
        self.addCleanup(lambda: self.share.close())

    def shared(self, host: str, port: int) -> Share:
        made = Share(reactor, host, port)
        made._log = log = type("Log", (), {})()
        log.warn = lambda text, **values: self.logged.append(text.format(**values))
        return made

    def build(self) -> Newcomer:
        link = TCPLink(
            reactor, self.began.append, lambda _, batch: self.batches.append(batch), self.ended.append  # type: ignore[arg-type]
        )
        return Newcomer(link, self.share)

    def call(self) -> socket.socket:
        guest = socket.create_connection(self.place, 5)
        self.addCleanup(guest.close)
        return guest

    async def visit(self, start: bytes = HELLO) -> tuple[socket.socket, socket.socket]:
        """A guest that has said this, and its connection as the web server sees it."""
        guest = self.call()
        guest.sendall(start)
        host = (await deferToThread(self.web.accept))[0]
        host.settimeout(5)
        self.addCleanup(host.close)
        return guest, host

    async def until(self, true: Callable[[], object]) -> None:
        while not true():
            await deferLater(reactor, 0.01)


def hear(sock: socket.socket, size: int = 65536) -> Deferred[bytes]:
    """What comes next; empty at the end."""
    return deferToThread(sock.recv, size)


def hear_all(sock: socket.socket) -> Deferred[bytes]:
    """Everything up to the end."""
    return deferToThread(lambda: b"".join(iter(lambda: sock.recv(65536), b"")))


class DecisionTests(ShareCase):
    """Ours or the web server's."""

    async def test_ours(self) -> None:
        """A client's reset makes a link that gets everything from the first byte on; the web server hears nothing."""
        guest = self.call()
        guest.sendall(framed(RESET, CONTROL))
        await self.until(lambda: self.batches)
        link = self.began[0]
        self.assertEqual([arrival[3] for batch in self.batches for arrival in batch], [RESET, CONTROL])
        link.send(link.address, b"", 5, b"hello")
        self.assertEqual(await hear(guest), framed(b"hello"))
        guest.close()
        await self.until(lambda: self.ended)
        self.assertEqual((self.ended, self.share.visits), ([link], set()))

    async def test_ours_slowly(self) -> None:
        """The same reset byte by byte."""
        guest = self.call()
        for byte in framed(RESET):
            guest.sendall(bytes([byte]))
            await deferLater(reactor, 0.002)
        await self.until(lambda: self.batches)
        self.assertEqual(self.batches[0][0][3], RESET)

    async def test_theirs(self) -> None:
        """A TLS hello goes to the web server whole, the answer comes back, and the link is over: it waits no more."""
        guest, host = await self.visit()
        self.assertEqual(await hear(host), HELLO)
        host.sendall(b"answer")
        self.assertEqual(await hear(guest), b"answer")
        guest.sendall(b"more")
        self.assertEqual(await hear(host), b"more")
        self.assertEqual((self.ended, self.batches), (self.began, []))
        self.assertEqual(len(self.share.visits), 1)

    async def test_theirs_slowly(self) -> None:
        """Two bytes that might be a length are kept until the third decides, and reach the web server too."""
        guest = self.call()
        for byte in b"\x00\x50":
            guest.sendall(bytes([byte]))
            await deferLater(reactor, 0.02)
            self.assertEqual(self.ended, [])
        guest.sendall(b"?")
        host = (await deferToThread(self.web.accept))[0]
        self.addCleanup(host.close)
        self.assertEqual(await hear(host), b"\x00\x50?")

    async def test_gone_undecided(self) -> None:
        """A connection that ends before it has said enough is an ended link and no visit."""
        guest = self.call()
        guest.sendall(b"\x00")
        await self.until(lambda: self.began)
        guest.close()
        await self.until(lambda: self.ended)
        self.assertEqual(self.share.visits, set())


class VisitTests(ShareCase):
    """Both directions, their ends and their limits."""

    async def over(self) -> None:
        """No visit is left, nor a timer of one."""
        await self.until(lambda: not self.share.visits)
        self.assertEqual(self.share._crowd.total, 0)

    async def test_guest_closes_half(self) -> None:
        """A guest that has said everything still gets the whole answer; then both connections end."""
        guest, host = await self.visit()
        guest.sendall(b"question")
        guest.shutdown(socket.SHUT_WR)
        self.assertEqual(await hear_all(host), HELLO + b"question")
        host.sendall(b"answer")
        self.assertEqual(await hear(guest), b"answer")
        self.assertEqual(len(self.share.visits), 1)
        host.close()
        self.assertEqual(await hear(guest), b"")
        await self.over()

    async def test_host_closes_half(self) -> None:
        """The same the other way round."""
        guest, host = await self.visit()
        host.sendall(b"greeting")
        host.shutdown(socket.SHUT_WR)
        self.assertEqual(await hear_all(guest), b"greeting")
        guest.sendall(b"farewell")
        guest.close()
        self.assertEqual(await hear_all(host), HELLO + b"farewell")
        await self.over()

    async def test_pressure(self) -> None:
        """A guest that does not read for a while stops the web server, and still gets every byte of 20 MB."""
        guest, host = await self.visit()
        self.assertEqual(await hear(host), HELLO)
        host.settimeout(20)
        data = os.urandom(20_000_000)
        sent = deferToThread(lambda: (host.sendall(data), host.close()))
        await deferLater(reactor, 0.5)
        transport: Any = self.share.visits.copy().pop()._guest.transport
        self.assertIn(len(transport.dataBuffer) + transport._tempDataLen, range(1, 4 * 65536))
        heard = await hear_all(guest)
        await sent
        self.assertEqual(hashlib.sha256(heard).digest(), hashlib.sha256(data).digest())
        guest.close()
        await self.over()

    async def test_reset(self) -> None:
        """A guest that breaks off while the web server is full of answers leaves nothing behind."""
        guest, host = await self.visit()
        sending = deferToThread(host.sendall, bytes(20_000_000)).addErrback(lambda failure: failure.trap(OSError))
        await deferLater(reactor, 0.2)
        guest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        guest.close()
        await self.over()
        await sending

    async def test_host_breaks_off(self) -> None:
        """A web server that breaks off while the guest is full of its answers: the guest gets the end, too."""
        guest, host = await self.visit()
        sending = deferToThread(host.sendall, bytes(20_000_000)).addErrback(lambda failure: failure.trap(OSError))
        await deferLater(reactor, 0.2)
        host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        host.shutdown(socket.SHUT_WR)
        await sending
        host.close()
        # While nothing is read from the web server, only writing to it shows that it has gone.
        [visit] = self.share.visits
        guest.sendall(b"hello?")
        await self.until(lambda: visit._host not in visit._open)
        guest.sendall(b"hello?")
        # An end in order where all that was under way has been read by then, else a reset.
        with contextlib.suppress(ConnectionResetError):
            self.assertLessEqual(len(await hear_all(guest)), 20_000_000)
        await self.over()

    async def test_idle(self) -> None:
        """Neither end says anything for the idle time: over; and any word prolongs it."""
        self.patch(share, "IDLE", 0.4)
        guest, host = await self.visit()
        for _ in range(4):
            await deferLater(reactor, 0.2)
            host.sendall(b"word")
            self.assertEqual(await hear(guest), b"word")
        await self.over()
        await self.assertFailure(hear(guest), ConnectionResetError)

    async def test_never_reads(self) -> None:
        """A guest that never reads is cut off after the idle time, even when the web server has finished."""
        self.patch(share, "IDLE", 0.5)
        guest, host = await self.visit()
        self.assertEqual(await hear(host), HELLO)
        guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.share.visits.copy().pop()._guest.transport.socket.setsockopt(  # type: ignore[union-attr]
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        host.sendall(bytes(200_000))
        host.close()
        await self.over()

    async def test_down(self) -> None:
        """No web server: the connection is closed within a moment, one line says why however often, no visit stays."""
        self.web.close()
        for _ in range(5):
            guest = self.call()
            guest.sendall(HELLO)
            await hear(guest).addErrback(lambda failure: failure.trap(ConnectionResetError))
        await self.over()
        said = f"{HERE}: connection to the web server {HERE}:{self.web_port} refused: Connection was refused"
        self.assertEqual(len(self.logged), 1)
        self.assertIn(said, self.logged[0])

    async def test_crowded(self) -> None:
        """D-13: a site has so many visits and no more; the next is closed at once, and one that ends makes room."""
        visits = [await self.visit() for _ in range(MOST_OF_SITE)]
        guest = self.call()
        guest.sendall(HELLO)
        await self.assertFailure(hear(guest), ConnectionResetError)
        self.assertEqual(len(self.share.visits), MOST_OF_SITE)
        self.assertIn("too many connections", self.logged[0])
        visits[0][0].close()
        visits[0][1].close()
        await self.until(lambda: len(self.share.visits) == MOST_OF_SITE - 1)
        _, host = await self.visit()
        self.assertEqual(await hear(host), HELLO)

    async def test_closed(self) -> None:
        """When the service stops, visits are over at once."""
        guest, _ = await self.visit()
        self.share.close()
        await self.assertFailure(hear(guest), ConnectionResetError)
        await self.over()

    async def test_named(self) -> None:
        """The web server may have a name, which is looked up at each connection; one that is unknown is a sentence."""
        self.share = self.shared("localhost", self.web_port)
        _, host = await self.visit()
        self.assertEqual(await hear(host), HELLO)
        self.share.close()
        await self.over()
        self.share = self.shared("no-such-host.invalid", 80)
        guest = self.call()
        guest.sendall(HELLO)
        await self.assertFailure(hear(guest), ConnectionResetError)
        self.assertIn("no-such-host.invalid:80 refused: DNS lookup failed", self.logged[0])


class ConnectingTests(SynchronousTestCase):
    """A guest that leaves before the web server has answered."""

    def test_gone(self) -> None:
        """The call to the web server is given up without a complaint, and nothing is left."""
        clock = Clock()
        made = Share.__new__(Share)
        cancelled: list[object] = []
        called: Deferred[object] = Deferred(cancelled.append)
        made.visits, made._reactor = set(), clock
        made._endpoint = type("Endpoint", (), {"connect": lambda self, factory: called})()
        made._crowd, made._tally = share.Crowd(9, 9, 9, 9), share.Tally()
        complaints: list[str] = []
        made.complain = lambda reason, address: complaints.append(reason)  # type: ignore[method-assign]
        transport: Any = type("Transport", (), {"pauseProducing": lambda self: None})()
        made.receive(transport, ("192.0.2.7", 4000), HELLO)
        self.assertEqual(len(made.visits), 1)
        transport.protocol.connectionLost()
        self.assertEqual((made.visits, made._crowd.total, len(cancelled), complaints), (set(), 0, 1, []))
        self.assertEqual(clock.getDelayedCalls(), [])
