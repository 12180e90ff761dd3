"""Fairness by source prefix: a bucket for answers, a tally for complaints; both bounded (hardening by economics).

IPv4 counts by /24, IPv6 by /64: one source can spoil things for its own neighbourhood only.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address

from tvpn.plane.verbs import Address

MOST_PREFIXES = 4096


def prefix_of(address: Address) -> bytes:
    """The /24 or /64 of a socket address."""
    packed = ip_address(str(address[0]).partition("%")[0]).packed
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


class Tally:
    """Counts occurrences and says when one is to be told: the first, and then one in ``interval`` seconds."""

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._seen: OrderedDict[tuple[str, bytes], tuple[float, int]] = OrderedDict()

    def count(self, reason: str, prefix: bytes, now: float) -> int:
        """0 while it is to be kept quiet, else how many there were since it was told last."""
        key = (reason, prefix)
        told, number = self._seen.pop(key, (now - self._interval, 0))
        number += 1
        due = now - told >= self._interval
        self._seen[key] = (now, 0) if due else (told, number)
        if len(self._seen) > MOST_PREFIXES:
            self._seen.popitem(last=False)
        return number if due else 0
