"""Layer 2: Ethernet frames by the addresses that stations were heard with (protocol: data-channel.md 16).

As in stock a frame for a station that nobody has heard leads nowhere when it comes from the device, and to the device
when it comes from a peer. Otherwise than in stock a station is not taken away from who has it (segment.py), peers are
no routers, DHCP servers and bridges (guard.py), and what one of them says to all is rationed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tvpn.plane.fabric import Batches
from tvpn.plane.guard import forbidden
from tvpn.plane.merge import PLAIN, merge_frames
from tvpn.plane.peer import PlanePeer
from tvpn.plane.segment import Port, Segment, Station
from tvpn.plane.trunk import Trunk
from tvpn.plane.verbs import Counters, TunPacket
from tvpn.wire.ethernet import HEADER_SIZE, IPV4, NOBODY, TAGGED_SIZE, ip_offset, is_group, is_whole, vlan_of
from tvpn.wire.ip import PLAIN_V4, SYNS, TCP, clamp_mss

_ONLY_SEGMENT = 0
_TCP = bytes([TCP])
_PLAIN_V4 = IPV4 + bytes([PLAIN_V4])


class Switch:
    """A Fabric. ``trunk``: VLANs are told apart; without, a tag is part of what is in a frame. ``guards``: as guard.py
    says.
    """

    def __init__(self, trunk: Trunk | None = None, guards: bool = True) -> None:
        self.strays = Counters.zero()
        self._trunk = trunk
        self._guards = guards
        self._ports: dict[int, Port] = {}
        self._segments: dict[int, Segment] = {}
        self._server: PlanePeer | None = None
        self._own: Collection[bytes] = ()
        self._lladdr = b""
        self._to_device: list[TunPacket] = []
        self._passed_on: Batches = {}

    def attach(self, addresses: Collection[bytes], lladdr: bytes) -> None:
        self._own = addresses
        self._lladdr = lladdr
        for segment in self._segments.values():
            segment.lock(lladdr)

    def join(self, peer: PlanePeer) -> None:
        if peer.spec.is_server:
            self._server = peer
        vlan = _ONLY_SEGMENT if self._trunk is None else peer.spec.pvid or self._trunk.vlan
        segment = self._segments.get(vlan)
        if segment is None:
            segment = self._segments[vlan] = Segment(vlan)
            segment.lock(self._lladdr)
        self._ports[peer.number] = segment.open(peer)

    def leave(self, peer: PlanePeer) -> None:
        port = self._ports.pop(peer.number)
        port.segment.close(port)
        if not port.segment.ports:
            del self._segments[port.segment.vlan]
        if self._server is peer:
            self._server = None

    # Outward

    def sort(self, packets: Sequence[TunPacket], now: float) -> Batches:
        if self._server is not None:
            return self._all_to(self._server, packets)
        batches: Batches = {}
        drop = self.strays.drop
        stations: bytes = b""
        batch: list[bytes] | None = None
        for _, frame in packets:
            if batch is not None and frame[:12] == stations and len(frame) >= TAGGED_SIZE:
                # It goes where the one before it went.
                batch.append(frame)
                continue
            batch = None
            if len(frame) < TAGGED_SIZE and not is_whole(frame):
                drop("short-frame")
                continue
            vlan = _ONLY_SEGMENT
            if self._trunk is not None:
                entered = self._trunk.enter(frame)
                if entered is None:
                    drop("vlan-not-accepted")
                    continue
                vlan, frame = entered
            segment = self._segments.get(vlan)
            if segment is None:
                drop("no-peer-for-destination")
            elif self._may_come(segment, frame[6:12], now):
                went = self._sort_one(segment, frame, batches)
                stations, batch = frame[:12], went if self._trunk is None else None
        return {number: _clamp_each(frames, self._mss_of(number)) for number, frames in batches.items()}

    def _mss_of(self, number: int) -> int:
        peer = self._ports[number].peer
        return 0 if peer is None else peer.spec.mss

    def _all_to(self, server: PlanePeer, packets: Sequence[TunPacket]) -> Batches:
        frames = [frame for _, frame in packets if len(frame) >= TAGGED_SIZE or is_whole(frame)]
        if len(frames) < len(packets):
            self.strays.drop("short-frame", len(packets) - len(frames))
        return {server.number: _clamp_each(frames, server.spec.mss)} if frames else {}

    def _may_come(self, segment: Segment, source: bytes, now: float) -> bool:
        """Whether this is no station of a peer's: the kernel bridges, and would do what peers may not."""
        station = segment.stations.get(source)
        if station is not None and station.port is segment.local and station.seen >= now:
            return True
        if segment.hear(segment.local, source, now) or station is None or station.port.peer is None:
            return True
        peer = station.port.peer
        if peer.spec.client_to_client:
            return True
        peer.counters.drop("client-to-client")
        return False

    def _sort_one(self, segment: Segment, frame: bytes, batches: Batches) -> list[bytes] | None:
        """Where a frame for one station went."""
        if frame[0] & 1:
            _spread(segment, frame, batches)
            return None
        station = segment.stations.get(frame[:6])
        if station is None or station.port.peer is None:
            self.strays.drop("no-peer-for-destination")
            return None
        batch = batches.setdefault(station.port.peer.number, [])
        batch.append(frame)
        return batch

    # Inward

    def deliver(self, peer: PlanePeer, packets: Sequence[bytes], now: float) -> None:
        if peer.spec.is_server:
            frames = [packet for packet in packets if len(packet) >= TAGGED_SIZE or is_whole(packet)]
            if len(frames) < len(packets):
                peer.counters.drop("short-frame", len(packets) - len(frames))
            self._receive(peer, frames)
            return
        port = self._ports[peer.number]
        burst: list[bytes] = []
        for packet in packets:
            if port.flow_at == now and packet[:14] == port.flow and packet[23:24] == _TCP:
                # The next one of a burst: who speaks to whom was looked at a moment ago.
                burst.append(packet)
                continue
            self._receive(peer, burst)
            burst = []
            self._deliver_one(peer, port, packet, now)
        self._receive(peer, burst)

    def _deliver_one(self, peer: PlanePeer, port: Port, packet: bytes, now: float) -> None:
        counters = peer.counters
        if len(packet) < TAGGED_SIZE and not is_whole(packet):
            counters.drop("short-frame")
            return
        if self._trunk is not None and vlan_of(packet):
            counters.drop("vlan-tagged")
            return
        segment, source = port.segment, packet[6:12]
        station = segment.stations.get(source)
        known = station is not None and station.port is port and station.seen >= now
        if not known and not segment.hear(port, source, now):
            counters.drop("no-station" if is_group(source) or source == NOBODY else "foreign-mac")
            return
        # Most of what comes is TCP for one station, which no guard minds.
        if self._guards and (packet[23:24] != _TCP or packet[12:14] != IPV4 or packet[0] & 1):
            reason = forbidden(packet)
            if reason is not None:
                counters.drop(reason)
                return
        if packet[0] & 1 and not port.may_say_to_all(now):
            counters.drop("storm")
            return
        station = segment.stations.get(packet[:6])
        if self._trunk is None and station is not None and station.port is segment.local:
            if packet[12:14] == IPV4:
                port.flow, port.flow_at = packet[:14], now
            self._receive(peer, (packet,))
            return
        self._forward(port, peer, station, packet)

    def _forward(self, port: Port, peer: PlanePeer, station: Station | None, frame: bytes) -> None:
        """A frame that may pass, for this station if anybody knows it."""
        peer.counters.received_packets += 1
        peer.counters.received_bytes += len(frame)
        [frame] = _clamp_each((frame,), peer.spec.mss)
        if station is None or station.port.peer is None:
            if frame[0] & 1 and peer.spec.client_to_client:
                _spread(port.segment, frame, self._passed_on, port)
            self._to_the_device(port.segment, peer, frame)
        else:
            self._pass_on(peer, station.port.peer, frame)

    def _receive(self, peer: PlanePeer, frames: Sequence[bytes]) -> None:
        """For the device alone: from our server, whose whole network is behind it, or for a station of ours."""
        peer.counters.received_packets += len(frames)
        peer.counters.received_bytes += sum(map(len, frames))
        self._to_device += [(PLAIN, frame) for frame in _clamp_each(frames, peer.spec.mss)]

    def _pass_on(self, peer: PlanePeer, target: PlanePeer, frame: bytes) -> None:
        """A frame for a station of a peer's."""
        if target is peer:
            # Both stations are at its side: whoever is there has heard it.
            peer.counters.drop("own-side")
        elif peer.spec.client_to_client:
            frames = _clamp_each((frame,), target.spec.mss)
            self._passed_on.setdefault(target.number, []).extend(frames)
        else:
            peer.counters.drop("client-to-client")

    def _to_the_device(self, segment: Segment, peer: PlanePeer, frame: bytes) -> None:
        if self._trunk is not None:
            left = self._trunk.leave(segment.vlan, frame)
            if left is None:
                peer.counters.drop("vlan-not-accepted")
                return
            frame = left
        self._to_device.append((PLAIN, frame))

    # What it came to

    def take_passed_on(self) -> Batches:
        passed_on, self._passed_on = self._passed_on, {}
        return passed_on

    def take(self) -> list[TunPacket]:
        frames, self._to_device = self._to_device, []
        return merge_frames(frames, self._own, self._lladdr) if len(frames) > 1 else frames


def _spread(segment: Segment, frame: bytes, batches: Batches, sender: Port | None = None) -> None:
    """A frame for all peers but its sender."""
    for number, port in segment.ports.items():
        if port is not sender:
            batches.setdefault(number, []).append(frame)


def _clamp_each(frames: Sequence[bytes], mss: int) -> list[bytes]:
    """Frames with the MSS of SYNs in them lowered, unless it is 0; most need no closer look."""
    return [
        _clamped(frame, mss) if mss and (frame[12:15] != _PLAIN_V4 or frame[47:48] in SYNS) else frame
        for frame in frames
    ]


def _clamped(frame: bytes, mss: int) -> bytes:
    if frame[12:14] == IPV4:
        return clamp_mss(frame, mss, HEADER_SIZE) if frame[23:24] == _TCP and frame[14] >> 4 == 4 else frame
    at = ip_offset(frame)
    return clamp_mss(frame, mss, at) if at else frame
