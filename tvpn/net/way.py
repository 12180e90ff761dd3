"""The way to a host as it would be without the tunnel: out of which device, by which gateway, from which address."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tvpn.net.netlink import PROTOCOL, trying

MAIN_TABLE, UNICAST = 254, 1
DEAD, LINK_DOWN = 0x1, 0x10
_FAMILIES = {4: 2, 6: 10}
_ANY = {4: "0.0.0.0", 6: "::"}


class Way(NamedTuple):
    """The device's index, the gateway (empty for a neighbour), and our own address there."""

    device: int
    gateway: str
    source: str


def find_way(host: str, tunnels: Collection[str]) -> Way | None:
    """None where no way leads. Routes into devices of these names are no ways, and none that a client of ours made.
    Raises TvpnError.
    """
    address = ip_address(host.partition("%")[0])
    with trying(f"find the way to {host}"), IPRoute() as ip:
        excluded = {index for name in tunnels for index in ip.link_lookup(ifname=name)}
        routes = ip.get_routes(family=_FAMILIES[address.version], table=MAIN_TABLE)
        found = [way for route in routes if (way := _read(route, address)) is not None and way[2] not in excluded]
        if not found:
            return None
        # As the kernel chooses: the narrowest, then the best.
        _, _, device, gateway = max(found, key=lambda way: (way[0], -way[1]))
        try:
            chosen = list(ip.route("get", dst=str(address), oif=device))
        except NetlinkError:
            return None
        source = dict(chosen[0]["attrs"]).get("RTA_PREFSRC", "") if chosen else ""
    return Way(device, gateway, str(source)) if source else None


def _read(route: Any, address: IPv4Address | IPv6Address) -> tuple[int, int, int, str] | None:
    """(length, metric, device, gateway) of a route that leads to this address, None for any other."""
    attributes: dict[str, Any] = dict(route["attrs"])
    first = attributes
    if "RTA_MULTIPATH" in attributes:
        hop = attributes["RTA_MULTIPATH"][0]
        first = {"RTA_OIF": hop["oif"], **dict(hop["attrs"])}
    network = ip_network(f"{attributes.get('RTA_DST', _ANY[address.version])}/{route['dst_len']}")
    dead = route["flags"] & (DEAD | LINK_DOWN)
    if route["type"] != UNICAST or route["proto"] == PROTOCOL or dead or "RTA_OIF" not in first:
        return None
    if address not in network:
        return None
    gateway = first.get("RTA_GATEWAY") or dict(first.get("RTA_VIA") or {}).get("addr", "")
    return route["dst_len"], attributes.get("RTA_PRIORITY", 0), first["RTA_OIF"], str(gateway)
