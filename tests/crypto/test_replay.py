"""The replay window: tables in WireGuard's shape, and a set as its model (C-03)."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.replay import DEFAULT_WIDTH, ReplayWindow, Stamp, StampWindow, window_of

WIDTHS = (64, 8128, 65536)


class Model:
    """The obvious way: remember everything."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.highest = 0
        self.seen = {0}

    def accept(self, number: int) -> bool:
        if number in self.seen or number <= self.highest - self.width:
            return False
        self.seen.add(number)
        self.highest = max(self.highest, number)
        return True


def wireguard_table(width: int) -> list[tuple[int, bool]]:
    """The 34 steps of WireGuard's own test, its ids one higher since ours begin at 1; its upper limit of ids is what
    four bytes hold, and what it tries beyond them is tried at the lower edge.
    """
    top, last = width + 1, 0xFFFFFFFF
    return [
        (1, True), (2, True), (2, False), (10, True), (9, True), (8, True), (8, False),
        (top, True), (top - 1, True), (top - 1, False), (top - 2, True), (3, True), (3, False),
        (top + 16, True), (4, False), (top + 16, False), (4 * top, True),
        (4 * top - (width - 1), True), (11, False), (4 * top - width, False), (4 * top - (width + 1), False),
        (4 * top - (width - 2), True), (4 * top + 1 - width, False), (0, False),
        (last, True), (last, False), (last - 1, True), (last - 1, False), (last - width, False),
        (last - (width - 1), True), (last - (width - 1), False), (last - 2, True), (last - 2, False), (0, False),
    ]  # fmt: skip


