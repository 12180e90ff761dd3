"""Whom a frame of a client may reach, and as whom it may speak."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plane.scene import (
    ALICE,
    BOB,
    CAROL,
    HOST,
    NOW,
    STATIONS,
    PlaneTestCase,
    SwitchTestCase,
)
from tests.plane.test_guard import ADVERTISEMENT, OFFER
from tests.wire.test_ethernet import BROADCAST
from tests.wire.test_ip import tcp
from tvpn.plane.guard import DHCP, ROUTER
from tvpn.plane.merge import PLAIN
from tvpn.plane.segment import GROUP_BURST, IDLE, MOST_STATIONS
from tvpn.plane.switch import Switch
from tvpn.plane.trunk import Trunk
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.wire.ethernet import IPV4, IPV6, TAGGED

GROUPS = (BROADCAST, b"\1\0\x5e\0\0\xfb", b"\x33\x33\0\0\0\1")
LOCAL, UNKNOWN = b"\2\0\0\0\0\x63", b"\2\0\0\0\0\x77"
"""A station behind our device, and one that nobody has heard."""
KINDS = (IPV4, IPV6, b"\x08\6", b"\x88\xb5", b"\0\x10")


def frame(target: bytes, source: bytes, kind: bytes = b"\x88\xb5", payload: bytes = b"payload") -> bytes:
    return target + source + kind + payload


class FramesTestCase(SwitchTestCase):
    """Three peers, a station behind our device; frames as they are."""

    peers = (ALICE, BOB, CAROL)

    def setUp(self) -> None:
        super().setUp()
        self.send(frame(BROADCAST, LOCAL))
        self.taken()

    def carried(self, packet: bytes) -> bytes:
        return packet

    def taken(self) -> tuple[list[bytes], list[tuple[Endpoint, bytes]]]:
        return PlaneTestCase.taken(self)

    def opened(self, departed: Any) -> list[tuple[Endpoint, bytes]]:
        return PlaneTestCase.opened(self, departed)

    def outcome(self, said: bytes, peer: int = 0, now: float = NOW) -> tuple[list[bytes], list[tuple[Endpoint, bytes]]]:
        """What becomes of a client's frame: what the device gets, and what clients get."""
        self.arrive(self.peers[peer], self.sealed(peer, said), now=now)
        to_device, departed = self.taken()
        return to_device, self.opened(departed)

    def outward(self, said: bytes, now: float = NOW) -> list[tuple[Endpoint, bytes]]:
        """What clients get of a frame from the device."""
        self.send(said, now=now)
        to_device, departed = self.taken()
        self.assertEqual(to_device, [])
        return self.opened(departed)

    def dropped(self, reason: str, said: bytes, peer: int = 0, now: float = NOW) -> None:
        """Nobody gets it, and that is counted as its sender's under this reason."""
        before = self.plane.counters(peer).drops.get(reason, 0)
        self.assertEqual(self.outcome(said, peer, now), ([], []))
        self.assertEqual(self.plane.counters(peer).drops.get(reason), before + 1)


class BurstTests(FramesTestCase):
    def carry(self, parts: list[list[bytes]]) -> tuple[object, ...]:
        """What a new switch makes of these from the device and, as Alice's, from the tunnel, and what it counts."""
        self.setUp()
        ways: list[dict[int, list[bytes]]] = [{}, {}]
        to_device = []
        for number, part in enumerate(parts):
            # At the same time they would be one burst.
            now = NOW + number * 1e-6
            batches = [self.switch.sort([(PLAIN, each) for each in part], now)]
            self.switch.deliver(self.plane._peers[0], part, now)
            to_device += self.switch.take()
            for way, went in zip(ways, [*batches, self.switch.take_passed_on()], strict=True):
                for peer, frames in went.items():
                    way.setdefault(peer, []).extend(frames)
        return ways, to_device, [self.plane.counters(peer) for peer in (0, 1, 2)], self.switch.strays

    def test_together(self) -> None:
        """Frames in one burst, whatever follows what, fare as they would one by one."""
        dice = random.Random(8)
        large = b"\2\4\x23\x28"
        kinds = [
            (IPV4, tcp(4, large)), (IPV4, tcp(4, b"", flags=0x10)), (IPV4, OFFER), (IPV6, tcp(6, large)),
            (KINDS[3], b"payload"),
        ]  # fmt: skip
        frames = [
            frame(target, source, *kind)
            for target in (*STATIONS[:2], LOCAL, HOST, UNKNOWN, BROADCAST)
            for source in (STATIONS[0], STATIONS[1], LOCAL, UNKNOWN) for kind in kinds
        ]  # fmt: skip
        frames += [frames[0][:13], frames[0][:16]]
        for spec in (PeerSpec(), PeerSpec(mss=1300, client_to_client=True)):
            self.spec = spec
            for _ in range(40):
                target = dice.choice(frames)[:6]
                batch = dice.choices([each for each in frames if each[:6] == target or dice.random() < 0.1], k=16)
                self.assertEqual(self.carry([batch]), self.carry([[each] for each in batch]))



