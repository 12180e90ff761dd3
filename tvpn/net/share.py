"""A web server behind the TCP port of ours: who does not begin with OpenVPN is passed on to it (OpenVPN's port-share).

Twisted's own ``portforward`` is not used: it knows no half-closed connections, and one that is closed while the
other end is full stays open for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.hub.prefix import Crowd, Tally, prefix_of
from tvpn.net.tcp import TCPLink
from tvpn.plane.verbs import Address
from tvpn.wire.stream import begins_openvpn

CONNECT = 10.0
"""Seconds that the web server has to take a connection."""
IDLE = 300.0
"""Seconds after which a visit in which neither end says anything is over."""
#: Visits: altogether, of one site, and of one site when there are many.
MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY = 256, 64, 128, 8


class Newcomer(Protocol):
    """A connection that has not said yet what it speaks; it counts and waits as every link does."""

    def __init__(self, link: TCPLink, share: Share) -> None:
        self._link = link
        self._share = share
        self._start = b""

    def connectionMade(self) -> None:
        self._link.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._start += data
        answer = begins_openvpn(self._start)
        transport: Any = self.transport
        if answer is True:
            transport.protocol = self._link
            self._link.dataReceived(self._start)
        elif answer is False:
            transport.unregisterProducer()
            self._link.connectionLost()
            self._share.receive(transport, self._link.address, self._start)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._link.connectionLost(reason)


class Share:
    """The web server, and who visits it."""

    _log = Logger()

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self.visits: set[Visit] = set()
        self._reactor = reactor
        self._name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._endpoint = HostnameEndpoint(reactor, host, port, CONNECT)
        self._crowd = Crowd(MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY)
        self._tally = Tally()

    def receive(self, transport: Any, address: Address, start: bytes) -> None:
        """A connection that is not ours, and what it has said so far."""
        if not self._crowd.has_room(address):
            self.complain("too many connections", address)
            transport.abortConnection()
            return
        self._crowd.add(address)
        visit = Visit(self, self._reactor, address)
        self.visits.add(visit)
        visit.begin(transport, start, self._endpoint.connect)

    def forget(self, visit: Visit) -> None:
        self.visits.discard(visit)
        self._crowd.remove(visit.address)

    def complain(self, reason: str, address: Address) -> None:
        number = self._tally.count(reason, prefix_of(address), self._reactor.seconds())
        if number:
            self._log.warn(
                "{host}: connection to the web server {name} refused: {reason}{times}",
                host=address[0], name=self._name, reason=reason, times=f" ({number} times)" if number > 1 else "",
            )  # fmt: skip

    def close(self) -> None:
        """All visits are over."""
        for visit in list(self.visits):
            visit.abort()


class Visit:
    """A connection that is not ours and the one to the web server, each written what the other has said."""

    def __init__(self, share: Share, reactor: Any, address: Address) -> None:
        self.address = address
        self._share = share
        self._guest, self._host = End(self), End(self)
        self._open: set[End] = set()
        self._connecting: Deferred[Any] | None = None
        self._idle = reactor.callLater(IDLE, self.abort)

    def begin(self, transport: Any, start: bytes, connect: Callable[[Factory[End]], Deferred[Any]]) -> None:
        transport.pauseProducing()
        transport.protocol = self._guest
        self._guest.makeConnection(transport)
        self._open.add(self._guest)
        factory = Factory.forProtocol(lambda: self._host)
        factory.noisy = False
        self._connecting = connect(factory)
        self._connecting.addCallbacks(self._connected, self._refused, callbackArgs=(start,))

    def _connected(self, _: object, start: bytes) -> None:
        self._connecting = None
        self._open.add(self._host)
        guest: Any = self._guest.transport
        host: Any = self._host.transport
        host.registerProducer(guest, True)
        guest.registerProducer(host, True)
        host.write(start)
        guest.resumeProducing()

    def _refused(self, failure: Failure) -> None:
        self._connecting = None
        if self._open:
            self._share.complain(failure.getErrorMessage(), self.address)
        self.abort()

    def _other(self, end: End) -> End:
        return self._host if end is self._guest else self._guest

    def said(self, end: End, data: bytes) -> None:
        transport: Any = self._other(end).transport
        transport.write(data)
        self._idle.reset(IDLE)

    def fell_silent(self, end: End) -> None:
        """This end says no more; when neither does, both are closed. What was said still arrives."""
        other = self._other(end)
        transport: Any = other.transport
        transport.loseWriteConnection()
        if other.is_silent:
            for each in (self._guest, self._host):
                each.lose()

    def lost(self, end: End) -> None:
        self._open.discard(end)
        if self._connecting is not None:
            self._connecting.cancel()
        for other in self._open:
            other.lose()
        if not self._open:
            if self._idle.active():
                self._idle.cancel()
            self._share.forget(self)

    def abort(self) -> None:
        """Over, whatever was still to be said."""
        for end in list(self._open):
            transport: Any = end.transport
            transport.abortConnection()


@implementer(IHalfCloseableProtocol)
class End(Protocol):
    """One of a visit's two connections."""

    def __init__(self, visit: Visit) -> None:
        self.is_silent = False
        self._visit = visit

    def dataReceived(self, data: bytes) -> None:
        self._visit.said(self, data)

    def readConnectionLost(self) -> None:
        self.is_silent = True
        self._visit.fell_silent(self)

    def writeConnectionLost(self) -> None:
        """What we had to say is said."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._visit.lost(self)

    def lose(self) -> None:
        """Close, when the other one has taken what was said."""
        transport: Any = self.transport
        # Twisted does not close a connection that has a paused producer.
        transport.unregisterProducer()
        transport.loseConnection()
