"""Routes as they are pushed, and the words that send everything into the tunnel (push-and-options.md 2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Network = IPv4Network | IPv6Network
HALVES_V4 = (IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1"))
ALL_V4 = (IPv4Network("0.0.0.0/0"),)
#: What of IPv6 is in use: all of it but multicast, link-local and loopback.
REDIRECT_V6 = (IPv6Network("::/3"), IPv6Network("2000::/4"), IPv6Network("3000::/4"), IPv6Network("fc00::/7"))
FLAGS = frozenset({"local", "autolocal", "def1", "bypass-dhcp", "bypass-dns", "block-local", "ipv6", "!ipv4"})
LARGEST_METRIC = 2**31 - 1
_UNSAID = ("default",)


class Way(Enum):
    """OpenVPN's words for a gateway."""

    TUNNEL = "vpn_gateway"
    PAST = "net_gateway"
    """Past the tunnel, by the machine's own default gateway."""
    SERVER = "remote_host"


@dataclass(frozen=True, slots=True)
class Route:
    """One route: a network, who it is reached by (an address: a gateway outside the tunnel), and its metric."""

    network: Network
    by: Way | IPv4Address | IPv6Address = Way.TUNNEL
    metric: int | None = None

    def __str__(self) -> str:
        by = self.by.value if isinstance(self.by, Way) else str(self.by)
        metric = "" if self.metric is None else f" metric {self.metric}"
        return f"{self.network}{'' if self.by is Way.TUNNEL else f' by {by}'}{metric}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """``redirect-gateway`` (``everything``) or ``redirect-private``, with all flags that were said."""

    everything: bool
    flags: frozenset[str] = frozenset()

    def joined(self, other: Redirect | None) -> Redirect:
        """Both of them, as when it is said twice."""
        return self if other is None else Redirect(self.everything or other.everything, self.flags | other.flags)


def read_redirect(word: str, values: Sequence[str]) -> Redirect:
    """Raises ValueError for a flag that does not exist."""
    if not FLAGS.issuperset(values):
        raise ValueError("no such flag")
    return Redirect(word == "redirect-gateway", frozenset(values))


def read_route(values: Sequence[str], vpn_gateway: IPv4Address | None) -> Route | None:
    """``NET [MASK [GW [METRIC]]]``; None for one to the server itself, which keeps its own way anyhow."""
    network, mask, gateway, metric = [*values, *["default"] * 4][:4] if len(values) <= 4 else ["", "", "", ""]
    if network == Way.SERVER.value:
        return None
    if network == Way.TUNNEL.value and vpn_gateway is not None:
        network = str(vpn_gateway)
    address = IPv4Network(f"{network}/{'255.255.255.255' if mask in _UNSAID else mask}")
    way = Way.TUNNEL if gateway in _UNSAID else _way(gateway) or IPv4Address(gateway)
    return Route(_routable(address), way, _metric(metric))


def read_route_ipv6(values: Sequence[str]) -> Route:
    """``NET/BITS [GW [METRIC]]``."""
    network, gateway, metric = [*values, *["default"] * 3][:3] if len(values) <= 3 else ["", "", ""]
    if "%" in network + gateway:
        raise ValueError("an address with a scope")
    way = Way.TUNNEL if gateway in _UNSAID else _way(gateway) or IPv6Address(gateway)
    return Route(_routable(IPv6Network(network)), way, _metric(metric))


def number(text: str, least: int, most: int) -> int:
    """Plain digits within bounds; ValueError otherwise."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise ValueError("no number, or out of range")
    return int(text)


def _way(word: str) -> Way | None:
    return next((way for way in Way if way.value == word), None)


def _metric(text: str) -> int | None:
    return None if text in _UNSAID else number(text, 0, LARGEST_METRIC)


def _routable(network: Network) -> Network:
    if network.is_loopback or network.is_multicast or (network.version == 6 and network.is_link_local):
        raise ValueError("not a route for a tunnel")
    return network
