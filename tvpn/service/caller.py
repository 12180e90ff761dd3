"""The way to a server: one remote after the other, its name looked up anew each time, and the link to it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.threads import deferToThread

from tvpn.config.address import Proxy, Remote
from tvpn.errors import TvpnError
from tvpn.net.association import Association
from tvpn.net.link import Link
from tvpn.net.tcp import TCPFactory, TCPLink
from tvpn.net.udp import UDPLink, open_udp
from tvpn.plane.verbs import Address, Arrival, Endpoint
from tvpn.service.proxies import PROXY_TIMEOUT, Ask, Proxies

CONNECT_TIMEOUT = 15.0
Deliver = Callable[[Any, list[Arrival]], None]


@dataclass(frozen=True, slots=True)
class Destination:
    """A remote, and the address of whom this machine itself talks to: of the server, or of the proxy before it."""

    remote: Remote
    family: int
    address: Address


class Caller:
    """Owns the link to the server that was called last. ``ended`` hears when its TCP connection is over, ``ask`` gets
    questions for whoever knows a proxy's password.
    """

    def __init__(
        self, reactor: Any, remotes: Sequence[Remote], deliver: Deliver, ended: Callable[[], None], ask: Ask
    ) -> None:
        self.link: UDPLink | TCPLink | Association | None = None
        self._reactor = reactor
        self._remotes = remotes
        self._deliver = deliver
        self._ended = ended
        self._next = 0
        self._proxies = Proxies(reactor, ask)

    async def find(self) -> Destination:
        """The next remote, and where it is now, or its proxy; raises TvpnError."""
        attempt, which = divmod(self._next, len(self._remotes))
        remote = self._remotes[which]
        self._next += 1
        family, address = await deferToThread(resolve, *remote.called, remote.family, attempt)
        return Destination(remote, family, address)

    def repeat(self) -> None:
        """The next one to call is the one that was called last."""
        self._next -= 1

    async def open(self, destination: Destination) -> Endpoint:
        """A fresh link in place of the last one; raises TvpnError. Through a proxy, too, the endpoint's address is that
        of whom this machine itself talks to.
        """
        self.close()
        if destination.remote.proxy is not None:
            return await self._open_behind(destination.remote.proxy, destination)
        if destination.remote.protocol == "udp":
            return Endpoint(self._open_socket(destination.family), destination.address)
        link = await self._open_stream(str(destination.address[0]), destination.remote.port)
        return Endpoint(link, link.address)

    def _open_socket(self, family: int) -> Link:
        link = self.link = UDPLink(_own_socket(family), self._reactor, self._deliver)
        link.start()
        return link

    async def _open_stream(self, host: str, port: int) -> TCPLink:
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_TIMEOUT)
        try:
            link = cast(TCPLink, await endpoint.connect(TCPFactory(self._new_stream)))
        except ConnectError as error:
            raise TvpnError(f"no connection to {host}, tcp port {port}: {error}") from None
        self.link = link
        return link

    def _new_stream(self) -> TCPLink:
        return TCPLink(self._reactor, lambda link: None, self._deliver, self._stream_ended)

    async def _open_behind(self, proxy: Proxy, destination: Destination) -> Endpoint:
        remote, (host, _, *more) = destination.remote, destination.address
        call, relay_port = await self._proxies.call(remote, proxy, str(host), remote.timeout or PROXY_TIMEOUT)
        if remote.protocol == "tcp":
            stream = self.link = self._new_stream()
            call.hand_over(stream)
            return Endpoint(stream, stream.address)
        relay = host, relay_port, *more
        target = remote.host, remote.port
        try:
            opened = _own_socket(destination.family)
        except TvpnError:
            call.hang_up()
            raise
        link = self.link = Association(opened, self._reactor, target, relay, self._deliver, self._stream_ended)
        call.hand_over(link)
        return Endpoint(link, relay)

    def _stream_ended(self, link: TCPLink | Association) -> None:
        if link is self.link:
            self.link = None
            self._ended()

    def close(self) -> None:
        """No link any more."""
        link, self.link = self.link, None
        if link is not None:
            link.close()


def _own_socket(family: int) -> socket.socket:
    any_address = "::" if family == socket.AF_INET6 else "0.0.0.0"
    return open_udp(family, any_address, 0, several_addresses=False)


def resolve(host: str, port: int, family: int, attempt: int) -> tuple[int, Address]:
    """(family, socket address) of a remote, looked up anew each time, the next of several with each attempt; raises
    TvpnError. Blocks: for a thread.
    """
    wanted = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[family]
    try:
        found = socket.getaddrinfo(host, port, wanted, socket.SOCK_DGRAM)
    except OSError as error:
        raise TvpnError(f"cannot find the address of {host}: {error.strerror or error}") from None
    choice = found[attempt % len(found)]
    return choice[0], cast(Address, choice[4])
