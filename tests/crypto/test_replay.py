"""The replay window: tables in WireGuard's shape, and a set as its model (C-03)."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.replay import DEFAULT_WIDTH, ReplayWindow, Stamp, StampWindow

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
    """The steps of WireGuard's own test, for ids that begin at 1; the last id acceptable is width - 1 behind."""
    top = width + 1
    return [
        (0, False), (1, True), (1, False), (9, True), (8, True), (7, True), (7, False),
        (top, True), (top - 1, True), (top - 1, False), (top - 2, True), (2, True), (2, False),
        (top + 16, True), (3, False), (top + 16, False), (top + width * 4, True),
        (top + width * 4 - (width - 1), True), (10, False), (top + width * 4 - width, False),
        (top + width * 4 - (width + 1), False), (top + width * 4 - (width - 2), True),
        (top + width * 4 + 1 - width, False), (0, False),
        (0xFFFFFFFF, True), (0xFFFFFFFF - width, False), (0xFFFFFFFE, True), (0xFFFFFFFF, False),
    ]  # fmt: skip


class ReplayWindowTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each step of WireGuard's table is answered as there, for every width."""
        for width in WIDTHS:
            window = ReplayWindow(width)
            for step, (number, expected) in enumerate(wireguard_table(width)):
                self.assertIs(window.accept(number), expected, f"width {width}, step {step}, id {number}")

    def test_bulk_upward(self) -> None:
        """A run upward is accepted once, and refused the second time."""
        for width in WIDTHS:
            window = ReplayWindow(width)
            self.assertTrue(all(window.accept(number) for number in range(1, width + 1)))
            self.assertFalse(any(window.accept(number) for number in range(width + 1)))

    def test_bulk_downward(self) -> None:
        """A run downward through the whole window is accepted once."""
        for width in WIDTHS[:2]:
            window = ReplayWindow(width)
            self.assertTrue(all(window.accept(number) for number in range(width, 0, -1)))
            self.assertFalse(any(window.accept(number) for number in range(width, -1, -1)))

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
        """A hundred thousand random ids around the newest are judged as the model judges them."""
        for width, seed in ((64, 1), (8128, 2)):
            dice, window, model = random.Random(seed), ReplayWindow(width), Model(width)
            for _ in range(50_000):
                number = max(0, model.highest + dice.randrange(-2 * width, width // 8 + 2))
                self.assertIs(window.accept(number), model.accept(number), f"seed {seed}, id {number}")
                self.assertEqual(window.highest, model.highest)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.integers(0, 200) | st.integers(0, 0xFFFFFFFF), max_size=100), st.integers(1, 80))
    def test_any_sequence_against_model(self, numbers: list[int], width: int) -> None:
        """Whatever comes, no id is accepted twice and none is judged otherwise than by the model."""
        window, model = ReplayWindow(width), Model(width)
        answers = [window.accept(number) for number in numbers]
        self.assertEqual(answers, [model.accept(number) for number in numbers])


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
