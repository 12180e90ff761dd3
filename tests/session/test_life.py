"""The life of a session: every input in every stage stays inside the table (S-03)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from automat import NoTransition
from twisted.trial.unittest import SynchronousTestCase

from tvpn.session.life import LINGER, Core, Life, Stage, make_life

INPUTS: dict[str, Callable[[Life], None]] = {
    "keyed": lambda life: life.keyed(),
    "admitted": lambda life: life.admitted(),
    "refused": lambda life: life.refused(10.0),
    "left": lambda life: life.left(10.0),
    "broke": lambda life: life.broke(),
    "lingered": lambda life: life.lingered(),
}
OPENS, J, A, L, G = Stage.OPENING, Stage.JUDGING, Stage.ADMITTED, Stage.LINGERING, Stage.GONE
WAYS: dict[Stage, tuple[str, ...]] = {
    OPENS: (), J: ("keyed",), A: ("keyed", "admitted"), L: ("refused",), G: ("broke",)
}  # fmt: skip
#: Stage after each input, None where the session never gives it.
TABLE: dict[Stage, dict[str, Stage | None]] = {
    OPENS: {"keyed": J, "admitted": None, "refused": L, "left": L, "broke": G, "lingered": None},
    J: {"keyed": None, "admitted": A, "refused": L, "left": L, "broke": G, "lingered": None},
    A: {"keyed": A, "admitted": A, "refused": L, "left": L, "broke": G, "lingered": None},
    L: {"keyed": L, "admitted": L, "refused": L, "left": L, "broke": G, "lingered": G},
    G: {"keyed": G, "admitted": G, "refused": G, "left": G, "broke": G, "lingered": G},
}


def life_in(stage: Stage) -> tuple[Life, Core]:
    core = Core()
    life = make_life(core)
    for word in WAYS[stage]:
        INPUTS[word](life)
    return life, core


class LifeTests(SynchronousTestCase):
    def test_every_stage_and_input(self) -> None:
        """S-03: each input in each stage leads where the table says, or is refused where there is no way."""
        for stage, word in product(Stage, INPUTS):
            life, _ = life_in(stage)
            self.assertIs(life.stage(), stage)
            expected = TABLE[stage][word]
            if expected is None:
                self.assertRaises(NoTransition, INPUTS[word], life)
            else:
                INPUTS[word](life)
                self.assertIs(life.stage(), expected, f"{stage} {word}")

    def test_no_way_back(self) -> None:
        """S-03: no sequence of four inputs leads from an end back into life."""
        for words in product(INPUTS, repeat=4):
            life, _ = life_in(Stage.LINGERING)
            for word in words:
                INPUTS[word](life)
                self.assertIn(life.stage(), (Stage.LINGERING, Stage.GONE))

    def test_linger_time_is_set_once(self) -> None:
        """S-12: the exit timer is armed by the first goodbye and not prolonged by later ones (CVE-2024-28882)."""
        life, core = life_in(Stage.ADMITTED)
        life.left(100.0)
        life.left(104.0)
        life.refused(104.9)
        self.assertEqual(core.linger_until, 100.0 + LINGER)
