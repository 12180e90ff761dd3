"""Fragments of packets that are too large for one datagram (protocol: data-channel.md 12).

::

    u32, from the lowest bit:  type 2 | sequence id 8 | index 5 | size of the others / 4  14 (last one only) | 0 3
    type: 0 whole, 1 not the last, 2 the last

All fragments but the last have one length, a multiple of four, so that any of them can come first.
"""

from __future__ import annotations

import struct
from collections import OrderedDict

from tvpn.errors import Drop

HEADER_SIZE = 4
MOST_FRAGMENTS = 32
#: Packets that are put together at the same time, for how long, and the bytes of them all.
MOST_SETS, PATIENCE, LARGEST_PACKET = 25, 10.0, 65535
_WHOLE, _MORE, _LAST = 0, 1, 2
_HEADER = struct.Struct("!L")
_WHOLE_HEADER = bytes(HEADER_SIZE)


class Fragmenter:
    """Cuts packets."""

    def __init__(self) -> None:
        self._sequence = 0

    def cut(self, packet: bytes, room: int) -> list[bytes]:
        """The plaintexts of a packet's datagrams, of which none is larger than ``room``, header included; raises Drop
        when it takes more than 32.
        """
        if len(packet) + HEADER_SIZE <= room:
            return [_WHOLE_HEADER + packet]
        most = room - HEADER_SIZE & ~3
        # As even as can be: the last one is then no tiny packet of its own.
        number = -(-len(packet) // most) if most > 0 else MOST_FRAGMENTS + 1
        if number > MOST_FRAGMENTS:
            raise Drop("fragments-too-many")
        size = min(most, -(-len(packet) // number) + 3 & ~3)
        self._sequence = self._sequence + 1 & 0xFF
        parts: list[bytes] = []
        for index in range(number):
            last = index == number - 1
            flags = (_LAST if last else _MORE) | self._sequence << 2 | index << 10 | (size >> 2 << 15 if last else 0)
            parts.append(_HEADER.pack(flags) + packet[index * size : (index + 1) * size])
        return parts


class _Set:
    """The fragments of one packet that are here, and the size of all but the last once that is known."""

    __slots__ = ("bytes", "last", "parts", "since", "size")

    def __init__(self, now: float) -> None:
        self.since = now
        self.parts: dict[int, bytes] = {}
        self.last: int | None = None
        self.size: int | None = None
        self.bytes = 0


class Reassembler:
    """Puts packets together again. What never becomes whole is forgotten."""

    def __init__(self) -> None:
        self._sets: OrderedDict[int, _Set] = OrderedDict()
        self._bytes = 0

    def add(self, plain: bytes, now: float) -> bytes | None:
        """The packet that this plaintext completes, or None; raises Drop for what cannot be a part of one."""
        if len(plain) <= HEADER_SIZE:
            raise Drop("fragment-short")
        (flags,) = _HEADER.unpack_from(plain)
        kind, sequence, index = flags & 3, flags >> 2 & 0xFF, flags >> 10 & 31
        body = plain[HEADER_SIZE:]
        if kind == _WHOLE:
            if flags & 0xFF:
                raise Drop("fragment-malformed")
            return body
        size = len(body) if kind == _MORE else (flags >> 15 & 0x3FFF) << 2
        if kind > _LAST or not size or size & 3 or len(body) > size:
            raise Drop("fragment-malformed")
        return self._collect(sequence, index, kind == _LAST, size, body, now)

    def _collect(self, sequence: int, index: int, is_last: bool, size: int, body: bytes, now: float) -> bytes | None:
        self._forget(now)
        found = self._sets.get(sequence)
        if found is None or found.size not in (None, size):
            self._remove(sequence)
            found = self._sets[sequence] = _Set(now)
        found.size = size
        found.bytes += len(body) - len(found.parts.get(index, b""))
        self._bytes += len(body) - len(found.parts.get(index, b""))
        found.parts[index] = body
        if is_last:
            found.last = index
        if found.bytes > LARGEST_PACKET or (found.last is not None and max(found.parts) > found.last):
            self._remove(sequence)
            raise Drop("fragment-malformed")
        while len(self._sets) > MOST_SETS or self._bytes > LARGEST_PACKET:
            self._remove(next(number for number in self._sets if number != sequence))
        if found.last is None or len(found.parts) <= found.last:
            return None
        self._remove(sequence)
        return b"".join(found.parts[at] for at in range(found.last + 1))

    def _forget(self, now: float) -> None:
        """What was begun too long ago; the oldest stands first."""
        while self._sets and now - next(iter(self._sets.values())).since > PATIENCE:
            self._remove(next(iter(self._sets)))

    def _remove(self, sequence: int) -> None:
        found = self._sets.pop(sequence, None)
        if found is not None:
            self._bytes -= found.bytes
