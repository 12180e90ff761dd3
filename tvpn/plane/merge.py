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
from tvpn.wire.ip import PLAIN_V4, TCP

HEADER = struct.Struct("=BBHHHH")
PLAIN = bytes(HEADER.size)
_TCP_V4, _TCP_V6 = 1, 4
_ACK, _PUSH = 0x10, 0x08
_DONT_FRAGMENT = b"\x40\0"
"""Neither a fragment nor to become one."""
_LARGEST = 65535
_MODULUS = 0xFFFF
_SHORT = struct.Struct("!H")


def _masks(at: int, changing: Collection[int]) -> dict[int, int]:
    """For each size of the headers, read as one number, all bits of them but those of the ``changing`` bytes. ``at``:
    where TCP begins.
    """
    return {
        head: int.from_bytes(bytes(0 if place in changing else 0xFF for place in range(head)), "big")
        for head in range(at + 20, at + 61, 4)
    }


#: By where TCP begins, 20 in IPv4 and 40 in IPv6, and by the size of the headers: what those of a run have in common
#: (not lengths, identification, sequence number, flags and checksums), and what two in the middle of it have.
_COMMON = {
    20: _masks(20, (2, 3, 4, 5, 10, 11, 24, 25, 26, 27, 33, 36, 37)),
    40: _masks(40, (4, 5, 44, 45, 46, 47, 53, 56, 57)),
}
_ALIKE = {20: _masks(20, (4, 5, 10, 11, 36, 37)), 40: _masks(40, (56, 57))}


class Run:
    """Packets of one stream that follow each other. ``front``: what stands before each of them, the same for all;
    ``at`` and ``head``: where TCP and its payload begin; ``key``: what their headers have in common, 0 for none.
    """

    __slots__ = ("alike", "at", "following", "front", "head", "key", "most", "packets", "size", "step")

    def __init__(self, front: bytes, packet: bytes, at: int = 0, head: int = 0, key: int = 0) -> None:
        self.front = front
        self.packets = [packet]
        self.at = at
        self.head = head
        self.key = key
        self.size = len(packet) - head
        self.following = 0
        """The header of the next one if it is like all before, as a number; 0 when there is to be no other."""
        if key:
            self.alike = _ALIKE[at][head]
            self.most = (_LARGEST - head) // self.size
            self.step = self.size << self._behind_sequence
            self.following = (int.from_bytes(packet[:head], "big") & self.alike) + self.step
            if int.from_bytes(packet[at + 4 : at + 8], "big") + self.most * self.size > 0xFFFFFFFF:
                # The end of the numbers is near, and to add would carry into the port: nothing is alike then.
                self.alike = 0

    @property
    def _behind_sequence(self) -> int:
        """Bits of the headers behind the sequence number."""
        return 8 * (self.head - self.at - 8)

    def follow(self, frame: bytes) -> bool:
        """The quick way: whether this is the next one, with its front, of the same size and alike in all else."""
        begin, head = len(self.front), self.head
        if not self.following or len(frame) != begin + head + self.size or frame[:begin] != self.front:
            return False
        if int.from_bytes(frame[begin : begin + head], "big") & self.alike != self.following:
            return False
        self._append(frame[begin:])
        return True

    def take(self, front: bytes, packet: bytes, key: int, sequence: int) -> bool:
        """Whether this packet continues the run: everything equal but the numbers, and no larger."""
        size = len(packet) - self.head
        if not self.following or key != self.key or front != self.front or size > self.size:
            return False
        if sequence != self.following >> self._behind_sequence & 0xFFFFFFFF:
            return False
        self._append(packet)
        if size < self.size:
            self.close()
        return True

    def _append(self, packet: bytes) -> None:
        self.packets.append(packet)
        self.following += self.step
        if len(self.packets) == self.most:
            self.close()

    def close(self) -> None:
        """The packet that came last, smaller than the others or pushed, is the last."""
        self.following = 0


