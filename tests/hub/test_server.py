"""The server role: verdicts, duplicates, limits, floats, isolation."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    SERVER_ADDRESS,
    SIGNER,
    Connected,
    Disconnected,
    Joined,
    Left,
    Options,
    Verdict,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.hub import lobby
from tvpn.hub.event import Complaint, Leased, Moved, VerdictRequest
from tvpn.hub.redirect import Route
from tvpn.hub.rules import ServerRules, inner_mss
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.session.negotiation import Agreement

RULES = ServerRules(IPv4Network("10.9.0.0/24"), IPv6Network("fd00:9::/64"))


class VerdictTests(SynchronousTestCase):
    def test_request(self) -> None:
        """A verdict is asked for with identity, credentials and peer info, before anything is given away."""
        world = World(Options(verdict=lambda _: None))
        client = world.client()
        world.run(5)
        [request] = world.server.told(VerdictRequest)
        self.assertEqual((request.wanted.identity.name, request.endpoint.address), ("alice", client.place))
        self.assertEqual(request.wanted.peer_info["IV_VER"], "tvpn_test")
        self.assertEqual(world.server.told(Joined) + world.server.told(Leased), [])
        self.assertEqual(world.server.hub.roster.admitted, 0)

    def test_refusal_is_told(self) -> None:
        """A refused client reads its reason and does not try again; the log has the other reason."""
        for told, read in (("not today", "not today"), (None, "no reason given")):
            world = World(Options(verdict=lambda _, told=told: Verdict(False, "alice is blocked", told)))
            client = world.client()
            world.run(10)
            [gone], [left] = client.told(Disconnected), world.server.told(Left)
            self.assertEqual((gone.reason, gone.retry), (f"the server refused us: {read}", False))
            self.assertEqual((left.reason, left.joined, left.name), ("alice is blocked", False, "alice"))
            self.assertEqual(len(world.server.hub.roster), 0)

    def test_temporary_refusal(self) -> None:
        """A temporary one lets the client try again."""
        world = World(Options(verdict=lambda _: Verdict(False, "busy", "TEMP:server is busy")))
        client = world.client()
        world.run(10)
        self.assertTrue(client.told(Disconnected)[0].retry)

    def test_temporary_by_ability(self) -> None:
        """That it is temporary is told to who announces that he understands it, the others read the reason alone
        (pitfalls A 59).
        """
        for protocol, retry in ((1 << 8, True), (0x1FFF & ~(1 << 8) & ~(1 << 5), False)):
            info = {"IV_PROTO": str(protocol), "IV_CIPHERS": "AES-256-GCM"}
            world = World(Options(peer_info=info, verdict=lambda _: Verdict(False, "busy", "busy", temporary=True)))
            client = world.client()
            world.run(10)
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.reason, gone.retry), ("the server refused us: busy", retry), protocol)

    def test_late_verdict(self) -> None:
        """A verdict for who is already gone changes nothing, yes or no; so does one for a number never given."""
        for accepted in (True, False):
            world = World(Options(verdict=lambda _: None))
            world.client()
            world.run(61)
            [request] = world.server.told(VerdictRequest)
            world.run(6)
            world.server.events.clear()
            for number in (request.member, 12345):
                world.server.hub.verdict(number, Verdict(accepted, "late", "late"), world.now)
                world.server.flush()
            self.assertEqual(world.server.events, [])
            self.assertEqual(len(world.server.hub.roster), 0)

    def test_second_verdict(self) -> None:
        """A verdict given twice lets the client in once."""
        world = World()
        client = world.client()
        world.run(1, world.connected(client))
        world.server.hub.verdict(1, Verdict(True), world.now)
        world.server.flush()
        self.assertEqual(len(world.server.told(Joined)), 1)
        self.assertTrue(world.passes(client))

    def test_push_of_its_own(self) -> None:
        """A verdict's options go to this client alone."""
        world = World(
            Options(verdict=lambda request: Verdict(True, push=(f"route 10.{request.member}.0.0 255.255.0.0",)))
        )
        clients = [world.client(number, SIGNER.issue(f"device {number}")) for number in (1, 2)]
        world.run(1, world.connected(*clients))
        for number, client in enumerate(clients, 1):
            self.assertEqual(client.told(Connected)[0].tunnel.routes, [Route(IPv4Network(f"10.{number}.0.0/16"))])

    def test_many_options(self) -> None:
        """A push of three hundred routes arrives whole, in several messages."""
        routes = tuple(f"route 10.{number // 256}.{number % 256}.0 255.255.255.0" for number in range(300))
        world = World(Options("tls-crypt-v2", rules=replace(RULES, push=routes)))
        client = world.client()
        self.assertTrue(world.run(5, world.connected(client)))
        tunnel = client.told(Connected)[0].tunnel
        self.assertEqual((len(tunnel.routes), tunnel.ignored), (300, []))
        self.assertTrue(world.passes(client))


