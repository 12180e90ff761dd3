"""Who is where on one Ethernet: stations learned from what they say, each behind one port.

A station that is heard stays where it is: only one that has said nothing for five minutes may turn up behind another
port. Until somebody else has its address, or there is no room for it, a silent one is remembered all the same: frames
for an unknown station lead nowhere, so that forgetting it early would make it unreachable.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf

from tvpn.plane.peer import PlanePeer
from tvpn.wire.ethernet import NOBODY, is_group

MOST_STATIONS = 256
"""Behind a peer; one more, and the one that has been silent for longest is forgotten."""
MOST_LOCAL_STATIONS = 4096
"""Behind our own device."""
IDLE = 300.0
"""Seconds of silence until a station may be elsewhere."""
GROUP_BURST, GROUP_RATE = 256, 1000
"""Broadcast and multicast frames of a peer, at once and a second: each of them goes to everybody."""


class Station:
    """An address, behind which port, and when it was last heard (monotonic seconds)."""

    __slots__ = ("port", "seen")

    def __init__(self, port: Port, seen: float) -> None:
        self.port = port
        self.seen = seen


class Port:
    """Where frames come in: a peer, or None for our own device."""

    __slots__ = ("_level", "_since", "flow", "flow_at", "most", "peer", "segment", "stations")

    def __init__(self, segment: Segment, peer: PlanePeer | None) -> None:
        self.segment = segment
        self.peer = peer
        self.most = MOST_LOCAL_STATIONS if peer is None else MOST_STATIONS
        self.stations: OrderedDict[bytes, Station] = OrderedDict()
        """The longest silent first."""
        self.flow = b""
        """The header of the IPv4 frame that last went to a station of ours, and when that was."""
        self.flow_at = 0.0
        self._level = float(GROUP_BURST)
        self._since = 0.0

    def may_say_to_all(self, now: float) -> bool:
        """Whether one more frame for a group is within what a peer may say; if so it is counted."""
        self._level = min(GROUP_BURST, self._level + (now - self._since) * GROUP_RATE)
        self._since = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Segment:
    """One VLAN: its ports and its stations."""

    def __init__(self, vlan: int) -> None:
        self.vlan = vlan
        self.ports: dict[int, Port] = {}
        """By peer id."""
        self.local = Port(self, None)
        self.stations: dict[bytes, Station] = {}

    def lock(self, address: bytes) -> None:
        """This is our own device's, as far as it has one: it is never anywhere else."""
        if not address:
            return
        self._forget(address)
        self.stations[address] = Station(self.local, inf)

    def hear(self, port: Port, address: bytes, now: float) -> bool:
        """A station spoke behind this port; False when it may not, since it lives behind another one."""
        station = self.stations.get(address)
        if station is not None:
            if station.port is port:
                if station.seen < now:
                    station.seen = now
                    port.stations.move_to_end(address)
                return True
            if now - station.seen <= IDLE:
                return False
            self._forget(address)
        if is_group(address) or address == NOBODY:
            return False
        if len(port.stations) >= port.most:
            oldest, _ = port.stations.popitem(last=False)
            del self.stations[oldest]
        self.stations[address] = port.stations[address] = Station(port, now)
        return True

    def _forget(self, address: bytes) -> None:
        station = self.stations.pop(address, None)
        if station is not None:
            station.port.stations.pop(address, None)

    def open(self, peer: PlanePeer) -> Port:
        """A port for this peer."""
        port = self.ports[peer.number] = Port(self, peer)
        return port

    def close(self, port: Port) -> None:
        """The port is gone, and the stations behind it with it."""
        for address in port.stations:
            del self.stations[address]
        if port.peer is not None:
            del self.ports[port.peer.number]
