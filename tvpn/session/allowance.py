"""What one peer may ask of us: so much at once, and so much a second (hardening by economics)."""

from __future__ import annotations


class Allowance:
    """Whoever has spent it waits until it has grown again; what was more than there was is owed."""

    __slots__ = ("_level", "_most", "_rate", "_since")

    def __init__(self, most: float, rate: float, now: float) -> None:
        """``most`` at once, ``rate`` a second."""
        self._most = most
        self._rate = rate
        self._level = most
        self._since = now

    def is_spent(self, now: float) -> bool:
        self._level = min(self._most, self._level + (now - self._since) * self._rate)
        self._since = now
        return self._level < 1

    def spend(self, number: float) -> None:
        self._level -= number
