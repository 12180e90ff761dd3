"""How long a client waits before it calls again: little where nobody answered, more and more where it is sent away.

A server that returns is to be joined within seconds, so silence never makes us patient. A server that answers and
refuses has a reason: it is asked less and less often, and not by all its clients at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable

LONGEST_SILENCE = 4.0
"""Seconds between two calls at a server that does not answer, unless connect-retry wants more."""
PACE = 1.0
"""Seconds from one call to the next at least, whatever a server says."""
LONGEST_WAIT = 300.0
"""What a server may ask for at most."""
HELD = 10.0
"""A session of so many seconds was a good one: what went wrong before it is forgotten."""
JITTER = 0.25


class Backoff:
    """``shortest`` and ``longest``: the two numbers of connect-retry; ``random``: so many random bytes."""

    def __init__(self, shortest: float, longest: float, random: Callable[[int], bytes]) -> None:
        self._shortest = shortest
        self._longest = max(longest, shortest)
        self._quietest = max(min(longest, LONGEST_SILENCE), shortest)
        self._random = random
        self._began: float | None = None
        self._joined: float | None = None
        self._reset()

    def _reset(self) -> None:
        self._silence = self._refusal = self._shortest

    def began(self, now: float) -> None:
        """A call begins."""
        self._began = now

    def joined(self, now: float) -> None:
        """The server has let us in."""
        if self._joined is None:
            self._joined = now

    def left(self, now: float) -> bool:
        """The session, if there was one, is over: whether it had held."""
        joined, self._joined = self._joined, None
        held = joined is not None and now - joined >= HELD
        if held:
            self._reset()
        return held

    def soon(self, now: float) -> float:
        """Seconds until another server may be called."""
        return self._since_began(PACE, now)

    def silence(self, now: float) -> float:
        """Seconds until a server that did not answer is called again, counted from the last call: one that took long
        was pause enough.
        """
        pause, self._silence = self._silence, min(self._silence * 2, self._quietest)
        return max(self._since_began(min(self._jittered(pause), self._quietest), now), self.soon(now))

    def refusal(self, now: float, wait: float = 0.0) -> float:
        """Seconds until a server that sent us away is called again; ``wait``: what it asked for."""
        pause, self._refusal = self._refusal, min(self._refusal * 2, self._longest)
        # What all were told alike is stretched and never shortened.
        asked = min(wait, LONGEST_WAIT) * (1 + JITTER * self._chance())
        return max(min(max(self._jittered(pause), asked), max(self._longest, LONGEST_WAIT)), self.soon(now))

    def _since_began(self, seconds: float, now: float) -> float:
        return 0.0 if self._began is None else max(self._began + seconds - now, 0.0)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 - JITTER + 2 * JITTER * self._chance())

    def _chance(self) -> float:
        """From 0 to 1."""
        return int.from_bytes(self._random(2), "big") / 0xFFFF
