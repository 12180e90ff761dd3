"""A peer as the Python plane sees it."""

from __future__ import annotations

from tvpn.plane.keyslots import KeySlots
from tvpn.plane.verbs import Counters, Endpoint, PeerSpec

#: Seconds between two moves of a peer.
FLOAT_INTERVAL = 1.0


class PlanePeer:
    """Where it is, its keys, its counters, and when it was last heard and spoken to (monotonic seconds)."""

    __slots__ = ("counters", "endpoint", "heard", "moved", "number", "said", "slots", "spec", "warned")

    def __init__(self, number: int, endpoint: Endpoint, spec: PeerSpec, now: float) -> None:
        self.number = number
        self.endpoint = endpoint
        self.spec = spec
        self.slots = KeySlots()
        self.counters = Counters.zero()
        self.heard = self.said = now
        self.warned = False
        self.moved = now - FLOAT_INTERVAL


def deadline_of(peer: PlanePeer) -> float | None:
    """When a ping or the timeout of this peer is due."""
    spec = peer.spec
    ping = peer.said + spec.ping if spec.ping else None
    timeout = peer.heard + spec.timeout if spec.timeout else None
    if ping is None or timeout is None:
        return timeout if ping is None else ping
    return min(ping, timeout)
