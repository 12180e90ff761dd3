"""Which server is called next: the remotes in order, each at its addresses in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import DeferredList

from tvpn.config.address import Remote
from tvpn.errors import TvpnError
from tvpn.net.lookup import Directory, Place, Query, is_literal

ADDRESS_PATIENCE = 3.0
"""Seconds for a server to answer at one of several addresses."""
REMOTE_PATIENCE = 10
"""Seconds for one of several servers to answer, where connect-timeout says nothing."""
LABEL_SIZE = 6


@dataclass(frozen=True, slots=True)
class Destination:
    """A remote and the address that is called, its own or its proxy's; ``patience``: seconds for it to answer, None
    for as long as a whole handshake may take.
    """

    remote: Remote
    place: Place
    patience: float | None = None


class Itinerary:
    """Names are looked up anew for each round; what they were before serves where that fails, and once ``settled``
    (nothing can be looked up behind a kill switch). ``label``: random bytes for a name that no cache knows.
    """

    def __init__(
        self, reactor: Any, remotes: Sequence[Remote], label: Callable[[int], bytes] | None = None
    ) -> None:
        self.remotes = remotes
        self.settled = False
        self.rounds = 0
        """How often all of them were called in vain."""
        self._label = label
        self._directory = Directory(reactor, self._heard)
        self._known: dict[Query, list[Place]] = {}
        self._which = -1
        self._left: list[Place] = []
        self._last: Destination | None = None
        self._again = False

    async def next(self) -> Destination:
        """Where to call now; raises TvpnError for a remote that cannot be found."""
        if self._again and self._last is not None:
            self._again = False
            return self._last
        several = len(self._left) > 0
        if not self._left:
            self._which = (self._which + 1) % len(self.remotes)
            self._left = await self._find(self.remotes[self._which])
            several = len(self._left) > 1
        remote = self.remotes[self._which]
        self._last = Destination(remote, self._left.pop(0), self._patience(remote, several))
        return self._last

    def _patience(self, remote: Remote, several: bool) -> float | None:
        if remote.timeout is not None:
            return remote.timeout
        if several:
            return ADDRESS_PATIENCE
        return REMOTE_PATIENCE if len(self.remotes) > 1 else None

    # After a call

    def failed(self) -> bool:
        """The last call was in vain: whether that was the last one of a round."""
        over = not self._left and not self._again and self._which in (-1, len(self.remotes) - 1)
        self.rounds += over
        return over

    def arrived(self) -> None:
        """The last call was a good one."""
        self.rounds = 0

    def repeat(self, patiently: bool = True) -> None:
        """The next one to call is the one that was called last, at the same address; not ``patiently``: if its name
        has moved it does not take long to find out.
        """
        self._again = self._last is not None
        if self._last is not None and not patiently:
            self._left.clear()
            patience = self._last.patience
            if not is_literal(self._last.remote.called[0]):
                patience = min(patience or ADDRESS_PATIENCE, ADDRESS_PATIENCE)
            self._last = Destination(self._last.remote, self._last.place, patience)

    def skip(self) -> None:
        """The next one to call is another remote."""
        self._again = False
        self._left.clear()

    # Names

    @property
    def has_names(self) -> bool:
        """Whether anything has to be looked up."""
        return any(not is_literal(remote.called[0]) for remote in self.remotes)

    async def _find(self, remote: Remote) -> list[Place]:
        query = self._query(remote)
        if self.settled:
            if query not in self._known:
                raise TvpnError(f"where {remote.called[0]} is was not known when the kill switch closed")
            return list(self._known[query])
        try:
            found = await self._directory.find(self._labelled(query))
        except TvpnError:
            if query not in self._known:
                raise
            return list(self._known[query])
        self._known[query] = found
        return list(found)

    def _labelled(self, query: Query) -> Query:
        if self._label is None or is_literal(query.host):
            return query
        return query._replace(host=f"{self._label(LABEL_SIZE).hex()}.{query.host}")

    async def settle(self) -> list[tuple[Remote, Place]]:
        """Every address of every remote, looked up now or known from before; from now on no name is looked up. Raises
        TvpnError, and nothing is settled, where nothing at all is known.
        """
        results: Any = await DeferredList(
            [self._directory.find(self._labelled(self._query(remote))) for remote in self.remotes], consumeErrors=True
        )
        for remote, (found, places) in zip(self.remotes, results, strict=True):
            if found:
                self._known[self._query(remote)] = places
        every = [(each, place) for each in self.remotes for place in self._known.get(self._query(each), ())]
        if not every:
            results[0][1].raiseException()
        self.settled = True
        return every

    def remember(self, remote: Remote, places: list[Place]) -> None:
        """What this remote was known as in an earlier life."""
        self._known.setdefault(self._query(remote), places)

    def _heard(self, query: Query, places: list[Place]) -> None:
        if self._label is None:
            self._known[query] = places

    @staticmethod
    def _query(remote: Remote) -> Query:
        return Query(*remote.called, remote.family)