class LimitTests(SynchronousTestCase):
    def test_max_clients(self) -> None:
        """One more than max-clients is told so; when somebody leaves there is room again."""
        world = World(Options(rules=replace(RULES, max_clients=2)))
        clients = [world.client(number, SIGNER.issue(f"device {number}")) for number in (1, 2)]
        world.run(1, world.connected(*clients))
        late = world.client(3, SIGNER.issue("late"))
        world.run(5)
        self.assertEqual(late.told(Disconnected)[0].reason, "the server refused us: the server is full")
        self.assertEqual(world.server.told(Left)[0].reason, "max-clients 2 is reached")
        clients[0].hub.stop("", world.now)
        clients[0].flush()
        again = world.client(4, SIGNER.issue("again"))
        self.assertTrue(world.run(5, world.connected(again)))

    def test_reconnecting_at_the_limit(self) -> None:
        """A device that is in already can come back although the server is full: it replaces itself."""
        world = World(Options(rules=replace(RULES, max_clients=1)))
        credentials = SIGNER.issue("phone")
        first = world.client(1, credentials)
        world.run(1, world.connected(first))
        second = world.client(2, credentials)
        self.assertTrue(world.run(5, world.connected(second)))

    def test_pool_exhausted(self) -> None:
        """Without a free address the client is told, and the log says why."""
        world = World(Options(rules=replace(RULES, ipv4=IPv4Network("10.9.0.0/30"))))
        first, second = world.client(1), world.client(2, SIGNER.issue("bob"))
        world.run(5)
        self.assertTrue(first.told(Connected))
        self.assertEqual(second.told(Disconnected)[0].reason, "the server refused us: no free address")
        self.assertEqual(world.server.told(Left)[0].reason, "the address pool is exhausted")

    def test_half_open(self) -> None:
        """D-10: however many begin and stop, only the latest are remembered, up to the bound; and all are forgotten."""
        world = World(Options(verdict=lambda _: None))
        lost = world.client()
        world.run(0.0045)
        first = [data for _, sender, _, data in world.trace if sender == lost.place][1]
        hub = world.server.hub
        for number in range(lobby.MOST + 50):
            place = Endpoint("wire", (f"10.{number >> 8}.{number & 255}.1", 1))
            cookie = hub._door._cookies.bake(place, first[1:9], world.now)
            hub.receive(place, first[:14] + cookie + first[22:], world.now)
        self.assertEqual(len(hub.roster), lobby.MOST)
        self.assertEqual(hub.drops["crowded-out"], 51)
        self.assertIsNone(hub.roster.find(Endpoint("wire", ("10.0.5.1", 1)), first[1:9]))
        self.assertIsNotNone(hub.roster.find(place, first[1:9]))
        world.run(70)
        self.assertEqual(len(hub.roster), 0)


class DuplicateTests(SynchronousTestCase):
    def test_replaced(self) -> None:
        """The same device from elsewhere replaces its former session and keeps the address."""
        world = World()
        credentials = SIGNER.issue("phone")
        first = world.client(1, credentials)
        world.run(1, world.connected(first))
        second = world.client(2, credentials)
        world.run(1, world.connected(second))
        self.assertEqual([left.reason for left in world.server.told(Left)], ["replaced by a newer connection"])
        self.assertEqual(address_of(first), address_of(second))
        self.assertTrue(world.passes(second))
        first.delivered.clear()
        first.send(ipv4_packet(address_of(first), SERVER_ADDRESS, b"from the old one"))
        world.run(1)
        self.assertNotIn(b"from the old one", b"".join(world.server.delivered))

    def test_duplicate_cn(self) -> None:
        """With duplicate-cn both stay, each with an address of its own, and nothing is remembered."""
        world = World(Options(rules=replace(RULES, duplicate_cn=True)))
        first, second = world.client(1), world.client(2)
        world.run(1, world.connected(first, second))
        self.assertNotEqual(address_of(first), address_of(second))
        self.assertEqual(world.server.told(Leased), [])
        for client in (first, second):
            self.assertTrue(world.passes(client))

    def test_same_name_is_no_duplicate(self) -> None:
        """Two certificates with the same name are two devices."""
        world = World()
        first, second = world.client(1, SIGNER.issue("phone")), world.client(2, SIGNER.issue("phone"))
        world.run(1, world.connected(first, second))
        self.assertEqual(world.server.told(Left), [])
        self.assertNotEqual(address_of(first), address_of(second))


class IsolationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.alice, self.bob = self.world.client(1), self.world.client(2, SIGNER.issue("bob"))
        self.world.run(1, self.world.connected(self.alice, self.bob))

    def test_each_gets_its_own(self) -> None:
        """What is for one client reaches nobody else."""
        for client, other in ((self.alice, self.bob), (self.bob, self.alice)):
            other.delivered.clear()
            self.assertTrue(self.world.passes(client))
            self.assertEqual(other.delivered, [])

    def test_end_of_one(self) -> None:
        """One client's end leaves the other alone, and its number is not served any more."""
        self.world.server.hub.disconnect(1, "by the operator", self.world.now)
        self.world.server.flush()
        self.world.run(10)
        self.assertEqual(self.alice.told(Disconnected)[0].reason, "the server said RESTART: by the operator")
        self.assertEqual(self.bob.told(Disconnected), [])
        self.assertTrue(self.world.passes(self.bob))
        self.world.server.hub.disconnect(99, "nobody", self.world.now)

    def test_halt(self) -> None:
        """Who is told to halt does not come back by itself."""
        self.world.server.hub.disconnect(1, "not today", self.world.now, halt=True)
        self.world.server.flush()
        self.world.run(10)
        (gone,) = self.alice.told(Disconnected)
        self.assertEqual((gone.reason, gone.retry), ("the server said HALT: not today", False))


class FloatTests(SynchronousTestCase):
    def roam(self, world: World, node, place: tuple[str, int]) -> None:  # type: ignore[no-untyped-def]
        """The client speaks from another address from now on."""
        del world.nodes[node.place]
        node.place = place
        world.nodes[place] = node

    def test_float(self) -> None:
        """A client whose address changes goes on without a handshake; control packets follow too."""
        world = World(Options("tls-crypt"))
        client = world.client()
        world.run(1, world.connected(client))
        begin = len(world.trace)
        self.roam(world, client, ("203.0.113.9", 999))
        client.send(ipv4_packet(address_of(client), SERVER_ADDRESS, b"from elsewhere"))
        world.run(1)
        [moved] = world.server.told(Moved)
        self.assertEqual((moved.name, moved.endpoint.address), ("alice", ("203.0.113.9", 999)))
        self.assertTrue(world.passes(client))
        self.assertTrue(all(data[0] >> 3 == 9 for *_, data in world.trace[begin:]))
        client.hub.stop("", world.now)
        client.flush()
        world.run(1)
        self.assertEqual([left.reason for left in world.server.told(Left)], ["left"])

    def test_not_to_another_ones_place(self) -> None:
        """I-09: the newest genuine packet of one, sent again from where another lives, moves nobody."""
        world = World()
        alice, bob = world.client(1), world.client(2, SIGNER.issue("bob"))
        world.run(1, world.connected(alice, bob))
        world.options.fate = lambda *_: []
        bob.send(ipv4_packet(address_of(bob), SERVER_ADDRESS, b"captured on its way"))
        world.options.fate = lambda *_: [0.0]
        world.server.receive(alice.place, world.trace[-1][3])
        self.assertEqual(world.server.told(Moved), [])
        self.assertEqual(world.server.plane.counters(1).drops, {"wrong-address": 1})
        self.assertTrue(world.passes(alice))
        self.assertTrue(world.passes(bob))


    def test_not_by_an_old_packet(self) -> None:
        """I-09: packets that were captured and come again from elsewhere, the newest or an older one, move nobody."""
        world = World()
        alice, bob = world.client(1), world.client(2, SIGNER.issue("bob"))
        world.run(1, world.connected(alice, bob))
        begin = len(world.trace)
        for number in range(5):
            alice.send(ipv4_packet(address_of(alice), SERVER_ADDRESS, b"%d" % number))
        world.run(2)
        captured = [data for _, sender, _, data in world.trace[begin:] if sender == alice.place]
        for datagram in captured:
            for place in (("203.0.113.9", 999), bob.place):
                world.server.receive(place, datagram)
        self.assertEqual(world.server.told(Moved), [])
        self.assertEqual(world.server.plane.counters(0).drops, {"data-replayed": 10})
        self.assertTrue(world.passes(alice) and world.passes(bob))


