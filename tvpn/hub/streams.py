"""TCP connections: which there are, and which have come to nothing yet.

A connection proves an address, so there is no cookie; but it costs something before anybody has said a word. So each
site may have only a few that wait for their first valid packet, and each waits ten seconds.
"""

from __future__ import annotations

from tvpn.hub.prefix import Crowd
from tvpn.plane.verbs import Endpoint

PATIENCE = 10.0
MOST_WAITING, MOST_ALTOGETHER = 10, 256


class Streams:
    """The connections of one server."""

    def __init__(self) -> None:
        self._settled: set[Endpoint] = set()
        self._waiting: dict[Endpoint, float] = {}
        self._crowd = Crowd(MOST_ALTOGETHER, MOST_WAITING, MOST_ALTOGETHER, MOST_WAITING)

    def __contains__(self, endpoint: Endpoint) -> bool:
        return endpoint in self._settled or endpoint in self._waiting

    def add(self, endpoint: Endpoint, now: float) -> bool:
        """A new connection; False when too many of its site, or altogether, wait already."""
        if not self._crowd.has_room(endpoint.address):
            return False
        self._crowd.add(endpoint.address)
        self._waiting[endpoint] = now + PATIENCE
        return True

    def settle(self, endpoint: Endpoint) -> None:
        """It has become a session, whose own time limits hold from now on."""
        if self._stop_waiting(endpoint):
            self._settled.add(endpoint)

    def remove(self, endpoint: Endpoint) -> bool:
        """Whether it had become a session."""
        self._stop_waiting(endpoint)
        had_settled = endpoint in self._settled
        self._settled.discard(endpoint)
        return had_settled

    def _stop_waiting(self, endpoint: Endpoint) -> bool:
        if self._waiting.pop(endpoint, None) is None:
            return False
        self._crowd.remove(endpoint.address)
        return True

    def deadline(self) -> float | None:
        # A dict keeps its order, and all wait equally long: the first is the earliest.
        return next(iter(self._waiting.values()), None)

    def take_overdue(self, now: float) -> list[Endpoint]:
        """Connections that have waited for nothing; they are no longer ours."""
        overdue = [endpoint for endpoint, deadline in self._waiting.items() if deadline <= now]
        for endpoint in overdue:
            self.remove(endpoint)
        return overdue
