"""The lobby: clients that have proved their address and are not yet admitted (hardening by economics).

Each site has its share, a smaller one when there are many: an office behind one address shall get in, a flood from one
address shall not keep others out. When all places are taken, whoever has got nowhere for longest makes room; and while
there are many, nobody is waited for who does not go on. In quiet times each has its whole hand-window: a person may
have to look for a smart card.
"""

from __future__ import annotations

from tvpn.hub.prefix import Crowd
from tvpn.hub.roster import Member
from tvpn.plane.verbs import Address

#: Altogether, of one site, and of one site when there are many.
MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY = 1000, 50, 100, 3
#: Seconds for each step while there are many, and how long they count as many after they were.
PATIENCE, BUSY_TIME = 10.0, 60.0


class Lobby:
    """Members on their way in, those who have got nowhere for longest first."""

    def __init__(self) -> None:
        self._crowd = Crowd(MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY)
        self._places: dict[Member, tuple[Address, float]] = {}
        self._busy_until = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def has_share_for(self, address: Address) -> bool:
        """Whether the site of this address may have one more."""
        return self._crowd.has_share_for(address)

    def enter(self, member: Member, now: float) -> Member | None:
        """One more; who has to make room for it, if somebody has."""
        crowded_out = next(iter(self._places)) if len(self._places) >= MOST else None
        self._places[member] = member.endpoint.address, now
        self._crowd.add(member.endpoint.address)
        if len(self._places) > BUSY:
            self._busy_until = now + BUSY_TIME
        return crowded_out

    def advance(self, member: Member, now: float) -> None:
        """It has got somewhere: others make room before it does."""
        place = self._places.pop(member, None)
        if place is not None:
            self._places[member] = place[0], now

    def leave(self, member: Member) -> None:
        """It is admitted, or gone."""
        place = self._places.pop(member, None)
        if place is not None:
            self._crowd.remove(place[0])

    def deadline(self) -> float | None:
        """When somebody will have got nowhere for too long; never while there are few."""
        for _, since in self._places.values():
            return since + PATIENCE if since + PATIENCE <= self._busy_until else None
        return None

    def take_stalled(self, now: float) -> list[Member]:
        """Who has got nowhere for too long; who may stay nevertheless is asked about again as much later."""
        stalled = []
        while (at := self.deadline()) is not None and at <= now:
            member = next(iter(self._places))
            self.advance(member, now)
            stalled.append(member)
        return stalled
