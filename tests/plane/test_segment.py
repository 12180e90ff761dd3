"""Who is where: what is learned, what is kept, and who may take whose place."""

from __future__ import annotations

import random
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from tests.plane.scene import ALICE, BOB, HOST, NOW, STATIONS
from tvpn.plane.peer import PlanePeer
from tvpn.plane.segment import GROUP_BURST, GROUP_RATE, IDLE, MOST_LOCAL_STATIONS, MOST_STATIONS, Segment
from tvpn.plane.verbs import PeerSpec


def forged(number: int) -> bytes:
    return b"\2\xbb" + number.to_bytes(4, "big")


class SegmentTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.segment = Segment(1)
        self.segment.lock(HOST)
        self.alice = self.segment.open(PlanePeer(0, ALICE, PeerSpec(), NOW))
        self.bob = self.segment.open(PlanePeer(1, BOB, PeerSpec(), NOW))

    def owner(self, address: bytes) -> object:
        station = self.segment.stations.get(address)
        return None if station is None else station.port


class HearTests(SegmentTestCase):
    def test_learned(self) -> None:
        """Who speaks behind a port is behind it, several of them; who has said nothing is nowhere."""
        for address in (*STATIONS, STATIONS[0]):
            self.assertTrue(self.segment.hear(self.alice, address, NOW))
            self.assertIs(self.owner(address), self.alice)
        self.assertIsNone(self.owner(forged(1)))
        self.assertTrue(self.segment.hear(self.segment.local, forged(1), NOW))
        self.assertIs(self.owner(forged(1)), self.segment.local)

    def test_no_stations(self) -> None:
        """Nobody, everybody and groups are no stations, whoever says they are."""
        for address in (bytes(6), b"\xff" * 6, b"\1\0\x5e\0\0\1", b"\x33\x33\0\0\0\1"):
            for port in (self.alice, self.segment.local):
                self.assertFalse(self.segment.hear(port, address, NOW))
                self.assertIsNone(self.owner(address))

    def test_moves(self) -> None:
        """I-15: who was heard within five minutes stays where it is; who was silent for longer may be elsewhere."""
        self.segment.hear(self.bob, STATIONS[1], NOW)
        for seconds, moves in ((0, False), (IDLE, False), (IDLE + 1, True)):
            self.assertIs(self.segment.hear(self.alice, STATIONS[1], NOW + seconds), moves, seconds)
            self.assertIs(self.owner(STATIONS[1]), self.alice if moves else self.bob, seconds)
        self.assertEqual((STATIONS[1] in self.alice.stations, STATIONS[1] in self.bob.stations), (True, False))

    def test_every_word_counts(self) -> None:
        """I-15: it is the last word that the five minutes run from, not the first."""
        self.segment.hear(self.bob, STATIONS[1], NOW)
        self.segment.hear(self.bob, STATIONS[1], NOW + 200)
        self.assertFalse(self.segment.hear(self.alice, STATIONS[1], NOW + IDLE + 100))
        self.assertTrue(self.segment.hear(self.alice, STATIONS[1], NOW + IDLE + 201))

    def test_our_side(self) -> None:
        """I-15: a station behind our device, such as a router of the network there, is no other's as long as it is
        heard; our own address is not even when it is not.
        """
        router = forged(9)
        self.segment.hear(self.segment.local, router, NOW)
        self.assertFalse(self.segment.hear(self.alice, router, NOW + IDLE))
        self.assertTrue(self.segment.hear(self.alice, router, NOW + IDLE + 1))
        self.assertFalse(self.segment.hear(self.alice, HOST, NOW + 1e9))
        self.assertTrue(self.segment.hear(self.segment.local, HOST, NOW))

    def test_locked_late(self) -> None:
        """I-15: who had taken our address before it was ours has it no more."""
        self.segment.hear(self.alice, forged(1), NOW)
        self.segment.lock(forged(1))
        self.assertFalse(self.segment.hear(self.alice, forged(1), NOW + 1e9))
        self.assertNotIn(forged(1), self.alice.stations)

    def test_closed(self) -> None:
        """With a port go the stations behind it, and nobody else's."""
        self.segment.hear(self.alice, STATIONS[0], NOW)
        self.segment.hear(self.bob, STATIONS[1], NOW)
        self.segment.close(self.alice)
        self.assertEqual((self.owner(STATIONS[0]), self.owner(STATIONS[1])), (None, self.bob))
        self.assertEqual(list(self.segment.ports), [1])
        self.assertTrue(self.segment.hear(self.bob, STATIONS[0], NOW))