class ComplaintTests(SynchronousTestCase):
    def test_told_rarely(self) -> None:
        """A thousand bad packets from one neighbourhood are one complaint in ten seconds, all of them counted."""
        world = World(Options("tls-crypt"))
        for number in range(1000):
            world.server.receive(("203.0.113.7", number), b"\x38" + bytes([1] * 60))
        self.assertEqual(world.server.hub.drops, {"tls-crypt-forged": 1000})
        self.assertEqual(len(world.server.told(Complaint)), 1)
        world.run(10)
        world.server.receive(("203.0.113.8", 1), b"\x38" + bytes([1] * 60))
        self.assertEqual([complaint.number for complaint in world.server.told(Complaint)], [1, 1000])


class StopTests(SynchronousTestCase):
    def test_nobody_new(self) -> None:
        """Once the server stops nobody gets in any more."""
        world = World()
        world.server.hub.stop("", world.now)
        late = world.client()
        world.run(5)
        self.assertEqual(late.told(Connected), [])
        self.assertEqual(set(world.server.hub.drops), {"server-stopping"})


class SegmentSizeTests(SynchronousTestCase):
    def test_inner_mss(self) -> None:
        """The largest inner segment fills the outer packet exactly, by family and data format; 0 turns it off.

        A value without room for the headers gives a small segment and not a negative one.
        """
        v4, v6 = Endpoint("wire", ("192.0.2.1", 1)), Endpoint("wire", ("2001:db8::1", 1, 0, 0))
        table = [
            (1492, v4, 3, 1492 - 28 - 24 - 40),
            (1492, v6, 3, 1492 - 48 - 24 - 40),
            (1492, v4, None, 1403),
            (0, v4, 3, 0),
            (1, v6, 3, 100),
        ]
        agreement = Agreement("AES-256-GCM", True, True, True, None)
        for mssfix, endpoint, peer_id, mss in table:
            self.assertEqual(inner_mss(mssfix, endpoint, PeerSpec(wire_peer_id=peer_id), agreement), mss)

    def test_other_formats(self) -> None:
        """The same with CBC's padding, with epochs, on TCP, in frames and in fragments (data-channel.md 13)."""
        place = Endpoint("wire", ("192.0.2.1", 1))
        gcm = Agreement("AES-256-GCM", True, True, True, 3)
        cbc = Agreement("AES-256-CBC", True, True, True, 3, digest="SHA256")
        # CBC: header 4, HMAC 32, IV 16 leave 1412; whole blocks 1408, less a byte of padding and the packet id.
        table = [
            (cbc, PeerSpec(wire_peer_id=3), 1408 - 1 - 4 - 40),
            (replace(gcm, epochs=True), PeerSpec(wire_peer_id=3), 1400 - 4),
            (gcm, PeerSpec(wire_peer_id=3, is_stream=True), 1400 - 14),
            (gcm, PeerSpec(wire_peer_id=3, framing="lzo"), 1400 - 1),
            (gcm, PeerSpec(wire_peer_id=3, framing="stub-v2", fragment=1400), 1400 - 4),
        ]
        for agreement, spec, mss in table:
            self.assertEqual(inner_mss(1492, place, spec, agreement), mss)

    def test_frames(self) -> None:
        """A frame's header is room less: under AEAD by its 14 bytes, under CBC too (data-channel.md 13)."""
        place, spec = Endpoint("wire", ("192.0.2.1", 1)), PeerSpec(wire_peer_id=3)
        gcm = Agreement("AES-256-GCM", True, True, True, 3)
        for agreement in (gcm, replace(gcm, cipher="AES-256-CBC", digest="SHA256")):
            packets = inner_mss(1492, place, spec, agreement)
            self.assertEqual(inner_mss(1492, place, spec, agreement, is_tap=True), packets - 14)

    def test_overhead(self) -> None:
        """What the link adds to each datagram, as a proxy's header, is room less; 0 still turns it off."""
        place, agreement = Endpoint("wire", ("192.0.2.1", 1)), Agreement("AES-256-GCM", True, True, True, 3)
        spec = PeerSpec(wire_peer_id=3)
        self.assertEqual(inner_mss(1492, place, spec, agreement, 10), 1400 - 10)
        self.assertEqual(inner_mss(0, place, spec, agreement, 10), 0)
