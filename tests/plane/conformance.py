"""What every plane has to do, whatever carries its packets: a test case that knows nothing but the verbs.

``Conformance`` is mixed into a test case with the hooks of ``scene.PlaneTestCase``: ``make`` (a plane), ``carried``
(how an IP packet lies in the tunnel), ``arrive`` (from the network), ``send`` (from the device), ``taken`` (what came
out at either side), ``tick`` (time passes) and ``spend`` (as if so many packets had been sealed). ``Layer3`` is for
planes that route packets; where frames are switched other rules hold (test_switch.py).
"""

from __future__ import annotations

import inspect
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tests.plane.scene import (
    ALICE,
    BOB,
    INNER,
    INNER_V6,
    NEW,
    NOW,
    WORLD,
    WORLD_V6,
    PlaneTestCase,
    ipv6_packet,
    keys_of,
)
from tests.recorded import each_bit_flipped
from tests.whole.simulation import ipv4_packet
from tests.wire.test_ip import tcp
from tvpn.crypto.seal import LAST_PACKET_ID, NEARLY_SPENT
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
from tvpn.wire.data import NO_PEER_ID, OCC_EXIT, OCC_MAGIC, PING, encode_header

Base = PlaneTestCase if TYPE_CHECKING else object
TO_ALICE, TO_BOB = (ipv4_packet(WORLD, inner, b"to a client") for inner in INNER[:2])


