"""What the kernel's routing table needs for a tunnel: a pure function of what was pushed and of how things are now.

Into the tunnel go the networks that were pushed; past it go the server itself, which keeps its own way whatever is
pushed, and what a server wants past it. Each change is a new plan: what is in it and not yet there is added, what is no
longer in it is taken back (service/attachment.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from tvpn.errors import TvpnError
from tvpn.hub.pushed import Tunnel
from tvpn.hub.redirect import Network, Route, Way

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Hop:
    """Whom a packet is handed to next. ``device``: a link's index, None where the kernel finds it by the gateway;
    ``gateway`` None: it is on the link; ``onlink``: the gateway is, whatever the addresses say.
    """

    device: int | None
    gateway: Address | None = None
    source: Address | None = None
    onlink: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the routing table. ``needed``: without it the tunnel would leak or swallow itself."""

    network: Network
    hop: Hop
    metric: int | None = None
    needed: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How the world is reached without the tunnel. ``ways``: the hop to a host, and how many bits the route to it has;
    ``gateways``: the default way of IPv4 and of IPv6; ``lans``: networks on the same wire as these gateways.
    """

    server: Address
    ways: Mapping[Address, tuple[Hop, int]]
    gateways: Mapping[int, Hop] = field(default_factory=dict)
    lans: Sequence[Network] = ()
    name_servers: Sequence[Address] = ()
    """The machine's own."""


def host(address: Address) -> Network:
    """The network of this address alone."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def plan(tunnel: Tunnel, device: int, around: Surroundings) -> list[Entry]:
    """The entries, those that lead past the tunnel first. ``device``: the tunnel's.

    Raises TvpnError where the tunnel would swallow the server, to which nothing else leads.
    """
    if around.server in tunnel.ends:
        raise TvpnError(f"the server wants {around.server} inside the tunnel, too; tell whoever runs it")
    into = {4: Hop(device), 6: Hop(device)}
    if tunnel.is_tap:
        into = {4: Hop(device, tunnel.gateway), 6: Hop(device, tunnel.gateway_v6)}
    entries = [Entry(network, into[network.version], needed=True) for network in tunnel.redirected]
    entries += [Entry(half, into[half.version]) for lan in blocked_lans(tunnel, around) for half in lan.subnets()]
    entries += [
        Entry(route.network, hop, route.metric or None)
        for route in tunnel.routes
        # The server keeps its own way.
        if route.network != host(around.server) and (hop := _hop(route, into, around)) is not None
    ]
    entries = [*dict.fromkeys(entries)]
    pins = [*_pins(tunnel, entries, around)]
    return [*dict.fromkeys(pins), *(entry for entry in entries if entry.hop.device != device),
            *(entry for entry in entries if entry.hop.device == device)]  # fmt: skip


def blocked_lans(tunnel: Tunnel, around: Surroundings) -> Iterator[Network]:
    """block-local: what is on the same wire as the default gateway goes into the tunnel, too."""
    if tunnel.redirect is not None and "block-local" in tunnel.redirect.flags:
        for lan in around.lans:
            whole = tunnel.redirects_ipv6 if lan.version == 6 else "!ipv4" not in tunnel.redirect.flags
            if whole and lan.prefixlen < lan.max_prefixlen:
                yield lan


def unreachable(tunnel: Tunnel, around: Surroundings) -> list[Route]:
    """Routes past the tunnel that cannot be made, since there is no default gateway."""
    return [route for route in tunnel.routes if route.by is Way.PAST and route.network.version not in around.gateways]


def _hop(route: Route, into: Mapping[int, Hop], around: Surroundings) -> Hop | None:
    if route.by is Way.TUNNEL:
        return into[route.network.version]
    if route.by is Way.PAST:
        return around.gateways.get(route.network.version)
    return Hop(None, around.server if route.by is Way.SERVER else route.by)


def _pins(tunnel: Tunnel, entries: Sequence[Entry], around: Surroundings) -> Iterator[Entry]:
    """Hosts that another entry would swallow. A server on the same wire needs none as long as nothing
    closer than that wire's network is pushed: what ``local`` and ``autolocal`` ask for is so by itself.
    """
    flags = frozenset[str]() if tunnel.redirect is None else tunnel.redirect.flags
    kept = [around.server, *(around.name_servers if "bypass-dns" in flags else ())]
    # The kernel makes a route of the device's own network, too.
    networks = [*(entry.network for entry in entries), *tunnel.inside]
    for address in kept:
        longest = max((network.prefixlen for network in networks if address in network), default=-1)
        way = around.ways.get(address)
        if way is None and address == around.server and longest >= 0:
            raise TvpnError(f"cannot find the way to the server {address} that its routes leave")
        if way is not None and longest >= way[1]:
            yield Entry(host(address), way[0], needed=address == around.server)
    for lan in blocked_lans(tunnel, around):
        gateway = around.gateways[lan.version]
        if gateway.gateway is not None and gateway.gateway in lan:
            yield Entry(host(gateway.gateway), Hop(gateway.device, None, gateway.source), needed=True)
