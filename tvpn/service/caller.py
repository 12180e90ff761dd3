"""The link to the server that is called: a UDP socket, or a TCP connection."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError

from tvpn.config.address import Proxy
from tvpn.errors import TvpnError
from tvpn.net.association import Association
from tvpn.net.link import Link
from tvpn.net.tcp import TCPFactory, TCPLink
from tvpn.net.udp import UDPLink, open_udp
from tvpn.plane.verbs import Arrival, Endpoint
from tvpn.service.itinerary import Destination
from tvpn.service.proxies import PROXY_TIMEOUT, Ask, Proxies

CONNECT_TIMEOUT = 4.0
"""Seconds for a TCP connection, where nothing else is said: the kernel tries at 0, 1 and 3, and we begin anew."""
Deliver = Callable[[Any, list[Arrival]], None]


class Caller:
    """Owns the link to the server that was called last. ``ended`` hears when its TCP connection is over, ``ask`` gets
    questions for whoever knows a proxy's password.
    """

    def __init__(self, reactor: Any, deliver: Deliver, ended: Callable[[], None], ask: Ask) -> None:
        self.link: UDPLink | TCPLink | Association | None = None
        self._reactor = reactor
        self._deliver = deliver
        self._ended = ended
        self._proxies = Proxies(reactor, ask)

    async def open(self, destination: Destination) -> Endpoint:
        """A fresh link in place of the last one; raises TvpnError. Through a proxy, too, the endpoint's address is that
        of whom this machine itself talks to.
        """
        self.close()
        family, address = destination.place
        if destination.remote.proxy is not None:
            return await self._open_behind(destination.remote.proxy, destination)
        if destination.remote.protocol == "udp":
            return Endpoint(self._open_socket(family), address)
        link = await self._open_stream(str(address[0]), destination.remote.port, destination.patience)
        return Endpoint(link, link.address)

    def _open_socket(self, family: int) -> Link:
        link = self.link = UDPLink(_own_socket(family), self._reactor, self._deliver)
        link.start()
        return link

    async def _open_stream(self, host: str, port: int, patience: float | None) -> TCPLink:
        timeout = CONNECT_TIMEOUT if patience is None else patience
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=timeout)
        try:
            link = cast(TCPLink, await endpoint.connect(TCPFactory(self._new_stream)))
        except ConnectError as error:
            raise TvpnError(f"no connection to {host}, tcp port {port}: {error}") from None
        self.link = link
        return link

    def _new_stream(self) -> TCPLink:
        return TCPLink(self._reactor, lambda link: None, self._deliver, self._stream_ended)

    async def _open_behind(self, proxy: Proxy, destination: Destination) -> Endpoint:
        remote, (host, _, *more) = destination.remote, destination.place.address
        call, relay_port = await self._proxies.call(remote, proxy, str(host), remote.timeout or PROXY_TIMEOUT)
        if remote.protocol == "tcp":
            stream = self.link = self._new_stream()
            call.hand_over(stream)
            return Endpoint(stream, stream.address)
        relay = host, relay_port, *more
        target = remote.host, remote.port
        try:
            opened = _own_socket(destination.place.family)
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
