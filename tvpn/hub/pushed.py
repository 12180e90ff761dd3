"""What a server pushes, read by allow-list into what our client does (protocol: push-and-options.md 2 and 4).

Whatever is not on the list is named in ``ignored`` and has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import TypeVar

MOST_ROUTES = 1024
SMALLEST_MTU, LARGEST_MTU = 100, 1600
LONGEST_PING = 86400
REDIRECT_V4 = (IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1"))
REDIRECT_V6 = (IPv6Network("::/3"), IPv6Network("2000::/4"), IPv6Network("3000::/4"), IPv6Network("fc00::/7"))

#: Spoken to other layers or other systems: no effect here, and no reason to mention them.
_SILENT = frozenset(
    {"peer-id", "cipher", "comp-lzo", "compress", "protocol-flags", "key-derivation", "push-continuation", "tun-ipv6",
     "auth-token", "auth-token-user", "register-dns", "block-outside-dns", "persist-key", "persist-tun"}
)  # fmt: skip
Interface = TypeVar("Interface", IPv4Interface, IPv6Interface)


@dataclass(slots=True)
class Tunnel:
    """Addresses, routes and timers of a tunnel as the server wants them."""

    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    other_end: IPv4Address | None = None
    """The address at the other end where there is a pair and no network (topology net30 and p2p)."""
    topology: str = "net30"
    gateway: IPv4Address | None = None
    routes: list[IPv4Network | IPv6Network] = field(default_factory=list)
    redirects: bool = False
    mtu: int | None = None
    ping: int | None = None
    ping_restart: int | None = None
    ignored: list[str] = field(default_factory=list)

    @property
    def device(self) -> tuple[object, ...]:
        """What the device itself is made with; the rest can change in place."""
        return self.ipv4, self.ipv6, self.other_end, self.mtu


def read_pushed(options: Iterable[str]) -> Tunnel:
    """The tunnel these pushed options describe; a malformed or unknown one is ignored by name."""
    tunnel = Tunnel()
    flags: set[str] = set()
    # What an ifconfig means depends on the topology, wherever that stands.
    for option in sorted(options, key=lambda option: option.split()[:1] != ["topology"]):
        word, *values = option.split() or [""]
        try:
            if word in ("redirect-gateway", "redirect-private"):
                flags.update([*values, word])
            elif word in _READERS:
                _READERS[word](tunnel, values)
            elif word not in _SILENT:
                tunnel.ignored.append(option)
        except (ValueError, IndexError):
            tunnel.ignored.append(option)
    _redirect(tunnel, flags)
    return tunnel


def _redirect(tunnel: Tunnel, flags: set[str]) -> None:
    if "redirect-gateway" not in flags:
        return
    tunnel.redirects = True
    if "!ipv4" not in flags and tunnel.ipv4 is not None:
        tunnel.routes.extend(REDIRECT_V4)
    if "ipv6" in flags and tunnel.ipv6 is not None:
        tunnel.routes.extend(REDIRECT_V6)


def _topology(tunnel: Tunnel, values: list[str]) -> None:
    if values not in (["subnet"], ["net30"], ["p2p"]):
        raise ValueError("no topology")
    tunnel.topology = values[0]


def _ifconfig(tunnel: Tunnel, values: list[str]) -> None:
    # Without a word about it stock means net30; an address behind 255 can only be a mask.
    if tunnel.topology == "subnet" or values[1].startswith("255."):
        tunnel.ipv4, tunnel.other_end = _of_one_host(IPv4Interface(f"{values[0]}/{values[1]}")), None
    else:
        pair = [_of_one_host(IPv4Interface(IPv4Address(value))) for value in values[:2]]
        tunnel.ipv4, tunnel.other_end = pair[0], pair[1].ip


def _ifconfig_ipv6(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.ipv6 = _of_one_host(IPv6Interface(values[0]))


def _of_one_host(address: Interface) -> Interface:
    """The same address; ValueError for what no host in a tunnel can have."""
    own = address.ip
    if own.is_multicast or own.is_loopback or own.is_unspecified or own == IPv4Address("255.255.255.255"):
        raise ValueError("not an address of one host")
    return address


def _route(tunnel: Tunnel, values: list[str]) -> None:
    mask = values[1] if len(values) > 1 and values[1] != "default" else "255.255.255.255"
    _add_route(tunnel, IPv4Network(f"{values[0]}/{mask}"))


def _route_ipv6(tunnel: Tunnel, values: list[str]) -> None:
    _add_route(tunnel, IPv6Network(values[0]))


def _add_route(tunnel: Tunnel, network: IPv4Network | IPv6Network) -> None:
    if len(tunnel.routes) >= MOST_ROUTES or network.is_loopback or network.is_multicast:
        raise ValueError("not a route for a tunnel")
    tunnel.routes.append(network)


def _route_gateway(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.gateway = IPv4Address(values[0])


def _tun_mtu(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.mtu = _number(values, SMALLEST_MTU, LARGEST_MTU)


def _ping(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.ping = _number(values, 0, LONGEST_PING)


def _ping_restart(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.ping_restart = _number(values, 0, LONGEST_PING)


def _number(values: list[str], least: int, most: int) -> int:
    number = int(values[0])
    if not least <= number <= most:
        raise ValueError("out of range")
    return number


_READERS = {
    "topology": _topology,
    "ifconfig": _ifconfig,
    "ifconfig-ipv6": _ifconfig_ipv6,
    "route": _route,
    "route-ipv6": _route_ipv6,
    "route-gateway": _route_gateway,
    "tun-mtu": _tun_mtu,
    "ping": _ping,
    "ping-restart": _ping_restart,
}
