"""The Python plane: what every plane does, and what is its own: batches, bursts, and why it drops what it drops."""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import ip_address

from tests.plane.conformance import Conformance, Layer3
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
    SwitchTestCase,
    ipv6_packet,
    keys_of,
)
from tests.whole.simulation import ipv4_packet
from tvpn.crypto.seal import LAST_BYTES, LAST_PACKET_ID, MANY_FAILURES, MOST_BYTES, MOST_FAILURES
from tvpn.plane.keyslots import KeySlot
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import NearlySpent
from tvpn.wire.data import encode_header


class RouterConformanceTests(Conformance, Layer3, PlaneTestCase):
    """tests/plane/conformance.py, here with Userspace and packets."""


class SwitchConformanceTests(Conformance, SwitchTestCase):
    """The same with frames."""


class BatchTests(PlaneTestCase):
    def test_segmented_buffer(self) -> None:
        """A buffer of equal segments whose last is shorter is as many datagrams."""
        packets = [ipv4_packet(INNER[0], WORLD, bytes([number]) * size) for number, size in enumerate((50, 50, 50, 9))]
        sealed = [self.sealed(0, packet) for packet in packets]
        self.plane.inward("wire", [(ALICE.address, b"", len(sealed[0]), b"".join(sealed))], NOW)
        self.assertEqual(self.delivered(), packets)

    def heard(self, buffers: Sequence[tuple[int, bytes]]) -> tuple[object, ...]:
        """What a new plane makes of (segment size, buffer): packets, counters, events."""
        self.plane = self.make()
        for peer, endpoint in enumerate(self.peers):
            self.add(peer, endpoint)
            for key_id in (0, 1):
                self.plane.install(peer, key_id, keys_of(peer, key_id))
        for size, buffer in buffers:
            self.plane.inward("wire", [(ALICE.address, b"", size, buffer)], NOW)
        counted = [self.plane.counters(peer) for peer in (0, 1)]
        return self.delivered(), counted, self.plane.strays, sorted(map(str, self.plane.take_events()))

    def test_mixed_buffer(self) -> None:
        """Whatever stands in one buffer, in any order, is what it would be datagram by datagram: peers, keys, the
        forged, the replayed, the unknown, and packets in the name of others.
        """
        dice = random.Random(5)
        for peer in (0, 1):
            self.install(peer, 1)
        own = [ipv4_packet(INNER[peer], WORLD, bytes(40)) for peer in (0, 1)]
        for _ in range(60):
            datagrams = [
                self.sealed(peer, dice.choice((*own[: peer + 1], own[peer])), key_id)
                for peer, key_id in ((dice.randrange(2), dice.randrange(2)) for _ in range(12))
            ]
            forged = bytearray(datagrams[0])
            forged[-1] ^= 1
            datagrams += [bytes(forged), datagrams[1], encode_header(0, 9) + datagrams[2][4:]]
            datagrams.append(encode_header(5, 0) + datagrams[3][4:])
            dice.shuffle(datagrams)
            together = self.heard([(len(datagrams[0]), b"".join(datagrams))])
            self.assertEqual(together, self.heard([(0, datagram) for datagram in datagrams]))
            drops = [self.plane.strays.drops, *(self.plane.counters(peer).drops for peer in (0, 1))]
            for reason in ("data-forged", "data-replayed", "peer-unknown", "key-unknown"):
                self.assertEqual(sum(each.get(reason, 0) for each in drops), 1, reason)

    def test_outward(self) -> None:
        """Packets go to the owner of their destination, in bursts of equal size; strays are counted."""
        to_alice = [ipv4_packet(WORLD, INNER[0], b"x" * 100)] * 3
        to_bob = [ipv6_packet(WORLD_V6, INNER_V6[1], b"y")]
        stray = [ipv4_packet(WORLD, b"\x0a\x09\0\x63", b""), b"", b"\x45short"]
        self.plane.outward([(b"", packet) for packet in [*to_alice, *stray, *to_bob]], NOW)
        _, departures = self.plane.take()
        self.assertEqual([(endpoint, segment) for endpoint, segment, _ in departures], [(ALICE, 144), (BOB, 65)])
        self.assertEqual([len(buffer) for *_, buffer in departures], [3 * 144, 65])
        self.assertEqual(self.plane.strays.drops, {"no-peer-for-destination": 3})
        self.assertEqual((self.plane.counters(0).sent_packets, self.plane.counters(0).sent_bytes), (3, 360))

    def test_outward_mixed(self) -> None:
        """Whatever a packet follows, it goes its own way: other addresses, families, and no version at all."""
        dice = random.Random(6)
        packets = [
            *(ipv4_packet(WORLD, inner, b"4") for inner in INNER),
            *(ipv6_packet(WORLD_V6, inner) for inner in INNER_V6),
            ipv4_packet(INNER[1], INNER[0], b"from bob"), ipv4_packet(WORLD, b"\xe0\0\0\1", b"to all"), b"", b"\x45",
        ]  # fmt: skip
        packets += [bytes([0x50 | packet[0] & 15]) + packet[1:] for packet in packets[:4]]
        dropped = [self.plane.strays.drops, self.plane.counters(1).drops]
        for _ in range(60):
            batch = [(b"", packet) for packet in dice.choices(packets, k=12)]
            together, counted = self.plane._fabric.sort(batch, NOW), [dict(drops) for drops in dropped]
            for drops in dropped:
                drops.clear()
            alone: dict[int, list[bytes]] = {}
            for each in batch:
                for peer, sorted_out in self.plane._fabric.sort([each], NOW).items():
                    alone.setdefault(peer, []).extend(sorted_out)
            self.assertEqual((together, counted), (alone, dropped))
            for drops in dropped:
                drops.clear()

    def test_deadline(self) -> None:
        """There is a deadline when somebody has timers, the earliest one; an empty plane has nothing to do."""
        self.assertIsNone(Userspace(Router()).deadline())
        self.assertIsNone(self.plane.deadline())
        for peer, timers, expected in ((0, {"timeout": 60}, 60), (1, {"ping": 10, "timeout": 60}, 10)):
            self.add(peer, self.peers[peer], **timers)
            self.assertEqual(self.plane.deadline(), NOW + expected)
        self.plane.retime(0, 3, 7, NOW)
        self.assertEqual(self.plane.deadline(), NOW + 3)


