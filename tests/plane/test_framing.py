"""Bursts: runs of equal size."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.plane.framing import LARGEST_BURST, MOST_SEGMENTS, bursts, is_exit
from tvpn.wire.data import OCC_EXIT, OCC_MAGIC, PING

SIZES = st.sampled_from([1, 40, 52, 1380, 1400, 1500, 9000, 59000, 65000])


class BurstTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(st.lists(SIZES, max_size=150), st.sampled_from([21, 24]))
    def test_any_batch(self, sizes: list[int], overhead: int) -> None:
        """In a burst all but the last are of equal size, the last is no larger, the limits hold, nothing is lost."""
        packets = [bytes([at & 255]) * size for at, size in enumerate(sizes)]
        cut = list(bursts(packets, overhead))
        self.assertEqual([packet for burst in cut for packet in burst], packets)
        for burst in cut:
            self.assertEqual({len(packet) for packet in burst[:-1]} | {len(burst[0])}, {len(burst[0])})
            self.assertLessEqual(len(burst[-1]), len(burst[0]))
            self.assertLessEqual(len(burst), MOST_SEGMENTS)
            if len(burst) > 1:
                self.assertLessEqual(sum(len(packet) + overhead for packet in burst), LARGEST_BURST)

    def test_as_long_as_possible(self) -> None:
        """Equal packets fill a burst up to its limits."""
        self.assertEqual([len(burst) for burst in bursts([b"x" * 100] * 130, 24)], [64, 64, 2])
        self.assertEqual([len(burst) for burst in bursts([b"x" * 1400] * 50, 24)], [42, 8])

    def test_shorter_one_ends_it(self) -> None:
        """A shorter packet is the last of its burst, a larger one the first of the next."""
        sizes = [9, 9, 5, 9, 5, 5, 9]
        cut = bursts([b"x" * size for size in sizes], 24)
        self.assertEqual([[len(packet) for packet in burst] for burst in cut], [[9, 9, 5], [9, 5], [5], [9]])


class MagicTests(SynchronousTestCase):
    def test_exit(self) -> None:
        """Only the exit message is one; neither a ping nor another word of the daemons."""
        table = [
            (OCC_EXIT, True),
            (OCC_EXIT + b"more", True),
            (OCC_MAGIC, False),
            (OCC_MAGIC + b"\x00", False),
            (PING, False),
        ]
        for plain, answer in table:
            self.assertIs(is_exit(plain), answer)