class ReplayWindowTests(SynchronousTestCase):
    def test_table(self) -> None:
        """C-03: each of WireGuard's 34 steps is answered as there, for every width."""
        for width in WIDTHS:
            window, table = ReplayWindow(width), wireguard_table(width)
            self.assertEqual(len(table), 34)
            for step, (number, expected) in enumerate(table):
                self.assertIs(window.accept(number), expected, f"width {width}, step {step}, id {number}")

    def test_bulk(self) -> None:
        """C-03: WireGuard's runs upward, downward, and with a gap above, for every width: each id is good once."""
        for width in WIDTHS:
            up, down = range(1, width + 1), range(width, 0, -1)
            above = width + 1
            for run in (up, down, range(2, above), range(above, 1, -1), [*down, above], [above, *up[1:]]):
                window = ReplayWindow(width)
                self.assertTrue(all(map(window.accept, run)), f"width {width}, {run}")
                self.assertFalse(any(map(window.accept, run)), f"width {width}, {run}")
                self.assertFalse(window.accept(0))

    def test_zero_is_never_valid(self) -> None:
        """Ids begin at 1: id 0 is a replay, first or later."""
        self.assertFalse(ReplayWindow().accept(0))

    def test_jump_lets_older_ones_in(self) -> None:
        """After a jump of 1000 the id 59 below the newest is good, the one 79 below is not (as recorded of 2.6)."""
        window = ReplayWindow()
        self.assertTrue(window.accept(1))
        self.assertTrue(window.accept(1001))
        self.assertTrue(window.accept(1001 - 59))
        self.assertFalse(window.accept(1001 - 79))
        self.assertTrue(window.accept(1001 - (DEFAULT_WIDTH - 1)))
        self.assertFalse(window.accept(1001 - DEFAULT_WIDTH))

    def test_random_against_model(self) -> None:
        """C-03: a million random ids around the newest are judged as the model judges them."""
        for width, seed, number_of_ids in ((64, 1, 700_000), (8128, 2, 250_000), (65536, 3, 50_000)):
            dice, window, model = random.Random(seed), ReplayWindow(width), Model(width)
            for _ in range(number_of_ids):
                number = max(0, model.highest + int(dice.random() * (2 * width + width // 8 + 2)) - 2 * width)
                if window.accept(number) is not model.accept(number):
                    self.fail(f"width {width}, seed {seed}, id {number}")
            self.assertEqual(window.highest, model.highest)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.integers(0, 200) | st.integers(0, 0xFFFFFFFF), max_size=100), st.integers(1, 80))
    def test_any_sequence_against_model(self, numbers: list[int], width: int) -> None:
        """Whatever comes, no id is accepted twice and none is judged otherwise than by the model."""
        window, model = ReplayWindow(width), Model(width)
        answers = [window.accept(number) for number in numbers]
        self.assertEqual(answers, [model.accept(number) for number in numbers])


class PatienceTests(SynchronousTestCase):
    """How long a packet may be late."""

    def test_late(self) -> None:
        """What has not come fifteen seconds after a higher id is refused from then on; younger ones are still good."""
        window = ReplayWindow(64, 15)
        self.assertTrue(window.accept(10))
        window.note(100.0, 101.0)
        self.assertTrue(window.accept(20))
        window.note(105.0, 106.0)
        window.note(105.0, 115.0)
        self.assertTrue(window.accept(9))
        window.note(110.0, 115.1)
        for number, expected in ((8, False), (1, False), (10, False), (11, True), (19, True), (21, True)):
            self.assertIs(window.accept(number), expected, number)
        window.note(120.0, 130.0)
        for number, expected in ((12, False), (20, False), (22, True), (23, True), (22, False)):
            self.assertIs(window.accept(number), expected, number)

    def test_silence(self) -> None:
        """After a long silence the first that comes is judged by how long ago the newest one came."""
        window = ReplayWindow(64, 15)
        window.accept(10)
        window.note(100.0, 160.0)
        self.assertEqual([window.accept(number) for number in (9, 12, 11)], [False, True, True])

    def test_no_patience(self) -> None:
        """With 0 seconds an id may come however late."""
        window = ReplayWindow(64, 0)
        window.accept(10)
        for now in range(100, 10_000, 5):
            window.note(now - 1.0, now)
        self.assertTrue(window.accept(9))

    def test_far_below(self) -> None:
        """A floor that has fallen out of the window costs nothing, whatever lies between."""
        window = ReplayWindow(64, 15)
        window.accept(1)
        window.note(100.0, 100.0)
        window.accept(0xFFFFFFFF)
        window.note(101.0, 116.0)
        self.assertTrue(window.accept(0xFFFFFFFF - 63))

    def test_bounded(self) -> None:
        """However often and long it is told the time, a window keeps a handful of marks."""
        window = ReplayWindow(65536, 600)
        for number in range(1, 20_000):
            window.accept(number)
            window.note(float(number), number + 0.1)
            self.assertLessEqual(len(window._marks), 6)
        self.assertFalse(window.accept(1))

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(st.integers(-70, 5), st.floats(0, 8)), max_size=100))
    def test_against_model(self, steps: list[tuple[int, float]]) -> None:
        """Whatever comes and when: nothing is refused that is less than 15 s late, nothing is good that is more than
        a quarter of that and one look later (here 8 s at most).
        """
        window, plain, now = ReplayWindow(64, 15), Model(64), 1000.0
        arrivals: list[tuple[float, int]] = []
        last = now
        for ahead, pause in steps:
            now += pause
            window.note(last, now)
            last = now
            number = max(1, plain.highest + ahead)
            young, old = (max((one for at, one in arrivals if at < now - age), default=0) for age in (15.0, 26.75))
            expected, got = plain.accept(number), window.accept(number)
            if got:
                self.assertTrue(expected)
                self.assertGreater(number, old)
                arrivals.append((now, number))
            elif expected:
                self.assertLessEqual(number, young)


class StrictTests(SynchronousTestCase):
    def test_strict_order(self) -> None:
        """Width 0: whatever id is first, then each is one more than the last; 0 is never good."""
        window = window_of(0, 15)
        for number, expected in (
            (0, False), (7, True), (7, False), (6, False), (9, False), (8, True), (0, False), (9, True), (8, False),
        ):  # fmt: skip
            self.assertIs(window.accept(number), expected, number)
        window.note(0.0, 1000.0)
        self.assertTrue(window.accept(10))

    def test_widths(self) -> None:
        """Any other width is a window."""
        for width in (1, 64, 65536):
            window = window_of(width, 15)
            self.assertTrue(window.accept(100_000))
            self.assertTrue(window.accept(100_002))
            self.assertIs(window.accept(100_001), width > 1)


class StampWindowTests(SynchronousTestCase):
    def test_table(self) -> None:
        """A smaller time is a replay, a larger one begins anew, id 0 is never good and does not move the time."""
        window = StampWindow()
        table = [
            ((0, 5), False), ((3, 5), True), ((3, 5), False), ((1, 5), True), ((9, 4), False), ((0, 9), False),
            ((2, 5), True), ((1, 6), True), ((4, 5), False), ((1, 6), False), ((2, 6), True),
        ]  # fmt: skip
        for stamp, expected in table:
            self.assertIs(window.accept(Stamp(*stamp)), expected, str(stamp))
