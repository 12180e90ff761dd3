"""Captures, read back field by field."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.ip import destination, source
from tvpn.wire.pcap import HEADER, Place, encode_packet

PACKET = ControlPacket(Opcode.CONTROL, 1, b"A" * 8, (3,), b"B" * 8, 4, b"payload")
PLACES: tuple[tuple[Place, Place], ...] = (
    ((IPv4Address("192.0.2.1"), 1194), (IPv4Address("192.0.2.2"), 40000)),
    ((IPv6Address("2001:db8::1"), 1194), (IPv6Address("2001:db8::2"), 40000)),
)


class PcapTests(SynchronousTestCase):
    def test_header(self) -> None:
        """Version 2.4, big-endian, packets that begin with IP."""
        self.assertEqual(HEADER.hex(), "a1b2c3d4" "00020004" + "00" * 8 + "0000ffff" "00000065")

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
