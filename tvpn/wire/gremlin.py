"""The gremlin: a seeded model of what can befall a datagram. It loses, doubles, corrupts and delays.

It knows neither sockets nor clocks: who owns the wire asks what becomes of each datagram and does it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Dice(Protocol):
    """The part of ``random.Random`` that a gremlin throws; a seeded one makes its havoc repeatable."""

    def random(self) -> float: ...
    def randrange(self, stop: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Havoc:
    """Probabilities from 0 to 1, delays in seconds. A held-back datagram comes ``hold`` later: reordering."""

    drop: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    hold: float = 0.05


class Gremlin:
    """One direction of a wire."""

    def __init__(self, havoc: Havoc, dice: Dice) -> None:
        self.havoc = havoc
        self.dropped = self.passed = 0
        self._dice = dice

    def meddle(self, datagram: bytes) -> list[tuple[float, bytes]]:
        """(seconds until arrival, datagram) for each copy that arrives."""
        arrivals = []
        for _ in range(2 if self._strikes(self.havoc.duplicate) else 1):
            if self._strikes(self.havoc.drop):
                self.dropped += 1
                continue
            self.passed += 1
            arrivals.append((self._delay(), self._corrupted(datagram)))
        return arrivals

    def _strikes(self, probability: float) -> bool:
        return probability > 0 and self._dice.random() < probability

    def _delay(self) -> float:
        havoc = self.havoc
        held = havoc.hold if self._strikes(havoc.reorder) else 0.0
        return havoc.delay + held + (self._dice.random() * havoc.jitter if havoc.jitter else 0.0)

    def _corrupted(self, datagram: bytes) -> bytes:
        if not datagram or not self._strikes(self.havoc.corrupt):
            return datagram
        at = self._dice.randrange(len(datagram))
        flipped = datagram[at] ^ (1 + self._dice.randrange(255))
        return datagram[:at] + bytes([flipped]) + datagram[at + 1 :]
