"""When the next key is due (protocol: reliability.md 8)."""

from __future__ import annotations

from dataclasses import dataclass

LAST_KEY_ID = 7
#: A peer that asks for a new key again and again gets one no more often than this, in seconds.
SHORTEST_INTERVAL = 1.0


def next_key_id(key_id: int) -> int:
    """0 -> 1 -> ... -> 7 -> 1: zero is for the first key alone."""
    return key_id + 1 if key_id < LAST_KEY_ID else 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The life of a key: seconds at most and at least (both 0: no limit), and how long the old one stays."""

    longest: int = 3600
    shortest: int = 3600
    hand_window: int = 60
    transition: int = 3600

    def due(self, established: float, lottery: int) -> float | None:
        """When a key established then is to be replaced. ``lottery`` is a random number: not all peers at once."""
        if not self.longest:
            return None
        span = max(self.longest - self.shortest, 0)
        return established + self.longest - (lottery % (span + 1))

    @property
    def deferral(self) -> float:
        """How long a client keeps sending under the old key, and how long a verdict may take."""
        return min(self.hand_window, self.longest / 2) if self.longest else self.hand_window

    @property
    def patience(self) -> float:
        """How long an exchange may take when the person at the client has to do something."""
        return max(self.hand_window, self.longest / 2)
