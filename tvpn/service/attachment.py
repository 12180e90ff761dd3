"""Where a client's tunnel comes out: the device, with the addresses, routes and names that were pushed, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Any, Protocol

from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.names import NO_NAMES, Names
from tvpn.hub.paths import Address as Host
from tvpn.hub.pushed import Tunnel
from tvpn.net.clock import now
from tvpn.net.device import Device
from tvpn.net.netlink import Netlink
from tvpn.net.tun import TunDevice, open_device
from tvpn.plane.recursion import Recursion
from tvpn.plane.reject import Reject
from tvpn.plane.verbs import Address, TunPacket
from tvpn.service.journal import Journal
from tvpn.service.presence import Presence
from tvpn.service.repair import repair
from tvpn.service.resolver import Resolver, find_resolver, own_name_servers
from tvpn.service.routing import RoutingTable
from tvpn.service.warden import Warden
from tvpn.wire.ethernet import HEADER_SIZE

FREE_NUMBER = ("tun", "tap")
"""Names for which the kernel finds a number."""

Deliver = Callable[[list[TunPacket]], None]
Vanished = Callable[[str], None]


class Attachment(Protocol):
    """What the client service needs of it; the service itself never touches the machine."""

    @property
    def device(self) -> str:
        """The name of its device in our own network namespace, empty where there is none."""

    def prepare(self) -> None:
        """Before the first name is looked up: what a killed client has left behind is put right."""

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> Device:
        """The device, as the server wants it now; called again with every change and every new connection, and what is
        the same as before stays as it is. Raises TvpnError.
        """

    def routes_changed(self, server: Address) -> None:
        """This server is reached past the tunnel, if there is one: before another one is called, and whenever the
        machine's own routes or addresses have changed.
        """

    def lose(self) -> None:
        """The server is gone, for now: what goes into the tunnel goes nowhere until ``open`` is called again."""

    def release(self) -> None:
        """Everything as it was, so that names are looked up in the open; ``open`` makes it anew."""

    def close(self) -> None:
        """Everything as it was, at the end."""


class MachineAttachment:
    """The whole machine joins. ``lladdr``: the hardware address of a TAP device; ``bridge``: one that the device joins,
    and then addresses and routes are the system's business.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, device: str, mtu: int, resolver: Resolver | None = None, lladdr: bytes | None = None,
        bridge: str | None = None,
    ) -> None:  # fmt: skip
        self.tun: TunDevice | None = None
        self.tunnel: Tunnel | None = None
        self._reactor = reactor
        self._device = device
        self._mtu = mtu
        self._lladdr = lladdr
        self._bridge = bridge
        self._resolver = resolver or find_resolver(reactor)
        self._table = RoutingTable(Journal())
        self._presence = Presence(reactor)
        self._warden: Warden | None = None
        self._recursion: Recursion | None = None
        self._names = NO_NAMES
        """Those that are set."""
        self._name_servers: Sequence[Host] = ()
        """The machine's own."""
        self._reject: Reject | None = None
        self._deliver: Deliver = lambda packets: None

    @property
    def device(self) -> str:
        return "" if self.tun is None else self.tun.name

    def prepare(self) -> None:
        self._presence.announce()
        try:
            for sentence in repair():
                self._log.warn("{sentence}", sentence=sentence)
        except TvpnError as error:
            self._log.warn("what a killed tvpn may have left stays: {error}", error=str(error))

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> TunDevice:
        """Other routes and names are changed in place, another address or size takes a new device."""
        self._deliver = deliver
        self._recursion = Recursion(server, HEADER_SIZE if tunnel.is_tap else 0)
        if self.tun is not None and self.tunnel is not None and self.tunnel.device == tunnel.device:
            with Netlink() as netlink:
                self._lay(netlink, tunnel, server, self.tun.name)
            return self.tun
        if self.tun is not None and self._device in FREE_NUMBER and self._bridge is None:
            return self._exchange(self.tun, tunnel, server, vanished)
        # With a name of its own there can be no second one beside it.
        self.release()
        self._name_servers = own_name_servers()
        return self._make(tunnel, server, vanished)

    def _exchange(self, former: TunDevice, tunnel: Tunnel, server: Address, vanished: Vanished) -> TunDevice:
        """Another device, whose routes stand before those of the former one go: nothing leaves in the open between."""
        if self._warden is not None:
            self._warden.stop()
        names, self._names = self._names, NO_NAMES
        try:
            tun = self._make(tunnel, server, vanished)
        finally:
            former.close()
            if names and not self._names:
                self._resolver.reset(former.name)
        self.routes_changed(server)
        return tun

    def _make(self, tunnel: Tunnel, server: Address, vanished: Vanished) -> TunDevice:
        mtu = tunnel.mtu or self._mtu
        descriptor, name, lladdr = open_device(self._device, tunnel.is_tap, self._lladdr)
        tun = self.tun = TunDevice(descriptor, name, mtu, self._reactor, self._from_device, vanished, lladdr)
        try:
            with Netlink() as netlink:
                netlink.set_up(name, mtu, *self._addresses(tunnel), other_end=tunnel.other_end)
                if self._bridge is not None:
                    netlink.join(name, self._bridge)
                self._lay(netlink, tunnel, server, name)
        except TvpnError:
            self.release()
            raise
        tun.start()
        self._warden = Warden(self._reactor, name, self._addresses(tunnel), vanished)
        self._warden.start()
        self._log.info("connected: device {device} {place}", device=name, place=self._place(tunnel))
        return tun

    def _place(self, tunnel: Tunnel) -> str:
        """Where the device is, for people."""
        if self._bridge is not None:
            return f"in the bridge {self._bridge}"
        addresses = ", ".join(str(address) for address in self._addresses(tunnel))
        return f"with {addresses or 'an address of whoever gives them there'}"

    def _addresses(self, tunnel: Tunnel) -> list[IPv4Interface | IPv6Interface]:
        """Those of the device; in a bridge it has none."""
        return [own for own in (tunnel.ipv4, tunnel.ipv6) if own is not None and self._bridge is None]

    def _lay(self, netlink: Netlink, tunnel: Tunnel, server: Address, device: str) -> None:
        """Routes, names and the rejection of IPv6, each as far as it is not so already."""
        self.tunnel = tunnel
        if self._bridge is not None:
            return
        self._table.lay(netlink, tunnel, device, _host(server), self._name_servers)
        if tunnel.blocks_ipv6 != (self._reject is not None):
            self._reject = Reject() if tunnel.blocks_ipv6 else None
        if tunnel.names != self._names:
            self._set_names(device, tunnel.names)

    def _set_names(self, device: str, names: Names) -> None:
        self._names = names
        if names:
            self._resolver.set(device, names)
        else:
            self._resolver.reset(device)

    def _from_device(self, packets: list[TunPacket]) -> None:
        if self._reject is not None and self.tun is not None:
            packets, answers = self._reject.sift(packets, now())
            self.tun.write(answers)
        self._deliver(packets if self._recursion is None else self._recursion.sift(packets))

    def routes_changed(self, server: Address) -> None:
        if self.tun is None or self.tunnel is None or self._bridge is not None:
            return
        self._recursion = Recursion(server, HEADER_SIZE if self.tunnel.is_tap else 0)
        try:
            with Netlink() as netlink:
                self._table.lay(netlink, self.tunnel, self.tun.name, _host(server), self._name_servers)
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))
        if self._names:
            self._resolver.renew(self.tun.name, self._names)

    def lose(self) -> None:
        """All stays: what would go into the tunnel shall not go past it."""

    def release(self) -> None:
        tun, self.tun, self.tunnel, self._reject = self.tun, None, None, None
        warden, self._warden = self._warden, None
        if warden is not None:
            warden.stop()
        if tun is not None:
            if self._names:
                self._set_names(tun.name, NO_NAMES)
            tun.close()
        self._table.clear()

    def close(self) -> None:
        self.release()
        self._presence.withdraw()


def _host(server: Address) -> Host:
    """The address alone, without port and scope."""
    return ip_address(str(server[0]).partition("%")[0])
