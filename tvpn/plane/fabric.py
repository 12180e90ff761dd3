"""What decides where a packet goes: a router of IP packets (router.py) or a switch of Ethernet frames (switch.py).

The plane opens and seals and asks its fabric about all the rest; it does not know which of the two it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from tvpn.plane.peer import PlanePeer
from tvpn.plane.verbs import Counters, TunPacket

#: Peer id -> packets to be sealed for it, in order.
Batches = dict[int, list[bytes]]


class Fabric(Protocol):
    """Never raises for what is in a packet: what leads nowhere is dropped and counted, its sender's or a stray."""

    strays: Counters
    """What belonged to no peer."""

    def attach(self, addresses: Collection[bytes], lladdr: bytes) -> None:
        """This machine's own addresses in the tunnel, packed, and its device's hardware address, empty where it has
        none: streams that end here are merged.
        """

    def join(self, peer: PlanePeer) -> None:
        """A peer that packets may go to."""

    def leave(self, peer: PlanePeer) -> None:
        """It is gone, and what was its own with it."""

    def sort(self, packets: Sequence[TunPacket], now: float) -> Batches:
        """A batch from the device, by whom each packet is for, ready to be sealed."""

    def deliver(self, peer: PlanePeer, packets: Sequence[bytes], now: float) -> None:
        """Packets, none of them empty, that this peer has sealed: to the device, to other peers, or nowhere."""

    def take_passed_on(self) -> Batches:
        """What arrived from one peer for another since the last call."""

    def take(self) -> list[TunPacket]:
        """What is to be written to the device, once."""
