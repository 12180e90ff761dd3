"""Time that only goes forward."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, cast

now: Callable[[], float] = time.monotonic
"""Monotonic seconds: the ``now`` of everything below the line."""

wall: Callable[[], float] = time.time
"""The time of day, for certificates and for the stamps of wrapped packets."""


class _Timed(Protocol):
    seconds: Callable[[], float]


def steady(reactor: object) -> None:
    """Let the reactor's timers run on monotonic time: Twisted takes the time of day, and a step of it would
    delay or fire every timer. To be called before anything is scheduled.
    """
    cast(_Timed, reactor).seconds = time.monotonic


def slept() -> float:
    """Seconds that this machine has been suspended since it started: no other clock of ours counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