class ReasonTests(PlaneTestCase):
    """The words that drops are counted under; what belongs to no peer is a stray."""

    def test_inward(self) -> None:
        """Why a packet does not come in."""
        known, late = self.genuine(), self.genuine()
        packets = {
            "foreign-source": ipv4_packet(INNER[1], WORLD, b""), "no-ip-packet": b"\xf0" + bytes(60),
            "link-local-source": ipv6_packet(ip_address("fe80::1").packed, WORLD_V6),
        }  # fmt: skip
        table = [
            (ALICE, known[:-1] + b"?", "data-forged"), (ALICE, known[:20], "data-short"),
            (ALICE, encode_header(5, 0) + known[4:], "key-unknown"), (BOB, known, "wrong-address"),
            *((ALICE, self.sealed(0, plain), reason) for reason, plain in packets.items()),
            (ALICE, known, "data-replayed"), (NEW, known, "data-replayed"),
        ]  # fmt: skip
        for endpoint, datagram, reason in table:
            before = self.plane.counters(0).drops.get(reason, 0)
            self.arrive(endpoint, datagram)
            self.assertEqual(self.plane.counters(0).drops.get(reason), before + 1, reason)
        self.arrive(ALICE, late)
        self.assertEqual(len(self.delivered()), 1)

    def test_outward(self) -> None:
        """Why a packet does not go out."""
        self.add(0, ALICE)
        self.spend(1, 0xFFFFFFFE)
        self.send(*(ipv4_packet(WORLD, INNER[peer], b"") for peer in (0, 1)))
        self.assertEqual(self.plane.counters(0).drops, {"no-key": 1})
        self.assertEqual(self.plane.counters(1).drops, {"packet-ids-spent": 1})

    def test_strays(self) -> None:
        """What is nobody's."""
        self.plane.remove(0)
        self.arrive(ALICE, self.genuine(), encode_header(0, None) + bytes(60))
        self.send(ipv4_packet(WORLD, INNER[0], b""))
        self.assertEqual(self.taken(), ([], []))
        self.assertEqual(self.plane.strays.drops, {"peer-unknown": 2, "no-peer-for-destination": 1})


