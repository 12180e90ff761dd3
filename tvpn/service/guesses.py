"""Who guesses passwords: after ten wrong ones a source is not heard about that user for twenty minutes.

A source is a prefix (/24, /64) together with a user name, so that nobody can lock a user out from elsewhere, and one
wrong colleague does not lock out the office.
"""

from __future__ import annotations

from collections import OrderedDict

from tvpn.hub.prefix import prefix_of
from tvpn.plane.verbs import Address

MOST = 10
PENALTY = 1200.0
"""Seconds, also after which a single wrong one is forgotten."""
MOST_SOURCES = 100_000


class Guesses:
    """Wrong passwords by source and user name; the oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[bytes, str], tuple[int, float]] = OrderedDict()

    def is_banned(self, address: Address, username: str, now: float) -> bool:
        number, since = self._wrong.get((prefix_of(address), username), (0, 0.0))
        return number >= MOST and now - since < PENALTY

    def was_wrong(self, address: Address, username: str, now: float) -> None:
        source = prefix_of(address), username
        number, since = self._wrong.pop(source, (0, now))
        self._wrong[source] = (number + 1 if now - since < PENALTY else 1, now)
        if len(self._wrong) > MOST_SOURCES:
            self._wrong.popitem(last=False)

    def was_none(self, address: Address, username: str) -> None:
        """It was no guess after all."""
        source = prefix_of(address), username
        number, since = self._wrong.get(source, (0, 0.0))
        if number > 1:
            self._wrong[source] = number - 1, since
        else:
            self._wrong.pop(source, None)

    def was_right(self, address: Address, username: str) -> None:
        self._wrong.pop((prefix_of(address), username), None)
