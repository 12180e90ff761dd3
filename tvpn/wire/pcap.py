"""Captures that Wireshark reads: control packets with their wrapping taken off, in UDP datagrams made up around them.

Wireshark looks into TLS only where a packet holds whole records. So a record that was cut to fit two packets stands in
the second one, and what came before its turn in the packet that it waited for.

::

    file    magic a1b2c3d4 (4) | version 2.4 (2 + 2) | 0 (8) | largest (4) | link type 101: raw IP (4)
    packet  seconds (4) | microseconds (4) | captured (4) | size (4) | IP packet

Source: the libpcap file format (draft-ietf-opsawg-pcap); OpenVPN's port decides what Wireshark takes it for.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode

_RAW_IP = 101
_LARGEST = 65535
_UDP = 17
_RECORD_HEADER = 5

#: The same without the wrapped key, which is part of the wrapping.
_BARE = {Opcode.HARD_RESET_CLIENT_V3: Opcode.HARD_RESET_CLIENT_V2, Opcode.CONTROL_WKC: Opcode.CONTROL}

HEADER = struct.pack("!LHHqLL", 0xA1B2C3D4, 2, 4, 0, _LARGEST, _RAW_IP)
Place = tuple[IPv4Address | IPv6Address, int]


class Capture:
    """Encodes the packets of one session, in the order in which they were seen."""

    def __init__(self) -> None:
        self._flows: dict[tuple[bool, int], _Flow] = {}

    def encode(self, wall: float, sent: bool, packet: ControlPacket, own: Place, other: Place) -> bytes:
        """One packet that this end has sent, or received."""
        flow = self._flows.setdefault((sent, packet.key_id), _Flow())
        if packet.opcode in (Opcode.CONTROL, Opcode.CONTROL_WKC) and packet.message_id is not None:
            packet = replace(packet, payload=flow.whole_records(packet.message_id, packet.payload))
        return encode_packet(wall, packet, *((own, other) if sent else (other, own)))


class _Flow:
    """TLS's bytes one way under one key id: what follows the reset, which is no TLS."""

    def __init__(self) -> None:
        self._next = 1
        self._early: dict[int, bytes] = {}
        self._rest = b""

    def whole_records(self, message_id: int, payload: bytes) -> bytes:
        """All the records that are complete with this packet."""
        if message_id >= self._next:
            self._early[message_id] = payload
        while self._next in self._early:
            self._rest += self._early.pop(self._next)
            self._next += 1
        at = 0
        while at + _RECORD_HEADER <= len(self._rest):
            end = at + _RECORD_HEADER + int.from_bytes(self._rest[at + 3 : at + 5], "big")
            if end > len(self._rest):
                break
            at = end
        whole, self._rest = self._rest[:at], self._rest[at:]
        return whole


def encode_packet(wall: float, packet: ControlPacket, source: Place, destination: Place) -> bytes:
    """One packet as if it had gone bare from ``source`` to ``destination`` (address, port) at this time of day."""
    bare = replace(packet, opcode=_BARE.get(packet.opcode, packet.opcode))
    payload = bare.header + bare.encode_body()
    datagram = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
    if isinstance(source[0], IPv4Address):
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, _UDP, 0)
    else:
        header = struct.pack("!LHBB", 0x60000000, len(datagram), _UDP, 64)
    whole = header + source[0].packed + destination[0].packed + datagram
    seconds = int(wall)
    return struct.pack("!LLLL", seconds, int((wall - seconds) * 1e6), len(whole), len(whole)) + whole
