"""I-16: what no client may say on a shared Ethernet, however it is wrapped, and what it may."""

from __future__ import annotations

import random
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.plane.scene import INNER, INNER_V6, WORLD, WORLD_V6, ipv6_packet
from tests.wire.test_ip import tcp
from tvpn.plane.guard import BRIDGE, DHCP, ROUTER, UNREADABLE, forbidden
from tvpn.wire.ethernet import IPV4, IPV6, TAGGED

ALL = b"\xff" * 6
SENDER = b"\2\0\0\0\0\2"


def frame(kind: bytes, payload: bytes, target: bytes = ALL) -> bytes:
    return target + SENDER + kind + payload


def udp_v4(source: int, destination: int, options: bytes = b"", offset: int = 0) -> bytes:
    size = 20 + len(options) + 8
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, size, 1, offset, 64, 17, 0) + INNER[0] + WORLD
    return head + options + struct.pack("!HHHH", source, destination, 8, 0)


def ipv6(kind: int, payload: bytes) -> bytes:
    packet = bytearray(ipv6_packet(INNER_V6[0], WORLD_V6, payload))
    packet[6] = kind
    return bytes(packet)


def udp_v6(source: int, destination: int) -> bytes:
    return ipv6(17, struct.pack("!HHHH", source, destination, 8, 0))


ADVERTISEMENT, REDIRECT = (ipv6(58, bytes([kind]) + bytes(15)) for kind in (134, 137))
OFFER, OFFER_V6 = udp_v4(67, 68), udp_v6(547, 546)