class Verbs(Base):
    """Peers and keys come and go."""

    def test_every_verb(self) -> None:
        """The plane has every verb of the interface, with the same parameters in the same order."""
        verbs = [name for name, _ in inspect.getmembers(Plane, inspect.isfunction) if not name.startswith("_")]
        self.assertGreater(len(verbs), 10)
        for name in verbs:
            wanted, found = (inspect.signature(getattr(kind, name)) for kind in (Plane, type(self.plane)))
            self.assertEqual(list(wanted.parameters), list(found.parameters), name)
            self.assertEqual(wanted.return_annotation, found.return_annotation, name)

    def test_unknown_peers(self) -> None:
        """No verb minds a peer that it does not know, and none of them makes one."""
        for each in (
            lambda: self.plane.remove(9), lambda: self.plane.relocate(9, NEW), lambda: self.plane.retime(9, 1, 2, NOW),
            lambda: self.plane.install(9, 0, keys_of(0)), lambda: self.plane.use(9, 0), lambda: self.plane.retire(9, 0),
            lambda: self.plane.heard(9, NOW), lambda: self.plane.said(9, NOW), lambda: self.plane.farewell(9),
        ):  # fmt: skip
            each()
            self.assertEqual((self.plane.counters(9), self.plane.take_events()), (Counters.zero(), []))
        self.assertEqual(self.taken(), ([], []))

    def test_unknown_keys(self) -> None:
        """No verb minds a key that is not there, and what was chosen stays chosen."""
        for key_id in (1, 7):
            self.plane.use(0, key_id)
            self.plane.retire(0, key_id)
        self.assertEqual(self.home(0), ALICE)

    def test_supports(self) -> None:
        """A plane says of each peer whether it can carry it, and of the plainest that it can."""
        self.assertIsNone(self.plane.supports(PeerSpec()))
        for spec in (PeerSpec(fragment=500), PeerSpec(framing="lzo"), PeerSpec(is_stream=True)):
            self.assertIsInstance(self.plane.supports(spec), (str, type(None)))

    def test_before_keys(self) -> None:
        """Before there is a key nothing goes either way, both are counted, and nobody moves."""
        self.add(0, ALICE)
        self.send(TO_ALICE)
        self.arrive(ALICE, self.genuine())
        self.arrive(NEW, self.genuine())
        self.assertEqual((self.taken(), self.plane.take_events()), (([], []), []))
        self.assertEqual(sum(self.plane.counters(0).drops.values()), 3)
        self.install(0, 0)
        self.plane.use(0, 0)
        self.assertEqual(self.home(0), ALICE)

    def test_removed(self) -> None:
        """A removed peer's packets go nowhere, its addresses are nobody's, its numbers are zero."""
        self.arrive(ALICE, self.genuine())
        self.plane.remove(0)
        self.taken()
        self.plane.take_events()
        self.arrive(ALICE, self.genuine())
        self.send(TO_ALICE)
        self.assertEqual((self.taken(), self.plane.take_events()), (([], []), []))
        self.assertEqual(self.plane.counters(0), Counters.zero())
        self.assertEqual(self.home(1), BOB)

    def test_added_again(self) -> None:
        """A peer that is added again begins anew: no key of before opens or seals, its numbers are zero."""
        late = self.genuine()
        self.arrive(ALICE, self.genuine())
        self.add(0, NEW)
        self.taken()
        self.assertEqual(self.plane.counters(0), Counters.zero())
        self.arrive(NEW, late)
        self.assertEqual(self.taken(), ([], []))

    def test_two_keys(self) -> None:
        """During a renegotiation both keys open; what is sent is sealed under the chosen one; a retired one is gone."""
        self.install(0, 1)
        packet = ipv4_packet(INNER[0], WORLD, b"")
        self.arrive(ALICE, self.sealed(0, packet, 1), self.sealed(0, packet, 0))
        self.assertEqual(self.taken()[0], [packet] * 2)
        self.assertEqual(self.plane.take_events(), [Opened(0, 1), Opened(0, 0)])
        for key_id in (0, 1):
            self.plane.use(0, key_id)
            self.send(TO_ALICE)
            [(_, datagram)] = self.taken()[1]
            self.assertEqual(datagram[0] & 7, key_id)
        self.plane.retire(0, 0)
        self.arrive(ALICE, self.sealed(0, packet, 0))
        self.assertEqual(self.taken()[0], [])
        self.plane.retire(0, 1)
        self.send(TO_ALICE)
        self.assertEqual(self.taken(), ([], []))

    def test_two_slots(self) -> None:
        """A third key takes the place of the older of two, not of the one that is used for sending."""
        self.install(0, 1)
        self.install(0, 2)
        packet = ipv4_packet(INNER[0], WORLD, b"")
        for key_id, number in ((0, 1), (1, 0), (2, 1)):
            self.arrive(ALICE, self.sealed(0, packet, key_id))
            self.assertEqual(len(self.taken()[0]), number, key_id)
        self.plane.use(0, 2)
        self.install(0, 3)
        self.arrive(ALICE, self.sealed(0, packet, 0), self.sealed(0, packet, 2), self.sealed(0, packet, 3))
        self.assertEqual(len(self.taken()[0]), 2)


