"""Where a client's tunnel comes out: the device, with the addresses and routes that were pushed, and back again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Protocol

from twisted.logger import Logger

from tvpn.hub.pushed import Tunnel
from tvpn.net.device import Device
from tvpn.net.netlink import Netlink
from tvpn.net.tun import TunDevice, open_tun
from tvpn.plane.verbs import Address, TunPacket

Deliver = Callable[[list[TunPacket]], None]
Vanished = Callable[[str], None]


class Attachment(Protocol):
    """What the client service needs of it; the service itself never touches the machine."""

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> Device:
        """The device, as the server wants it now; called again with every change. Raises TvpnError."""

    def lose(self) -> None:
        """The server is gone, for now."""

    def close(self) -> None:
        """Everything as it was."""


class MachineAttachment:
    """The whole machine joins. ``routes``: our own, beside those that are pushed."""

    _log = Logger()

    def __init__(self, reactor: Any, device: str, mtu: int, routes: Sequence[IPv4Network | IPv6Network]) -> None:
        self.tun: TunDevice | None = None
        self.tunnel: Tunnel | None = None
        self._reactor = reactor
        self._device = device
        self._mtu = mtu
        self._routes = routes
        self._bypass: IPv4Network | IPv6Network | None = None

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> TunDevice:
        """Other routes are changed in place, another address or size takes a new device."""
        before = self.tunnel
        if self.tun is None or before is None or before.device != tunnel.device:
            return self._make(tunnel, server, deliver, vanished)
        if before != tunnel:
            self._change(before, tunnel, server)
        return self.tun

    def _make(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> TunDevice:
        self.close()
        mtu = tunnel.mtu or self._mtu
        descriptor, name = open_tun(self._device)
        tun = self.tun = TunDevice(descriptor, name, mtu, self._reactor, deliver, vanished)
        self.tunnel = tunnel
        with Netlink() as netlink:
            netlink.set_up(name, mtu, tunnel.ipv4, tunnel.ipv6, other_end=tunnel.other_end)
            self._redirect(netlink, tunnel, server)
            for route in (*tunnel.routes, *self._routes):
                netlink.add_route(route, name)
        tun.start()
        addresses = ", ".join(str(address) for address in (tunnel.ipv4, tunnel.ipv6) if address is not None)
        self._log.info("connected: device {device} with {addresses}", device=name, addresses=addresses)
        return tun

    def _change(self, before: Tunnel, tunnel: Tunnel, server: Address) -> None:
        """Routes in place: the network of the device's own address came with that, and stays."""
        if self.tun is None:
            return
        self.tunnel = tunnel
        own = {address.network for address in (tunnel.ipv4, tunnel.ipv6) if address is not None}
        had, wanted = ({*own, *each.routes, *self._routes} for each in (before, tunnel))
        with Netlink() as netlink:
            self._redirect(netlink, tunnel, server)
            for route in wanted - had:
                netlink.add_route(route, self.tun.name)
            for route in had - wanted:
                netlink.remove_route(route, self.tun.name)
        if not tunnel.redirects:
            self._end_bypass()

    def _redirect(self, netlink: Netlink, tunnel: Tunnel, server: Address) -> None:
        """Where all goes into the tunnel, the server itself is reached past it."""
        if tunnel.redirects and self._bypass is None:
            self._bypass = netlink.add_bypass(ip_address(str(server[0]).partition("%")[0]))

    def lose(self) -> None:
        """Where everything but the server went into the tunnel, the next one could not be found or reached."""
        if self.tunnel is not None and self.tunnel.redirects:
            self.close()

    def close(self) -> None:
        if self.tun is not None:
            self.tun.close()
            self.tun = None
        self._end_bypass()

    def _end_bypass(self) -> None:
        if self._bypass is not None:
            with Netlink() as netlink:
                netlink.remove_route(self._bypass)
            self._bypass = None