class IsolatedTests(FramesTestCase):
    """Without client-to-client."""

    def test_to_the_device(self) -> None:
        """What a client says to all, to us, to our side and to nobody known goes to the device, whatever is in it."""
        for target in (*GROUPS, HOST, LOCAL, UNKNOWN):
            for kind in KINDS:
                said = frame(target, STATIONS[0], kind)
                self.assertEqual(self.outcome(said), ([said], []), said.hex())

    def test_burst(self) -> None:
        """What follows in a burst to a station of ours is looked at no less: guards, others' addresses and others'
        stations count in the middle of it, and each frame is counted and delivered once, in order.
        """
        stream = [frame(LOCAL, STATIONS[0], IPV4, tcp(4, b"", bytes([number]), flags=0x10)) for number in range(4)]
        offer = frame(LOCAL, STATIONS[0], IPV4, OFFER)
        stolen = frame(LOCAL, STATIONS[1], IPV4, tcp(4, b"", b"x", flags=0x10))
        other = frame(STATIONS[1], STATIONS[0], IPV4, tcp(4, b"", b"y", flags=0x10))
        said = [stream[0], stream[1], offer, stream[2], stolen, other, stream[3]]
        self.arrive(ALICE, *(self.sealed(0, each) for each in said))
        self.assertEqual(self.taken(), (stream, []))
        counters = self.plane.counters(0)
        self.assertEqual(counters.drops, {DHCP: 1, "foreign-mac": 1, "client-to-client": 1})
        self.assertEqual(counters.received_bytes, sum(map(len, [*stream, other])))

    def test_not_to_each_other(self) -> None:
        """I-04: a frame for another client's station reaches neither it nor a kernel that would bridge."""
        for kind in KINDS:
            self.dropped("client-to-client", frame(STATIONS[1], STATIONS[0], kind))

    def test_not_by_the_kernel(self) -> None:
        """I-04: nor do others get what a bridge hands back of a client's, to one of them or to all."""
        for target in (STATIONS[1], *GROUPS):
            before = self.plane.counters(0).drops.get("client-to-client", 0)
            self.assertEqual(self.outward(frame(target, STATIONS[0])), [])
            self.assertEqual(self.plane.counters(0).drops["client-to-client"], before + 1)
        self.assertEqual(len(self.outward(frame(STATIONS[1], LOCAL))), 1)


