"""The gremlin keeps to its probabilities, and to its seed."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.gremlin import Gremlin, Havoc

DATAGRAM = bytes(range(100))
MANY = 20_000


def fates(havoc: Havoc, seed: int = 1, number: int = MANY) -> list[list[tuple[float, bytes]]]:
    gremlin = Gremlin(havoc, random.Random(seed))
    return [gremlin.meddle(DATAGRAM) for _ in range(number)]


class GremlinTests(SynchronousTestCase):
    def share(self, number: int, expected: float) -> None:
        """The share of all is within one percent point of what is expected."""
        self.assertTrue(abs(number / MANY - expected) < 0.01, f"{number / MANY} instead of {expected}")

    def test_harmless(self) -> None:
        """Without havoc every datagram arrives once, at once, as it was, and no dice are thrown."""
        dice = random.Random(5)
        before = dice.getstate()
        gremlin = Gremlin(Havoc(), dice)
        self.assertEqual([gremlin.meddle(DATAGRAM) for _ in range(10)], [[(0.0, DATAGRAM)]] * 10)
        self.assertEqual(dice.getstate(), before)

    def test_drop(self) -> None:
        """As many are lost as it should be, and counted."""
        gremlin = Gremlin(Havoc(drop=0.3), random.Random(1))
        lost = sum(not gremlin.meddle(DATAGRAM) for _ in range(MANY))
        self.share(lost, 0.3)
        self.assertEqual((gremlin.dropped, gremlin.passed), (lost, MANY - lost))
        self.assertFalse(any(fates(Havoc(drop=1.0), number=100)))

    def test_duplicate(self) -> None:
        """As many come twice as it should be."""
        self.share(sum(len(fate) == 2 for fate in fates(Havoc(duplicate=0.2))), 0.2)

    def test_corrupt(self) -> None:
        """As many are changed as it should be, each in exactly one byte; empty ones stay empty."""
        changed = [data for [(_, data)] in fates(Havoc(corrupt=0.25)) if data != DATAGRAM]
        self.share(len(changed), 0.25)
        for data in changed:
            self.assertEqual(sum(old != new for old, new in zip(DATAGRAM, data, strict=True)), 1)
        self.assertEqual(Gremlin(Havoc(corrupt=1.0), random.Random(1)).meddle(b""), [(0.0, b"")])

    def test_delays(self) -> None:
        """Delay is the least, jitter comes on top, and held-back ones come later still."""
        delays = [delay for [(delay, _)] in fates(Havoc(reorder=0.1, delay=0.5, jitter=0.02, hold=1.0))]
        self.share(sum(delay >= 1.5 for delay in delays), 0.1)
        self.assertTrue(all(0.5 <= delay < 0.52 or 1.5 <= delay < 1.52 for delay in delays))

    def test_same_seed(self) -> None:
        """The same seed does the same, another one does not."""
        havoc = Havoc(0.2, 0.2, 0.2, 0.2, 0.1, 0.1)
        self.assertEqual(fates(havoc, 7, 500), fates(havoc, 7, 500))
        self.assertNotEqual(fates(havoc, 7, 500), fates(havoc, 8, 500))
