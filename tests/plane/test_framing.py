"""Bursts: runs of equal size; frames; what the daemons say to each other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import Drop
from tvpn.plane.framing import FRAME_SIZES, LARGEST_BURST, MOST_SEGMENTS, bursts, framing_of, is_exit
from tvpn.wire.data import OCC_EXIT, OCC_MAGIC, PING, Framing

SIZES = st.sampled_from([1, 40, 52, 1380, 1400, 1500, 9000, 59000, 65000])


class BurstTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(st.lists(SIZES, max_size=150))
    def test_any_batch(self, sizes: list[int]) -> None:
        """In a burst all but the last are of equal size, the last is no larger, the limits hold, nothing is lost."""
        packets = [bytes([at & 255]) * size for at, size in enumerate(sizes)]
        cut = list(bursts(packets))
        self.assertEqual([packet for burst in cut for packet in burst], packets)
        for burst in cut:
            self.assertEqual({len(packet) for packet in burst[:-1]} | {len(burst[0])}, {len(burst[0])})
            self.assertLessEqual(len(burst[-1]), len(burst[0]))
            self.assertLessEqual(len(burst), MOST_SEGMENTS)
            if len(burst) > 1:
                self.assertLessEqual(sum(len(packet) + 100 for packet in burst), LARGEST_BURST)

    def test_as_long_as_possible(self) -> None:
        """Equal packets fill a burst up to its limits."""
        self.assertEqual([len(burst) for burst in bursts([b"x" * 100] * 130)], [64, 64, 2])
        self.assertEqual([len(burst) for burst in bursts([b"x" * 1400] * 50)], [39, 11])

    def test_shorter_one_ends_it(self) -> None:
        """A shorter packet is the last of its burst, a larger one the first of the next."""
        sizes = [9, 9, 5, 9, 5, 5, 9]
        cut = bursts([b"x" * size for size in sizes])
        self.assertEqual([[len(packet) for packet in burst] for burst in cut], [[9, 9, 5], [9, 5], [5], [9]])


class FrameTests(SynchronousTestCase):
    """Compression that compresses nothing."""

    def test_recorded(self) -> None:
        """Genuine packets of each framing come out of their frames, and go into them to the byte."""
        names: dict[str, Framing] = {"comp_lzo_no": "lzo", "comp_stub": "swap", "comp_stubv2": "stub-v2"}
        seen = set()
        for case in recorded("data_framing")["cases"]:
            frames = framing_of(names.get(case["name"], "none"))
            for packet in case["packets"] if frames is not None else ():
                if "inner" in packet and frames is not None:
                    plain, inner = bytes.fromhex(packet["plaintext"]), bytes.fromhex(packet["inner"])
                    self.assertEqual((frames[0](inner), frames[1](plain)), (plain, inner))
                    seen.add(case["name"])
        self.assertEqual(seen, set(names))

    @settings(deadline=None, max_examples=50)
    @given(st.binary(min_size=1, max_size=40), st.sampled_from(["lzo", "swap", "stub-v2"]))
    def test_round_trip(self, packet: bytes, name: Framing) -> None:
        """Whatever goes into a frame comes out of it, and no frame is larger than was said."""
        frames = framing_of(name)
        assert frames is not None
        self.assertEqual(frames[1](frames[0](packet)), packet)
        if packet[0] != 0x50:
            self.assertLessEqual(len(frames[0](packet)), len(packet) + FRAME_SIZES[name])

    def test_other_frames(self) -> None:
        """W-16: of all first bytes only the frame's own is understood; compressed packets never are."""
        accepted: dict[Framing, set[int]] = {"lzo": {0xFA}, "swap": {0xFB}, "stub-v2": set(range(256))}
        for name, first_bytes in accepted.items():
            frames = framing_of(name)
            assert frames is not None
            for byte in range(256):
                for rest in (b"", b"\0" * 20, b"\1" * 20):
                    opens = byte in first_bytes and ((byte == 0x50 and rest[:1] == b"\0") or (rest and byte != 0x50))
                    if name == "stub-v2" and byte != 0x50:
                        opens = True
                    if opens:
                        frames[1](bytes([byte]) + rest)
                    else:
                        self.assertRaises(Drop, frames[1], bytes([byte]) + rest)
        self.assertIsNone(framing_of("none"))


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
