"""Which peer an inner address belongs to.."""

from __future__ import annotations


class Routes:
    """Packed address -> peer id, each address owned by one peer."""

    def __init__(self) -> None:
        self._owners: dict[bytes, int] = {}
        self.owner = self._owners.get

    def add(self, addresses: tuple[bytes, ...], peer: int) -> None:
        for address in addresses:
            self._owners[address] = peer

    def remove(self, peer: int) -> None:
        for address in [address for address, owner in self._owners.items() if owner == peer]:
            del self._owners[address]
