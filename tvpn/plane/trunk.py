"""The device's side of VLANs: peers never see a tag, the device does or does not (protocol: data-channel.md 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tvpn.wire.ethernet import vlan_of, with_vlan, without_tag

Accept = Literal["tagged", "untagged", "all"]
DEFAULT_VLAN = 1


@dataclass(frozen=True, slots=True)
class Trunk:
    """``accept``: which frames the device takes and gives; ``vlan``: the one of those without a tag."""

    accept: Accept = "all"
    vlan: int = DEFAULT_VLAN

    def enter(self, frame: bytes) -> tuple[int, bytes] | None:
        """The VLAN of a whole frame from the device, and what peers see of it; None when the device may not give it.

        A tag that tells a priority only counts as none, and stays.
        """
        vlan = vlan_of(frame)
        if not vlan:
            return None if self.accept == "tagged" else (self.vlan, frame)
        return None if self.accept == "untagged" else (vlan, without_tag(frame))

    def leave(self, vlan: int, frame: bytes) -> bytes | None:
        """A peer's frame as the device takes it; None when it does not."""
        if self.accept == "tagged" or (self.accept == "all" and vlan != self.vlan):
            return with_vlan(frame, vlan)
        return frame if vlan == self.vlan else None
