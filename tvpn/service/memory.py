"""Memory: the collector is kept calm, and after a crowd what the C library keeps in pieces goes back to the system."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

#: How many sessions have to have ended (some 50 kB each) that it is worth the few milliseconds.
WORTH_IT = 100
#: The garbage collector looks when so many objects more are there; its own number is 700.
YOUNG_OBJECTS = 20000


def calm_collector() -> None:
    """What was loaded stays: the garbage collector need not look at it again and again, which costs every handshake
    a tenth of its time and now and then delays packets.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


def give_back() -> None:
    """Free pages leave this process; a C library other than glibc does as it likes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Thrift:
    """Looks now and then how many sessions there are, and gives memory back when many have ended."""

    def __init__(self, sessions: Callable[[], int], give_back: Callable[[], None] = give_back) -> None:
        self._sessions = sessions
        self._give_back = give_back
        self._most = 0

    def look(self) -> None:
        number = self._sessions()
        self._most = max(self._most, number)
        if self._most - number >= WORTH_IT:
            self._most = number
            self._give_back()
