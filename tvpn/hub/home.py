"""Where members live inside the tunnel: an address of each family, from their own file or from the pool, and the
networks behind them. No two live at one place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import NamedTuple

from tvpn.config.clientfile import ClientConfig, Network, overlap
from tvpn.hub.pool import Lease, Pool
from tvpn.hub.rules import ServerRules
from tvpn.plane.verbs import Network as PackedNetwork


@dataclass(frozen=True, slots=True)
class Home:
    """What the member's file gives, made whole by the pool, and the place there if it needed one."""

    config: ClientConfig
    lease: Lease | None = None

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The member's own addresses for the plane."""
        return tuple(host.packed for host in self.config.hosts)

    @property
    def networks(self) -> tuple[PackedNetwork, ...]:
        """The networks behind it for the plane."""
        return tuple((network.network_address.packed, network.prefixlen) for network in self.config.iroutes)

    @property
    def texts(self) -> tuple[str, ...]:
        """The member's own addresses for people."""
        return tuple(str(host) for host in self.config.hosts)


class Clash(NamedTuple):
    """What a newcomer's file claims, and the number of the member who lives there."""

    claimed: Network
    member: int


class Homes:
    """The homes of all members, by their numbers."""

    def __init__(self, rules: ServerRules, pool: Pool) -> None:
        self._rules = rules
        self._pool = pool
        self._homes: dict[int, Home] = {}

    def clash(self, config: ClientConfig) -> Clash | None:
        """Who stands in the way of what this file claims, None when nobody does.

        From now on the pool hands out none of its addresses: whoever has one of them by chance gets another next time.
        """
        self._pool.withhold(*config.hosts)
        for claimed in config.networks:
            for number, home in self._homes.items():
                if any(overlap(claimed, network) for network in home.config.networks):
                    return Clash(claimed, number)
        return None

    def settle(self, number: int, key: str, config: ClientConfig) -> Home | None:
        """A home for this member; None when it needs the pool and that is exhausted. ``key``: whose place that is."""
        rules, lease = self._rules, None
        if (rules.ipv4 and not config.ifconfig) or (rules.ipv6 and not config.ifconfig_ipv6):
            lease = self._pool.take(key)
            if lease is None:
                return None
            if rules.ipv4 and lease.ipv4 and not config.ifconfig:
                config = replace(config, ifconfig=(lease.ipv4, self._other_end(lease.ipv4, rules.ipv4)))
            if rules.ipv6 and lease.ipv6 and not config.ifconfig_ipv6:
                local = IPv6Interface((lease.ipv6, rules.ipv6.prefixlen))
                config = replace(config, ifconfig_ipv6=(local, rules.ipv6.network_address + 1))
        home = self._homes[number] = Home(config, lease)
        return home

    def _other_end(self, local: IPv4Address, network: IPv4Network) -> IPv4Address:
        """What stands behind the address in ``ifconfig``: the netmask, the address below, or the server's."""
        ends = {"subnet": network.netmask, "net30": local - 1, "p2p": network.network_address + 1}
        return ends[self._rules.topology]

    def leave(self, number: int) -> None:
        """The member's home is free; its place in the pool stays remembered unless certificates come twice."""
        home = self._homes.pop(number, None)
        if home is not None and home.lease is not None:
            (self._pool.forget if self._rules.duplicate_cn else self._pool.give_back)(home.lease)