class Ways(Base):
    """Packets in, packets out, and what is counted."""

    def test_inward(self) -> None:
        """A genuine packet is delivered as it was sealed, counted, and its first one says that the key is in use."""
        packet = ipv4_packet(INNER[0], WORLD, b"payload")
        self.arrive(ALICE, self.sealed(0, packet), self.sealed(0, packet))
        self.assertEqual(self.taken()[0], [packet, packet])
        self.assertEqual(self.plane.take_events(), [Opened(0, 0)])
        self.assertEqual(self.plane.take_events(), [])
        counters = self.plane.counters(0)
        self.assertEqual((counters.received_packets, counters.received_bytes), (2, 2 * len(self.carried(packet))))
        self.assertEqual(self.plane.counters(1), Counters.zero())

    def test_outward(self) -> None:
        """Packets go sealed to the owner of their destination, v4 and v6; what is for nobody goes nowhere."""
        to_bob_v6 = ipv6_packet(WORLD_V6, INNER_V6[1], b"y")
        self.send(TO_ALICE, ipv4_packet(WORLD, b"\x0a\x09\0\x63", b""), b"", b"\x45short", to_bob_v6)
        self.assertEqual(self.opened(self.taken()[1]), [(ALICE, TO_ALICE), (BOB, to_bob_v6)])
        counters = self.plane.counters(0)
        self.assertEqual((counters.sent_packets, counters.sent_bytes), (1, len(self.carried(TO_ALICE))))

    def test_first_format(self) -> None:
        """V1 packets, and V2 packets without a peer id, are matched by address, also from who was given a peer id."""
        plain = ipv4_packet(INNER[0], WORLD, b"")
        for peer_id in (None, NO_PEER_ID):
            for endpoint in (ALICE, NEW):
                self.arrive(endpoint, self.sealers[0, 0].seal(encode_header(0, peer_id), [self.carried(plain)]))
            self.assertEqual(self.taken()[0], [plain])
        self.assertEqual(self.home(0), ALICE)

    def test_strangers(self) -> None:
        """Data for peers and keys that are not there is dropped; of a peer's own it is counted as its own."""
        genuine = self.genuine()
        self.arrive(NEW, encode_header(0, 9) + genuine[4:], encode_header(0, None) + genuine[4:])
        self.arrive(ALICE, encode_header(5, 0) + genuine[4:], encode_header(5, None) + genuine[4:])
        self.assertEqual((self.taken(), self.plane.take_events()), (([], []), []))
        self.assertEqual(sum(self.plane.counters(0).drops.values()), 2)
        self.assertEqual(self.plane.counters(1), Counters.zero())

    def test_neighbour(self) -> None:
        """What a peer sends in another's name does not open, whatever address it comes from, and moves neither."""
        plain = self.carried(ipv4_packet(INNER[1], WORLD, b""))
        for endpoint in (ALICE, BOB, NEW):
            self.arrive(endpoint, self.sealers[0, 0].seal(encode_header(0, 1), [plain]))
        self.assertEqual((self.taken(), self.plane.take_events()), (([], []), []))
        self.assertEqual((self.home(0), self.home(1)), (ALICE, BOB))

    def test_clamped(self) -> None:
        """The MSS of a SYN is lowered in both directions, v4 and v6, where the peer has a limit, and nowhere else."""
        self.add_with(0, ALICE, mss=1200)
        syns = (tcp(4, b"\2\4\x05\xb4"), tcp(6, b"\2\4\x05\xb4"))
        own = [syns[0][:12] + INNER[0] + syns[0][16:], syns[1][:8] + INNER_V6[0] + syns[1][24:]]
        to_own = [syns[0][:12] + WORLD + INNER[0] + syns[0][20:], syns[1][:8] + WORLD_V6 + INNER_V6[0] + syns[1][40:]]
        to_other = syns[0][:12] + WORLD + INNER[1] + syns[0][20:]
        self.arrive(ALICE, *(self.sealed(0, syn) for syn in own))
        self.send(*to_own, to_other)
        delivered, departed = self.taken()
        sent = [plain for _, plain in self.opened(departed)]
        places = [(plain, 42 if plain[0] == 0x45 else 62) for plain in (*delivered, *sent)]
        found = [int.from_bytes(plain[at : at + 2], "big") for plain, at in places]
        self.assertEqual(found, [1200, 1180, 1200, 1180, 1460])

    def test_replay(self) -> None:
        """A packet again is dropped, from wherever it comes, and does not move its peer."""
        datagram = self.genuine()
        self.arrive(ALICE, datagram, datagram)
        self.arrive(NEW, datagram)
        self.assertEqual(len(self.taken()[0]), 1)
        self.assertEqual(sum(self.plane.counters(0).drops.values()), 2)
        self.assertEqual(self.home(0), ALICE)

    def test_each_bit(self) -> None:
        """C-08: a genuine packet with any bit flipped delivers nothing and moves nobody, from wherever it comes."""
        for forged in each_bit_flipped(self.genuine()):
            self.arrive(NEW, forged)
            self.arrive(ALICE, forged)
        self.assertEqual((self.taken()[0], self.plane.take_events()), ([], []))
        self.assertEqual((self.home(0), self.home(1)), (ALICE, BOB))

    def test_server_sends_from_anywhere(self) -> None:
        """What the server sends may come from any source: the whole network is behind it; what we send goes to it."""
        self.plane.remove(1)
        self.add_with(0, ALICE, is_server=True)
        packet = ipv4_packet(b"\x08\x08\x08\x08", INNER[0], b"")
        self.arrive(ALICE, self.sealed(0, packet))
        self.assertEqual(self.taken()[0], [packet])
        away = ipv4_packet(INNER[0], b"\x08\x08\x08\x08", b"")
        self.send(away)
        self.assertEqual(self.opened(self.taken()[1]), [(ALICE, away)])


