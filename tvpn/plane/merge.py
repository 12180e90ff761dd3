"""Packets of one TCP stream for this machine itself, handed to its kernel as one large packet (Linux: virtio_net.h).

What a kernel does with a packet costs far more than what is in it, and for each second one it sends an ack back through
the tunnel. So those that follow each other become one, with a header in front, in the machine's byte order::

    flags (1) | type (1) | size of the headers (2) | size of a segment (2) | checksum's begin (2), its offset (2)

The checksum of the large packet is made of those of the small ones, of which not a byte of payload has to be looked at;
the kernel that the stream ends in verifies it. A forwarding kernel would not: what goes further stays as it came.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence

from tvpn.plane.verbs import TunPacket
from tvpn.wire.ethernet import ip_offset
from tvpn.wire.ip import TCP

HEADER = struct.Struct("=BBHHHH")
PLAIN = bytes(HEADER.size)
_TCP_V4, _TCP_V6 = 1, 4
_ACK, _PUSH = 0x10, 0x08
_PLAIN_V4, _DONT_FRAGMENT = 0x45, b"\x40\0"
"""IPv4 without options, neither a fragment nor to become one."""
_LARGEST = 65535
_MODULUS = 0xFFFF
_SHORT = struct.Struct("!H")


class Run:
    """Packets of one stream that follow each other. ``front``: what stands before each of them, the same for all;
    ``at`` and ``head``: where TCP and its payload begin.
    """

    __slots__ = ("at", "front", "head", "is_open", "key", "packets", "room", "sequence", "size")

    def __init__(
        self, front: bytes, packet: bytes, at: int = 0, head: int = 0, key: bytes = b"", sequence: int = 0
    ) -> None:
        self.front = front
        self.packets = [packet]
        self.at = at
        self.head = head
        self.key = key
        self.size = len(packet) - head
        self.sequence = sequence + self.size
        self.room = _LARGEST - len(packet)
        self.is_open = bool(key)

    def take(self, packet: bytes, key: bytes, sequence: int) -> bool:
        """Whether this packet continues the run: everything equal but the numbers, and no larger."""
        size = len(packet) - self.head
        if not self.is_open or key != self.key or sequence != self.sequence & 0xFFFFFFFF:
            return False
        if size > self.size or size > self.room:
            return False
        self.packets.append(packet)
        self.sequence += size
        self.room -= size
        # Only the last may be smaller.
        self.is_open = size == self.size
        return True


class Streams:
    """A batch on its way to the kernel: each stream keeps its order. What is of no stream is a run of its own."""

    __slots__ = ("_last", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._last: dict[bytes, Run] = {}
        """The run of each stream that may go on."""

    def add(self, front: bytes, packet: bytes, is_v4: bool) -> None:
        """A TCP packet for this machine itself. All of a run have the same ``key``; without one it stays alone."""
        if is_v4 and len(packet) >= 40 and packet[0] == _PLAIN_V4 and packet[6:8] == _DONT_FRAGMENT:
            at, head, stream = 20, 20 + (packet[32] >> 4 << 2), packet[12:24]
            key = packet[:2] + packet[6:10] + packet[28:33] + packet[34:36] + packet[38:head]
            length = int.from_bytes(packet[2:4], "big")
        elif not is_v4 and len(packet) >= 60:
            at, head, stream = 40, 40 + (packet[52] >> 4 << 2), packet[8:44]
            key = packet[:4] + packet[6:8] + packet[48:53] + packet[54:56] + packet[58:head]
            length = int.from_bytes(packet[4:6], "big") + 40
        else:
            # Of which stream it is we do not look: nothing of any may overtake it.
            self._last.clear()
            self.runs.append(Run(front, packet))
            return
        flags = packet[at + 13]
        if flags & ~_PUSH != _ACK or not at + 20 <= head < len(packet) or length != len(packet):
            key = b""
        sequence = int.from_bytes(packet[at + 4 : at + 8], "big")
        run = self._last.get(stream)
        if run is None or not key or run.front != front or not run.take(packet, key, sequence):
            run = self._last[stream] = Run(front, packet, at, head, key, sequence)
            self.runs.append(run)
        if flags & _PUSH:
            # It is the last of its run.
            run.is_open = False


def merge(packets: Sequence[TunPacket], own: Collection[bytes]) -> list[TunPacket]:
    """The same packets, those of a stream to one of our ``own`` addresses that follow each other in one; each stream
    keeps its order.
    """
    streams = Streams()
    add, append = streams.add, streams.runs.append
    for _, packet in packets:
        is_v4 = packet[0] >> 4 == 4
        if packet[9 if is_v4 else 6] != TCP or (packet[16:20] if is_v4 else packet[24:40]) not in own:
            append(Run(b"", packet))
        else:
            add(b"", packet, is_v4)
    return [_merged(run) if len(run.packets) > 1 else (PLAIN, run.packets[0]) for run in streams.runs]


def merge_frames(frames: Sequence[TunPacket], own: Collection[bytes], lladdr: bytes) -> list[TunPacket]:
    """The same for whole Ethernet frames: those to our device's own address ``lladdr`` and to an ``own`` one in it."""
    streams = Streams()
    for _, frame in frames:
        begin = ip_offset(frame) if frame[:6] == lladdr else 0
        packet = frame[begin:]
        is_v4 = packet[0] >> 4 == 4
        if not begin or packet[9 if is_v4 else 6] != TCP or (packet[16:20] if is_v4 else packet[24:40]) not in own:
            streams.runs.append(Run(b"", frame))
        else:
            streams.add(frame[:begin], packet, is_v4)
    return [_merged(run) if len(run.packets) > 1 else (PLAIN, run.front + run.packets[0]) for run in streams.runs]


def _merged(run: Run) -> TunPacket:
    """The large packet of a run, and the header that says what it is."""
    at, head, first = run.at, run.head, run.packets[0]
    packet = bytearray(b"".join([first, *[each[head:] for each in run.packets[1:]]]))
    if at == 20:
        _SHORT.pack_into(packet, 2, len(packet))
        _SHORT.pack_into(packet, 10, 0)
        _SHORT.pack_into(packet, 10, -_sum(packet[:20]) % _MODULUS)
    else:
        _SHORT.pack_into(packet, 4, len(packet) - at)
    packet[at + 13] |= run.packets[-1][at + 13] & _PUSH
    _SHORT.pack_into(packet, at + 16, 0)
    payload = sum(_sum_of_payload(each, at, head, number * run.size & 1) for number, each in enumerate(run.packets))
    # The pseudo-header: the addresses stand right in front of TCP in IPv4, and further ahead in IPv6.
    headers = _sum(packet[12 if at == 20 else 8 : 20 if at == 20 else 40]) + _sum(packet[at:head])
    _SHORT.pack_into(packet, at + 16, -(headers + TCP + len(packet) - at + payload) % _MODULUS)
    kind = _TCP_V4 if at == 20 else _TCP_V6
    return HEADER.pack(0, kind, len(run.front) + head, run.size, 0, 0), run.front + packet


def _sum_of_payload(packet: bytes, at: int, head: int, is_odd: int) -> int:
    """What the payload sums up to if the packet's checksum is right; one that begins at an odd byte counts swapped."""
    headers = _sum(packet[12 if at == 20 else 8 : 20 if at == 20 else 40]) + _sum(packet[at:head])
    total = -(headers + TCP + len(packet) - at) % _MODULUS
    return total << 8 if is_odd else total


def _sum(data: bytes | bytearray) -> int:
    """The sum of 16-bit words, modulo 65535 (RFC 1071)."""
    return int.from_bytes(data, "big") % _MODULUS
