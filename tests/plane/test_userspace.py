"""The Python plane: what it lets through, what it drops and counts, whom it moves, what it says when."""

from __future__ import annotations

import inspect
import random
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from tests.plane.scene import (
    ALICE,
    BOB,
    INNER,
    INNER_V6,
    NEW,
    NOW,
    WORLD,
    PlaneTestCase,
    ipv6_packet,
    keys_of,
)
from tests.recorded import each_bit_flipped
from tests.whole.simulation import ipv4_packet
from tvpn.crypto.seal import NEARLY_SPENT
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import (
    Counters,
    Endpoint,
    Floated,
    FloatRefused,
    Gone,
    NearlySpent,
    Opened,
    PeerExit,
    PeerSpec,
    Plane,
)
from tvpn.wire.data import OCC_EXIT, OCC_MAGIC, PING, encode_header


class ConformanceTests(SynchronousTestCase):
    def test_every_verb(self) -> None:
        """The plane has every verb of the interface, with the same parameters in the same order."""
        verbs = [name for name, _ in inspect.getmembers(Plane, inspect.isfunction) if not name.startswith("_")]
        self.assertGreater(len(verbs), 10)
        for name in verbs:
            wanted, found = (inspect.signature(getattr(kind, name)) for kind in (Plane, Userspace))
            self.assertEqual(list(wanted.parameters), list(found.parameters), name)
            self.assertEqual(wanted.return_annotation, found.return_annotation, name)

    def test_unknown_peers(self) -> None:
        """No verb minds a peer that it does not know."""
        plane = Userspace()
        plane.remove(9)
        plane.relocate(9, NEW)
        plane.install(9, 0, keys_of(0))
        plane.use(9, 0)
        plane.retire(9, 0)
        plane.heard(9, NOW)
        plane.said(9, NOW)
        plane.farewell(9)
        self.assertEqual(plane.counters(9), Counters.zero())
        self.assertIsNone(plane.endpoint(9))
        self.assertIsNone(plane.supports(PeerSpec()))
        self.assertEqual((plane.take_events(), plane.take(), plane.deadline()), ([], ([], []), None))


class WayTests(PlaneTestCase):
    def test_inward(self) -> None:
        """A genuine packet is delivered as it was sealed, counted, and its first one says that the key is in use."""
        packet = ipv4_packet(INNER[0], WORLD, b"payload")
        self.arrive(ALICE, self.sealed(0, packet), self.sealed(0, packet))
        self.assertEqual(self.delivered(), [packet, packet])
        self.assertEqual(self.plane.take_events(), [Opened(0, 0)])
        counters = self.plane.counters(0)
        self.assertEqual((counters.received_packets, counters.received_bytes), (2, 2 * len(packet)))
        self.assertEqual(self.plane.counters(1), Counters.zero())

    def test_segmented_buffer(self) -> None:
        """A buffer of equal segments whose last is shorter is as many datagrams."""
        packets = [ipv4_packet(INNER[0], WORLD, bytes([number]) * size) for number, size in enumerate((50, 50, 50, 9))]
        sealed = [self.sealed(0, packet) for packet in packets]
        self.plane.inward("wire", [(ALICE.address, b"", len(sealed[0]), b"".join(sealed))], NOW)
        self.assertEqual(self.delivered(), packets)

    def test_outward(self) -> None:
        """Packets go to the owner of their destination, in bursts of equal size; strays are counted."""
        to_alice = [ipv4_packet(WORLD, INNER[0], b"x" * 100)] * 3
        to_bob = [ipv6_packet(INNER_V6[0], INNER_V6[1], b"y")]
        stray = [ipv4_packet(WORLD, b"\x0a\x09\0\x63", b""), b"", b"\x45short"]
        self.plane.outward([(b"", packet) for packet in [*to_alice, *stray, *to_bob]], NOW)
        _, departures = self.plane.take()
        self.assertEqual([(endpoint, segment) for endpoint, segment, _ in departures], [(ALICE, 144), (BOB, 65)])
        self.assertEqual([len(buffer) for *_, buffer in departures], [3 * 144, 65])
        self.assertEqual(self.plane.strays.drops, {"no-peer-for-destination": 3})
        self.assertEqual((self.plane.counters(0).sent_packets, self.plane.counters(0).sent_bytes), (3, 360))

    def test_before_keys(self) -> None:
        """Before there is a key nothing goes either way; both are counted."""
        plane = self.plane
        plane.add(0, ALICE, PeerSpec((INNER[0],), 0), NOW)
        plane.outward([(b"", ipv4_packet(WORLD, INNER[0], b""))], NOW)
        self.arrive(ALICE, self.genuine())
        self.assertEqual(plane.take(), ([], []))
        self.assertEqual(plane.counters(0).drops, {"no-key": 1, "key-unknown": 1})

    def test_removed(self) -> None:
        """A removed peer's packets are strays, and its addresses nobody's."""
        self.plane.remove(0)
        self.arrive(ALICE, self.genuine())
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], b""))], NOW)
        self.assertEqual(self.plane.take(), ([], []))
        self.assertEqual(self.plane.strays.drops, {"peer-unknown": 1, "no-peer-for-destination": 1})

    def test_two_keys(self) -> None:
        """During a renegotiation both keys open; what is sent is sealed under the chosen one; a retired one is gone."""
        self.install(0, 1)
        packet = ipv4_packet(INNER[0], WORLD, b"")
        self.arrive(ALICE, self.sealed(0, packet, 1), self.sealed(0, packet, 0))
        self.assertEqual(len(self.delivered()), 2)
        self.assertEqual(self.plane.take_events(), [Opened(0, 1), Opened(0, 0)])
        for key_id in (0, 1):
            self.plane.use(0, key_id)
            self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], b""))], NOW)
            [(_, _, buffer)] = self.plane.take()[1]
            self.assertEqual(buffer[0] & 7, key_id)
        self.plane.retire(0, 0)
        self.arrive(ALICE, self.sealed(0, packet, 0))
        self.assertEqual(self.delivered(), [])
        self.assertEqual(self.plane.counters(0).drops, {"key-unknown": 1})

    def test_first_format(self) -> None:
        """V1 packets are matched by address, also from a client that was given a peer id."""
        plain = ipv4_packet(INNER[0], WORLD, b"")
        self.arrive(ALICE, self.sealers[0, 0].seal(encode_header(0, None), [plain]))
        self.arrive(NEW, self.sealers[0, 0].seal(encode_header(0, None), [plain]))
        self.assertEqual(self.delivered(), [plain])
        self.assertEqual(self.plane.strays.drops, {"peer-unknown": 1})


