"""How long our client stays: ``inactive`` and ``session-timeout``, and whether silence ends it (``ping-exit``)."""

from __future__ import annotations

from dataclasses import dataclass

LOOKS = 10
"""How often within the seconds of ``inactive`` the traffic is looked at."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``inactive``: (seconds, bytes); ``session``: seconds, 0 without; ``silence_ends``: a server that is not heard
    of for the whole timeout is not called again.
    """

    inactive: tuple[int, int] = (0, 0)
    session: int = 0
    silence_ends: bool = False


class Stay:
    """One session under its limits. ``carried``: payload bytes through the tunnel so far, both ways together."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._active = self._looked = self._began = now
        self._carried = 0

    def change(self, limits: Limits, now: float) -> None:
        """Other limits for the same session: it has begun when it did."""
        if limits.inactive != self._limits.inactive:
            self._active = self._looked = now
        self._limits = limits

    def deadline(self) -> float | None:
        """When ``over`` is to be asked again."""
        seconds, limits = self._limits.inactive[0], self._limits
        times = [self._began + limits.session] if limits.session else []
        if seconds:
            times.append(min(self._looked + max(seconds / LOOKS, 1.0), self._active + seconds))
        return min(times, default=None)

    def over(self, carried: int, now: float) -> str | None:
        """Why the session has to end now, None as long as it has not."""
        (seconds, most), limits = self._limits.inactive, self._limits
        if limits.session and now >= self._began + limits.session:
            return f"the session was to last {limits.session} seconds (session-timeout)"
        if not seconds:
            return None
        self._looked = now
        if carried - self._carried > 0 and carried - self._carried >= most:
            self._active, self._carried = now, carried
        elif now >= self._active + seconds:
            return f"too little went through the tunnel for {seconds} seconds (inactive)"
        return None
