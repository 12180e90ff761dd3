"""Inner packets: addresses, and the MSS clamp against a slow checksum (W-17)."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.ip import clamp_mss, destination, source, tcp_offset

SYN, ACK = 0x02, 0x10
V4, V6 = (b"\x0a\x09\x00\x02", b"\x0a\x09\x00\x01"), (bytes(15) + b"\x02", bytes(15) + b"\x01")
MSS = st.integers(0, 65535)


def checksum(data: bytes) -> int:
    """The Internet checksum, the slow way (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_header(packet: bytes, length: int) -> bytes:
    return source(packet) + destination(packet) + struct.pack("!HHL", 0, 6, length)


def is_right(packet: bytes) -> bool:
    """Whether the TCP checksum of this packet is."""
    at = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
    return checksum(pseudo_header(packet, len(packet) - at) + packet[at:]) == 0xFFFF


def tcp(family: int, options: bytes, payload: bytes = b"", flags: int = SYN, ip_options: bytes = b"") -> bytes:
    """A TCP packet with a right checksum; options are padded with NOPs."""
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHLLBBHHH", 40000, 443, 1, 0, (5 + len(options) // 4) << 4, flags, 65535, 0, 0)
    segment = head + options + payload
    if family == 4:
        size = 20 + len(ip_options) + len(segment)
        first = 0x45 + len(ip_options) // 4
        packet = struct.pack("!BBHHHBBH", first, 0, size, 0, 0, 64, 6, 0) + V4[0] + V4[1] + ip_options + segment
    else:
        packet = struct.pack("!LHBB", 6 << 28, len(segment), 6, 64) + V6[0] + V6[1] + segment
    at = len(packet) - len(segment) + 16
    total = 0xFFFF - checksum(pseudo_header(packet, len(segment)) + segment)
    return packet[:at] + struct.pack("!H", total) + packet[at + 2 :]


def mss_of(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at : at + 2], "big")


class AddressTests(SynchronousTestCase):
    def test_both_families(self) -> None:
        """Source and destination as they lie in the packet."""
        for family, addresses in ((4, V4), (6, V6)):
            packet = tcp(family, b"")
            self.assertEqual((source(packet), destination(packet)), addresses)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=80))
    def test_garbage(self, packet: bytes) -> None:
        """Any bytes have addresses of 0, 4 or 16 bytes, none when the header is not whole."""
        whole = bool(packet) and len(packet) >= {4: 20, 6: 40}.get(packet[0] >> 4, 9999)
        size = (4 if packet[0] >> 4 == 4 else 16) if whole else 0
        self.assertEqual((len(source(packet)), len(destination(packet))), (size, size))


class ClampTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=400)
    @given(
        st.sampled_from([4, 6]), MSS, st.integers(100, 1500), st.integers(0, 7), st.sampled_from([SYN, SYN | ACK]),
        st.binary(max_size=21), st.sampled_from([b"", b"\1" * 4, b"\1" * 40]),
    )  # fmt: skip
    def test_against_model(
        self, family: int, mss: int, limit: int, before: int, flags: int, payload: bytes, ip_options: bytes
    ) -> None:
        """W-17: the MSS becomes the lesser of itself and the limit, also at odd offsets; the checksum stays right."""
        options = b"\1" * before + struct.pack("!BBH", 2, 4, mss)
        packet = tcp(family, options, payload, flags, ip_options if family == 4 else b"")
        self.assertTrue(is_right(packet))
        clamped = clamp_mss(packet, limit)
        at = tcp_offset(packet) + 20 + before + 2
        self.assertEqual(mss_of(clamped, at), min(mss, limit if family == 4 else limit - 20))
        self.assertTrue(is_right(clamped))
        checksum_at = tcp_offset(packet) + 16
        changed = {number for number, (old, new) in enumerate(zip(packet, clamped, strict=True)) if old != new}
        self.assertLessEqual(changed, {at, at + 1, checksum_at, checksum_at + 1})

    def test_left_alone(self) -> None:
        """What is no SYN, no TCP, no first fragment, or has no MSS option before its end comes back as it is."""
        mss = struct.pack("!BBH", 2, 4, 9000)
        syn = tcp(4, mss)
        table = [
            tcp(4, mss, flags=ACK),
            tcp(6, mss, flags=ACK),
            tcp(4, b""),
            tcp(4, b"\0" + mss),
            tcp(4, b"\3\3\7\0" + b"\0" + mss),
            tcp(4, b"", payload=mss),
            tcp(4, struct.pack("!BBH", 2, 3, 9000)),
            tcp(4, b"\5\0" + mss),
            tcp(4, b"\5\1" + mss),
            tcp(4, b"\5\xff" + mss),
            syn[:9] + b"\x11" + syn[10:],
            syn[:6] + b"\x00\x01" + syn[8:],
            syn[:6] + b"\x20\x08" + syn[8:],
            b"\x44" + syn[1:],
            tcp(6, mss)[:6] + b"\0" + tcp(6, mss)[7:],
        ]
        for packet in table:
            self.assertEqual(clamp_mss(packet, 1000), packet, packet.hex())

    def test_behind_other_options(self) -> None:
        """Options in front of it are stepped over, and a first fragment is clamped."""
        options = b"\3\3\7" + b"\4\2" + struct.pack("!BBLL", 8, 10, 1, 2) + struct.pack("!BBH", 2, 4, 9000)
        clamped = clamp_mss(tcp(4, options), 1000)
        self.assertEqual(mss_of(clamped, 20 + 20 + 17), 1000)
        self.assertTrue(is_right(clamped))
        first = tcp(4, struct.pack("!BBH", 2, 4, 9000))
        fragment = first[:6] + b"\x20\x00" + first[8:]
        self.assertEqual(mss_of(clamp_mss(fragment, 1000), 42), 1000)

    def test_every_truncation(self) -> None:
        """W-17: a SYN cut anywhere is clamped or left alone, and stays as long as it is."""
        for family in (4, 6):
            packet = tcp(family, b"\1\1\1" + struct.pack("!BBH", 2, 4, 9000) + b"\1")
            for size in range(len(packet)):
                self.assertEqual(len(clamp_mss(packet[:size], 1000)), size)

    def test_header_lengths(self) -> None:
        """W-17: every header length nibble, of IPv4 and of TCP, is harmless."""
        packet = bytearray(tcp(4, struct.pack("!BBH", 2, 4, 9000)))
        for nibble in range(16):
            for other in range(16):
                packet[0], packet[32] = 0x40 | nibble, other << 4
                self.assertEqual(len(clamp_mss(bytes(packet), 1000)), len(packet))

    @settings(deadline=None, max_examples=500)
    @given(st.binary(max_size=100), st.sampled_from([b"", b"\x45", b"\x46", b"\x60"]))
    def test_garbage(self, packet: bytes, first: bytes) -> None:
        """Any bytes come back at the same length without an exception."""
        self.assertEqual(len(clamp_mss(first + packet, 1000)), len(first + packet))
