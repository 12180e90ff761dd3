"""A server and clients of ours in one process: simulated wire, fake clock, real TLS.

TLS draws its own randomness, so a run cannot be repeated to the byte; the gremlin's seed and the trace of packets
are what a failing test shows.
"""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from OpenSSL import SSL

from tests.certificates import NOW, Signer
from tvpn.crypto.certificate import Requirements
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey
from tvpn.crypto.tls import Credentials, Insistence, Strength, build_context
from tvpn.crypto.token import TokenRules
from tvpn.crypto.wrap import Envelope, TLSAuth, TLSCrypt, Unwrapped
from tvpn.hub.client import ClientHub, ClientKeys
from tvpn.hub.door import ControlKeys
from tvpn.hub.event import Connected, Disconnected, HubEvent, Joined, Left, VerdictRequest
from tvpn.hub.pool import Pool
from tvpn.hub.pull import PullRules
from tvpn.hub.rules import ServerRules, Verdict
from tvpn.hub.server import ServerHub
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.session.negotiation import Formats, own_peer_info
from tvpn.session.peer import Terms
from tvpn.session.record import Watch, unwatched
from tvpn.session.renegotiation import Limits
from tvpn.wire.gremlin import Gremlin, Havoc
from tvpn.wire.header import DATA_FIRST_BYTES
from tvpn.wire.option import encode_options_string

SIGNER = Signer()
SERVER_CREDENTIALS = SIGNER.issue("server", "server")
CLIENT_CREDENTIALS = SIGNER.issue("alice")
CIPHERS = ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305")
SERVER_PLACE = ("198.51.100.1", 1194)
SERVER_ADDRESS = bytes([10, 9, 0, 1])
PROTECTIONS = ("none", "tls-auth", "tls-auth-directed", "tls-crypt", "tls-crypt-v2")
STATIC_KEY = StaticKey.generate(os.urandom)
V2_KEY = TLSCryptV2ServerKey.generate(os.urandom)


class OldClientKeys(ClientKeys):
    """Of a client before 2.6: it cannot negotiate early, so the server has state from its first packet on."""

    def envelope(self, wall: float) -> tuple[Envelope, StaticKey | None]:
        wrapping = TLSCrypt(self.tls_crypt_v2.key, server=False)
        return Envelope(wrapping, int(wall)), self.tls_crypt_v2.key


def keys_of(protection: str) -> tuple[ControlKeys, ClientKeys]:
    """Both sides' keys for none, tls-auth, tls-auth-0/1, tls-crypt, tls-crypt-v2 and the older tls-crypt-v2-2.5."""
    if protection.startswith("tls-crypt-v2"):
        own = V2_KEY.issue(os.urandom, 1)
        kind = OldClientKeys if protection.endswith("2.5") else ClientKeys
        return ControlKeys(None, None, V2_KEY), kind(Unwrapped(), None, own)
    if protection == "tls-crypt":
        return (
            ControlKeys(TLSCrypt(STATIC_KEY, server=True), STATIC_KEY),
            ClientKeys(TLSCrypt(STATIC_KEY, server=False), STATIC_KEY),
        )
    if protection.startswith("tls-auth"):
        directions = (0, 1) if protection == "tls-auth-directed" else (None, None)
        server, client = (TLSAuth(STATIC_KEY, direction, "SHA256") for direction in directions)
        return ControlKeys(server, STATIC_KEY), ClientKeys(client, STATIC_KEY)
    return ControlKeys(Unwrapped()), ClientKeys(Unwrapped())


