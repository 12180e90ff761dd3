"""A peer as the Python plane sees it."""

from __future__ import annotations

from collections.abc import Sequence

from tvpn.errors import Drop
from tvpn.plane.fragment import Fragmenter, Reassembler
from tvpn.plane.framing import framing_of
from tvpn.plane.keyslots import KeySlots
from tvpn.plane.verbs import Counters, Endpoint, PeerSpec

#: Seconds between two moves of a peer.
FLOAT_INTERVAL = 1.0


class PlanePeer:
    """Where it is, its keys, its counters, and when it was last heard and spoken to (monotonic seconds)."""

    __slots__ = (
        "counters", "endpoint", "fragmenter", "framing", "heard", "is_plain", "moved", "number", "reassembler", "said",
        "slots", "spec", "warned",
    )  # fmt: skip

    def __init__(self, number: int, endpoint: Endpoint, spec: PeerSpec, now: float) -> None:
        self.number = number
        self.endpoint = endpoint
        self.spec = spec
        self.slots = KeySlots()
        self.counters = Counters.zero()
        self.framing = framing_of(spec.framing)
        self.fragmenter = Fragmenter() if spec.fragment else None
        self.reassembler = Reassembler()
        self.is_plain = self.framing is None and self.fragmenter is None
        self.heard = self.said = now
        self.warned = False
        self.moved = now - FLOAT_INTERVAL

    def frame(self, packets: Sequence[bytes], room: int) -> list[bytes]:
        """Packets as the peer wants them: in frames, in fragments of at most ``room`` bytes, or both."""
        framed = list(packets) if self.framing is None else [self.framing[0](packet) for packet in packets]
        if self.fragmenter is None:
            return framed
        parts: list[bytes] = []
        for packet in framed:
            try:
                parts += self.fragmenter.cut(packet, room)
            except Drop as drop:
                self.counters.drop(drop.reason)
        return parts

    def unframe(self, plain: bytes, now: float) -> bytes | None:
        """The packet out of fragments and frames; None as long as there is none."""
        try:
            packet = plain if self.fragmenter is None else self.reassembler.add(plain, now)
            return packet if packet is None or self.framing is None else self.framing[1](packet)
        except Drop as drop:
            self.counters.drop(drop.reason)
            return None


def deadline_of(peer: PlanePeer) -> float | None:
    """When a ping or the timeout of this peer is due."""
    spec = peer.spec
    ping = peer.said + spec.ping if spec.ping else None
    timeout = peer.heard + spec.timeout if spec.timeout else None
    if ping is None or timeout is None:
        return timeout if ping is None else ping
    return min(ping, timeout)
