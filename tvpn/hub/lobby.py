"""The lobby: clients that have proved their address and are not yet admitted (hardening by economics).

Each site has its share, a smaller one when there are many: an office behind one address shall get in, a flood from one
address shall not keep others out. When all places are taken, whoever has got nowhere for longest makes room.
"""

from __future__ import annotations

from tvpn.hub.prefix import Crowd
from tvpn.hub.roster import Member
from tvpn.plane.verbs import Address

#: Altogether, of one site, and of one site when there are many.
MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY = 1000, 50, 100, 3


class Lobby:
    """Members on their way in, those who have got nowhere for longest first."""

    def __init__(self) -> None:
        self._crowd = Crowd(MOST, MOST_OF_SITE, BUSY, MOST_OF_SITE_WHEN_BUSY)
        self._places: dict[Member, Address] = {}

    def __len__(self) -> int:
        return len(self._places)

    def has_share_for(self, address: Address) -> bool:
        """Whether the site of this address may have one more."""
        return self._crowd.has_share_for(address)

    def enter(self, member: Member) -> Member | None:
        """One more; who has to make room for it, if somebody has."""
        crowded_out = next(iter(self._places)) if len(self._places) >= MOST else None
        self._places[member] = member.endpoint.address
        self._crowd.add(member.endpoint.address)
        return crowded_out

    def advance(self, member: Member) -> None:
        """It has got somewhere: others make room before it does."""
        address = self._places.pop(member, None)
        if address is not None:
            self._places[member] = address

    def leave(self, member: Member) -> None:
        """It is admitted, or gone."""
        address = self._places.pop(member, None)
        if address is not None:
            self._crowd.remove(address)
