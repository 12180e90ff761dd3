"""Captures that Wireshark reads: control packets with their wrapping taken off, in UDP datagrams made up around them.

::

    file    magic a1b2c3d4 (4) | version 2.4 (2 + 2) | 0 (8) | largest (4) | link type 101: raw IP (4)
    packet  seconds (4) | microseconds (4) | captured (4) | size (4) | IP packet

Source: the libpcap file format (draft-ietf-opsawg-pcap); OpenVPN's port decides what Wireshark takes it for.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from tvpn.wire.control import ControlPacket

_RAW_IP = 101
_LARGEST = 65535
_UDP = 17

HEADER = struct.pack("!LHHqLL", 0xA1B2C3D4, 2, 4, 0, _LARGEST, _RAW_IP)
Place = tuple[IPv4Address | IPv6Address, int]


def encode_packet(wall: float, packet: ControlPacket, source: Place, destination: Place) -> bytes:
    """One packet as if it had gone bare from ``source`` to ``destination`` (address, port) at this time of day."""
    payload = packet.header + packet.encode_body()
    datagram = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload
    if isinstance(source[0], IPv4Address):
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, _UDP, 0)
    else:
        header = struct.pack("!LHBB", 0x60000000, len(datagram), _UDP, 64)
    whole = header + source[0].packed + destination[0].packed + datagram
    seconds = int(wall)
    return struct.pack("!LLLL", seconds, int((wall - seconds) * 1e6), len(whole), len(whole)) + whole
