"""The replay window: every packet id once (RFC 6479's idea as one integer; data-channel.md 7, packets.md 8).

``accept`` is asked for every packet and knows no clock. Now and then somebody calls ``note``: what was the highest id
by then is written down, and is the floor of the window once that is long enough ago.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

#: Of ``replay-window``: ids, and seconds.
DEFAULT_WIDTH, DEFAULT_PATIENCE = 64, 15


class ReplayWindow:
    """Remembers the newest ``width`` ids below the highest one, for ``patience`` seconds (0: for ever). Ask only for
    packets that authenticated.
    """

    __slots__ = ("_full", "_marked", "_marks", "_patience", "_seen", "_width", "highest")

    def __init__(self, width: int = DEFAULT_WIDTH, patience: float = DEFAULT_PATIENCE) -> None:
        self.highest = 0
        self._width = width
        self._patience = patience
        self._marks: deque[tuple[float, int]] = deque()
        self._marked = 0
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

    def note(self, then: float, now: float) -> None:
        """All ids up to the highest one are from ``then`` or before (monotonic seconds): once that was ``patience``
        seconds ago, those that have not come by now come too late.
        """
        if not self._patience:
            return
        if self.highest > self._marked and not (self._marks and then < self._marks[-1][0] + self._patience / 4):
            self._marks.append((then, self.highest))
            self._marked = self.highest
        floor = None
        while self._marks and self._marks[0][0] + self._patience < now:
            floor = self._marks.popleft()[1]
        if floor is not None and self.highest - floor < self._width:
            self._seen |= self._full << self.highest - floor & self._full


class StrictOrder:
    """A window without width: the first id begins, each other one follows the one before it."""

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest = 0

    def accept(self, packet_id: int) -> bool:
        """Whether this id is the next."""
        if packet_id != self.highest + 1 and (self.highest or not packet_id):
            return False
        self.highest = packet_id
        return True

    def note(self, then: float, now: float) -> None:
        """Nothing is ever late here."""


def window_of(width: int, patience: float) -> ReplayWindow | StrictOrder:
    """What ``replay-window WIDTH PATIENCE`` means."""
    return ReplayWindow(width, patience) if width else StrictOrder()


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
