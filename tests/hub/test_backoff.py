"""How long a client waits: two kinds of failure, a bound for each, and no two clients alike."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.backoff import HELD, LONGEST_WAIT, PACE, Backoff


def constant(byte: int) -> Callable[[int], bytes]:
    return lambda size: bytes([byte]) * size


#: No jitter at all lies in the middle.
MIDDLE = constant(0x80)


class BackoffTests(SynchronousTestCase):
    def pauses(self, backoff: Backoff, kind: str, number: int, attempt: float = 0.0) -> list[float]:
        """The pauses after calls that take so long each."""
        now, found = 1000.0, []
        for _ in range(number):
            backoff.began(now)
            now += attempt
            pause = getattr(backoff, kind)(now)
            found.append(round(pause, 1))
            now += pause
        return found

    def test_silence(self) -> None:
        """Who does not answer is called every four seconds at least, whatever connect-retry has for the longest."""
        self.assertEqual(self.pauses(Backoff(1, 300, MIDDLE), "silence", 5), [1, 2, 4, 4, 4])
        for byte in (0x00, 0xFF):
            self.assertLessEqual(max(self.pauses(Backoff(1, 300, constant(byte)), "silence", 9)), 4)

    def test_long_call(self) -> None:
        """A call that took long was pause enough."""
        self.assertEqual(self.pauses(Backoff(1, 300, MIDDLE), "silence", 4, attempt=4.0), [0, 0, 0, 0])

    def test_refusal(self) -> None:
        """Who sends us away is asked less and less often."""
        expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        found = self.pauses(Backoff(1, 300, MIDDLE), "refusal", 11)
        for pause, least in zip(found, expected, strict=True):
            self.assertApproximates(pause, least, least * 0.01)

    def test_file(self) -> None:
        """connect-retry is honoured for both: a longer first pause, a shorter longest one."""
        for kind in ("silence", "refusal"):
            self.assertEqual(self.pauses(Backoff(10, 10, MIDDLE), kind, 3), [10, 10, 10])
            self.assertEqual(self.pauses(Backoff(1, 2, MIDDLE), kind, 4), [1, 2, 2, 2])
        self.assertEqual(self.pauses(Backoff(10, 5, MIDDLE), "refusal", 2), [10, 10])

    def test_jitter(self) -> None:
        """A herd spreads: a quarter to either side, and no further."""
        found = {round(Backoff(100, 300, os.urandom).refusal(0.0), 3) for _ in range(200)}
        self.assertGreater(len(found), 100)
        self.assertTrue(75 <= min(found) < 80 and 120 < max(found) <= 125, sorted(found))

    def test_asked(self) -> None:
        """M-10: what a server asks for is waited, never more than its bound, and not by all alike; no number makes
        it less than a second from one call to the next.
        """
        table = ((60, 60, 75), (10**9, LONGEST_WAIT, LONGEST_WAIT), (0, PACE, 1.25), (-5, PACE, 1.25))
        for asked, least, most in table:
            for byte in (0x00, 0x80, 0xFF):
                backoff = Backoff(1, 300, constant(byte))
                backoff.began(0.0)
                self.assertTrue(least <= backoff.refusal(0.0, asked) <= most, f"{asked} {byte}")

    def test_pace(self) -> None:
        """M-10: never more than one call a second, even when the next goes to another server."""
        backoff = Backoff(1, 300, constant(0))
        for pause in (backoff.soon, backoff.silence, backoff.refusal):
            backoff.began(50.0)
            self.assertGreaterEqual(round(pause(50.2), 6), 0.8)
        self.assertEqual(backoff.soon(60.0), 0)

    def test_held(self) -> None:
        """A session that held for a while makes up for what was before; one that breaks at once does not."""
        for stayed, forgotten in ((HELD, True), (HELD - 1, False)):
            backoff = Backoff(1, 300, MIDDLE)
            self.pauses(backoff, "refusal", 5)
            backoff.joined(0.0)
            backoff.joined(stayed / 2)
            self.assertEqual(backoff.left(stayed), forgotten)
            self.assertEqual(backoff.refusal(5000.0) < 2, forgotten)
        self.assertFalse(Backoff(1, 300, MIDDLE).left(1e9))
