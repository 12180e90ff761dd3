"""Fragments: cut, put together, and what never becomes whole."""

from __future__ import annotations

import random
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import Drop
from tvpn.plane.fragment import HEADER_SIZE, LARGEST_PACKET, MOST_SETS, PATIENCE, Fragmenter, Reassembler


def header(kind: int, sequence: int, index: int, size: int = 0) -> bytes:
    return struct.pack("!L", kind | sequence << 2 | index << 10 | size >> 2 << 15)


class FragmentTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 2000), st.integers(72, 600), st.randoms())
    def test_round_trip(self, size: int, room: int, dice: random.Random) -> None:
        """Whatever is cut comes together in any order, no part is larger than there is room."""
        packet = bytes(dice.randrange(256) for _ in range(size))
        parts = Fragmenter().cut(packet, room)
        self.assertLessEqual(max(map(len, parts)), room)
        dice.shuffle(parts)
        reassembler = Reassembler()
        self.assertEqual([reassembler.add(part, 0.0) for part in parts], [None] * (len(parts) - 1) + [packet])

    def test_recorded(self) -> None:
        """Genuine fragments come together to the packet that went in."""
        found = 0
        for case in recorded("data_framing")["cases"]:
            if not case["name"].startswith("frag"):
                continue
            ways = {way: Reassembler() for way in ("c2s", "s2c")}
            for packet in case["packets"]:
                whole = ways[packet["dir"]].add(bytes.fromhex(packet["plaintext"]), 0.0)
                found += whole is not None
        self.assertGreater(found, 2)

    def test_whole(self) -> None:
        """What fits goes in one piece, behind four zero bytes; with any other bit in them it is malformed."""
        self.assertEqual(Fragmenter().cut(b"packet", 10), [bytes(HEADER_SIZE) + b"packet"])
        for bit in range(2, 8):
            self.assertRaises(Drop, Reassembler().add, (1 << bit).to_bytes(4, "big") + b"packet", 0.0)

    def test_too_many(self) -> None:
        """More than 32 parts, or no room for any, is a Drop."""
        self.assertEqual(len(Fragmenter().cut(bytes(32 * 64), 68)), 32)
        for size, room in ((32 * 64 + 1, 68), (100, 7), (100, 4), (100, 0), (100, -20)):
            self.assertEqual(self.assertRaises(Drop, Fragmenter().cut, bytes(size), room).reason, "fragments-too-many")

    def test_mixed(self) -> None:
        """Packets under way at the same time do not mix, and sequence ids begin again after 255."""
        fragmenter, reassembler = Fragmenter(), Reassembler()
        packets = [bytes([number & 255]) * 200 for number in range(600)]
        for first, second in zip(packets[::2], packets[1::2], strict=True):
            parts = [fragmenter.cut(packet, 104) for packet in (first, second)]
            self.assertIsNone(reassembler.add(parts[0][0], 0.0))
            self.assertIsNone(reassembler.add(parts[1][0], 0.0))
            self.assertEqual(reassembler.add(parts[0][1], 0.0), first)
            self.assertEqual(reassembler.add(parts[1][1], 0.0), second)

    def test_malformed(self) -> None:
        """W-15: no size, a type of its own, parts longer than said, parts behind the last: a Drop each."""
        table = [
            b"", b"\0\0\0", bytes(4), header(3, 1, 0) + b"abcd", header(1, 1, 0) + b"abc", header(2, 1, 1, 0) + b"abcd",
            header(2, 1, 1, 4) + b"abcdefgh", header(1, 1, 0),
        ]  # fmt: skip
        for plain in table:
            self.assertRaises(Drop, Reassembler().add, plain, 0.0)
        reassembler = Reassembler()
        reassembler.add(header(1, 1, 5) + b"abcd", 0.0)
        self.assertRaises(Drop, reassembler.add, header(2, 1, 3, 4) + b"ef", 0.0)

    def test_bounded(self) -> None:
        """W-15: a flood of parts that never become whole leaves no more than 25 packets, and 64 kB of them all."""
        dice = random.Random(15)
        for size in (4, 1400, 9000, 65532):
            reassembler = Reassembler()
            for number in range(100_000 if size == 1400 else 2_000):
                part = header(1, dice.randrange(256), dice.randrange(31)) + bytes(dice.randrange(4, size + 1, 4))
                try:
                    reassembler.add(part, number / 1000)
                except Drop:
                    continue
                sets = reassembler._sets.values()
                self.assertLessEqual(len(sets), MOST_SETS)
                kept = sum(len(body) for each in sets for body in each.parts.values())
                self.assertLessEqual(kept, LARGEST_PACKET)
                self.assertEqual(kept, reassembler._bytes)

    def test_one_too_many(self) -> None:
        """W-15: the 26th packet that is begun takes the place of the oldest; the others become whole all the same."""
        cut = [Fragmenter() for _ in range(MOST_SETS + 1)]
        parts = []
        for number, fragmenter in enumerate(cut):
            fragmenter._sequence = number
            parts.append(fragmenter.cut(bytes([number]) * 100, 68))
        reassembler = Reassembler()
        for first, _ in parts:
            self.assertIsNone(reassembler.add(first, 0.0))
        whole = [reassembler.add(last, 0.0) for _, last in parts[1:]]
        self.assertEqual(whole, [bytes([number]) * 100 for number in range(1, MOST_SETS + 1)])
        self.assertIsNone(reassembler.add(parts[0][1], 0.0))

    def test_overlapping(self) -> None:
        """W-15: parts of another packet under the same id, of another size, or the same part again: no mixture."""
        first, last = Fragmenter().cut(b"a" * 100, 68)
        other = Fragmenter().cut(b"b" * 120, 68)
        reassembler = Reassembler()
        self.assertEqual([reassembler.add(part, 0.0) for part in (first, other[0], last)], [None] * 3)
        self.assertEqual(reassembler.add(first, 0.0), b"a" * 100)
        reassembler = Reassembler()
        self.assertEqual([reassembler.add(part, 0.0) for part in (first, first, last)], [None, None, b"a" * 100])

    def test_forgotten(self) -> None:
        """W-15: ten seconds after it began what has not become whole takes no room any more."""
        reassembler = Reassembler()
        for number in range(10):
            reassembler.add(header(1, number, 0) + bytes(1000), float(number))
        reassembler.add(header(1, 77, 0) + bytes(4), 14.5)
        self.assertEqual(list(reassembler._sets), [5, 6, 7, 8, 9, 77])
        self.assertEqual(reassembler._bytes, 5004)

    def test_replaced(self) -> None:
        """W-15: parts that are sent again, larger, count as they are; old packets go when their time is over."""
        reassembler, most = Reassembler(), 0
        for sequence in range(MOST_SETS):
            for index in (30, 29, 28):
                for plain in (header(2, sequence, index, 32000) + b"x", header(1, sequence, index) + bytes(32000)):
                    try:
                        reassembler.add(plain, 0.0)
                    except Drop:
                        continue
                    held = sum(len(part) for each in reassembler._sets.values() for part in each.parts.values())
                    self.assertEqual(held, reassembler._bytes)
                    most = max(most, held)
        self.assertLessEqual(most, LARGEST_PACKET)
        self.assertGreater(most, 32000)
        reassembler.add(header(1, 200, 0) + b"abcd", PATIENCE + 1)
        self.assertEqual(len(reassembler._sets), 1)

    def test_late(self) -> None:
        """A part that comes ten seconds after the first one begins a packet of its own."""
        first, last = Fragmenter().cut(bytes(200), 104)
        for seconds, whole in ((PATIENCE, True), (PATIENCE + 0.1, False)):
            reassembler = Reassembler()
            reassembler.add(first, 100.0)
            self.assertEqual(reassembler.add(last, 100.0 + seconds) is not None, whole)
