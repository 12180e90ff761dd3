"""Who is here: sessions by endpoint and id, and when each wants to be looked at again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from tvpn.crypto.certificate import Identity
from tvpn.hub.home import Home
from tvpn.plane.verbs import Endpoint
from tvpn.session.server import ServerSession

Key = TypeVar("Key")


@dataclass(eq=False, slots=True)
class Member:
    """One client at one endpoint; ``peer`` is its plane peer once it is admitted."""

    number: int
    session: ServerSession
    endpoint: Endpoint
    since: float
    peer: int | None = None
    joined: bool = False
    home: Home | None = None
    scheduled: float | None = None

    @property
    def key(self) -> tuple[Endpoint, bytes]:
        return self.endpoint, self.session.remote_id

    @property
    def name(self) -> str:
        return self.session.describe()


class Roster:
    """Members by (endpoint, session id), by number and by peer id; a heap of deadlines."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[Endpoint, bytes], Member] = {}
        self._by_number: dict[int, Member] = {}
        self._by_peer: dict[int, Member] = {}
        self._by_identity: dict[Identity | None, set[Member]] = {}
        self._by_place: dict[Endpoint, set[Member]] = {}
        self._deadlines: list[tuple[float, int]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._by_number.values()))

    @property
    def admitted(self) -> int:
        return len(self._by_peer)

    def find(self, endpoint: Endpoint, session_id: bytes) -> Member | None:
        return self._by_key.get((endpoint, session_id))

    def get(self, number: int) -> Member | None:
        return self._by_number.get(number)

    def of_peer(self, peer: int) -> Member | None:
        return self._by_peer.get(peer)

    def add(self, endpoint: Endpoint, session: ServerSession, now: float) -> Member:
        self._last_number += 1
        member = Member(self._last_number, session, endpoint, now)
        self._by_number[member.number] = member
        self._by_key[member.key] = member
        return member

    def seat(self, member: Member) -> int:
        """The lowest free peer id becomes the member's."""
        peer = next(number for number in range(len(self._by_peer) + 1) if number not in self._by_peer)
        member.peer = peer
        self._by_peer[peer] = member
        self._by_identity.setdefault(member.session.identity, set()).add(member)
        self._by_place.setdefault(member.endpoint, set()).add(member)
        return peer

    def rivals(self, member: Member, same_device: bool) -> set[Member]:
        """Others with a seat: at the same endpoint, and with ``same_device`` those of the same identity."""
        found = set(self._by_place.get(member.endpoint, ()))
        if same_device:
            found |= self._by_identity.get(member.session.identity, set())
        return found - {member}

    def unseat(self, member: Member) -> None:
        if member.peer is not None:
            del self._by_peer[member.peer]
            member.peer = None
            _take_out(self._by_identity, member.session.identity, member)
            _take_out(self._by_place, member.endpoint, member)

    def move(self, member: Member, endpoint: Endpoint) -> None:
        self._by_key.pop(member.key, None)
        if member.peer is not None:
            _take_out(self._by_place, member.endpoint, member)
            self._by_place.setdefault(endpoint, set()).add(member)
        member.endpoint = endpoint
        self._by_key[member.key] = member

    def remove(self, member: Member) -> None:
        self.unseat(member)
        self._by_number.pop(member.number, None)
        if self._by_key.get(member.key) is member:
            del self._by_key[member.key]

    def schedule(self, member: Member) -> None:
        """Note the session's own deadline; an earlier entry of the heap just wakes us for nothing."""
        deadline = member.session.deadline()
        if deadline is not None and (member.scheduled is None or deadline < member.scheduled):
            member.scheduled = deadline
            heapq.heappush(self._deadlines, (deadline, member.number))

    def deadline(self) -> float | None:
        return self._deadlines[0][0] if self._deadlines else None

    def take_due(self, now: float) -> list[Member]:
        """Members whose deadline has come, each once."""
        due: dict[int, Member] = {}
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            member = self._by_number.get(number)
            if member is not None:
                member.scheduled = None
                due[number] = member
        return list(due.values())


def _take_out(groups: dict[Key, set[Member]], key: Key, member: Member) -> None:
    """Take a member out of its group, and an empty group out of the groups."""
    group = groups.get(key, set())
    group.discard(member)
    if not group:
        groups.pop(key, None)
