"""What no client may say on an Ethernet that it shares with others: I am your router, your DHCP server, your bridge.

Tags, SNAP headers and IPv6 extension headers are looked through, however many there are, and what cannot be read is
dropped: else a header more would be a way around (RFC 7113; CVE-2021-27853, CVE-2021-27854).
"""

from __future__ import annotations

from tvpn.wire.ethernet import HEADER_SIZE, IPV4, IPV6, TAG_SIZE, TAGGED

ROUTER, DHCP, BRIDGE, UNREADABLE = "rogue-router", "rogue-dhcp-server", "rogue-bridge", "guard-unreadable"
"""The reasons that drops are counted under."""
#: 802.1D keeps 01:80:c2:00:00:00 to 0f for bridges among themselves (STP, LACP, 802.1X, LLDP); CDP, VTP and PVST.
_BRIDGES, _CISCO = b"\x01\x80\xc2\0\0", (b"\x01\0\x0c\xcc\xcc\xcc", b"\x01\0\x0c\xcc\xcc\xcd")
_LAST_BRIDGE = 0x0F
_TAGS = frozenset({TAGGED, b"\x88\xa8", b"\x91\0"})
_SNAP = b"\xaa\xaa\x03\0\0\0"
_LARGEST_LENGTH = 1500
"""Up to here what stands at the place of the type is a length."""
_UDP, _ICMPV6, _FRAGMENT, _AUTHENTICATION = 17, 58, 44, 51
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
"""Those that say their own length in units of eight bytes, not counting the first."""
_ROUTER_MESSAGES = frozenset({134, 137})
"""Router advertisement and redirect."""
_SERVER_PORTS, _CLIENT_PORTS = frozenset({67, 547}), frozenset({68, 546})
_IPV4_HEADER, _IPV6_HEADER = 20, 40


def forbidden(frame: bytes) -> str | None:
    """Why a client may not send this whole frame; None when it may."""
    if frame[0] & 1 and ((frame[:5] == _BRIDGES and frame[5] <= _LAST_BRIDGE) or frame[:6] in _CISCO):
        return BRIDGE
    kind, at = frame[12:14], HEADER_SIZE
    while True:
        if kind in _TAGS:
            kind, at = frame[at + 2 : at + TAG_SIZE], at + TAG_SIZE
        elif int.from_bytes(kind, "big") <= _LARGEST_LENGTH and frame[at : at + 6] == _SNAP:
            kind, at = frame[at + 6 : at + 8], at + 8
        else:
            break
    if kind == IPV4:
        return _forbidden_v4(frame, at)
    return _forbidden_v6(frame, at) if kind == IPV6 else None


def _forbidden_v4(frame: bytes, at: int) -> str | None:
    # What is cut short, and what is not the first fragment, has no ports that anybody would look at.
    if len(frame) < at + _IPV4_HEADER or frame[at + 9] != _UDP or frame[at + 6] & 0x1F or frame[at + 7]:
        return None
    return _forbidden_ports(frame, at + (frame[at] & 0x0F) * 4)


def _forbidden_v6(frame: bytes, at: int) -> str | None:
    if len(frame) < at + _IPV6_HEADER:
        return None
    kind, at = frame[at + 6], at + _IPV6_HEADER
    while kind in _EXTENSIONS or kind in (_FRAGMENT, _AUTHENTICATION):
        if len(frame) < at + 8:
            return UNREADABLE
        following, length = frame[at], frame[at + 1]
        if kind == _FRAGMENT:
            if frame[at + 2] or frame[at + 3] & 0xF8:
                # Not the first one: what it continues was judged when that came.
                return None
            size = 8
        else:
            size = (length + 2) * 4 if kind == _AUTHENTICATION else (length + 1) * 8
        kind, at = following, at + size
    if kind == _UDP:
        return _forbidden_ports(frame, at)
    if kind != _ICMPV6:
        return None
    if len(frame) <= at:
        return UNREADABLE
    return ROUTER if frame[at] in _ROUTER_MESSAGES else None


def _forbidden_ports(frame: bytes, at: int) -> str | None:
    if len(frame) < at + 4:
        return UNREADABLE
    source, destination = int.from_bytes(frame[at : at + 2], "big"), int.from_bytes(frame[at + 2 : at + 4], "big")
    # Who waits for an answer of a server may look at the port that it comes to only.
    return DHCP if source in _SERVER_PORTS or destination in _CLIENT_PORTS else None
