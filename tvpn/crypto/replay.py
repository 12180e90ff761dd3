"""The replay window: every packet id once (RFC 6479's idea as one integer; data-channel.md 7, packets.md 8)."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_WIDTH = 64


class ReplayWindow:
    """Remembers the newest ``width`` ids below the highest one. Ask only for packets that authenticated."""

    __slots__ = ("_full", "_seen", "_width", "highest")

    def __init__(self, width: int = DEFAULT_WIDTH) -> None:
        self.highest = 0
        self._width = width
        self._full = (1 << width) - 1
        self._seen = 1  # id 0 counts as seen: it is never valid

    def accept(self, packet_id: int) -> bool:
        """Whether this id is new; it counts as seen from then on."""
        ahead = packet_id - self.highest
        if ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & self._full if ahead < self._width else 1
            self.highest = packet_id
            return True
        if -ahead >= self._width or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True


class Stamp(NamedTuple):
    """What a wrapped control packet carries against replay: a counter, and the time its sender began to count."""

    packet_id: int
    net_time: int


class StampWindow:
    """A replay window per net_time: a smaller time is a replay, a larger one begins anew."""

    def __init__(self, width: int = DEFAULT_WIDTH) -> None:
        self._width = width
        self._time = -1
        self._window = ReplayWindow(width)

    def accept(self, stamp: Stamp) -> bool:
        if not stamp.packet_id or stamp.net_time < self._time:
            return False
        if stamp.net_time > self._time:
            self._time = stamp.net_time
            self._window = ReplayWindow(self._width)
        return self._window.accept(stamp.packet_id)