class ForgeryTests(PlaneTestCase):
    def test_replay(self) -> None:
        """A packet again is dropped, from wherever it comes, and does not move its peer."""
        datagram = self.genuine()
        self.arrive(ALICE, datagram, datagram)
        self.arrive(NEW, datagram)
        self.assertEqual(len(self.delivered()), 1)
        self.assertEqual(self.plane.counters(0).drops, {"data-replayed": 2})
        self.assertEqual(self.plane.endpoint(0), ALICE)

    def test_each_bit(self) -> None:
        """A genuine packet with any bit flipped delivers nothing and moves nobody, from wherever it comes."""
        for forged in each_bit_flipped(self.genuine()):
            self.arrive(NEW, forged)
            self.arrive(ALICE, forged)
        self.assertEqual(self.delivered(), [])
        self.assertEqual((self.plane.endpoint(0), self.plane.endpoint(1)), (ALICE, BOB))
        self.assertEqual(self.plane.take_events(), [])

    def test_window_waits_for_the_tag(self) -> None:
        """C-05: ten thousand forged high ids do not push genuine ones out of the window."""
        for number in range(10_000):
            self.arrive(ALICE, encode_header(0, 0) + (0xFFFF0000 + number).to_bytes(4, "big") + bytes(40))
        self.arrive(ALICE, self.genuine())
        self.assertEqual(len(self.delivered()), 1)

    def test_disorder(self) -> None:
        """C-04: a fifth of the packets doubled and all up to 60 places off: each is delivered, and none twice."""
        self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0, replay_window=256), NOW)
        self.install(0, 0)
        dice = random.Random(4)
        packets = [ipv4_packet(INNER[0], WORLD, b"%05d" % number) for number in range(10_000)]
        flying = []
        for number, packet in enumerate(packets):
            datagram = self.sealed(0, packet)
            flying += [(number + dice.uniform(-60, 60), datagram) for _ in range(2 if dice.random() < 0.2 else 1)]
        for _, datagram in sorted(flying):
            self.arrive(ALICE, datagram)
        self.assertGreater(self.plane.counters(0).drops["data-replayed"], 1500)
        self.assertEqual(sorted(self.delivered()), packets)

    def test_too_late(self) -> None:
        """A packet that is held back for longer than the window's seconds is a replay, other peers' traffic or not."""
        for seconds, good in ((14.0, True), (20.1, False)):
            for busy in (False, True):
                self.setUp()
                late, newest = self.genuine(), self.genuine()
                self.arrive(ALICE, newest)
                for second in range(1, int(seconds) if busy else 0):
                    self.arrive(BOB, self.genuine(1), now=NOW + second)
                self.plane.take()
                self.arrive(ALICE, late, now=NOW + seconds)
                self.assertEqual(len(self.delivered()), int(good), f"{seconds} {busy}")
                self.arrive(ALICE, self.genuine(), now=NOW + seconds)
                self.assertEqual(len(self.delivered()), 1)

    def test_silence_is_not_broken(self) -> None:
        """Only authentic packets count as a sign of life."""
        self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0, timeout=10), NOW)
        self.install(0, 0)
        for forged in each_bit_flipped(self.genuine())[::7]:
            self.arrive(ALICE, forged, now=NOW + 9)
        self.plane.tick(NOW + 10)
        self.assertEqual(self.plane.take_events(), [Gone(0, "nothing heard for 10 seconds")])


