"""Captures, read back field by field."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.ip import destination, source
from tvpn.wire.pcap import HEADER, Capture, Place, encode_packet

PACKET = ControlPacket(Opcode.CONTROL, 1, b"A" * 8, (3,), b"B" * 8, 4, b"payload")
PLACES: tuple[tuple[Place, Place], ...] = (
    ((IPv4Address("192.0.2.1"), 1194), (IPv4Address("192.0.2.2"), 40000)),
    ((IPv6Address("2001:db8::1"), 1194), (IPv6Address("2001:db8::2"), 40000)),
)


class PcapTests(SynchronousTestCase):
    def test_header(self) -> None:
        """Version 2.4, big-endian, packets that begin with IP."""
        self.assertEqual(HEADER.hex(), "a1b2c3d4" "00020004" + "00" * 8 + "0000ffff" "00000065")

    def test_records(self) -> None:
        """A record stands whole in the packet that completes it, out of order and sent twice as they may come."""
        records = [b"\x16\x03\x03\x00\x04abcd", b"\x17\x03\x03\x00\x02ef", b"\x17\x03\x03\x00\x00"]
        stream = b"".join(records)
        pieces = [stream[:3], stream[3:10], stream[10:15], stream[15:]]
        resets = [ControlPacket(Opcode.SOFT_RESET, 2, b"A" * 8, message_id=0, payload=b"flags")]
        packets = [ControlPacket(Opcode.CONTROL, 2, b"A" * 8, message_id=at, payload=piece)
                   for at, piece in enumerate(pieces, 1)]  # fmt: skip
        capture = Capture()
        seen = []
        for packet in [*resets, packets[0], packets[0], packets[2], packets[1], packets[1], packets[3]]:
            whole = capture.encode(0, True, packet, *PLACES[0])[16 + 28 :]
            seen.append(ControlPacket.decode(whole[:9], whole[9:]).payload)
        self.assertEqual(seen, [b"flags", b"", b"", b"", records[0], b"", records[1] + records[2]])

    def test_wrapped_key(self) -> None:
        """Packets that carry a wrapped key stand there as those that carry none."""
        for opcode, bare in ((Opcode.HARD_RESET_CLIENT_V3, Opcode.HARD_RESET_CLIENT_V2),
                             (Opcode.CONTROL_WKC, Opcode.CONTROL), (Opcode.SOFT_RESET, Opcode.SOFT_RESET)):  # fmt: skip
            record = encode_packet(0, ControlPacket(opcode, 0, b"A" * 8, message_id=0), *PLACES[0])
            self.assertEqual(record[16 + 28] >> 3, bare)

    def test_packet(self) -> None:
        """Time, sizes, addresses, ports, and the control packet as it is without any wrapping."""
        for own, other in PLACES:
            record = encode_packet(1700000000.25, PACKET, own, other)
            seconds, micros, captured, size = struct.unpack("!LLLL", record[:16])
            whole = record[16:]
            self.assertEqual((seconds, micros, captured, size), (1700000000, 250000, len(whole), len(whole)))
            self.assertEqual((source(whole), destination(whole)), (own[0].packed, other[0].packed))
            at = 20 if own[0].version == 4 else 40
            ports = struct.unpack("!HHH", whole[at : at + 6])
            self.assertEqual(ports, (1194, 40000, len(whole) - at))
            bare = whole[at + 8 :]
            self.assertEqual(ControlPacket.decode(bare[:9], bare[9:]), PACKET)