class BoundTests(SegmentTestCase):
    def test_flood(self) -> None:
        """I-14: of a hundred thousand forged stations 256 are kept, the newest, in less than a MiB; others stay."""
        for address in (STATIONS[1], forged(1 << 30)):
            self.segment.hear(self.bob, address, NOW)
        self.segment.hear(self.segment.local, forged(1 << 31), NOW)
        before = len(self.segment.stations)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for number in range(100_000):
            self.assertTrue(self.segment.hear(self.alice, forged(number), NOW + number / 1000))
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
        newest = [forged(number) for number in range(100_000 - MOST_STATIONS, 100_000)]
        self.assertEqual(list(self.alice.stations), newest)
        self.assertEqual(len(self.segment.stations), before + MOST_STATIONS)
        for address, port in ((STATIONS[1], self.bob), (forged(1 << 30), self.bob), (HOST, self.segment.local)):
            self.assertIs(self.owner(address), port)

    def test_who_speaks_stays(self) -> None:
        """I-14: of one's own too many it is the longest silent that goes: who goes on speaking is not pushed out."""
        for number in range(10_000):
            now = NOW + number / 100
            self.segment.hear(self.alice, forged(number), now)
            if number % 100 == 0:
                self.segment.hear(self.alice, STATIONS[0], now)
        self.assertIs(self.owner(STATIONS[0]), self.alice)
        self.assertIsNone(self.owner(forged(0)))

    def test_our_side(self) -> None:
        """Nor is what is behind our own device without a bound."""
        for number in range(MOST_LOCAL_STATIONS + 500):
            self.segment.hear(self.segment.local, forged(number), NOW)
        self.assertEqual(len(self.segment.local.stations), MOST_LOCAL_STATIONS)
        self.assertIs(self.owner(HOST), self.segment.local)

    def test_anything(self) -> None:
        """Whatever is heard where and when: a station is behind the one port that knows it, and none has too many."""
        dice = random.Random(14)
        now = NOW
        ports = [self.alice, self.bob, self.segment.local]
        for _ in range(20_000):
            now += dice.choice((0, 0.1, 10))
            self.segment.hear(dice.choice(ports), forged(dice.randrange(600)), now)
        known = {address: station for port in ports for address, station in port.stations.items()}
        self.assertEqual({**known, HOST: self.segment.stations[HOST]}, self.segment.stations)
        self.assertEqual(sum(len(port.stations) for port in ports), len(known))
        for port in ports[:2]:
            self.assertLessEqual(len(port.stations), MOST_STATIONS)
            seen = [station.seen for station in port.stations.values()]
            self.assertEqual(seen, sorted(seen))


class RationTests(SegmentTestCase):
    def test_burst_and_rate(self) -> None:
        """I-17: so many to all at once, then so many a second; one peer's are not another's."""
        self.assertEqual(sum(self.alice.may_say_to_all(NOW) for _ in range(2000)), GROUP_BURST)
        self.assertEqual(sum(self.alice.may_say_to_all(NOW + 1 + at / 10_000) for at in range(10_000)),
                         GROUP_BURST + GROUP_RATE - 1)  # fmt: skip
        self.assertTrue(self.bob.may_say_to_all(NOW))
        self.assertEqual(sum(self.alice.may_say_to_all(NOW + 60) for _ in range(2000)), GROUP_BURST)
