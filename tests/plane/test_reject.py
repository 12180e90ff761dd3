"""The answers to IPv6 where it is blocked."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from tests.plane.scene import WORLD_V6, ipv6_packet
from tests.whole.simulation import ipv4_packet
from tvpn.plane.merge import PLAIN
from tvpn.plane.reject import ANSWERS, Reject, no_route

SENDER = ip_address("2001:db8::2").packed
PACKET = ipv6_packet(SENDER, WORLD_V6, b"some payload")


def checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class AnswerTests(SynchronousTestCase):
    def test_bytes(self) -> None:
        """An IPv6 header, ICMPv6 type 1 code 0, and the packet itself; the sum is right, for odd lengths as well."""
        for packet in (PACKET, PACKET[:-1]):
            answer = no_route(packet)
            self.assertEqual((answer[0] >> 4, answer[6], answer[24:40]), (6, 58, SENDER))
            self.assertEqual(answer[8:24], ip_address("fe80::7").packed)
            self.assertEqual(int.from_bytes(answer[4:6], "big"), len(answer) - 40)
            self.assertEqual(answer[40:42] + answer[44:48], bytes([1, 0]) + bytes(4))
            self.assertEqual(answer[48:], packet)
            pseudo = answer[8:40] + (len(answer) - 40).to_bytes(4, "big") + (58).to_bytes(4, "big")
            self.assertEqual(checksum(pseudo + answer[40:]), 0xFFFF)

    def test_large(self) -> None:
        """The answer is never larger than IPv6's smallest MTU."""
        self.assertEqual(len(no_route(PACKET + bytes(1500))), 1280)


class SiftTests(SynchronousTestCase):
    def sift(self, *packets: bytes) -> tuple[list[bytes], int]:
        passed, answers = Reject().sift([(PLAIN, packet) for packet in packets], 5.0)
        return [packet for _, packet in passed], len(answers)

    def test_families(self) -> None:
        """IPv4 goes on, IPv6 goes back, whatever it is."""
        v4 = ipv4_packet(b"\x0a\x09\0\x02", b"\x0a\x09\0\x01", b"x")
        self.assertEqual(self.sift(v4, PACKET, v4), ([v4, v4], 1))

    def test_unanswered(self) -> None:
        """RFC 4443 2.4: no answer to errors, to groups, from groups or from nobody; to an echo request there is one."""
        ping, error = (PACKET[:6] + bytes([58]) + PACKET[7:40] + bytes([kind, 0, 0, 0]) for kind in (128, 1))
        table = [
            (ping, 1), (error, 0), (PACKET[:30], 0), (PACKET[:6] + bytes([58]) + PACKET[7:40], 0),
            (ipv6_packet(bytes(16), WORLD_V6), 0), (ipv6_packet(SENDER, ip_address("ff02::2").packed), 0),
            (ipv6_packet(ip_address("ff02::2").packed, WORLD_V6), 0), (b"", 0),
        ]  # fmt: skip
        for packet, answers in table:
            self.assertEqual(self.sift(packet), ([] if packet else [b""], answers), packet.hex())

    def test_rate(self) -> None:
        """A hundred at once, then a hundred a second; nothing passes meanwhile."""
        reject = Reject()
        flood = [(PLAIN, PACKET)] * (3 * ANSWERS)
        counts = []
        for now in (5.0, 5.0, 5.5, 100.0):
            passed, answers = reject.sift(flood, now)
            self.assertEqual(passed, [])
            counts.append(len(answers))
        self.assertEqual(counts, [ANSWERS, 0, ANSWERS // 2, ANSWERS])
