"""Memory goes back to the system after a crowd: the C library keeps what was freed in pieces unless it is asked."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

#: How many sessions have to have ended (some 50 kB each) that it is worth the few milliseconds.
WORTH_IT = 100


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