class FloatTests(PlaneTestCase):
    def test_newest_packet_moves(self) -> None:
        """An authentic newest packet from elsewhere moves its peer, and what is sent follows it."""
        self.arrive(NEW, self.genuine())
        self.assertEqual(self.plane.take_events(), [Floated(0, NEW), Opened(0, 0)])
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], b""))], NOW)
        delivered, [(endpoint, _, _)] = self.plane.take()
        self.assertEqual((len(delivered), endpoint), (1, NEW))

    def test_older_packet_does_not(self) -> None:
        """An older one that is late is delivered but moves nobody: a captured packet cannot pull a peer away."""
        late, newest = self.genuine(), self.genuine()
        self.arrive(ALICE, newest)
        self.arrive(NEW, late)
        self.assertEqual(len(self.delivered()), 2)
        self.assertEqual(self.plane.endpoint(0), ALICE)

    def test_other_link(self) -> None:
        """A packet on another link is delivered but does not move the peer there."""
        self.arrive(NEW._replace(link="other wire"), self.genuine())
        self.assertEqual(len(self.delivered()), 1)
        self.assertEqual(self.plane.endpoint(0), ALICE)

    def test_occupied(self) -> None:
        """Where another peer lives the packet is dropped, nobody moves, and the hub is asked."""
        self.arrive(BOB, self.genuine(0))
        self.assertEqual(self.delivered(), [])
        self.assertEqual(self.plane.take_events(), [FloatRefused(0, BOB, 1)])
        self.assertEqual((self.plane.endpoint(0), self.plane.endpoint(1)), (ALICE, BOB))
        self.assertEqual(self.plane.counters(0).drops, {"wrong-address": 1})

    def test_relocate(self) -> None:
        """The hub can move a peer; its former place is free then."""
        self.plane.relocate(0, NEW)
        self.arrive(ALICE, self.genuine(1))
        self.assertEqual((self.plane.endpoint(0), self.plane.endpoint(1)), (NEW, ALICE))

    def test_server_does_not_move(self) -> None:
        """A client's plane stays with its server: packets from elsewhere are dropped."""
        self.plane.add(0, ALICE, PeerSpec((), 0, is_server=True), NOW)
        self.install(0, 0)
        self.arrive(NEW, self.genuine())
        self.assertEqual(self.delivered(), [])
        self.assertEqual(self.plane.endpoint(0), ALICE)


class SourceTests(PlaneTestCase):
    def test_own_and_foreign(self) -> None:
        """A client's own IPv4 and IPv6 sources are let through; foreign, unknown and malformed ones are counted."""
        v6 = ip_address("fd00::1").packed
        own = [ipv4_packet(INNER[0], WORLD, b""), ipv6_packet(INNER_V6[0], v6)]
        table = [
            (ipv4_packet(INNER[1], WORLD, b""), "foreign-source"),
            (ipv4_packet(WORLD, INNER[1], b""), "foreign-source"),
            (ipv6_packet(INNER_V6[1], v6), "foreign-source"),
            (ipv6_packet(ip_address("fe80::1").packed, v6), "link-local-source"),
            (own[0][:19], "no-ip-packet"),
            (own[1][:39], "no-ip-packet"),
            (b"\xf0" + own[0][1:], "no-ip-packet"),
            (b"\x00", "no-ip-packet"),
        ]
        for plain, reason in table:
            before = self.plane.counters(0).drops.get(reason, 0)
            self.arrive(ALICE, self.sealed(0, plain))
            self.assertEqual(self.plane.counters(0).drops[reason], before + 1, plain.hex())
        self.assertEqual(self.delivered(), [])
        self.arrive(ALICE, *(self.sealed(0, plain) for plain in own))
        self.assertEqual(self.delivered(), own)

    def test_server_sends_from_anywhere(self) -> None:
        """What the server sends may come from any source: the whole network is behind it."""
        self.plane.add(0, ALICE, PeerSpec((), 0, is_server=True), NOW)
        self.install(0, 0)
        packet = ipv4_packet(b"\x08\x08\x08\x08", INNER[0], b"")
        self.arrive(ALICE, self.sealed(0, packet))
        self.assertEqual(self.delivered(), [packet])