class Streams:
    """A batch on its way to the kernel: each stream keeps its order. What is of no stream is a run of its own."""

    __slots__ = ("_last", "latest", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.latest: Run | None = None
        """That of the TCP packet before: most often it goes on."""
        self._last: dict[bytes, Run] = {}
        """The run of each stream that may go on."""

    def add(self, front: bytes, packet: bytes, is_v4: bool) -> None:
        """A TCP packet for this machine itself."""
        if is_v4 and len(packet) >= 40 and packet[0] == PLAIN_V4 and packet[6:8] == _DONT_FRAGMENT:
            at, head, stream = 20, 20 + (packet[32] >> 4 << 2), packet[12:24]
            length = int.from_bytes(packet[2:4], "big")
        elif not is_v4 and len(packet) >= 60:
            at, head, stream = 40, 40 + (packet[52] >> 4 << 2), packet[8:44]
            length = int.from_bytes(packet[4:6], "big") + 40
        else:
            # Of which stream it is we do not look: nothing of any may overtake it.
            self._last.clear()
            self.latest = None
            self.runs.append(Run(front, packet))
            return
        flags, key = packet[at + 13], 0
        if flags & ~_PUSH == _ACK and at + 20 <= head < len(packet) == length:
            key = int.from_bytes(packet[:head], "big") & _COMMON[at][head]
        run = self._last.get(stream)
        if run is None or not run.take(front, packet, key, int.from_bytes(packet[at + 4 : at + 8], "big")):
            run = self._last[stream] = Run(front, packet, at, head, key)
            self.runs.append(run)
        if flags & _PUSH:
            run.close()
        self.latest = run


def merge(packets: Sequence[TunPacket], own: Collection[bytes]) -> list[TunPacket]:
    """The same packets, those of a stream to one of our ``own`` addresses that follow each other in one; each stream
    keeps its order.
    """
    streams = Streams()
    add, append = streams.add, streams.runs.append
    for _, packet in packets:
        if streams.latest is not None and streams.latest.follow(packet):
            continue
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
        if streams.latest is not None and streams.latest.follow(frame):
            continue
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
    at, head, last = run.at, run.head, run.packets[-1]
    length = run.size * (len(run.packets) - 1) + len(last)
    headers = bytearray(run.packets[0][:head])
    if at == 20:
        _SHORT.pack_into(headers, 2, length)
        _SHORT.pack_into(headers, 10, 0)
        _SHORT.pack_into(headers, 10, -_sum(headers[:20]) % _MODULUS)
    else:
        _SHORT.pack_into(headers, 4, length - at)
    headers[at + 13] |= last[at + 13] & _PUSH
    _SHORT.pack_into(headers, at + 16, 0)
    total = _sum(headers[_addresses(at)]) + TCP + length - at + _sum(headers[at:]) + _sum_of_payload(run)
    _SHORT.pack_into(headers, at + 16, -total % _MODULUS)
    kind = _TCP_V4 if at == 20 else _TCP_V6
    packet = b"".join([run.front, headers, *[each[head:] for each in run.packets]])
    return HEADER.pack(0, kind, len(run.front) + head, run.size, 0, 0), packet


def _addresses(at: int) -> slice:
    """Where those of the pseudo-header stand: right in front of TCP."""
    return slice(12 if at == 20 else 8, at)


def _sum_of_payload(run: Run) -> int:
    """What the payload sums up to if the packets' checksums are right; what begins at an odd byte counts swapped."""
    at, first = run.at, run.packets[0]
    # From the sequence number to the checksum they may differ, and in their length; the rest counts for each alike.
    own = [int.from_bytes(each[at + 4 : at + 18], "big") + len(each) - at for each in run.packets]
    rest = _sum(first[_addresses(at)]) + TCP + _sum(first[at : at + 4]) + _sum(first[at + 18 : run.head])
    swapped = own[1::2] if run.size & 1 else []
    straight = own[::2] if swapped else own
    return -(sum(straight) + rest * len(straight) + (sum(swapped) + rest * len(swapped) << 8))


def _sum(data: bytes | bytearray) -> int:
    """The sum of 16-bit words, modulo 65535 (RFC 1071)."""
    return int.from_bytes(data, "big") % _MODULUS