class Floats(Base):
    """Where a peer is."""

    def test_newest_packet_moves(self) -> None:
        """An authentic newest packet from elsewhere moves its peer, and what is sent follows it."""
        self.arrive(NEW, self.genuine())
        self.assertEqual(set(self.plane.take_events()), {Floated(0, NEW), Opened(0, 0)})
        self.assertEqual((len(self.taken()[0]), self.home(0)), (1, NEW))

    def test_older_packet_does_not(self) -> None:
        """An older one that is late is delivered but moves nobody: a captured packet cannot pull a peer away."""
        late, newest = self.genuine(), self.genuine()
        self.arrive(ALICE, newest)
        self.arrive(NEW, late)
        self.assertEqual((len(self.taken()[0]), self.home(0)), (2, ALICE))

    def test_other_link(self) -> None:
        """A packet on another link is delivered but does not move the peer there."""
        self.arrive(NEW._replace(link="other wire"), self.genuine())
        self.assertEqual((len(self.taken()[0]), self.home(0)), (1, ALICE))

    def test_occupied(self) -> None:
        """Where another peer lives the packet is dropped, nobody moves, and the hub is asked."""
        self.arrive(BOB, self.genuine(0))
        self.assertEqual(self.taken()[0], [])
        self.assertIn(FloatRefused(0, BOB, 1), self.plane.take_events())
        self.assertEqual((self.home(0), self.home(1)), (ALICE, BOB))
        self.assertEqual(sum(self.plane.counters(0).drops.values()), 1)

    def test_relocate(self) -> None:
        """The hub can move a peer; its former place is free then."""
        self.plane.relocate(0, NEW)
        self.arrive(ALICE, self.genuine(1))
        self.assertEqual((self.home(0), self.home(1)), (NEW, ALICE))

    def test_those_that_stay(self) -> None:
        """A server, and a peer on a stream, do not move: packets from elsewhere are dropped."""
        for spec in ({"is_server": True}, {"is_stream": True}):
            self.setUp()
            self.add_with(0, ALICE, **spec)
            self.arrive(NEW, self.genuine())
            self.assertEqual((self.taken()[0], self.home(0)), ([], ALICE), spec)

    def test_stream(self) -> None:
        """On a peer's own stream a packet that does not open means that the stream is broken; elsewhere it does not."""
        for spec, endpoint, gone in (({"is_stream": True}, ALICE, 1), ({"is_stream": True}, NEW, 0), ({}, ALICE, 0)):
            self.setUp()
            self.add_with(0, ALICE, **spec)
            self.arrive(endpoint, self.genuine()[:-1] + b"?")
            self.assertEqual([type(event) for event in self.plane.take_events()], [Gone] * gone, spec)