class ConnectedTests(FramesTestCase):
    """With client-to-client."""

    spec = PeerSpec(client_to_client=True)

    def test_directly(self) -> None:
        """A frame for another client's station goes to it, and the device does not see it."""
        for kind in KINDS:
            said = frame(STATIONS[1], STATIONS[0], kind)
            self.assertEqual(self.outcome(said), ([], [(BOB, said)]))

    def test_to_all(self) -> None:
        """What one says to all goes to all others and to the device, not back."""
        for target in GROUPS:
            said = frame(target, STATIONS[0])
            self.assertEqual(self.outcome(said), ([said], [(BOB, said), (CAROL, said)]))

    def test_to_the_device(self) -> None:
        """What is for none of the clients is the device's."""
        for target in (HOST, LOCAL, UNKNOWN):
            said = frame(target, STATIONS[0])
            self.assertEqual(self.outcome(said), ([said], []))

    def test_own_side(self) -> None:
        """Two stations behind one client have heard each other already."""
        second = b"\2\0\0\0\0\x44"
        self.outcome(frame(BROADCAST, second))
        self.dropped("own-side", frame(second, STATIONS[0]))

    def test_by_the_kernel(self) -> None:
        """What the kernel bridges from one client to another, for reasons of its own, goes there."""
        said = frame(STATIONS[1], STATIONS[0])
        self.assertEqual(self.outward(said), [(BOB, said)])

    def test_clamped_for_both(self) -> None:
        """A SYN is clamped for the way in and for the way out, behind a tag too: the smaller of both limits holds."""
        for own, other, wanted in ((1300, 1200, 1200), (1200, 1300, 1200), (0, 1250, 1250), (1250, 0, 1250)):
            self.setUp()
            for peer, endpoint, mss in ((0, ALICE, own), (1, BOB, other)):
                self.add_with(peer, endpoint, mss=mss)
            for tag in (b"", TAGGED + b"\0\7"):
                said = frame(STATIONS[1], STATIONS[0], tag + IPV4, tcp(4, b"\2\4\x05\xb4"))
                [(_, plain)] = self.outcome(said)[1]
                at = 14 + len(tag) + 42
                self.assertEqual(int.from_bytes(plain[at : at + 2], "big"), wanted)


class FromTheDeviceTests(FramesTestCase):
    def test_to_one(self) -> None:
        """A frame for a station that was heard goes to its client, whatever is in it; for an unknown one nowhere."""
        for kind in KINDS:
            said = frame(STATIONS[1], LOCAL, kind)
            self.assertEqual(self.outward(said), [(BOB, said)])
        self.assertEqual(self.outward(frame(UNKNOWN, LOCAL)), [])
        self.assertEqual(self.outward(frame(HOST, LOCAL)), [])
        self.assertEqual(self.plane.strays.drops, {"no-peer-for-destination": 2})

    def test_to_all(self) -> None:
        """Broadcast and multicast go to every client."""
        for target in GROUPS:
            said = frame(target, LOCAL)
            self.assertEqual(self.outward(said), [(endpoint, said) for endpoint in self.peers])

    def test_after_long(self) -> None:
        """Who has said nothing for long, and whose address nobody else has taken, is reached all the same."""
        said = frame(STATIONS[1], LOCAL)
        self.assertEqual(self.outward(said, NOW + 100 * IDLE), [(BOB, said)])

    def test_in_order(self) -> None:
        """What is for all keeps its place among a client's own."""
        said = [frame(target, LOCAL, payload=bytes([number])) for number, target in
                enumerate((STATIONS[1], BROADCAST, STATIONS[1]))]  # fmt: skip
        self.send(*said)
        seen = self.opened(self.taken()[1])
        self.assertEqual([plain for endpoint, plain in seen if endpoint == BOB], said)
        self.assertEqual([plain for endpoint, plain in seen if endpoint == CAROL], said[1:2])

    def test_without_peers(self) -> None:
        """With nobody there, nobody gets anything."""
        for peer in range(3):
            self.plane.remove(peer)
        self.assertEqual(self.outward(frame(BROADCAST, LOCAL)), [])
        self.assertEqual(self.plane.strays.drops, {"no-peer-for-destination": 1})


