"""Pings: ICMP echo, both families (RFC 792, RFC 4443).

::

    type (1) | 0 (1) | checksum (2) | identifier (2) | sequence number (2) | payload     behind an IP header
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from tvpn.wire.ip import destination, source

_ICMP, _ICMPV6 = 1, 58
_REQUEST_V4, _REPLY_V4 = 8, 0
_REQUEST_V6, _REPLY_V6 = 128, 129
_TTL = 64
_PAYLOAD = b"tvpn looks for the other end of the tunnel: ".ljust(56, b".")
Address = IPv4Address | IPv6Address


def echo_request(own: Address, other: Address, identifier: int = 1, number: int = 1) -> bytes:
    """An IP packet that asks ``other`` for an answer; both addresses are of one family."""
    body = struct.pack("!HH", identifier, number) + _PAYLOAD
    size = 4 + len(body)
    if isinstance(own, IPv4Address):
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0, 0, _TTL, _ICMP, 0) + own.packed + other.packed
        header = header[:10] + checksum(header) + header[12:]
        message = bytes([_REQUEST_V4, 0, 0, 0]) + body
        return header + message[:2] + checksum(message) + body
    header = struct.pack("!LHBB", 6 << 28, size, _ICMPV6, _TTL) + own.packed + other.packed
    message = bytes([_REQUEST_V6, 0, 0, 0]) + body
    pseudo = own.packed + other.packed + struct.pack("!LL", size, _ICMPV6)
    return header + message[:2] + checksum(pseudo + message) + body


def is_echo_reply(packet: bytes, request: bytes) -> bool:
    """Whether this packet answers that request."""
    if not request or source(packet) != destination(request) or destination(packet) != source(request):
        return False
    at, protocol, kind = (20, packet[9], _REPLY_V4) if packet[0] >> 4 == 4 else (40, packet[6], _REPLY_V6)
    if packet[0] >> 4 == 4:
        at = (packet[0] & 0x0F) * 4
    behind = 20 if request[0] >> 4 == 4 else 40
    known = protocol in (_ICMP, _ICMPV6) and packet[at : at + 2] == bytes([kind, 0])
    return known and packet[at + 4 :] == request[behind + 4 :]


def checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071) of what has zeros in its place; an odd byte at the end counts as with a zero."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF or 0xFFFF
    return (0xFFFF - total).to_bytes(2, "big")
