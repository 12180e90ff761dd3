"""Addresses and routes by netlink (pyroute2), before the reactor runs or in short calls; never a shell."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import TracebackType
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tvpn.errors import TvpnError

EXISTS = 17
Network = IPv4Network | IPv6Network


class Netlink:
    """One netlink socket; a context manager. Every failure is a TvpnError that names what was tried."""

    def __init__(self) -> None:
        self._ip = IPRoute()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ip.close()

    def set_up(
        self, device: str, mtu: int, *addresses: IPv4Interface | IPv6Interface | None,
        other_end: IPv4Address | None = None,
    ) -> None:  # fmt: skip
        """Give a device its addresses and MTU and bring it up; ``other_end`` is the pair of its IPv4 address."""
        index = self._index(device)
        for address in addresses:
            if address is not None:
                self._try(f"give {device} the address {address}", self._add_address, index, address, other_end)
        self._try(f"bring {device} up", self._ip.link, "set", index=index, mtu=mtu, state="up")

    def add_route(self, network: Network, device: str) -> None:
        """A route into a device; one that is there already is no error."""
        index = self._index(device)
        self._try(f"route {network} to {device}", self._ip.route, "add", dst=str(network), oif=index)

    def add_bypass(self, host: IPv4Address | IPv6Address) -> Network | None:
        """A host route to ``host`` as it is reached now, so that the tunnel never swallows itself; None if on-link."""
        try:
            routes = list(self._ip.route("get", dst=str(host)))
        except NetlinkError as error:
            raise TvpnError(f"cannot find the way to {host}: {error.args[-1]}") from None
        attributes: dict[str, Any] = dict(routes[0]["attrs"]) if routes else {}
        gateway = attributes.get("RTA_GATEWAY")
        if gateway is None:
            return None
        network = IPv4Network(host) if isinstance(host, IPv4Address) else IPv6Network(host)
        out = attributes["RTA_OIF"]
        self._try(f"route {host} past the tunnel", self._ip.route, "add", dst=str(network), gateway=gateway, oif=out)
        return network

    def remove_route(self, network: Network, device: str | None = None) -> None:
        """Take a bypass back, or a route into a device; gone already is no error."""
        out = {} if device is None else {"oif": self._index(device)}
        try:
            self._ip.route("del", dst=str(network), **out)
        except NetlinkError:
            return

    def _index(self, device: str) -> int:
        found = self._ip.link_lookup(ifname=device)
        if not found:
            raise TvpnError(f"there is no device {device}")
        return int(found[0])

    def _add_address(
        self, index: int, address: IPv4Interface | IPv6Interface, other_end: IPv4Address | None
    ) -> None:
        # IFA_F_NODAD: nobody else can have an address on a point-to-point device, and waiting would lose packets.
        more: dict[str, Any] = {"flags": 0x02} if isinstance(address, IPv6Interface) else {}
        whole = str(address.ip)
        if isinstance(address, IPv4Interface) and other_end is not None:
            more, whole = {"local": whole}, str(other_end)
        self._ip.addr("add", index=index, address=whole, prefixlen=address.network.prefixlen, **more)

    def _try(self, what: str, call: Any, *args: Any, **kwargs: Any) -> None:
        try:
            call(*args, **kwargs)
        except NetlinkError as error:
            if error.code != EXISTS:
                raise TvpnError(f"cannot {what}: {error.args[-1]}") from None
