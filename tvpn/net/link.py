"""What the pump knows of a socket, whatever its transport."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from tvpn.plane.verbs import Address, Counters


class Link(Hashable, Protocol):
    """One UDP socket, or one TCP connection."""

    counters: Counters
    overhead: int
    """Bytes that it adds to each datagram, beyond those of UDP or TCP."""

    def send(self, address: Address, local: bytes, segment: int, buffer: bytes) -> None:
        """A burst of datagrams of ``segment`` bytes each; what cannot leave at once is dropped and counted."""

    def close(self) -> None:
        """No more of it."""
