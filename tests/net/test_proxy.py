"""Calls to proxies over loopback: a plain socket in a thread is the proxy."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tvpn.net.connect import ConnectDialogue
from tvpn.net.dialogue import ProxyError
from tvpn.net.proxy import ProxyCall, call_proxy
from tvpn.net.socks import SOCKSDialogue

HERE = "127.0.0.1"
GRANTED = b"HTTP/1.1 200 OK\r\n\r\n"


class Taker(Protocol):
    """Who takes a connection over."""

    def __init__(self) -> None:
        self.heard = b""
        self.wanted: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if self.heard.endswith(b"!") and not self.wanted.called:
            self.wanted.callback(self.heard)

    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)


class ProxyCase(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.listener = socket.create_server((HERE, 0))
        self.listener.settimeout(5)
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]
        self.name = f"proxy {HERE}:{self.port}"

    def serve(self, behave: Callable[[socket.socket], None]) -> Deferred[None]:
        """One connection in a thread; nothing that goes wrong there is of interest."""

        def run() -> None:
            connection = self.listener.accept()[0]
            connection.settimeout(5)
            with connection, contextlib.suppress(OSError):
                behave(connection)

        served = deferToThread(run)
        self.addCleanup(lambda: served)
        return served

    async def call(self, patience: float = 5.0) -> ProxyCall:
        dialogue = ConnectDialogue(self.name, "vpn.example", 443)
        return await call_proxy(reactor, HERE, self.port, dialogue, patience)

    async def refusal(self, behave: Callable[[socket.socket], None], patience: float = 5.0) -> str:
        """The sentence; the proxy's end is closed by then."""
        served = self.serve(behave)
        error = await self.assertFailure(ensureDeferred(self.call(patience)), ProxyError)
        await served
        return str(error)


class ThroughTests(ProxyCase):
    """A proxy that lets us through."""

    async def test_handed_over(self) -> None:
        """Byte by byte, and with the server's first words behind the proxy's last: all of them arrive, in order."""

        def behave(connection: socket.socket) -> None:
            connection.recv(1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in GRANTED[:-1]:
                connection.send(bytes((byte,)))
            connection.send(GRANTED[-1:] + b"server")
            if connection.recv(1000) == b"client":
                connection.send(b" here!")
            connection.recv(1000)

        served = self.serve(behave)
        call = await self.call()
        taker = Taker()
        call.hand_over(taker)
        taker.transport.write(b"client")  # type: ignore[union-attr]
        self.assertEqual(await taker.wanted, b"server here!")
        taker.transport.loseConnection()  # type: ignore[union-attr]
        await taker.lost
        await served

    async def test_socks(self) -> None:
        """The other dialogue goes back and forth."""

        def behave(connection: socket.socket) -> None:
            for question, answer in ((b"\5\1\0", b"\5\0"), (b"\5\3\0\1" + bytes(6), b"\5\0\0\1\0\0\0\0\x9c\x40")):
                if connection.recv(1000) == question:
                    connection.send(answer)
            connection.recv(1000)

        served = self.serve(behave)
        dialogue = SOCKSDialogue(self.name, None)
        call = await call_proxy(reactor, HERE, self.port, dialogue, 5.0)
        self.assertEqual(dialogue.relay_port(HERE), 40000)
        call.hang_up()
        await served


class RefusalTests(ProxyCase):
    """A proxy that does not."""

    async def test_refused(self) -> None:
        """Its reason is told, and the connection is closed."""

        def behave(connection: socket.socket) -> None:
            connection.recv(1000)
            connection.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            connection.recv(1000)

        self.assertEqual(await self.refusal(behave), f"{self.name} refused: 403 Forbidden")

    async def test_closed(self) -> None:
        """Before its first word, or in the middle of it."""
        for said in (b"", GRANTED[:-1]):
            told = await self.refusal(lambda connection, said=said: connection.sendall(said))  # type: ignore[misc]
            self.assertEqual(told, f"{self.name} closed the connection before it had let us through")

    async def test_slow(self) -> None:
        """One that says a little now and then has no more time than one that says nothing."""

        def behave(connection: socket.socket) -> None:
            connection.recv(1000)
            for byte in GRANTED:
                connection.send(bytes((byte,)))
                connection.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(10):
                        return

        self.assertEqual(await self.refusal(behave, 0.4), f"{self.name} takes too long to let us through")

    async def test_down(self) -> None:
        """Nobody listens there."""
        self.listener.close()
        error = await self.assertFailure(ensureDeferred(self.call()), ProxyError)
        self.assertIn(f"no connection to the {self.name}: Connection was refused", str(error))

    async def test_given_up(self) -> None:
        """Cancelled, the call hangs up."""
        served = self.serve(lambda connection: [connection.recv(1000), connection.recv(1000)].clear())
        calling = ensureDeferred(self.call())
        await deferLater(reactor, 0.1)
        calling.cancel()
        await self.assertFailure(calling, CancelledError)
        await served
