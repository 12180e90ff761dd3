"""Packets on a stream: ``u16 length | packet``, the length without itself (protocol: packets.md 1)."""

from __future__ import annotations

import struct

from tvpn.errors import Drop

_LENGTH = struct.Struct("!H")
#: Larger packets do not occur; whoever announces one speaks something else.
LARGEST_PACKET = 9216


def encode_packet(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet


def encode_burst(segment: int, buffer: bytes) -> bytes:
    """A burst of equal packets, the last one perhaps shorter, each behind its length."""
    if segment >= len(buffer):
        return encode_packet(buffer)
    return b"".join(encode_packet(buffer[at : at + segment]) for at in range(0, len(buffer), segment))


class Unstreamer:
    """Cuts a stream into packets; what it keeps is at most one unfinished packet."""

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, data: bytes) -> list[bytes]:
        """The packets that are whole now; raises Drop for a length that no packet has: the stream is useless then."""
        data = self._rest + data
        packets: list[bytes] = []
        at = 0
        while len(data) - at >= _LENGTH.size:
            length: int = _LENGTH.unpack_from(data, at)[0]
            if not 0 < length <= LARGEST_PACKET:
                raise Drop("stream-length")
            if len(data) - at - _LENGTH.size < length:
                break
            at += _LENGTH.size
            packets.append(data[at : at + length])
            at += length
        self._rest = data[at:]
        return packets