@dataclass
class Options:
    """What a test may want otherwise."""

    protection: str = "none"
    havoc: Havoc = field(default_factory=Havoc)
    seed: int = 1
    tls: str | None = None
    data_ciphers: tuple[str, ...] = CIPHERS
    client_ciphers: tuple[str, ...] = CIPHERS
    fallback: str | None = None
    """The cipher that the server has for who says nothing about ciphers."""
    named: str | None = None
    """The cipher in the client's options string, which it uses when none is pushed."""
    server_limits: Limits = field(default_factory=Limits)
    client_limits: Limits = field(default_factory=Limits)
    server_credentials: Credentials = SERVER_CREDENTIALS
    rules: ServerRules = field(
        default_factory=lambda: ServerRules(
            IPv4Network("10.9.0.0/24"), IPv6Network("fd00:9::/64"), plane=PeerSpec(ping=10, timeout=60)
        )
    )
    pull: PullRules = field(default_factory=PullRules)
    peer_info: dict[str, str] | None = None
    insistence: Insistence = "require"
    tokens: TokenRules | None = None
    username_as_common_name: bool = False
    login: tuple[str, str] = ("", "")
    verdict: Callable[[VerdictRequest], Verdict | None] = lambda request: Verdict(True)
    fate: Callable[[int, tuple, bytes], list[float]] = lambda number, sender, datagram: [0.0]
    """The extra delay of each copy of one datagram, counted from 0 on: none, and it is lost."""
    prepare: Callable[[SSL.Context], None] = lambda context: None
    """What is done with each TLS context before it is used."""
    watch: Watch = unwatched
    """Sees what clients' sessions show."""


