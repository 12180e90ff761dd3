"""Key ids and the times at which keys are replaced."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.session.renegotiation import Limits, next_key_id


class KeyIdTests(SynchronousTestCase):
    def test_order(self) -> None:
        """0 to 7, and then 1 again: zero is for the first key alone."""
        ids = [0]
        for _ in range(15):
            ids.append(next_key_id(ids[-1]))
        self.assertEqual(ids, [0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1])


class LimitsTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 2**32 - 1))
    def test_due_between(self, longest: int, shortest: int, lottery: int) -> None:
        """The next key is due between the shortest and the longest life, whatever the lottery says."""
        due = Limits(longest, shortest).due(1000.0, lottery)
        self.assertTrue(1000 + min(longest, shortest) <= due <= 1000 + longest)

    def test_spread(self) -> None:
        """Both ends of the span are drawn."""
        dues = {Limits(3600, 3240).due(0.0, lottery) for lottery in range(1000)}
        self.assertEqual((min(dues), max(dues)), (3240, 3600))

    def test_never(self) -> None:
        """With reneg-sec 0 it is never due."""
        self.assertIsNone(Limits(longest=0).due(1000.0, 5))

    def test_deferral(self) -> None:
        """The client goes over to the new key after hand-window or half the key's life, whichever is less."""
        self.assertEqual(Limits().deferral, 60)
        self.assertEqual(Limits(longest=10).deferral, 5)
        self.assertEqual(Limits(longest=0).deferral, 60)
