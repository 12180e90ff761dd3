"""The Python plane: packets in, packets out, in batches (the way of a packet: docs/architecture.rst).

outward   fabric: for whom? -> clamp -> seal, a buffer a burst -> take
inward    peer -> key slot -> open -> replay -> float -> magic -> fabric: may it send that? -> clamp -> take
                                                                  with client-to-client: -> for whom? -> seal -> take

Below the batch there are only plain values: no objects, no logging, no exceptions but Drop from the seal.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from tvpn.crypto.derive import DataKeys
from tvpn.crypto.seal import MANY_FAILURES
from tvpn.errors import Drop
from tvpn.plane.fabric import Batches, Fabric
from tvpn.plane.framing import MAGIC_FIRST_BYTES, bursts, is_exit
from tvpn.plane.keyslots import KeySlot
from tvpn.plane.peer import FLOAT_INTERVAL, PlanePeer, deadline_of
from tvpn.plane.verbs import (
    Address,
    Arrival,
    Counters,
    Departure,
    Endpoint,
    Floated,
    FloatRefused,
    Gone,
    NearlySpent,
    Opened,
    PeerExit,
    PeerSpec,
    PlaneEvent,
    TunPacket,
)
from tvpn.wire.data import NO_PEER_ID, OCC_EXIT, OCC_MAGIC, PING, V1_HEADER_SIZE, V2_HEADER_SIZE

_FIRST_V2 = 0x48
#: Of an Arrival: from which address, to which of ours.
_WHERE = itemgetter(0, 1)
#: What tells whose a datagram is: opcode, key id and peer id.
_HEADER = itemgetter(slice(V2_HEADER_SIZE))
#: Seconds between two looks at the age of replay windows.
NOTE_INTERVAL = 5.0
#: What an Endpoint is made of.
Place = tuple[Hashable, Address, bytes]


class Userspace:
    """A Plane in the process itself, driven by net/pump."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._deliver = fabric.deliver
        self._peers: dict[int, PlanePeer] = {}
        self._by_endpoint: dict[Place, PlanePeer] = {}
        self._server: PlanePeer | None = None
        self._events: list[PlaneEvent] = []
        self._to_network: list[Departure] = []
        self._last_arrival = self._noted = 0.0
        self._deadline: float | None = None
        self.strays = fabric.strays
        """What belonged to no peer."""

    def attach(self, addresses: Collection[bytes], lladdr: bytes = b"") -> None:
        """The device that packets are for from now on, as in ``Fabric.attach``."""
        self._fabric.attach(addresses, lladdr)

    # The verbs

    def supports(self, spec: PeerSpec) -> str | None:
        return None

    def add(self, peer: int, endpoint: Endpoint, spec: PeerSpec, now: float) -> None:
        self.remove(peer)
        record = PlanePeer(peer, endpoint, spec, now)
        self._peers[peer] = record
        self._by_endpoint[endpoint] = record
        self._fabric.join(record)
        if spec.is_server:
            self._server = record
        self._expect(record)

    def _expect(self, record: PlanePeer) -> None:
        """See to it that ``tick`` is due in time for this peer."""
        own = deadline_of(record)
        if own is not None:
            self._deadline = own if self._deadline is None else min(self._deadline, own)

    def retime(self, peer: int, ping: int, timeout: int, now: float) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.spec = replace(record.spec, ping=ping, timeout=timeout)
            record.heard = now
            self._expect(record)

    def relocate(self, peer: int, endpoint: Endpoint) -> None:
        record = self._peers.get(peer)
        if record is not None:
            self._move(record, endpoint)

    def remove(self, peer: int) -> None:
        record = self._peers.pop(peer, None)
        if record is None:
            return
        self._fabric.leave(record)
        if self._by_endpoint.get(record.endpoint) is record:
            del self._by_endpoint[record.endpoint]
        if self._server is record:
            self._server = None

    def install(self, peer: int, key_id: int, keys: DataKeys) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.slots.install(KeySlot(key_id, keys, record.spec))
            record.warned = False

    def use(self, peer: int, key_id: int) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.slots.use(key_id)

    def retire(self, peer: int, key_id: int) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.slots.retire(key_id)

    def heard(self, peer: int, now: float) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.heard = now

    def said(self, peer: int, now: float) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.said = now

    def ping(self, peer: int, now: float) -> None:
        record = self._peers.get(peer)
        if record is not None:
            record.said, payload = now, record.counters.sent_bytes
            self._seal(record, [PING])
            record.counters.sent_bytes = payload

    def farewell(self, peer: int) -> None:
        record = self._peers.get(peer)
        if record is not None:
            self._seal(record, [OCC_EXIT])

    def counters(self, peer: int) -> Counters:
        record = self._peers.get(peer)
        return record.counters if record is not None else Counters.zero()

    def endpoint(self, peer: int) -> Endpoint | None:
        """Where the peer lives, None for an unknown one."""
        record = self._peers.get(peer)
        return record.endpoint if record is not None else None

    @property
    def eventful(self) -> bool:
        """Whether ``take_events`` has something."""
        return bool(self._events)

    def take_events(self) -> list[PlaneEvent]:
        events, self._events = self._events, []
        return events

    # Outward: from the device to the network

    def outward(self, packets: Sequence[TunPacket], now: float) -> None:
        """A batch from the device; ``take`` then holds what it became."""
        self._send(self._fabric.sort(packets, now), now)

    def _send(self, batches: Batches, now: float) -> None:
        for number, batch in batches.items():
            peer = self._peers[number]
            self._seal(peer, batch)
            peer.said = now

    def _seal(self, peer: PlanePeer, packets: Sequence[bytes]) -> None:
        slot = peer.slots.sending
        if slot is None:
            peer.counters.drop("no-key", len(packets))
            return
        if not peer.is_plain:
            packets = peer.frame(packets, slot.room)
        sealer, header, counters = slot.sealer, slot.header, peer.counters
        for burst in bursts(packets):
            try:
                buffer = sealer.seal(header, burst)
            except Drop as drop:
                counters.drop(drop.reason, len(burst))
                continue
            size = len(burst[0])
            self._to_network.append((peer.endpoint, size + sealer.overhead(header, size), buffer))
            payload = size * (len(burst) - 1) + len(burst[-1])
            counters.sent_packets += len(burst)
            counters.sent_bytes += payload
            slot.carried += payload
        if slot.spent:
            self._warn(peer, slot)

    def _warn(self, peer: PlanePeer, slot: KeySlot) -> None:
        """Once for each newest key; an older one is on its way out anyhow. What was not replaced in time is gone."""
        if not peer.warned and slot is peer.slots.newest:
            peer.warned = True
            self._events.append(NearlySpent(peer.number))
        if slot.dead:
            peer.slots.retire(slot.key_id)

    # Inward: from the network to the device

    def inward(self, link: Hashable, arrivals: Sequence[Arrival], now: float) -> None:
        """A batch of data packets that came in on this link."""
        if now >= self._noted + NOTE_INTERVAL:
            self._note(now)
        self._last_arrival = now
        for where, alike in groupby(arrivals, _WHERE):
            datagrams: list[bytes] = []
            for _, _, segment, buffer in alike:
                if segment:
                    datagrams += [buffer[at : at + segment] for at in range(0, len(buffer), segment)]
                else:
                    datagrams.append(buffer)
            # A plain tuple, equal to the Endpoint it stands for: making one for each would cost more than it.
            self._open((link, *where), datagrams, now)
        self._send(self._fabric.take_passed_on(), now)

    def _note(self, now: float) -> None:
        """Replay windows know no clock: from time to time they are told how old what they have seen is."""
        self._noted = now
        for peer in self._peers.values():
            peer.slots.note(self._last_arrival, now)

    def _open(self, place: Place, datagrams: Sequence[bytes], now: float) -> None:
        """Those that follow each other with the same header are one peer's, under one key."""
        for header, alike in groupby(datagrams, _HEADER):
            header_size, peer = self._peer_of(place, header)
            slot = None if peer is None else peer.slots.get(header[0] & 7)
            if peer is None or slot is None:
                counters, reason = (self.strays, "peer-unknown") if peer is None else (peer.counters, "key-unknown")
                counters.drop(reason, len(list(alike)))
                continue
            opened = self._opened(place, peer, slot, alike, header_size, now)
            if opened:
                self._take_in(peer, slot, opened, now)

    def _opened(
        self, place: Place, peer: PlanePeer, slot: KeySlot, datagrams: Iterable[bytes], header_size: int, now: float
    ) -> list[bytes]:
        """What is in those that are authentic, new, and from where the peer may send."""
        opened: list[bytes] = []
        opener, window, is_at_home = slot.opener, slot.window, place == peer.endpoint
        for datagram in datagrams:
            try:
                packet_id, plain = opener.open(datagram, header_size)
            except Drop as drop:
                self._reject(peer, place, drop.reason)
                if opener.failed > MANY_FAILURES:
                    # Somebody tries to forge packets, again and again: time for another key, and in the end for none.
                    self._warn(peer, slot)
                continue
            if not window.accept(packet_id):
                self._reject(peer, place, "data-replayed")
            elif is_at_home or self._follow(peer, Endpoint(*place), packet_id == window.highest, now):
                opened.append(plain)
            else:
                peer.counters.drop("wrong-address")
        return opened

    def _take_in(self, peer: PlanePeer, slot: KeySlot, opened: Sequence[bytes], now: float) -> None:
        peer.heard = now
        slot.carried += sum(map(len, opened))
        slot.opened += len(opened)
        if slot.fresh:
            slot.fresh = False
            self._events.append(Opened(peer.number, slot.key_id))
        if slot.carried > slot.most_bytes or slot.opened + slot.sealer.sent >= slot.most_packets:
            self._warn(peer, slot)
        if not peer.is_plain:
            opened = [packet for plain in opened if (packet := peer.unframe(plain, now)) is not None]
        packets = [each for each in opened if each[0] not in MAGIC_FIRST_BYTES or not self._is_magic(peer, each)]
        if packets:
            self._deliver(peer, packets, now)

    def _reject(self, peer: PlanePeer, place: Place, reason: str) -> None:
        """Count it; on the peer's own stream it means that the stream is broken."""
        peer.counters.drop(reason)
        if peer.spec.is_stream and place == peer.endpoint:
            self._events.append(Gone(peer.number, f"its stream is broken: {reason}", broken=True))

    def _peer_of(self, place: Place, datagram: bytes) -> tuple[int, PlanePeer | None]:
        """By peer id in V2, by address in V1 and where the sender knows no peer id."""
        if datagram[0] < _FIRST_V2:
            return V1_HEADER_SIZE, self._by_endpoint.get(place)
        number = int.from_bytes(datagram[1:V2_HEADER_SIZE], "big")
        if self._server is not None or number == NO_PEER_ID:
            return V2_HEADER_SIZE, self._by_endpoint.get(place)
        return V2_HEADER_SIZE, self._peers.get(number)

    def _follow(self, peer: PlanePeer, endpoint: Endpoint, newest: bool, now: float) -> bool:
        """Whether a packet from elsewhere counts. Only the newest moves the peer, once a second, to nobody's place."""
        if peer.spec.is_server or peer.spec.is_stream:
            return False
        if not newest or endpoint.link != peer.endpoint.link or now - peer.moved < FLOAT_INTERVAL:
            return True
        occupant = self._by_endpoint.get(endpoint)
        if occupant is not None and occupant is not peer:
            self._events.append(FloatRefused(peer.number, endpoint, occupant.number))
            return False
        self._move(peer, endpoint)
        peer.moved = now
        self._events.append(Floated(peer.number, endpoint))
        return True

    def _move(self, peer: PlanePeer, endpoint: Endpoint) -> None:
        if self._by_endpoint.get(peer.endpoint) is peer:
            del self._by_endpoint[peer.endpoint]
        peer.endpoint = endpoint
        self._by_endpoint[endpoint] = peer

    def _is_magic(self, peer: PlanePeer, plain: bytes) -> bool:
        if is_exit(plain):
            self._events.append(PeerExit(peer.number))
        return plain == PING or plain.startswith(OCC_MAGIC)

    # What is to be done, and when

    def take(self) -> tuple[list[TunPacket], list[Departure]]:
        """What is to be written to the device and sent to the network, once."""
        departures, self._to_network = self._to_network, []
        return self._fabric.take(), departures

    def deadline(self) -> float | None:
        """When ``tick`` is due; may be early, since whatever moves packets only makes it later."""
        return self._deadline

    def tick(self, now: float) -> None:
        """Pings that are due, and peers that have been silent for too long."""
        for peer in list(self._peers.values()):
            spec = peer.spec
            if spec.timeout and now >= peer.heard + spec.timeout:
                peer.heard = now
                self._events.append(Gone(peer.number, f"nothing heard for {spec.timeout} seconds"))
            elif spec.ping and now >= peer.said + spec.ping:
                self.ping(peer.number, now)
        deadlines = [at for peer in self._peers.values() if (at := deadline_of(peer)) is not None]
        self._deadline = min(deadlines, default=None)
