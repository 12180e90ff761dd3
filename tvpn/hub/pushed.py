"""What a server pushes, read by allow-list into what our client does (protocol: push-and-options.md 2 to 4).

Whatever is not on the list is named in ``ignored`` and has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeVar

from tvpn.config import word as words
from tvpn.hub.names import NO_NAMES, Names, NamesDraft
from tvpn.hub.redirect import (
    ALL_V4,
    HALVES_V4,
    LARGEST_METRIC,
    REDIRECT_V6,
    Network,
    Redirect,
    Route,
    Way,
    number,
    read_redirect,
    read_route,
    read_route_ipv6,
)

MOST_ROUTES = 1024
MOST_IGNORED = 64
"""So many options are named; of the rest only the number."""
SMALLEST_MTU, SMALLEST_MTU_V6, LARGEST_MTU = 100, 1280, 1600
LONGEST_PING = 86400
LONGEST_STAY = 2**31 - 1

#: Spoken to other layers or other systems: no effect here, and no reason to mention them.
_SILENT = frozenset(
    {"peer-id", "cipher", "comp-lzo", "compress", "protocol-flags", "key-derivation", "push-continuation", "tun-ipv6",
     "auth-token", "auth-token-user", "register-dns", "block-outside-dns", "persist-key", "persist-tun"}
)  # fmt: skip
#: What other options are read by, wherever it stands.
_FIRST = {"topology": 0, "ifconfig": 1, "route-gateway": 1}
Interface = TypeVar("Interface", IPv4Interface, IPv6Interface)


@dataclass(slots=True)
class Tunnel:
    """Addresses, routes, names and timers of a tunnel as the server wants them."""

    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    other_end: IPv4Address | None = None
    """The address at the other end where there is a pair and no network (topology net30 and p2p)."""
    topology: str = "net30"
    gateway: IPv4Address | None = None
    gateway_v6: IPv6Address | None = None
    is_tap: bool = False
    """An Ethernet: addresses may come from a DHCP server there, and routes lead to a gateway there."""
    routes: list[Route] = field(default_factory=list)
    metric: int | None = None
    """Of routes that have none of their own."""
    redirect: Redirect | None = None
    blocks_ipv6: bool = False
    """IPv6 goes into the tunnel and no further: each packet is answered with an ICMPv6 error."""
    names: Names = NO_NAMES
    mtu: int | None = None
    ping: int | None = None
    ping_restart: int | None = None
    ping_exits: bool | None = None
    """Silence for ``ping_restart`` seconds ends it (ping-exit); None where nothing is said of it."""
    inactive: tuple[int, int] | None = None
    """(seconds, bytes)"""
    session_timeout: int | None = None
    ignored: list[str] = field(default_factory=list)

    @property
    def device(self) -> tuple[object, ...]:
        """What the device itself is made with; the rest can change in place."""
        return self.ipv4, self.ipv6, self.other_end, self.mtu

    @property
    def redirects_ipv4(self) -> bool:
        redirect = self.redirect
        return redirect is not None and redirect.everything and "!ipv4" not in redirect.flags and self.ipv4 is not None

    @property
    def redirects_ipv6(self) -> bool:
        redirect = self.redirect
        return redirect is not None and redirect.everything and "ipv6" in redirect.flags and self.ipv6 is not None

    @property
    def inside(self) -> tuple[Network, ...]:
        """The networks of our own addresses."""
        return tuple(own.network for own in (self.ipv4, self.ipv6) if own is not None)

    @property
    def ends(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """Our own addresses, and the pair of one: each of them is in the tunnel whatever routes say."""
        own = tuple(own.ip for own in (self.ipv4, self.ipv6) if own is not None)
        return own if self.other_end is None else (*own, self.other_end)

    @property
    def redirected(self) -> tuple[Network, ...]:
        """The networks that stand for everything."""
        halves = self.redirect is not None and "def1" in self.redirect.flags
        v4: tuple[Network, ...] = (HALVES_V4 if halves else ALL_V4) if self.redirects_ipv4 else ()
        return v4 + (REDIRECT_V6 if self.redirects_ipv6 or self.blocks_ipv6 else ())


def read_pushed(options: Iterable[str], is_tap: bool = False) -> Tunnel:
    """The tunnel these pushed options describe; a malformed or unknown one is ignored by name."""
    tunnel, draft = Tunnel(is_tap=is_tap), NamesDraft()
    for option in sorted(options, key=lambda option: _FIRST.get(option.lstrip().partition(" ")[0], 2)):
        try:
            word, *values = words.split(option) or [""]
            if word == "dns":
                draft.dns(values, option)
            elif word == "dhcp-option":
                draft.dhcp(values)
            elif word in _READERS:
                _READERS[word](tunnel, values)
            elif word not in _SILENT:
                _ignore(tunnel, option)
        except (ValueError, IndexError):
            _ignore(tunnel, option)
    tunnel.names, lost = draft.finish()
    tunnel.ignored += lost
    _settle(tunnel)
    if len(tunnel.ignored) > MOST_IGNORED:
        tunnel.ignored[MOST_IGNORED:] = [f"and {len(tunnel.ignored) - MOST_IGNORED} more"]
    return tunnel


def _ignore(tunnel: Tunnel, option: str) -> None:
    tunnel.ignored.append(option)


def _settle(tunnel: Tunnel) -> None:
    """What depends on several options, once all are read."""
    if tunnel.mtu is not None and tunnel.mtu < SMALLEST_MTU_V6 and (tunnel.ipv6 is not None or tunnel.blocks_ipv6):
        _ignore(tunnel, f"tun-mtu {tunnel.mtu}")
        tunnel.mtu = None
    redirect = tunnel.redirect
    if redirect is not None:
        word = "redirect-gateway" if redirect.everything else "redirect-private"
        # Nobody here knows who has given this machine its address.
        unmet = {"bypass-dhcp"} if tunnel.redirects_ipv6 or tunnel.blocks_ipv6 else {"bypass-dhcp", "ipv6"}
        tunnel.ignored += [f"{word} {flag}" for flag in sorted(redirect.flags & unmet)]
    ends = (tunnel.gateway, tunnel.other_end)
    for at, route in enumerate(tunnel.routes):
        by, metric = route.by, tunnel.metric if route.metric is None else route.metric
        if isinstance(by, Way):
            pass
        elif by in ends or by.is_link_local or (not tunnel.is_tap and any(by in network for network in tunnel.inside)):
            # Whoever it is in the tunnel: all of it leads to the server. On an Ethernet it matters who.
            by = Way.TUNNEL
        tunnel.routes[at] = Route(route.network, by, metric)


def _topology(tunnel: Tunnel, values: list[str]) -> None:
    if values not in (["subnet"], ["net30"], ["p2p"]):
        raise ValueError("no topology")
    tunnel.topology = values[0]


def _ifconfig(tunnel: Tunnel, values: list[str]) -> None:
    # Without a word about it stock means net30; an address behind 255 can only be a mask.
    if tunnel.is_tap or tunnel.topology == "subnet" or values[1].startswith("255."):
        tunnel.ipv4, tunnel.other_end = _of_one_host(IPv4Interface(f"{values[0]}/{values[1]}")), None
    else:
        pair = [_of_one_host(IPv4Interface(IPv4Address(value))) for value in values[:2]]
        tunnel.ipv4, tunnel.other_end = pair[0], pair[1].ip


def _ifconfig_ipv6(tunnel: Tunnel, values: list[str]) -> None:
    if "%" in values[0]:
        raise ValueError("an address with a scope")
    tunnel.ipv6 = _of_one_host(IPv6Interface(values[0]))
    tunnel.gateway_v6 = IPv6Address(values[1]) if tunnel.is_tap and len(values) > 1 else None


def _of_one_host(address: Interface) -> Interface:
    """The same address; ValueError for what no host in a tunnel can have."""
    own = address.ip
    if own.is_multicast or own.is_loopback or own.is_unspecified or own == IPv4Address("255.255.255.255"):
        raise ValueError("not an address of one host")
    return address


def _route(tunnel: Tunnel, values: list[str]) -> None:
    if len(tunnel.routes) >= MOST_ROUTES:
        raise ValueError("too many routes")
    route = read_route(values, tunnel.gateway or tunnel.other_end)
    if route is not None:
        tunnel.routes.append(route)


def _route_ipv6(tunnel: Tunnel, values: list[str]) -> None:
    if len(tunnel.routes) >= MOST_ROUTES:
        raise ValueError("too many routes")
    tunnel.routes.append(read_route_ipv6(values))


def _route_gateway(tunnel: Tunnel, values: list[str]) -> None:
    # On an Ethernet the gateway may come from the DHCP server, with the address.
    tunnel.gateway = None if tunnel.is_tap and values[0] == "dhcp" else IPv4Address(values[0])


def _route_metric(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.metric = number(values[0], 0, LARGEST_METRIC)


def _redirect_gateway(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.redirect = read_redirect("redirect-gateway", values).joined(tunnel.redirect)


def _redirect_private(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.redirect = read_redirect("redirect-private", values).joined(tunnel.redirect)


def _block_ipv6(tunnel: Tunnel, values: list[str]) -> None:
    if values or tunnel.is_tap:
        raise ValueError("takes nothing, and means packets")
    tunnel.blocks_ipv6 = True


def _tun_mtu(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.mtu = number(values[0], SMALLEST_MTU, LARGEST_MTU)


def _ping(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.ping = number(values[0], 0, LONGEST_PING)


def _ping_restart(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.ping_restart, tunnel.ping_exits = number(values[0], 0, LONGEST_PING), False


def _ping_exit(tunnel: Tunnel, values: list[str]) -> None:
    """The last of it and ping-restart counts."""
    tunnel.ping_restart, tunnel.ping_exits = number(values[0], 0, LONGEST_PING), True


def _inactive(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.inactive = number(values[0], 0, LONGEST_STAY), number(values[1], 0, 2**63) if values[1:] else 0


def _session_timeout(tunnel: Tunnel, values: list[str]) -> None:
    tunnel.session_timeout = number(values[0], 0, LONGEST_STAY)


_READERS = {
    "topology": _topology,
    "ifconfig": _ifconfig,
    "ifconfig-ipv6": _ifconfig_ipv6,
    "route": _route,
    "route-ipv6": _route_ipv6,
    "route-gateway": _route_gateway,
    "route-metric": _route_metric,
    "redirect-gateway": _redirect_gateway,
    "redirect-private": _redirect_private,
    "block-ipv6": _block_ipv6,
    "tun-mtu": _tun_mtu,
    "ping": _ping,
    "ping-restart": _ping_restart,
    "ping-exit": _ping_exit,
    "inactive": _inactive,
    "session-timeout": _session_timeout,
}