class StationTests(FramesTestCase):
    spec = PeerSpec(client_to_client=True)

    def test_several(self) -> None:
        """A client that bridges has many stations, each reached through it; they go with it."""
        behind = [b"\2\0\0\0\1" + bytes([number]) for number in range(20)]
        for address in behind:
            self.outcome(frame(LOCAL, address))
            said = frame(address, LOCAL)
            self.assertEqual(self.outward(said), [(ALICE, said)])
        self.plane.remove(0)
        for address in behind:
            self.assertEqual(self.outward(frame(address, LOCAL)), [])

    def test_taken(self) -> None:
        """I-15: who speaks as another client's station, as one of our side or as our device is not heard, and gets
        nothing that is theirs; once they have been silent for five minutes, it is another matter.
        """
        for source in (STATIONS[1], LOCAL, HOST):
            for target in (BROADCAST, LOCAL, STATIONS[2]):
                self.dropped("foreign-mac", frame(target, source), now=NOW + IDLE)
        said = frame(STATIONS[1], LOCAL)
        self.assertEqual(self.outward(said), [(BOB, said)])
        self.assertEqual(len(self.outcome(frame(BROADCAST, STATIONS[1]), now=NOW + IDLE + 1)[0]), 1)
        self.assertEqual(self.outward(said), [(ALICE, said)])
        self.dropped("foreign-mac", frame(BROADCAST, HOST), now=NOW + 100 * IDLE)

    def test_moved_to_our_side(self) -> None:
        """A client's station that has been silent may turn up at our side."""
        self.assertEqual(len(self.outward(frame(BROADCAST, STATIONS[1]), NOW + IDLE + 1)), 3)
        self.dropped("foreign-mac", frame(BROADCAST, STATIONS[1]), 1, NOW + IDLE + 2)

    def test_no_station(self) -> None:
        """Nobody, everybody and groups say nothing, and are not learned."""
        for source in (bytes(6), *GROUPS):
            self.dropped("no-station", frame(LOCAL, source))
        self.assertEqual(self.outward(frame(bytes(6), LOCAL)), [])

    def test_flood(self) -> None:
        """I-14: a hundred thousand forged stations of one client push out neither another's nor our side's, all
        of which are reached, and take less than a MiB.
        """
        table = self.switch._ports[0].segment.stations
        before = len(table)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for number in range(100_000):
            self.arrive(ALICE, self.sealed(0, frame(LOCAL, b"\2\xbb" + number.to_bytes(4, "big"))))
            if number % 100 == 99:
                self.assertEqual(len(self.taken()[0]), 100)
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
        self.assertEqual(len(table), before + MOST_STATIONS - 1)
        for target, endpoint in ((STATIONS[1], BOB), (STATIONS[2], CAROL)):
            self.assertEqual(self.outward(frame(target, LOCAL)), [(endpoint, frame(target, LOCAL))])
        self.dropped("foreign-mac", frame(BROADCAST, LOCAL))

    def test_storm(self) -> None:
        """I-17: what one client says to all is rationed and counted; its other frames and other clients are not."""
        said = frame(BROADCAST, STATIONS[0])
        self.arrive(ALICE, *(self.sealed(0, said) for _ in range(10_000)))
        to_device, departed = self.taken()
        self.assertEqual((len(to_device), len(departed)), (GROUP_BURST, 2 * GROUP_BURST))
        self.assertEqual(self.plane.counters(0).drops, {"storm": 10_000 - GROUP_BURST})
        direct = frame(STATIONS[1], STATIONS[0])
        self.assertEqual(self.outcome(direct), ([], [(BOB, direct)]))
        self.assertEqual(len(self.outcome(frame(BROADCAST, STATIONS[1]), 1)[1]), 2)
        self.assertEqual(len(self.outcome(said, now=NOW + 1)[1]), 2)


class GuardTests(FramesTestCase):
    """I-16."""

    spec = PeerSpec(client_to_client=True)
    rogues = (
        (frame(BROADCAST, STATIONS[0], IPV6, ADVERTISEMENT), ROUTER),
        (frame(STATIONS[1], STATIONS[0], IPV6, ADVERTISEMENT), ROUTER),
        (frame(BROADCAST, STATIONS[0], IPV4, OFFER), DHCP), (frame(STATIONS[1], STATIONS[0], IPV4, OFFER), DHCP),
        (frame(b"\1\x80\xc2\0\0\0", STATIONS[0], b"\0\x26"), "rogue-bridge"),
        (frame(b"\1\x80\xc2\0\0\x0e", STATIONS[0], b"\x88\xcc"), "rogue-bridge"),
        (frame(b"\1\x80\xc2\0\0\0", STATIONS[0], IPV4, tcp(4, b"")), "rogue-bridge"),
    )  # fmt: skip

    def test_on(self) -> None:
        """From a client neither device nor neighbours get any of it, and each is counted by its reason."""
        for said, reason in self.rogues:
            self.dropped(reason, said)

    def test_from_the_device(self) -> None:
        """The network at our side may have routers, DHCP servers and bridges."""
        for said, _ in self.rogues:
            said = said[:6] + LOCAL + said[12:]
            self.assertGreaterEqual(len(self.outward(said)), 1)


