"""Which peer an inner address belongs to: its own addresses, then the networks behind it, longest prefix first; and
which addresses belong to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from tvpn.plane.verbs import Network
from tvpn.wire.ip import BROADCAST, is_multicast


class Routes:
    """Packed address -> peer id; each address and each network is owned by one peer.

    ``owner`` is a plain look-up as long as there are no networks: it is asked for every packet.
    """

    def __init__(self, broadcasts: frozenset[bytes] = frozenset()) -> None:
        self._broadcasts = broadcasts | {BROADCAST}
        self._owners: dict[bytes, int] = {}
        self._networks: dict[Network, int] = {}
        self._tables: list[tuple[int, int, dict[int, int]]] = []
        """(bytes of an address, mask, network number -> peer), the longest prefix first."""
        self.owner: Callable[[bytes], int | None] = self._owners.get

    def is_for_all(self, address: bytes) -> bool:
        """Whether it means every peer; such an address has no owner."""
        return is_multicast(address) or address in self._broadcasts

    def add(self, addresses: Iterable[bytes], peer: int, networks: Collection[Network] = ()) -> None:
        for address in addresses:
            self._owners[address] = peer
        if networks:
            self._networks.update(dict.fromkeys(networks, peer))
            self._arrange()

    def remove(self, peer: int) -> None:
        for address in [address for address, owner in self._owners.items() if owner == peer]:
            del self._owners[address]
        if peer in self._networks.values():
            self._networks = {network: owner for network, owner in self._networks.items() if owner != peer}
            self._arrange()

    def _arrange(self) -> None:
        tables: dict[tuple[int, int], dict[int, int]] = {}
        for (first, length), peer in self._networks.items():
            tables.setdefault((length, len(first)), {})[int.from_bytes(first, "big")] = peer
        self._tables = []
        for (length, size), table in sorted(tables.items(), key=lambda item: -item[0][0]):
            host_bits = 8 * size - length
            self._tables.append((size, (1 << 8 * size) - (1 << host_bits), table))
        self.owner = self._search if tables else self._owners.get

    def _search(self, address: bytes) -> int | None:
        peer = self._owners.get(address)
        if peer is not None:
            return peer
        number = int.from_bytes(address, "big")
        for size, mask, table in self._tables:
            if size == len(address) and (peer := table.get(number & mask)) is not None:
                return peer
        return None