class Node:
    """One end: a plane and a hub."""

    def __init__(self, world: World, place: tuple[str, int], plane: Userspace, hub: ServerHub | ClientHub) -> None:
        self.world = world
        self.place = place
        self.plane = plane
        self.hub = hub
        self.events: list[HubEvent] = []
        self.delivered: list[bytes] = []

    def receive(self, place: tuple[str, int], datagram: bytes) -> None:
        now = self.world.now
        if datagram and datagram[0] in DATA_FIRST_BYTES:
            self.plane.inward("wire", [(place, b"", 0, datagram)], now)
        elif datagram:
            self.hub.receive(Endpoint("wire", place), datagram, now)
        self.flush()

    def send(self, *packets: bytes) -> None:
        """As if the kernel had these packets for the tunnel."""
        self.plane.outward([(b"", packet) for packet in packets], self.world.now)
        self.flush()

    def flush(self) -> None:
        now = self.world.now
        for event in self.plane.take_events():
            self.hub.observe(event, now)
        for endpoint, datagram in self.hub.transmit(now):
            self.world.carry(self.place, endpoint.address, datagram)
        for told in self.hub.take_events():
            self.events.append(told)
            if isinstance(told, VerdictRequest) and isinstance(self.hub, ServerHub):
                verdict = self.world.options.verdict(told)
                if verdict is not None:
                    self.hub.verdict(told.member, verdict, now)
                    self.flush()
        packets, departures = self.plane.take()
        self.delivered += [packet for _, packet in packets]
        for endpoint, segment, buffer in departures:
            for at in range(0, len(buffer), segment):
                self.world.carry(self.place, endpoint.address, buffer[at : at + segment])

    def deadline(self) -> float | None:
        times = [at for at in (self.plane.deadline(), self.hub.deadline()) if at is not None]
        return min(times, default=None)

    def tick(self) -> None:
        self.plane.tick(self.world.now)
        self.hub.tick(self.world.now)
        self.flush()

    def told(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


class World:
    """A wire with a gremlin in each direction, and a clock that jumps from event to event."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options = options or Options()
        self.now = 1000.0
        self.trace: list[tuple[float, tuple, tuple, bytes]] = []
        self.nodes: dict[tuple[str, int], Node] = {}
        self._dice = random.Random(options.seed)
        self._gremlins: dict[tuple, Gremlin] = {}
        self._flying: list[tuple[float, int, tuple, tuple, bytes]] = []
        self._count = 0
        server_keys, self.client_keys = keys_of(options.protection)
        plane = Userspace(Router())
        rules = options.rules
        pool = Pool(rules.ipv4, rules.ipv6, {}, rules.topology)
        hub = ServerHub(self.terms(True, options.server_credentials), server_keys, rules, pool, plane)
        self.server = self.nodes[SERVER_PLACE] = Node(self, SERVER_PLACE, plane, hub)

    def terms(self, server: bool, credentials: Credentials, ciphers: tuple[str, ...] | None = None) -> Terms:
        options = self.options
        insistence = options.insistence if server else "require"
        context: SSL.Context = build_context(credentials, Strength(maximum=options.tls), insistence)
        options.prepare(context)
        own = options.data_ciphers if server else (ciphers or options.client_ciphers)
        return Terms(
            context=lambda: context,
            options=encode_options_string(server, None if server else options.named, "SHA1", 1500),
            formats=Formats(own, options.fallback if server else options.named or options.fallback),
            wall=lambda: NOW.timestamp() + self.now,
            random=os.urandom,
            requirements=Requirements(role="client" if server else "server"),
            peer_info={} if server else (options.peer_info or own_peer_info(own, "test")),
            limits=options.server_limits if server else options.client_limits,
            username="" if server else options.login[0],
            password="" if server else options.login[1],
            certificate_wanted=insistence == "require",
            username_as_common_name=options.username_as_common_name,
            tokens=options.tokens if server else None,
        )

    def client(
        self, number: int = 1, credentials: Credentials = CLIENT_CREDENTIALS, keys: ClientKeys | None = None
    ) -> Node:
        """A client that has begun to connect."""
        place = (f"192.0.2.{number}", 40000 + number)
        plane = Userspace(Router())
        hub = ClientHub(
            self.terms(False, credentials), keys or self.client_keys, plane, spec=PeerSpec(timeout=120), mssfix=1492,
            rules=self.options.pull,
        )  # fmt: skip
        node = self.nodes[place] = Node(self, place, plane, hub)
        hub.watch = self.options.watch
        hub.connect(self.server_endpoint, self.now)
        node.flush()
        return node

    def carry(self, sender: tuple, receiver: tuple, datagram: bytes) -> None:
        gremlin = self._gremlins.get((sender, receiver))
        if gremlin is None:
            gremlin = self._gremlins[sender, receiver] = Gremlin(self.options.havoc, self._dice)
        self.trace.append((self.now, sender, receiver, datagram))
        for extra in self.options.fate(len(self.trace) - 1, sender, datagram):
            for delay, arrived in gremlin.meddle(datagram):
                self._count += 1
                heapq.heappush(self._flying, (self.now + extra + delay + 0.001, self._count, sender, receiver, arrived))

    def step(self, until: float) -> bool:
        """The next arrival or timer, if it comes before ``until``."""
        timers = [(at, node) for node in self.nodes.values() if (at := node.deadline()) is not None]
        arrival = self._flying[0][0] if self._flying else float("inf")
        timer, node = min(timers, key=lambda pair: pair[0], default=(float("inf"), None))
        if min(arrival, timer) > until:
            self.now = until
            return False
        self.now = max(self.now, min(arrival, timer))
        if arrival <= timer:
            _, _, sender, receiver, datagram = heapq.heappop(self._flying)
            if receiver in self.nodes:
                self.nodes[receiver].receive(sender, datagram)
        elif node is not None:
            node.tick()
        return True

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; True as soon as the condition holds."""
        end = self.now + seconds
        while not (until and until()):
            if not self.step(end):
                return bool(until and until())
        return True

    def passes(self, client: Node, text: bytes = b"through the tunnel") -> bool:
        """Whether a packet goes each way between this client and the server's side."""
        away = ipv4_packet(address_of(client), SERVER_ADDRESS, text)
        inside = ipv4_packet(SERVER_ADDRESS, address_of(client), text)
        for node in (self.server, client):
            node.delivered.clear()
        client.send(away)
        self.server.send(inside)
        self.run(1)
        return self.server.delivered == [away] and client.delivered == [inside]

    @property
    def server_endpoint(self) -> Endpoint:
        return Endpoint("wire", SERVER_PLACE)

    def connected(self, *clients: Node) -> Callable[[], bool]:
        return lambda: all(client.told(Connected) for client in clients)


def address_of(client: Node) -> bytes:
    """The IPv4 address a client was given, packed."""
    tunnel = client.told(Connected)[-1].tunnel
    return tunnel.ipv4.ip.packed


def ipv4_packet(source: bytes, destination: bytes, payload: bytes) -> bytes:
    """An IPv4 packet as a router sees it: protocol 253, no checksum."""
    length = (20 + len(payload)).to_bytes(2, "big")
    return b"\x45\0" + length + bytes(4) + b"\x40\xfd\0\0" + source + destination + payload


__all__ = [
    "CIPHERS",
    "PROTECTIONS",
    "SERVER_ADDRESS",
    "SERVER_PLACE",
    "SIGNER",
    "Connected",
    "Disconnected",
    "Havoc",
    "Joined",
    "Left",
    "Limits",
    "Node",
    "Options",
    "Verdict",
    "World",
    "address_of",
    "ipv4_packet",
    "keys_of",
]
