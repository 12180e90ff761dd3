"""block-ipv6: IPv6 packets from the TUN device are answered with an error, so that who sent them tries IPv4 at once.

"No route to destination" (ICMPv6 type 1 code 0, RFC 4443 3.1) from fe80::7, as stock answers. Errors are not answered,
nor what went to a group or came from nobody (2.4 e); at most a hundred answers a second are given (2.4 f).
"""

from __future__ import annotations

from collections.abc import Sequence

from tvpn.plane.merge import PLAIN
from tvpn.plane.verbs import TunPacket
from tvpn.wire.icmp import checksum
from tvpn.wire.ip import is_multicast

ANSWERS = 100
"""At once, and for each second that passes."""
US = bytes.fromhex("fe80" + "00" * 13 + "07")
_FIRST_V6 = 0x60
_ICMP, _HEADER_SIZE, _ERROR_HEADER_SIZE = 58, 40, 8
_FIRST_INFORMATIONAL = 128
#: RFC 4443 3.1: as much of the packet as fits without being larger than the smallest MTU.
_MOST_QUOTED = 1280 - _HEADER_SIZE - _ERROR_HEADER_SIZE
_NOBODY = bytes(16)


class Reject:
    """Sorts out what is IPv6."""

    def __init__(self) -> None:
        self._allowance = float(ANSWERS)
        self._since = 0.0

    def sift(self, packets: Sequence[TunPacket], now: float) -> tuple[list[TunPacket], list[TunPacket]]:
        """(what is not IPv6 and goes on, what goes back into the device)."""
        passed: list[TunPacket] = []
        answers: list[TunPacket] = []
        self._allowance = min(self._allowance + (now - self._since) * ANSWERS, ANSWERS)
        self._since = now
        for entry in packets:
            packet = entry[1]
            if not packet or packet[0] & 0xF0 != _FIRST_V6:
                passed.append(entry)
            elif self._allowance >= 1 and _may_be_answered(packet):
                self._allowance -= 1
                answers.append((PLAIN, no_route(packet)))
        return passed, answers


def no_route(packet: bytes) -> bytes:
    """The answer to a whole IPv6 packet, to its sender."""
    sender = packet[8:24]
    body = packet[:_MOST_QUOTED]
    size = (_ERROR_HEADER_SIZE + len(body)).to_bytes(4, "big")
    # Type 1, code 0, the sum, four unused bytes.
    message = b"\x01" + bytes(7) + body
    pseudo = US + sender + size + _ICMP.to_bytes(4, "big")
    message = message[:2] + checksum(pseudo + message) + message[4:]
    return b"\x60\0\0\0" + size[2:] + bytes([_ICMP, 64]) + US + sender + message


def _may_be_answered(packet: bytes) -> bool:
    sender, target = packet[8:24], packet[24:40]
    if len(packet) < _HEADER_SIZE or sender == _NOBODY or is_multicast(sender) or is_multicast(target):
        return False
    return packet[6] != _ICMP or (len(packet) > _HEADER_SIZE and packet[_HEADER_SIZE] >= _FIRST_INFORMATIONAL)
