"""Time that a step of the wall clock does not move."""

from __future__ import annotations

import time
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.net import clock


class ClockTests(SynchronousTestCase):
    """Two clocks, for two purposes."""

    def test_now(self) -> None:
        """``now`` is the monotonic clock and ``wall`` the time of day."""
        self.assertLessEqual(abs(clock.now() - time.monotonic()), 1)
        self.assertLessEqual(abs(clock.wall() - time.time()), 1)

    def test_steady(self) -> None:
        """A reactor made steady takes monotonic seconds, whatever the time of day does."""
        reactor = Clock()
        clock.steady(reactor)
        with mock.patch.object(time, "time", return_value=time.time() + 86400):
            before = reactor.seconds()
        self.assertLessEqual(abs(before - time.monotonic()), 1)
