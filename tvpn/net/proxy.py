"""A connection to a proxy, until the dialogue with it is over and somebody else's protocol takes it over."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tvpn.net.dialogue import Dialogue, ProxyError
from tvpn.net.tcp import TCPFactory


class ProxyCall(Protocol):
    """``through`` fires once the proxy lets us through, or fails with ProxyError where it has not done so until
    ``deadline`` (in the reactor's seconds); to cancel it is to hang up.
    """

    def __init__(self, reactor: Any, dialogue: Dialogue, deadline: float) -> None:
        self.through: Deferred[None] = Deferred(lambda _: self.hang_up())
        self._dialogue = dialogue
        self._timer: IDelayedCall = reactor.callLater(max(deadline - reactor.seconds(), 0), self._too_slow)

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._dialogue.begin())

    def dataReceived(self, data: bytes) -> None:
        if self.through.called:
            return
        try:
            answer = self._dialogue.receive(data)
        except ProxyError as error:
            self._fail(error)
            return
        transport: Any = self.transport
        if answer:
            transport.write(answer)
        if self._dialogue.rest is not None:
            self._timer.cancel()
            self.through.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.through.called:
            self._fail(ProxyError(f"{self._dialogue.name} closed the connection before it had let us through"))

    def _too_slow(self) -> None:
        self._fail(ProxyError(f"{self._dialogue.name} takes too long to let us through"))

    def _fail(self, error: ProxyError) -> None:
        self.hang_up()
        self.through.errback(error)

    def hand_over(self, protocol: Protocol) -> None:
        """What comes from now on is for this protocol, and so is what came behind the proxy's last word."""
        transport: Any = self.transport
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if self._dialogue.rest:
            protocol.dataReceived(self._dialogue.rest)

    def hang_up(self) -> None:
        """Nobody wants it any more."""
        transport: Any = self.transport
        if self._timer.active():
            self._timer.cancel()
        if transport is not None:
            transport.abortConnection()


async def call_proxy(reactor: Any, host: str, port: int, dialogue: Dialogue, patience: float) -> ProxyCall:
    """A connection that the proxy at this address lets through, to be handed over; raises ProxyError, after so many
    seconds at most.
    """
    endpoint = HostnameEndpoint(reactor, host, port, timeout=patience)
    deadline = reactor.seconds() + patience
    try:
        call = cast(ProxyCall, await endpoint.connect(TCPFactory(lambda: ProxyCall(reactor, dialogue, deadline))))
    except ConnectError as error:
        raise ProxyError(f"no connection to the {dialogue.name}: {error}") from None
    await call.through
    return call
