"""The road for as long as the checks ask for: what tests/kernel tries in seconds."""

from __future__ import annotations

from tests.kernel import test_frozen, test_killswitch, test_return


class LeakTests(test_killswitch.LeakTests):
    """I-12: 60 seconds in each state that might leak."""

    PAUSE, timeout = 60.0, 1200


class ReturnTests(test_return.ReturnTests):
    """F-14 with a port that is closed for 30 seconds."""

    PAUSE, timeout = 30.0, 600


class FrozenTests(test_frozen.FrozenTests):
    """F-16: five seconds within the keepalive, 30 beyond it."""

    SHORT, LONG, timeout = 5.0, 30.0, 600


class VeryFrozenTests(test_frozen.FrozenTests):
    """F-16: 120 seconds."""

    SHORT, LONG, timeout = 9.0, 120.0, 1200
