"""What the pump knows of a device that packets go out of and come in from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tvpn.plane.verbs import TunPacket


class Device(Protocol):
    """A TUN or TAP device, or what stands in for one."""

    merges: bool
    """Whether it takes packets that stand for many (plane/merge.py)."""

    lladdr: bytes
    """The hardware address of a TAP device; empty for one that takes IP packets."""

    def write(self, packets: Sequence[TunPacket]) -> None:
        """To the kernel; what it does not take is dropped and counted."""

    def doRead(self) -> None:
        """Deliver what is waiting, if anything is."""
