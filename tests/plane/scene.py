"""A plane with a few peers, what their clients would send, and what comes out at either side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import ipv4_packet
from tvpn.crypto.derive import DataKeys, data_keys
from tvpn.crypto.seal import AEADOpener, AEADSealer
from tvpn.plane.router import Router
from tvpn.plane.switch import Switch
from tvpn.plane.trunk import Trunk
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.wire.data import V2_HEADER_SIZE, encode_header
from tvpn.wire.ethernet import IPV4, IPV6
from tvpn.wire.ip import destination, source

ALICE, BOB, CAROL = (Endpoint("wire", (f"192.0.2.{number}", number)) for number in (1, 2, 3))
NEW = Endpoint("wire", ("203.0.113.3", 3))
INNER = [ip_address(f"10.9.0.{number}").packed for number in (2, 3, 4)]
INNER_V6 = [ip_address(f"fd00::{number}").packed for number in (2, 3, 4)]
WORLD = ip_address("10.9.0.1").packed
WORLD_V6 = ip_address("fd00::1").packed
NOW = 1000.0


def keys_of(peer: int, key_id: int = 0) -> DataKeys:
    material = bytes((at * 7 + peer * 31 + key_id * 101 + 1) & 255 for at in range(256))
    return data_keys(material, "AES-256-GCM", server=True)


def ipv6_packet(source: bytes, destination: bytes, payload: bytes = b"") -> bytes:
    return b"\x60\0\0\0" + len(payload).to_bytes(2, "big") + b"\x3b\x40" + source + destination + payload


class PlaneTestCase(SynchronousTestCase):
    """A plane with two peers under key 0, and the other ends of their keys."""

    spec = PeerSpec()
    peers = (ALICE, BOB)

    def setUp(self) -> None:
        self.plane = self.make()
        self.sealers: dict[tuple[int, int], AEADSealer] = {}
        self.openers: dict[tuple[int, int], AEADOpener] = {}
        for peer, endpoint in enumerate(self.peers):
            self.add(peer, endpoint)
            self.install(peer, 0)
            self.plane.use(peer, 0)

    def make(self) -> Userspace:
        return Userspace(Router())

    def add(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        """A peer with its own addresses, and whatever else its PeerSpec says."""
        spec = replace(self.spec, addresses=(INNER[peer], INNER_V6[peer]), wire_peer_id=peer, **rest)
        self.plane.add(peer, endpoint, spec, NOW)

    def add_with(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        """The same, under key 0."""
        self.add(peer, endpoint, **rest)
        self.install(peer, 0)
        self.plane.use(peer, 0)

    def install(self, peer: int, key_id: int) -> None:
        keys = keys_of(peer, key_id)
        self.sealers[peer, key_id] = AEADSealer(keys.cipher, keys.receive_key, keys.receive_salt)
        self.openers[peer, key_id] = AEADOpener(keys.cipher, keys.send_key, keys.send_salt)
        self.plane.install(peer, key_id, keys)

    def sealed(self, peer: int, plain: bytes, key_id: int = 0) -> bytes:
        """As this peer's client would send it."""
        return self.sealers[peer, key_id].seal(encode_header(key_id, peer), [self.carried(plain)])

    def opened(self, departed: Iterable[tuple[Endpoint, bytes]]) -> list[tuple[Endpoint, bytes]]:
        """What the clients see: where it was sent, and the packet."""
        seen = []
        for endpoint, datagram in departed:
            peer, key_id = int.from_bytes(datagram[1:V2_HEADER_SIZE], "big"), datagram[0] & 7
            seen.append((endpoint, self.openers[peer, key_id].open(datagram, V2_HEADER_SIZE)[1]))
        return seen

    def home(self, peer: int) -> Endpoint:
        """Where a packet for this peer goes."""
        self.taken()
        self.send(ipv4_packet(WORLD, INNER[peer], b"where are you?"))
        [(endpoint, _)] = self.taken()[1]
        return endpoint

    # What is to be written anew for another kind of plane: make, and these

    def carried(self, packet: bytes) -> bytes:
        """An IP packet as it lies in the tunnel."""
        return packet

    def arrive(self, endpoint: Endpoint, *datagrams: bytes, now: float = NOW) -> None:
        """From the network."""
        self.plane.inward(endpoint.link, [(endpoint.address, endpoint.local, 0, data) for data in datagrams], now)

    def send(self, *packets: bytes, now: float = NOW) -> None:
        """From the device."""
        self.plane.outward([(b"", self.carried(packet)) for packet in packets], now)

    def taken(self) -> tuple[list[bytes], list[tuple[Endpoint, bytes]]]:
        """What came out since the last call: packets for the device, datagrams and where they are sent."""
        packets, departures = self.plane.take()
        datagrams = [
            (endpoint, buffer[at : at + segment])
            for endpoint, segment, buffer in departures for at in range(0, len(buffer), segment)
        ]  # fmt: skip
        return [packet for _, packet in packets], datagrams

    def tick(self, now: float) -> None:
        self.plane.tick(now)

    def spend(self, peer: int, number: int) -> None:
        """As if so many packets had been sealed under the key that the peer is sent to."""
        slot = self.plane._peers[peer].slots.sending
        assert slot is not None
        slot.sealer.sent = number

    # In short

    def delivered(self) -> list[bytes]:
        return self.taken()[0]

    def genuine(self, peer: int = 0, payload: bytes = b"payload") -> bytes:
        return self.sealed(peer, ipv4_packet(INNER[peer], WORLD, payload))


def address_of(inner: bytes) -> bytes:
    """The station that has this IP address: a peer's two addresses are one station's."""
    return b"\2\0\0\0\0" + inner[-1:]


STATIONS = [address_of(inner) for inner in INNER]
HOST = address_of(WORLD)


class SwitchTestCase(PlaneTestCase):
    """The same peers on an Ethernet, each of them heard already; IP packets lie in frames."""

    trunk: Trunk | None = None
    guards = True

    def make(self) -> Userspace:
        self.switch = Switch(self.trunk, self.guards)
        self.switch.attach((), HOST)
        return Userspace(self.switch)

    def add(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        super().add(peer, endpoint, **rest)
        port = self.switch._ports[peer]
        self.assertTrue(port.segment.hear(port, STATIONS[peer], NOW))

    def carried(self, packet: bytes) -> bytes:
        target, sender = destination(packet), source(packet)
        if not target:
            return packet
        kind = IPV4 if packet[0] >> 4 == 4 else IPV6
        return address_of(target) + address_of(sender) + kind + packet

    def taken(self) -> tuple[list[bytes], list[tuple[Endpoint, bytes]]]:
        frames, datagrams = super().taken()
        return [_taken_out(frame) for frame in frames], datagrams

    def opened(self, departed: Iterable[tuple[Endpoint, bytes]]) -> list[tuple[Endpoint, bytes]]:
        return [(endpoint, _taken_out(plain)) for endpoint, plain in super().opened(departed)]


def _taken_out(plain: bytes) -> bytes:
    """The IP packet out of its frame; what is in none stays as it is."""
    return plain[14:] if plain[12:14] in (IPV4, IPV6) else plain
