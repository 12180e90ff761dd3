"""Just enough of IPv4 and IPv6 to route a packet and to clamp a SYN (RFC 791, RFC 8200, RFC 9293).

Addresses are packed bytes (4 or 16), the way they lie in the packet: no objects on the packet path.
"""

from __future__ import annotations

from collections.abc import Iterable

TCP = 6
_SYN = 0x02
SYNS = frozenset(bytes([flags]) for flags in range(256) if flags & _SYN)
"""TCP's flags of all that begins a stream."""
PLAIN_V4 = 0x45
"""The first byte of IPv4 without options."""
_MSS_OPTION = 2
_MULTICAST_V4 = frozenset(bytes([first]) for first in range(0xE0, 0xF0))
_IPV4_HEADER, _IPV6_HEADER, _TCP_HEADER = 20, 40, 20

LINK_LOCAL_PREFIX = b"\xfe\x80"
BROADCAST = b"\xff\xff\xff\xff"


def source(packet: bytes) -> bytes:
    """The source address; empty when this is no whole IP header."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _IPV4_HEADER:
        return packet[12:16]
    if version == 6 and len(packet) >= _IPV6_HEADER:
        return packet[8:24]
    return b""


def destination(packet: bytes) -> bytes:
    """The destination address; empty when this is no whole IP header."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _IPV4_HEADER:
        return packet[16:20]
    if version == 6 and len(packet) >= _IPV6_HEADER:
        return packet[24:40]
    return b""


def is_multicast(address: bytes) -> bool:
    """Whether it is a group's: 224.0.0.0/4, ff00::/8 (RFC 5771, RFC 4291)."""
    return address[:1] == b"\xff" if len(address) == 16 else address[:1] in _MULTICAST_V4


def tcp_offset(packet: bytes, begin: int = 0) -> int:
    """Where the TCP header of a SYN begins, or 0: not TCP, not the first fragment, not a SYN, or cut short. ``begin``:
    where the IP packet does, in a frame.
    """
    if len(packet) < begin + _IPV4_HEADER:
        return 0
    if packet[begin] >> 4 == 4:
        size = (packet[begin] & 0x0F) * 4
        if packet[begin + 9] != TCP or size < _IPV4_HEADER or packet[begin + 6] & 0x1F or packet[begin + 7]:
            return 0
        at = begin + size
    else:
        at = begin + _IPV6_HEADER
        if packet[begin + 6] != TCP:
            return 0
    return at if len(packet) >= at + _TCP_HEADER and packet[at + 13] & _SYN else 0


def clamp_each(packets: Iterable[bytes], limit_v4: int) -> list[bytes]:
    """``clamp_mss`` for many, of which hardly one is a SYN: most need no closer look."""
    return [
        packet if packet[0] == PLAIN_V4 and packet[33:34] not in SYNS else clamp_mss(packet, limit_v4)
        for packet in packets
    ]


def clamp_mss(packet: bytes, limit_v4: int, begin: int = 0) -> bytes:
    """The packet with its TCP MSS option lowered to the limit (20 less for IPv6), never raised, checksum kept right.
    ``begin``: where the IP packet begins, in a frame.

    Anything but a well-formed SYN comes back as it is.
    """
    at = tcp_offset(packet, begin)
    if not at:
        return packet
    end = at + (packet[at + 12] >> 4) * 4
    limit = limit_v4 if packet[begin] >> 4 == 4 else limit_v4 - 20
    option = at + _TCP_HEADER
    while option + 4 <= min(end, len(packet)):
        kind, length = packet[option], packet[option + 1]
        if kind == 0:
            break
        if kind == 1:
            option += 1
            continue
        if kind == _MSS_OPTION and length == 4:
            return _lower_mss(packet, at, option + 2, limit)
        if length < 2:
            break
        option += length
    return packet


def _lower_mss(packet: bytes, tcp: int, value: int, limit: int) -> bytes:
    old = int.from_bytes(packet[value : value + 2], "big")
    if old <= limit:
        return packet
    changed = bytearray(packet)
    changed[value : value + 2] = limit.to_bytes(2, "big")
    # RFC 1624: the new sum is ~(~old sum + ~old word + new word); a word at an odd offset counts byte-swapped.
    change = (0xFFFF - old) + limit
    if (value - tcp) % 2:
        change = ((0xFFFF - old) >> 8 | ((0xFFFF - old) & 0xFF) << 8) + (limit >> 8 | (limit & 0xFF) << 8)
    total = (0xFFFF - int.from_bytes(packet[tcp + 16 : tcp + 18], "big")) + change
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    changed[tcp + 16 : tcp + 18] = (0xFFFF - total).to_bytes(2, "big")
    return bytes(changed)
