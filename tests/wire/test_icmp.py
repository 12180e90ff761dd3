"""Pings, checked by an independent checksum."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.test_ip import checksum
from tvpn.wire.icmp import Address, echo_request, is_echo_reply
from tvpn.wire.ip import destination, source

PAIRS: tuple[tuple[Address, Address], ...] = (
    (IPv4Address("10.9.0.2"), IPv4Address("10.9.0.1")),
    (IPv6Address("fd00:9::2"), IPv6Address("fd00:9::1")),
)


def reply(request: bytes) -> bytes:
    """What the other end answers; its checksum is not looked at."""
    at = 20 if request[0] >> 4 == 4 else 40
    addresses = destination(request) + source(request)
    kind = b"\0\0" if at == 20 else b"\x81\0"
    return request[: at - len(addresses)] + addresses + kind + request[at + 2 :]


class EchoTests(SynchronousTestCase):
    def test_checksums(self) -> None:
        """Both families: lengths, addresses and checksums are right."""
        for own, other in PAIRS:
            packet = echo_request(own, other, 7, 3)
            at = 20 if own.version == 4 else 40
            self.assertEqual((source(packet), destination(packet)), (own.packed, other.packed))
            message = packet[at:]
            if own.version == 4:
                self.assertEqual(checksum(packet[:20]), 0xFFFF)
                self.assertEqual(int.from_bytes(packet[2:4], "big"), len(packet))
                pseudo = b""
            else:
                self.assertEqual(int.from_bytes(packet[4:6], "big"), len(message))
                pseudo = own.packed + other.packed + struct.pack("!LL", len(message), 58)
            self.assertEqual(checksum(pseudo + message), 0xFFFF)

    def test_reply(self) -> None:
        """The answer is known; one from elsewhere, to elsewhere, of another kind, number or content is none."""
        for own, other in PAIRS:
            request = echo_request(own, other)
            answer = reply(request)
            self.assertTrue(is_echo_reply(answer, request))
            at = 20 if own.version == 4 else 40
            places = {"from": 12 if at == 20 else 8, "to": 16 if at == 20 else 24, "kind": at, "number": at + 7}
            for name, place in {**places, "content": len(answer) - 1}.items():
                wrong = answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]
                self.assertFalse(is_echo_reply(wrong, request), name)
            for size in range(len(answer)):
                self.assertFalse(is_echo_reply(answer[:size], request), size)
        self.assertFalse(is_echo_reply(b"", b""))