class TimeTests(PlaneTestCase):
    spec = PeerSpec(ping=10, timeout=60)

    def pings(self) -> list[Endpoint]:
        return [endpoint for endpoint, segment, buffer in self.plane.take()[1] if len(buffer) == 24 + len(PING)]

    def test_other_timers(self) -> None:
        """Other timers hold from now on, shorter or longer; an unknown peer is no error."""
        for peer in (*self.plane._peers, 77):
            self.plane.retime(peer, 3, 7, NOW)
        self.assertEqual(self.plane.deadline(), NOW + 3)
        self.plane.tick(NOW + 3)
        self.assertEqual(self.pings(), [ALICE, BOB])
        self.plane.tick(NOW + 7)
        self.assertEqual({type(event) for event in self.plane.take_events()}, {Gone})

    def test_ping(self) -> None:
        """After ten seconds without a word of ours a ping is due, not before, and again ten seconds later."""
        self.assertEqual(self.plane.deadline(), NOW + 10)
        self.plane.tick(NOW + 9.9)
        self.assertEqual(self.pings(), [])
        self.plane.tick(NOW + 10)
        self.assertEqual(self.pings(), [ALICE, BOB])
        self.plane.tick(NOW + 19.9)
        self.assertEqual(self.pings(), [])
        self.plane.tick(NOW + 20)
        self.assertEqual(self.pings(), [ALICE, BOB])

    def test_traffic_instead_of_pings(self) -> None:
        """Data and control packets of ours make pings unnecessary."""
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], b"x" * 40))], NOW + 8)
        self.plane.said(1, NOW + 8)
        self.plane.take()
        self.plane.tick(NOW + 17)
        self.assertEqual(self.pings(), [])
        self.plane.tick(NOW + 18)
        self.assertEqual(self.pings(), [ALICE, BOB])

    def test_received_ping(self) -> None:
        """A ping is a sign of life, delivered to nobody; so are the daemons' other words."""
        self.arrive(ALICE, self.sealed(0, PING), self.sealed(0, OCC_MAGIC + b"\0options"), now=NOW + 50)
        self.assertEqual(self.delivered(), [])
        self.assertEqual(self.plane.counters(0).received_packets, 0)
        self.plane.tick(NOW + 60)
        self.assertEqual(self.plane.take_events(), [Opened(0, 0), Gone(1, "nothing heard for 60 seconds")])

    def test_control_packets_count(self) -> None:
        """An authentic control packet keeps its peer alive."""
        self.plane.heard(0, NOW + 59)
        self.plane.tick(NOW + 60)
        self.assertEqual([event.peer for event in self.plane.take_events()], [1])

    def test_exit(self) -> None:
        """The exit word is told once it is authentic; our own farewell is one."""
        self.arrive(ALICE, self.sealed(0, OCC_EXIT))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0), PeerExit(0)])
        self.plane.farewell(1)
        [(endpoint, _, buffer)] = self.plane.take()[1]
        self.assertEqual((endpoint, len(buffer)), (BOB, 24 + len(OCC_EXIT)))


class SpentTests(PlaneTestCase):
    def test_ids_run_out(self) -> None:
        """C-02: near the end of the ids a new key is asked for, once; at the end packets are dropped and counted."""
        sealer = self.plane._peers[0].slots.sending.sealer
        sealer.sent = NEARLY_SPENT - 1
        packet = (b"", ipv4_packet(WORLD, INNER[0], b""))
        self.plane.outward([packet], NOW)
        self.plane.outward([packet], NOW)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])
        sealer.sent = 0xFFFFFFFE
        self.plane.take()
        self.plane.outward([packet], NOW)
        self.assertEqual(self.plane.take(), ([], []))
        self.assertEqual(self.plane.counters(0).drops, {"packet-ids-spent": 1})

    def test_older_key(self) -> None:
        """An older key that goes on being used does not ask for a new one: there is one already."""
        self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0, most_bytes=100, most_packets=3), NOW)
        self.install(0, 0)
        self.plane.use(0, 0)
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], bytes(90)))] * 3, NOW)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])
        self.install(0, 1)
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], bytes(90)))], NOW)
        self.arrive(ALICE, self.genuine(payload=bytes(90)))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0)])
        self.plane.use(0, 1)
        self.plane.outward([(b"", ipv4_packet(WORLD, INNER[0], bytes(90)))] * 3, NOW)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])

    def test_bytes_run_out(self) -> None:
        """Received bytes count for the limit too, and a new key is a new count."""
        self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0, most_bytes=100), NOW)
        self.install(0, 0)
        self.arrive(ALICE, *(self.genuine(payload=b"x" * 60) for _ in range(3)))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0), NearlySpent(0)])
        self.install(0, 1)
        self.arrive(ALICE, self.sealed(0, ipv4_packet(INNER[0], WORLD, b"x" * 90), 1))
        self.assertEqual(self.plane.take_events(), [NearlySpent(0), Opened(0, 1)])
