"""Layer 3: IP packets by their inner addresses, each peer heard only in its own name (protocol: data-channel.md 15)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tvpn.plane.fabric import Batches
from tvpn.plane.merge import PLAIN, merge
from tvpn.plane.peer import PlanePeer
from tvpn.plane.route import Routes
from tvpn.plane.verbs import Counters, TunPacket
from tvpn.wire.ip import LINK_LOCAL_PREFIX, clamp_each, clamp_mss, destination, source


class Router:
    """A Fabric. ``broadcasts``: addresses that, as multicast does, mean all peers."""

    def __init__(self, broadcasts: frozenset[bytes] = frozenset()) -> None:
        self.strays = Counters.zero()
        self._peers: dict[int, PlanePeer] = {}
        self._routes = Routes(broadcasts)
        self._server: PlanePeer | None = None
        self._own: Collection[bytes] = ()
        self._to_tun: list[TunPacket] = []
        self._passed_on: Batches = {}

    def attach(self, addresses: Collection[bytes], lladdr: bytes) -> None:
        self._own = addresses

    def join(self, peer: PlanePeer) -> None:
        self._peers[peer.number] = peer
        self._routes.add(peer.spec.addresses, peer.number, peer.spec.networks)
        if peer.spec.is_server:
            self._server = peer

    def leave(self, peer: PlanePeer) -> None:
        del self._peers[peer.number]
        self._routes.remove(peer.number)
        if self._server is peer:
            self._server = None

    # Outward

    def sort(self, packets: Sequence[TunPacket], now: float) -> Batches:
        batches: Batches = {}
        batch: list[bytes] | None = None
        version, pair = 0, b""
        for _, packet in packets:
            ends = packet[12:20] if version == 4 else packet[8:40]
            if batch is not None and ends == pair and packet[0] >> 4 == version:
                # It goes where the one before it went.
                batch.append(packet)
                continue
            batch = self._sort_one(packet, batches)
            if batch is not None:
                version = packet[0] >> 4
                pair = packet[12:20] if version == 4 else packet[8:40]
        for number, batch in batches.items():
            mss = self._peers[number].spec.mss
            if mss:
                batches[number] = clamp_each(batch, mss)
        return batches

    def _sort_one(self, packet: bytes, batches: Batches) -> list[bytes] | None:
        """Where a packet for one peer went."""
        target, server = destination(packet), self._server
        number = self._routes.owner(target) if server is None else server.number if target else None
        if number is None and not self._routes.is_for_all(target):
            self.strays.drop("no-peer-for-destination")
            return None
        speaker = self._routes.owner(source(packet)) if server is None else None
        if speaker is not None and not self._peers[speaker].spec.client_to_client:
            # The kernel forwards, and would do what clients may not.
            self._peers[speaker].counters.drop("client-to-client")
            return None
        if number is None:
            self._spread(packet, batches)
            return None
        batch = batches.setdefault(number, [])
        batch.append(packet)
        return batch

    def _spread(self, packet: bytes, batches: Batches, sender: PlanePeer | None = None) -> None:
        """A packet for all peers but its sender."""
        for peer in self._peers.values():
            if peer is not sender:
                batches.setdefault(peer.number, []).append(packet)

    # Inward

    def deliver(self, peer: PlanePeer, packets: Sequence[bytes], now: float) -> None:
        counters, spec = peer.counters, peer.spec
        welcome: list[bytes] = []
        sender = b""
        for packet in packets:
            # Most often the one of the packet before.
            before, sender = sender, source(packet)
            reason = None if sender and sender == before else self._objection(peer, sender)
            if reason is None:
                welcome.append(packet)
            else:
                counters.drop(reason)
                sender = b""
        counters.received_packets += len(welcome)
        counters.received_bytes += sum(map(len, welcome))
        if spec.mss:
            welcome = clamp_each(welcome, spec.mss)
        if spec.client_to_client:
            welcome = [packet for packet in welcome if not self._pass_on(peer, packet)]
        self._to_tun += [(PLAIN, packet) for packet in welcome]

    def _objection(self, peer: PlanePeer, sender: bytes) -> str | None:
        """Why a packet that this peer sends in that name goes nowhere, or None."""
        if not sender:
            return "no-ip-packet"
        if peer.spec.is_server or self._routes.owner(sender) == peer.number:
            return None
        return "link-local-source" if sender.startswith(LINK_LOCAL_PREFIX) else "foreign-source"

    def _pass_on(self, sender: PlanePeer, packet: bytes) -> bool:
        """A packet for another peer goes there; whether that is all that is to be done with it."""
        target = destination(packet)
        number = self._routes.owner(target)
        if number is None or number == sender.number:
            if self._routes.is_for_all(target):
                self._spread(packet, self._passed_on, sender)
            return False
        mss = self._peers[number].spec.mss
        if mss:
            packet = clamp_mss(packet, mss)
        self._passed_on.setdefault(number, []).append(packet)
        return True

    # What it came to

    def take_passed_on(self) -> Batches:
        passed_on, self._passed_on = self._passed_on, {}
        return passed_on

    def take(self) -> list[TunPacket]:
        packets, self._to_tun = self._to_tun, []
        return merge(packets, self._own) if len(packets) > 1 else packets