class GuardTests(SynchronousTestCase):
    def test_rogues(self) -> None:
        """Router advertisements, redirects, DHCP servers of both families, and the words of bridges."""
        table = [
            (frame(IPV6, ADVERTISEMENT), ROUTER), (frame(IPV6, REDIRECT), ROUTER), (frame(IPV4, OFFER), DHCP),
            (frame(IPV6, OFFER_V6), DHCP), (frame(IPV4, udp_v4(67, 67)), DHCP), (frame(IPV6, udp_v6(547, 547)), DHCP),
            (frame(IPV4, udp_v4(1067, 68)), DHCP), (frame(IPV6, udp_v6(1547, 546)), DHCP),
            (frame(IPV4, udp_v4(67, 68, b"\1" * 8)), DHCP), (frame(IPV4, OFFER, SENDER), DHCP),
            (frame(IPV6, ADVERTISEMENT, SENDER), ROUTER),
        ]  # fmt: skip
        table += [(frame(b"\0\x26", b"\x42\x42\3" + bytes(35), b"\1\x80\xc2\0\0" + bytes([last])), BRIDGE)
                  for last in range(16)]  # fmt: skip
        table += [(frame(b"\x88\xcc", bytes(46), b"\1\x80\xc2\0\0\x0e"), BRIDGE)]
        table += [(frame(b"\0\x26", bytes(46), b"\1\0\x0c\xcc\xcc" + bytes([last])), BRIDGE) for last in (0xCC, 0xCD)]
        for given_frame, reason in table:
            self.assertEqual(forbidden(given_frame), reason, given_frame.hex())

    def test_what_clients_say(self) -> None:
        """What a client does all day passes: asking for an address and for routers, neighbours, names, ARP."""
        solicitation, neighbour, answer, report = (ipv6(58, bytes([kind]) + bytes(19)) for kind in (133, 135, 136, 143))
        table = [
            frame(IPV4, udp_v4(68, 67)), frame(IPV6, udp_v6(546, 547)), frame(IPV6, solicitation),
            frame(IPV6, neighbour), frame(IPV6, answer), frame(IPV6, ipv6(0, bytes([58, 0]) + bytes(6) + report[40:])),
            frame(IPV4, udp_v4(5353, 5353)), frame(b"\x08\6", bytes(28)), frame(b"\x88\xb5", bytes(46)),
            frame(IPV4, tcp(4, b"")), frame(IPV6, tcp(6, b"")), frame(IPV4, OFFER[:9] + b"\6" + OFFER[10:]),
            frame(b"\x88\xb5", bytes(46), b"\1\x80\xc2\0\0\x10"), frame(b"\x88\xb5", bytes(46), b"\1\0\x5e\0\0\1"),
            frame(IPV6, ipv6(59, b"")), frame(TAGGED, b"\0\7" + b"\x08\6" + bytes(28)),
        ]  # fmt: skip
        for given_frame in table:
            self.assertIsNone(forbidden(given_frame), given_frame.hex())

    def test_wrapped(self) -> None:
        """Any number of tags and SNAP headers around it hides nothing."""
        tags = (TAGGED + b"\0\0", b"\x88\xa8\0\7", b"\x91\0\0\7")
        snap = b"\0\x64" + b"\xaa\xaa\3\0\0\0"
        dice = random.Random(16)
        for packet, kind, reason in ((ADVERTISEMENT, IPV6, ROUTER), (OFFER, IPV4, DHCP), (udp_v4(68, 67), IPV4, None)):
            for number in (1, 2, 5, 300):
                wrapping = b"".join(dice.choice((*tags, snap)) for _ in range(number))
                self.assertEqual(forbidden(ALL + SENDER + wrapping + kind + packet), reason, wrapping.hex())

    def test_extension_headers(self) -> None:
        """RFC 7113: so do IPv6 extension headers, a hundred of them; one that is cut off hides nothing, either."""
        for kind in (0, 43, 60, 135):
            for last, payload, reason in (
                (58, ADVERTISEMENT[40:], ROUTER), (17, OFFER_V6[40:], DHCP), (6, bytes(20), None),
            ):  # fmt: skip
                for number in (1, 100):
                    chain = (bytes([kind, 0]) + bytes(6)) * (number - 1) + bytes([last, 0]) + bytes(6)
                    whole = frame(IPV6, ipv6(kind, chain + payload))
                    self.assertEqual(forbidden(whole), reason, whole.hex())
                    if reason:
                        self.assertEqual(forbidden(whole[: -len(payload)]), UNREADABLE)
                    self.assertEqual(forbidden(whole[: -len(payload) - 1]), UNREADABLE)
        authenticated = ipv6(51, bytes([58, 2]) + bytes(14) + ADVERTISEMENT[40:])
        self.assertEqual(forbidden(frame(IPV6, authenticated)), ROUTER)

    def test_fragments(self) -> None:
        """Of fragments the first one is judged, which has to say what it is; the others mean nothing without it."""
        first, later = b"\x3a\0\0\1" + bytes(4), b"\x3a\0\0\x09" + bytes(4)
        self.assertEqual(forbidden(frame(IPV6, ipv6(44, first + ADVERTISEMENT[40:]))), ROUTER)
        self.assertEqual(forbidden(frame(IPV6, ipv6(44, first))), UNREADABLE)
        self.assertIsNone(forbidden(frame(IPV6, ipv6(44, later + ADVERTISEMENT[40:]))))
        self.assertEqual(forbidden(frame(IPV4, udp_v4(67, 68, offset=0x2000))), DHCP)
        self.assertIsNone(forbidden(frame(IPV4, udp_v4(67, 68, offset=0x2001))))
        self.assertEqual(forbidden(frame(IPV4, OFFER[:23])), UNREADABLE)

    @settings(deadline=None, max_examples=400)
    @given(st.binary(min_size=14, max_size=200), st.sampled_from([IPV4, IPV6, TAGGED, b"\0\x40", None]))
    def test_anything(self, data: bytes, kind: bytes | None) -> None:
        """W-17: whatever is in a frame: an answer, and never an exception."""
        whole = data if kind is None else data[:12] + kind + data[14:]
        self.assertIn(forbidden(whole), (None, ROUTER, DHCP, BRIDGE, UNREADABLE))
