"""Who is called next, and when: the itinerary and the patience of it."""

from __future__ import annotations

from tvpn.errors import TvpnError
from tvpn.hub.backoff import Backoff
from tvpn.hub.event import Disconnected
from tvpn.service.itinerary import Itinerary


class Dialer:
    """``most_rounds``: how often each remote is called in vain before we give up (connect-retry-max), 0 for ever.

    Times are monotonic seconds; what ``failed`` and ``lost`` answer is how long to wait for the next call.
    """

    def __init__(self, itinerary: Itinerary, backoff: Backoff, most_rounds: int = 0) -> None:
        self.itinerary = itinerary
        self.round_over = False
        """All of them have failed since the last good call, once at least."""
        self.waits_for_answer = False
        """The pause is one for somebody who did not answer: news of the network may end it."""
        self._backoff = backoff
        self._most_rounds = most_rounds

    def begin(self, now: float) -> None:
        """A call begins; where it goes, the itinerary says."""
        self._backoff.began(now)

    def connected(self, now: float) -> None:
        """The server has let us in."""
        self.round_over = False
        self.itinerary.arrived()
        self._backoff.joined(now)

    def failed(self, now: float) -> float:
        """The call did not come through. Raises TvpnError when it was the last one."""
        return self._after_silence(self._count(), now)

    def lost(self, event: Disconnected, now: float) -> float:
        """A session is over, or never was. Raises TvpnError when it was the last one."""
        held = self._backoff.left(now)
        stays = held if event.advance is None else not event.advance
        if stays:
            self.itinerary.repeat(patiently=False)
        elif held:
            self.itinerary.skip()
        over = False if held else self._count()
        if event.silent:
            return self._after_silence(over, now)
        self.waits_for_answer = False
        return self._backoff.refusal(now, event.wait)

    def at_once(self, now: float) -> float:
        """The network has changed: what did not answer may do so now."""
        return self._backoff.soon(now)

    def _count(self) -> bool:
        """Whether a whole round is through."""
        over = self.itinerary.failed()
        self.round_over = self.round_over or over
        if self._most_rounds and self.itinerary.rounds >= self._most_rounds:
            calls = "one call" if self._most_rounds == 1 else f"{self._most_rounds} calls"
            raise TvpnError(f"gave up after {calls} at each remote (connect-retry-max)")
        return over

    def _after_silence(self, over: bool, now: float) -> float:
        self.waits_for_answer = True
        return self._backoff.silence(now) if over else self._backoff.soon(now)
