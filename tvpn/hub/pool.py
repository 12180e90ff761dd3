"""The address pool: one index, an IPv4 and an IPv6 address (protocol: push-and-options.md 6.1).

The same identity gets the same index while nobody else needed it; a new one gets an index that was never used, and
only then the one that was unused for longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from tvpn.config.kind import Topology

LARGEST_POOL = 65536
_IPV6_START, _IPV6_SMALL_START = 0x1000, 2


@dataclass(frozen=True, slots=True)
class Lease:
    """A place in the pool and the addresses that go with it."""

    index: int
    ipv4: IPv4Address | None
    ipv6: IPv6Address | None

    @property
    def packed(self) -> tuple[bytes, ...]:
        return tuple(address.packed for address in (self.ipv4, self.ipv6) if address is not None)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(str(address) for address in (self.ipv4, self.ipv6) if address is not None)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the places of an IPv4 network lie: ``step`` addresses each from ``start`` on, the client's is ``host``."""

    start: int
    step: int
    host: int
    tail: int

    def places(self, network: IPv4Network) -> int:
        """How many fit between the server's addresses and the ``tail`` that stays free."""
        room = network.num_addresses - self.start
        # In a network of eight addresses stock uses the tail, too: there would be no place at all.
        return (room - self.tail if room > self.tail else room) // self.step


def layout_between(network: IPv4Network, first: IPv4Address, last: IPv4Address) -> Layout:
    """That of a part of a network whose other addresses are others'."""
    start, tail = int(first) - int(network.network_address), int(network.broadcast_address) - int(last)
    return Layout(start, step=1, host=0, tail=tail)


LAYOUTS: dict[Topology, Layout] = {
    "subnet": Layout(start=2, step=1, host=0, tail=1),
    "net30": Layout(start=4, step=4, host=2, tail=4),
    "p2p": Layout(start=4, step=1, host=0, tail=4),
}


class Pool:
    """``remembered``: identity -> index, the longest unused first; ``layout``: another one than the topology's."""

    def __init__(
        self, ipv4: IPv4Network | None, ipv6: IPv6Network | None, remembered: Mapping[str, int],
        topology: Topology = "subnet", layout: Layout | None = None,
    ) -> None:  # fmt: skip
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._layout = layout or LAYOUTS[topology]
        sizes = [] if ipv4 is None else [self._layout.places(ipv4)]
        if ipv6 is not None:
            sizes.append(ipv6.num_addresses - self._ipv6_start())
        self.size = max(min([LARGEST_POOL, *sizes]), 0)
        self._remembered = OrderedDict((who, at) for who, at in remembered.items() if at < self.size)
        self._owner = {index: who for who, index in self._remembered.items()}
        self._in_use: set[int] = set()
        self._withheld: set[int] = set()
        self._first_unowned = 0

    def take(self, identity: str) -> Lease | None:
        """A place for this identity, None when all are in use."""
        index = self._remembered.get(identity)
        if index is None or not self._is_free(index):
            index = self._unused()
        if index is None:
            return None
        self._disown(index)
        if identity in self._remembered:
            # The same device once more: its former place is in use, and nobody's afterwards.
            self._disown(self._remembered[identity])
        self._remembered[identity] = index
        self._owner[index] = identity
        self._in_use.add(index)
        return Lease(index, self._address_v4(index), self._address_v6(index))

    def _unused(self) -> int | None:
        while self._first_unowned < self.size:
            index = self._first_unowned
            if index not in self._owner and self._is_free(index):
                return index
            self._first_unowned += 1
        return next((index for index in self._remembered.values() if self._is_free(index)), None)

    def _is_free(self, index: int) -> bool:
        return index not in self._in_use and index not in self._withheld

    def withhold(self, *addresses: IPv4Address | IPv6Address) -> None:
        """Client files fix these addresses: from now on none of them is handed out here."""
        self._withheld.update(index for address in addresses if (index := self._index(address)) is not None)

    def _index(self, address: IPv4Address | IPv6Address) -> int | None:
        """The place that goes with an address, None when it is none of the pool's."""
        index = -1
        if isinstance(address, IPv4Address) and self._ipv4 is not None:
            index = (int(address) - int(self._ipv4.network_address) - self._layout.start) // self._layout.step
        elif isinstance(address, IPv6Address) and self._ipv6 is not None:
            index = int(address) - int(self._ipv6.network_address) - self._ipv6_start()
        return index if 0 <= index < self.size else None

    def _disown(self, index: int) -> None:
        identity = self._owner.pop(index, None)
        if identity is not None:
            del self._remembered[identity]

    def give_back(self, lease: Lease) -> None:
        """The place is free, but remembered as this identity's."""
        self._in_use.discard(lease.index)
        identity = self._owner.get(lease.index)
        if identity is not None:
            self._remembered.move_to_end(identity)
        else:
            self._first_unowned = min(self._first_unowned, lease.index)

    def forget(self, lease: Lease) -> None:
        """The place is free and nobody's."""
        self._in_use.discard(lease.index)
        self._disown(lease.index)
        self._first_unowned = min(self._first_unowned, lease.index)

    def _address_v4(self, index: int) -> IPv4Address | None:
        layout = self._layout
        within = layout.start + layout.step * index + layout.host
        return None if self._ipv4 is None else self._ipv4.network_address + within

    def _address_v6(self, index: int) -> IPv6Address | None:
        return None if self._ipv6 is None else self._ipv6.network_address + self._ipv6_start() + index

    def _ipv6_start(self) -> int:
        return _IPV6_START if self._ipv6 is not None and self._ipv6.prefixlen < 112 else _IPV6_SMALL_START