class UnguardedTests(GuardTests):
    """With the guards switched off."""

    guards = False

    def test_on(self) -> None:
        """All of it goes where other frames go."""
        for said, _ in self.rogues:
            to_device, departed = self.outcome(said)
            self.assertGreaterEqual(len(departed), 1)
            self.assertEqual(len(to_device), said[0] & 1)


class VlanTests(FramesTestCase):
    """Alice and Bob in VLAN 7, Carol in that of the device."""

    spec = PeerSpec(client_to_client=True)
    trunk: Trunk | None = Trunk("all")

    def add(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        super().add(peer, endpoint, pvid=7 if peer < 2 else 0, **rest)

    def test_kept_apart(self) -> None:
        """Clients of one VLAN hear each other, those of another nothing, neither what is said to one nor to all."""
        said = frame(BROADCAST, STATIONS[0])
        tagged = frame(BROADCAST, STATIONS[0], TAGGED + b"\0\7\x88\xb5")
        self.assertEqual(self.outcome(said), ([tagged], [(BOB, said)]))
        self.assertEqual(self.outcome(frame(STATIONS[1], STATIONS[0])), ([], [(BOB, frame(STATIONS[1], STATIONS[0]))]))
        to_carol = frame(STATIONS[2], STATIONS[0])
        self.assertEqual(self.outcome(to_carol), ([frame(STATIONS[2], STATIONS[0], TAGGED + b"\0\7\x88\xb5")], []))
        said = frame(BROADCAST, STATIONS[2])
        self.assertEqual(self.outcome(said, 2), ([said], []))

    def test_from_the_device(self) -> None:
        """A tag leads to the clients of its VLAN, who do not see it; without one it is the device's own VLAN."""
        said = frame(BROADCAST, LOCAL)
        self.assertEqual(self.outward(said), [(CAROL, said)])
        for number, whom in ((7, [ALICE, BOB]), (1, [CAROL]), (8, [])):
            tagged = frame(BROADCAST, LOCAL, TAGGED + bytes([0, number]) + b"\x88\xb5")
            self.assertEqual(self.outward(tagged), [(endpoint, said) for endpoint in whom])
        self.assertEqual(self.outward(frame(STATIONS[0], LOCAL)), [])

    def test_tags_of_clients(self) -> None:
        """A client's tag is none of its business, unless it tells a priority only."""
        self.dropped("vlan-tagged", frame(BROADCAST, STATIONS[0], TAGGED + b"\0\7\x88\xb5"))
        said = frame(BROADCAST, STATIONS[0], TAGGED + b"\xe0\0\x88\xb5")
        tagged = frame(BROADCAST, STATIONS[0], TAGGED + b"\xe0\7\x88\xb5")
        self.assertEqual(self.outcome(said), ([tagged], [(BOB, said)]))

    def test_same_address_twice(self) -> None:
        """One address may be in two VLANs; each is its own, but for our device's, which is in all of them."""
        self.outcome(frame(BROADCAST, STATIONS[0]), 0)
        self.outcome(frame(BROADCAST, STATIONS[0]), 2)
        self.assertEqual([endpoint for endpoint, _ in self.outward(frame(STATIONS[0], LOCAL))], [CAROL])
        for peer in range(3):
            self.dropped("foreign-mac", frame(BROADCAST, HOST), peer)


class OtherTrunkTests(FramesTestCase):
    """What the device does not take is dropped, and counted as its sender's or a stray."""

    def test_only_untagged(self) -> None:
        """Of clients in other VLANs nothing, and no tags."""
        self.trunk = Trunk("untagged")
        self.setUp()
        self.add_with(0, ALICE, pvid=7)
        self.dropped("vlan-not-accepted", frame(BROADCAST, STATIONS[0]))
        said = frame(BROADCAST, STATIONS[2])
        self.assertEqual(self.outcome(said, 2), ([said], []))
        self.assertEqual(self.outward(frame(BROADCAST, LOCAL, TAGGED + b"\0\7\x88\xb5")), [])
        self.assertEqual(self.plane.strays.drops, {"vlan-not-accepted": 1})

    def test_only_tagged(self) -> None:
        """Always with a tag."""
        self.trunk = Trunk("tagged")
        self.setUp()
        said = frame(BROADCAST, STATIONS[0])
        self.assertEqual(self.outcome(said), ([frame(BROADCAST, STATIONS[0], TAGGED + b"\0\1\x88\xb5")], []))
        before = self.plane.strays.drops["vlan-not-accepted"]
        self.assertEqual(self.outward(frame(BROADCAST, LOCAL)), [])
        self.assertEqual(self.plane.strays.drops, {"vlan-not-accepted": before + 1})


class ClientTests(FramesTestCase):
    """Our own server is the only peer."""

    peers = (ALICE,)

    def add(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        super().add(peer, endpoint, is_server=True, **rest)

    def test_all_to_the_server(self) -> None:
        """Whatever the device says goes to the server, which may say anything to us; nobody learns anything."""
        for source in (HOST, LOCAL, STATIONS[0]):
            for target in (*GROUPS, STATIONS[0], UNKNOWN):
                said = frame(target, source)
                self.assertEqual(self.outward(said), [(ALICE, said)])
                self.assertEqual(self.outcome(said), ([said], []))
        offer = frame(BROADCAST, UNKNOWN, IPV4, OFFER)
        self.arrive(ALICE, *(self.sealed(0, offer) for _ in range(1000)))
        self.assertEqual(len(self.taken()[0]), 1000)
        self.assertEqual(self.plane.counters(0).drops, {})

    def test_short(self) -> None:
        """What is no whole frame goes neither way."""
        self.dropped("short-frame", bytes(13))
        self.assertEqual(self.outward(bytes(13)), [])
        self.assertEqual(self.plane.strays.drops, {"short-frame": 1})


class GarbageTests(FramesTestCase):
    def test_short(self) -> None:
        """W-17: frames without a whole header, 802.1Q ones of 14 to 17 bytes among them, go nowhere and are counted."""
        tagged = frame(BROADCAST, STATIONS[0], TAGGED, b"\0\7\x88\xb5")
        for size in range(1, 18):
            self.dropped("short-frame", tagged[:size])
            before = self.plane.strays.drops.get("short-frame", 0)
            self.assertEqual(self.outward(tagged[:size]), [])
            self.assertEqual(self.plane.strays.drops["short-frame"], before + 1)
        self.assertEqual(len(self.outcome(tagged[:18])[0]), 1)
        self.assertEqual(len(self.outcome(frame(BROADCAST, STATIONS[0], payload=b""))[0]), 1)

    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.binary(min_size=1, max_size=90), max_size=8), st.integers(0, 3), st.randoms())
    def test_anything(self, payloads: list[bytes], layout: int, dice: random.Random) -> None:
        """W-17: whatever comes from either side, with VLANs and without: no exception, and each frame either goes
        somewhere or is counted.
        """
        self.trunk = (None, Trunk("all"), Trunk("tagged", 7), Trunk("untagged"))[layout]
        self.spec = PeerSpec(client_to_client=bool(dice.randrange(2)), mss=500)
        self.setUp()
        self.plane.strays.drops.clear()
        heads = [target + source for target in (*GROUPS, *STATIONS, HOST) for source in (*STATIONS, LOCAL)]
        frames = [dice.choice((b"", dice.choice(heads) + dice.choice((b"", TAGGED, IPV4, IPV6)))) + payload
                  for payload in payloads]  # fmt: skip
        for said in frames:
            before = sum(self.plane.counters(0).drops.values())
            to_device, departed = self.outcome(said)
            is_counted = sum(self.plane.counters(0).drops.values()) - before
            self.assertNotEqual(bool(to_device or departed), bool(is_counted), said.hex())
            before = self.counted()
            self.assertNotEqual(bool(self.outward(said)), self.counted() > before, said.hex())

    def counted(self) -> int:
        return sum(self.plane.strays.drops.values()) + sum(
            sum(self.plane.counters(peer).drops.values()) for peer in range(3)
        )


class ServerlessTests(PlaneTestCase):
    def test_empty(self) -> None:
        """A switch without peers has nothing to do."""
        plane = Userspace(Switch())
        plane.outward([(b"", frame(BROADCAST, LOCAL))], NOW)
        self.assertEqual(plane.take(), ([], []))
        self.assertIsNone(plane.deadline())