class Times(Base):
    """Keepalive and goodbye."""

    def timed(self) -> None:
        for peer, endpoint in ((0, ALICE), (1, BOB)):
            self.add_with(peer, endpoint, ping=10, timeout=60)

    def pinged(self) -> list[Endpoint]:
        """Who got a ping, and nothing else."""
        seen = self.opened(self.taken()[1])
        self.assertLessEqual({plain for _, plain in seen}, {PING})
        return [endpoint for endpoint, _ in seen]

    def test_ping(self) -> None:
        """After ten seconds without a word of ours a ping is due, not before, and again ten seconds later."""
        self.timed()
        for seconds, expected in ((9.9, []), (10, [ALICE, BOB]), (19.9, []), (20, [ALICE, BOB])):
            self.tick(NOW + seconds)
            self.assertEqual(self.pinged(), expected, seconds)

    def test_other_timers(self) -> None:
        """Other timers hold from now on, shorter or longer."""
        self.timed()
        for peer in (0, 1):
            self.plane.retime(peer, 3, 7, NOW)
        self.tick(NOW + 3)
        self.assertEqual(self.pinged(), [ALICE, BOB])
        self.tick(NOW + 7)
        self.assertEqual({type(event) for event in self.plane.take_events()}, {Gone})

    def test_traffic_instead_of_pings(self) -> None:
        """Data and control packets of ours make pings unnecessary."""
        self.timed()
        self.send(TO_ALICE, now=NOW + 8)
        self.plane.said(1, NOW + 8)
        self.taken()
        for seconds, expected in ((17, []), (18, [ALICE, BOB])):
            self.tick(NOW + seconds)
            self.assertEqual(self.pinged(), expected)

    def test_received_ping(self) -> None:
        """A ping is a sign of life, delivered to nobody; so are the daemons' other words."""
        self.timed()
        self.arrive(ALICE, self.sealed(0, PING), self.sealed(0, OCC_MAGIC + b"\0options"), now=NOW + 50)
        self.assertEqual((self.taken(), self.plane.counters(0).received_packets), (([], []), 0))
        self.tick(NOW + 60)
        self.assertEqual([event.peer for event in self.plane.take_events() if isinstance(event, Gone)], [1])

    def test_no_word_is_answered(self) -> None:
        """Nothing that a daemon says of itself is answered, least of all a request for a load as large as can be."""
        for kind in (*range(6), 77, 255):
            self.arrive(ALICE, self.sealed(0, OCC_MAGIC + bytes([kind]) + b"\xff\xff"))
        self.assertEqual((self.taken(), self.plane.take_events()), (([], []), [Opened(0, 0)]))
        self.assertEqual(self.plane.counters(0).drops, {})

    def test_control_packets_count(self) -> None:
        """An authentic control packet keeps its peer alive."""
        self.timed()
        self.plane.heard(0, NOW + 59)
        self.tick(NOW + 60)
        self.assertEqual([event.peer for event in self.plane.take_events()], [1])

    def test_forged_packets_do_not(self) -> None:
        """Only authentic packets count as a sign of life."""
        self.timed()
        for forged in each_bit_flipped(self.genuine())[::7]:
            self.arrive(ALICE, forged, now=NOW + 59)
        self.plane.heard(1, NOW + 59)
        self.tick(NOW + 60)
        self.assertEqual([event.peer for event in self.plane.take_events()], [0])

    def test_exit(self) -> None:
        """The exit word is told once it is authentic; our own farewell is one."""
        self.arrive(ALICE, self.sealed(0, OCC_EXIT))
        self.assertEqual(set(self.plane.take_events()), {Opened(0, 0), PeerExit(0)})
        self.plane.farewell(1)
        self.assertEqual(self.opened(self.taken()[1]), [(BOB, OCC_EXIT)])


