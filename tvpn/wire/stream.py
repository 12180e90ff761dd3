"""Packets on a stream: ``u16 length | packet``, the length without itself (protocol: packets.md 1)."""

from __future__ import annotations

import struct

from tvpn.errors import Drop
from tvpn.wire.header import Opcode, encode_first_byte

_LENGTH = struct.Struct("!H")
#: Larger packets do not occur; whoever announces one speaks something else.
LARGEST_PACKET = 9216
#: How long a client's first packet may be: without a wrapped key in it, and with one.
_FIRST_LENGTHS = {
    encode_first_byte(Opcode.HARD_RESET_CLIENT_V2, 0): range(14, 256),
    encode_first_byte(Opcode.HARD_RESET_CLIENT_V3, 0): range(336, 1279),
}


def encode_packet(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet


def encode_burst(segment: int, buffer: bytes) -> bytes:
    """A burst of equal packets, the last one perhaps shorter, each behind its length."""
    if segment >= len(buffer):
        return encode_packet(buffer)
    return b"".join(encode_packet(buffer[at : at + segment]) for at in range(0, len(buffer), segment))


def begins_openvpn(start: bytes) -> bool | None:
    """Whether a connection that begins so speaks OpenVPN, by the rule of its port-share; None: too early to tell.

    Length and first byte are those of a client's reset; neither TLS (0x16 0x03) nor words (HTTP) can look like that.
    """
    if len(start) > _LENGTH.size:
        return _LENGTH.unpack_from(start)[0] in _FIRST_LENGTHS.get(start[_LENGTH.size], ())
    lowest = int.from_bytes(start.ljust(_LENGTH.size, b"\0"), "big")
    highest = int.from_bytes(start.ljust(_LENGTH.size, b"\xff"), "big")
    possible = any(lowest < lengths.stop and lengths.start <= highest for lengths in _FIRST_LENGTHS.values())
    return None if possible else False


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
