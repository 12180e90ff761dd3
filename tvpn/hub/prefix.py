"""Fairness by source prefix: a bucket for answers, a tally for complaints; both bounded (hardening by economics).

IPv4 counts by /24, IPv6 by /64: one source can spoil things for its own neighbourhood only.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from tvpn.plane.verbs import Address

MOST_PREFIXES = 4096


def prefix_of(address: Address) -> bytes:
    """The /24 or /64 of a socket address."""
    return _prefix_of_host(str(address[0]))


@lru_cache(maxsize=MOST_PREFIXES)
def _prefix_of_host(host: str) -> bytes:
    # Remembered, since a flood asks for the same one with every packet.
    packed = ip_address(host.partition("%")[0]).packed
    return packed[:3] if len(packed) == 4 else packed[:8]


class Buckets:
    """Token buckets: ``burst`` at once, then ``rate`` a second."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, prefix: bytes, now: float) -> bool:
        """Whether there was a token for this prefix."""
        level, since = self._levels.pop(prefix, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        granted = level >= 1
        self._levels[prefix] = (level - 1 if granted else level, now)
        if len(self._levels) > MOST_PREFIXES:
            self._levels.popitem(last=False)
        return granted


@dataclass(slots=True)
class _Seen:
    """When something was told of last, and how often it was seen since."""

    told: float
    number: int = 0


class Tally:
    """Counts occurrences and says when one is to be told: the first of a prefix, and then one in ``interval`` seconds;
    of all prefixes together at most ``most`` for each reason, so that many sources cannot fill a log either.
    """

    def __init__(self, interval: float = 10.0, most: int = 10) -> None:
        self._interval = interval
        self._most = most
        self._seen: OrderedDict[tuple[str, bytes], _Seen] = OrderedDict()
        self._told: dict[str, tuple[float, int]] = {}

    def count(self, reason: str, prefix: bytes, now: float) -> int:
        """0 while it is to be kept quiet, else how many there were since it was told last."""
        key = (reason, prefix)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(now - self._interval)
            if len(self._seen) > MOST_PREFIXES:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(key)
        seen.number += 1
        if now - seen.told < self._interval or not self._affords(reason, now):
            return 0
        number, seen.number, seen.told = seen.number, 0, now
        return number

    def _affords(self, reason: str, now: float) -> bool:
        since, number = self._told.get(reason, (now, 0))
        if now - since >= self._interval:
            since, number = now, 0
        self._told[reason] = (since, number + 1)
        return number < self._most


class Crowd:
    """How many of something each site has, so that one site cannot have them all: the fewer for each, the more there
    are altogether. A site is a /24, or of IPv6 a /48, which is what one customer gets.
    """

    def __init__(self, most: int, most_of_site: int, busy: int, most_when_busy: int) -> None:
        self._most = most
        self._most_of_site = most_of_site
        self._busy = busy
        self._most_when_busy = most_when_busy
        self._sites: Counter[bytes] = Counter()
        self.total = 0

    def has_room(self, address: Address) -> bool:
        """Whether there may be one more, and of this site."""
        return self.total < self._most and self.has_share_for(address)

    def has_share_for(self, address: Address) -> bool:
        limit = self._most_of_site if self.total < self._busy else self._most_when_busy
        return self._sites.get(prefix_of(address)[:6], 0) < limit

    def add(self, address: Address) -> None:
        self._sites[prefix_of(address)[:6]] += 1
        self.total += 1

    def remove(self, address: Address) -> None:
        site = prefix_of(address)[:6]
        self._sites[site] -= 1
        self.total -= 1
        if not self._sites[site]:
            del self._sites[site]