class Limits(Base):
    """What one key may carry."""

    def test_ids_run_out(self) -> None:
        """C-02: near the end of the ids a new key is asked for, once; at the end packets are dropped and counted."""
        self.spend(0, NEARLY_SPENT - 1)
        self.send(TO_ALICE)
        self.send(TO_ALICE)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])
        self.assertEqual(len(self.taken()[1]), 2)
        self.spend(0, LAST_PACKET_ID - 1)
        for number in (1, 2):
            self.send(TO_ALICE)
            self.assertEqual(self.taken(), ([], []))
            self.assertEqual(sum(self.plane.counters(0).drops.values()), number)
        self.install(0, 1)
        self.plane.use(0, 1)
        self.assertEqual(self.home(0), ALICE)

    def test_bytes_run_out(self) -> None:
        """Received bytes count for the limit too, and a new key is a new count."""
        self.add_with(0, ALICE, most_bytes=100)
        self.arrive(ALICE, *(self.genuine(payload=b"x" * 60) for _ in range(3)))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0), NearlySpent(0)])
        self.install(0, 1)
        self.arrive(ALICE, self.sealed(0, ipv4_packet(INNER[0], WORLD, b"x" * 90), 1))
        self.assertEqual(set(self.plane.take_events()), {NearlySpent(0), Opened(0, 1)})

    def test_packets_run_out(self) -> None:
        """Packets count together, whichever way they go: also for who only receives."""
        self.add_with(0, ALICE, most_packets=3)
        self.arrive(ALICE, *(self.genuine() for _ in range(2)))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0)])
        self.arrive(ALICE, self.genuine())
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])
        self.install(0, 1)
        self.plane.use(0, 1)
        self.send(*[TO_ALICE] * 2)
        self.assertEqual(self.plane.take_events(), [])
        self.arrive(ALICE, self.sealed(0, ipv4_packet(INNER[0], WORLD, b"x"), 1))
        self.assertEqual(set(self.plane.take_events()), {NearlySpent(0), Opened(0, 1)})

    def test_older_key(self) -> None:
        """An older key that goes on being used does not ask for a new one: there is one already."""
        self.add_with(0, ALICE, most_bytes=1000, most_packets=3)
        self.send(*[TO_ALICE] * 3)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])
        self.install(0, 1)
        self.send(*[TO_ALICE] * 3)
        self.arrive(ALICE, self.genuine(payload=bytes(1000)))
        self.assertEqual(self.plane.take_events(), [Opened(0, 0)])
        self.plane.use(0, 1)
        self.send(*[TO_ALICE] * 3)
        self.assertEqual(self.plane.take_events(), [NearlySpent(0)])


class Layer3(Base):
    """IP packets: who may send in whose name."""

    def test_own_and_foreign(self) -> None:
        """A client's own IPv4 and IPv6 sources are let through; foreign, unknown and malformed ones are counted."""
        own = [ipv4_packet(INNER[0], WORLD, b""), ipv6_packet(INNER_V6[0], WORLD_V6)]
        table = [
            ipv4_packet(INNER[1], WORLD, b""), ipv4_packet(WORLD, INNER[1], b""), ipv6_packet(INNER_V6[1], WORLD_V6),
            ipv6_packet(ip_address("fe80::1").packed, WORLD_V6), own[0][:19], own[1][:39], b"\xf0" + own[0][1:],
            b"\x00",
        ]  # fmt: skip
        for number, plain in enumerate(table, 1):
            self.arrive(ALICE, self.sealed(0, plain))
            self.assertEqual(sum(self.plane.counters(0).drops.values()), number, plain.hex())
        self.assertEqual(self.taken()[0], [])
        self.arrive(ALICE, *(self.sealed(0, plain) for plain in own))
        self.assertEqual(self.taken()[0], own)

    def test_network_behind(self) -> None:
        """A network behind a peer is reached through it and may send from there; it goes with the peer."""
        host = ip_address("192.168.7.5").packed
        self.add_with(1, BOB, networks=((b"\xc0\xa8\x07\0", 24),))
        there, back = ipv4_packet(WORLD, host, b""), ipv4_packet(host, WORLD, b"")
        self.send(there)
        self.arrive(BOB, self.sealed(1, back))
        self.arrive(ALICE, self.sealed(0, back))
        delivered, departed = self.taken()
        self.assertEqual((delivered, self.opened(departed)), ([back], [(BOB, there)]))
        self.plane.remove(1)
        self.send(there)
        self.assertEqual(self.taken(), ([], []))

    def test_almost_a_ping(self) -> None:
        """A longer packet that begins as a ping does is none, and no IP packet either."""
        self.arrive(ALICE, self.sealed(0, PING + b"!"))
        self.assertEqual((self.taken(), sum(self.plane.counters(0).drops.values())), (([], []), 1))


class Conformance(Verbs, Ways, Floats, Times, Limits):
    """All of it, whatever is in the packets."""