class LimitTests(PlaneTestCase):
    """What a cipher bears under one key, as if it had been carried already."""

    def setUp(self) -> None:
        super().setUp()
        self.arrive(ALICE, self.genuine())
        self.taken()
        self.plane.take_events()

    @property
    def slot(self) -> KeySlot:
        found = self.plane._peers[0].slots.get(0)
        assert found is not None
        return found

    def assert_dead(self) -> None:
        """Nothing is sealed or opened any more."""
        self.send(ipv4_packet(WORLD, INNER[0], b""))
        self.arrive(ALICE, self.genuine())
        self.assertEqual(self.taken(), ([], []))
        drops = self.plane.counters(0).drops
        self.assertEqual((drops["no-key"], drops["key-unknown"]), (1, 1))

    def test_bytes(self) -> None:
        """C-06: at 7/8 of what AES-GCM bears a new key is asked for, at the whole the old one is dead, either way."""
        away = ipv4_packet(WORLD, INNER[0], b"")
        for move in (lambda: self.send(away), lambda: self.arrive(ALICE, self.genuine())):
            self.setUp()
            for carried, events in ((MOST_BYTES - 1000, []), (MOST_BYTES, [NearlySpent(0)]), (LAST_BYTES - 1000, [])):
                self.slot.carried = carried
                move()
                self.assertEqual(self.plane.take_events(), events, carried)
            self.assertEqual(len(self.taken()[1]) + self.plane.counters(0).received_packets, 4)
            self.slot.carried = LAST_BYTES
            move()
            self.taken()
            self.assert_dead()

    def test_blocks(self) -> None:
        """C-06: whatever the sizes of packets, they are no more blocks of 16 bytes, each packet counted as one more,
        than 7/8 and the whole of 2^36 - 1.
        """
        for size in (*range(1, 300), 1400, 1500, 65535):
            for limit, most in ((MOST_BYTES, 7 << 33), (LAST_BYTES, (1 << 36) - 1)):
                packets = min(LAST_PACKET_ID, limit // size + 64)
                self.assertLessEqual(packets * (-(-size // 16) + 1), most, f"{size} {most}")

    def test_failures(self) -> None:
        """C-06: after 2^35 packets that do not open a new key is asked for, after 2^36 the old one is dead."""
        self.assertEqual((MANY_FAILURES, MOST_FAILURES), (1 << 35, 1 << 36))
        forged = self.genuine()[:-1] + b"?"
        for failed, events in ((MANY_FAILURES - 1, []), (MANY_FAILURES, [NearlySpent(0)]), (MOST_FAILURES - 1, [])):
            self.slot.opener.failed = failed
            self.arrive(ALICE, forged, self.genuine())
            self.assertEqual(self.plane.take_events(), events, failed)
        self.assertEqual(len(self.delivered()), 3)
        self.arrive(ALICE, forged)
        self.assert_dead()


class ReplayTests(PlaneTestCase):
    def test_window_waits_for_the_tag(self) -> None:
        """C-05: ten thousand forged high ids do not push genuine ones out of the window."""
        for number in range(10_000):
            self.arrive(ALICE, encode_header(0, 0) + (0xFFFF0000 + number).to_bytes(4, "big") + bytes(40))
        self.arrive(ALICE, self.genuine())
        self.assertEqual(len(self.delivered()), 1)

    def test_disorder(self) -> None:
        """C-04: a fifth of the packets doubled and all up to 60 places off: each is delivered, and none twice. Late by
        60 places the window of 64 that everybody has is enough; early and late takes twice that.
        """
        for window, earliest in ((64, 0), (128, -60)):
            self.add(0, ALICE, replay_window=window)
            self.install(0, 0)
            dice = random.Random(4)
            packets = [ipv4_packet(INNER[0], WORLD, b"%05d" % number) for number in range(10_000)]
            flying = []
            for number, packet in enumerate(packets):
                datagram = self.sealed(0, packet)
                copies = 2 if dice.random() < 0.2 else 1
                flying += [(number + dice.uniform(earliest, 60), datagram) for _ in range(copies)]
            for _, datagram in sorted(flying):
                self.arrive(ALICE, datagram)
            self.assertGreater(self.plane.counters(0).drops["data-replayed"], 1500)
            self.assertEqual(sorted(self.delivered()), packets, window)

    def test_too_late(self) -> None:
        """A packet that is held back for longer than the window's seconds is a replay, other peers' traffic or not."""
        for seconds, good in ((14.0, True), (20.1, False)):
            for busy in (False, True):
                self.setUp()
                late, newest = self.genuine(), self.genuine()
                self.arrive(ALICE, newest)
                for second in range(1, int(seconds) if busy else 0):
                    self.arrive(BOB, self.genuine(1), now=NOW + second)
                self.taken()
                self.arrive(ALICE, late, now=NOW + seconds)
                self.assertEqual(len(self.delivered()), int(good), f"{seconds} {busy}")
                self.arrive(ALICE, self.genuine(), now=NOW + seconds)
                self.assertEqual(len(self.delivered()), 1)
