"""Just enough of Ethernet II and 802.1Q to switch a frame: who says it to whom, its VLAN, where its IP packet begins.

A frame is destination (6), source (6), type (2) and what is in it, without a checksum; with a VLAN tag the type 0x8100
comes first, then priority and VLAN (2), then the type (IEEE 802.3, 802.1Q).
"""

from __future__ import annotations

HEADER_SIZE, TAG_SIZE = 14, 4
TAGGED_SIZE = HEADER_SIZE + TAG_SIZE
IPV4, IPV6, TAGGED = b"\x08\0", b"\x86\xdd", b"\x81\0"
NOBODY = bytes(6)
#: VLANs have numbers up to this one; 0 in a tag says that it is there for the priority only.
LAST_VLAN = 4094
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_VLAN_BITS = 0x0FFF


def is_whole(frame: bytes) -> bool:
    """Whether the header is all there, the tag with it."""
    return len(frame) >= (TAGGED_SIZE if frame[12:14] == TAGGED else HEADER_SIZE)


def is_group(address: bytes) -> bool:
    """Whether it means many: multicast, broadcast among them."""
    return bool(address[0] & 1)


def ip_offset(frame: bytes) -> int:
    """Where the IP packet begins, also behind one tag; 0 when there is none with a whole header."""
    kind, at = frame[12:14], HEADER_SIZE
    if kind == TAGGED:
        kind, at = frame[16:18], TAGGED_SIZE
    if kind == IPV4:
        return at if len(frame) >= at + _IPV4_HEADER and frame[at] >> 4 == 4 else 0
    if kind == IPV6:
        return at if len(frame) >= at + _IPV6_HEADER and frame[at] >> 4 == 6 else 0
    return 0


def vlan_of(frame: bytes) -> int | None:
    """The VLAN in the tag, 0 where that tells a priority only; None without a whole tag."""
    if frame[12:14] != TAGGED or len(frame) < TAGGED_SIZE:
        return None
    return int.from_bytes(frame[14:16], "big") & _VLAN_BITS


def with_vlan(frame: bytes, vlan: int) -> bytes:
    """A whole frame in a VLAN; a tag that is there keeps its priority."""
    if frame[12:14] == TAGGED:
        priority = int.from_bytes(frame[14:16], "big") & ~_VLAN_BITS
        return frame[:14] + (priority | vlan).to_bytes(2, "big") + frame[16:]
    return frame[:12] + TAGGED + vlan.to_bytes(2, "big") + frame[12:]


def without_tag(frame: bytes) -> bytes:
    """A tagged frame as it is without its tag."""
    return frame[:12] + frame[16:]
