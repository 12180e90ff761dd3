"""Whom a packet of a client may reach, and whose address it may speak for."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.plane.scene import (
    ALICE,
    BOB,
    CAROL,
    INNER,
    INNER_V6,
    NOW,
    WORLD,
    WORLD_V6,
    PlaneTestCase,
    ipv6_packet,
)
from tests.whole.simulation import ipv4_packet
from tests.wire.test_ip import tcp
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.wire.ip import is_multicast

BROADCAST = ip_address("10.9.0.255").packed
BEHIND_BOB = ip_address("192.168.7.5").packed
GROUPS = [ip_address(text).packed for text in ("224.0.0.1", "239.255.255.250", "10.9.0.255", "255.255.255.255")]
GROUP_V6 = ip_address("ff02::1").packed


def packet(source: bytes, target: bytes, payload: bytes = b"payload") -> bytes:
    return (ipv4_packet if len(source) == 4 else ipv6_packet)(source, target, payload)


class ForwardTestCase(PlaneTestCase):
    """Three peers; a network behind the second."""

    peers = (ALICE, BOB, CAROL)

    def make(self) -> Userspace:
        return Userspace(Router(frozenset({BROADCAST})))

    def add(self, peer: int, endpoint: Endpoint, **rest: Any) -> None:
        super().add(peer, endpoint, networks=((BEHIND_BOB[:3] + b"\0", 24),) if peer == 1 else (), **rest)

    def outcome(self, plain: bytes) -> tuple[list[bytes], list[tuple[Endpoint, bytes]]]:
        """What becomes of a packet of the first client: what the kernel gets, and what the clients get."""
        self.arrive(ALICE, self.sealed(0, plain))
        to_tun, departed = self.taken()
        return to_tun, self.opened(departed)


class IsolatedTests(ForwardTestCase):
    """Without client-to-client."""

    def test_all_to_the_kernel(self) -> None:
        """I-04: whatever a client sends goes to the kernel, to another client, to all, to the world; v4 and v6."""
        for target in (INNER[1], BEHIND_BOB, *GROUPS, WORLD, INNER_V6[1], GROUP_V6, WORLD_V6):
            plain = packet((INNER if len(target) == 4 else INNER_V6)[0], target)
            self.assertEqual(self.outcome(plain), ([plain], []), target)

    def test_not_by_the_kernel(self) -> None:
        """I-04: nor does a kernel that forwards get through what one client sends another; v4, v6, networks behind."""
        self.kept_apart(
            (INNER[0], INNER[1], 0), (INNER[0], BEHIND_BOB, 0), (BEHIND_BOB, INNER[0], 1),
            (INNER_V6[0], INNER_V6[1], 0),
        )  # fmt: skip
        self.send(packet(WORLD, INNER[1]))
        self.assertEqual(len(self.taken()[1]), 1)

    def test_groups_not_by_the_kernel(self) -> None:
        """I-04: nor through what one client says to all, where the kernel forwards broadcast or multicast."""
        self.kept_apart(
            *((source, group, number) for group in GROUPS for source, number in ((INNER[0], 0), (BEHIND_BOB, 1))),
            (INNER_V6[0], GROUP_V6, 0),
        )

    def kept_apart(self, *table: tuple[bytes, bytes, int]) -> None:
        """Packets of a client that the kernel would have others get: dropped, and counted as that client's."""
        for source, target, number in table:
            before = self.plane.counters(number).drops.get("client-to-client", 0)
            self.send(packet(source, target))
            self.assertEqual(self.taken(), ([], []), target)
            self.assertEqual(self.plane.counters(number).drops["client-to-client"], before + 1)


class ConnectedTests(ForwardTestCase):
    """With client-to-client."""

    spec = PeerSpec(client_to_client=True)

    def test_directly(self) -> None:
        """A packet for another client's address or network goes to it, and the kernel does not see it."""
        for target in (INNER[1], BEHIND_BOB, INNER_V6[1]):
            plain = packet((INNER if len(target) == 4 else INNER_V6)[0], target)
            self.assertEqual(self.outcome(plain), ([], [(BOB, plain)]), target)
        counters = self.plane.counters(1)
        self.assertEqual((counters.sent_packets, self.plane.counters(0).received_packets), (3, 3))

    def test_by_the_kernel(self) -> None:
        """What the kernel sends from one client to another, for reasons of its own, goes there, too."""
        plain = packet(INNER[0], INNER[1])
        self.send(plain)
        self.assertEqual(self.opened(self.taken()[1]), [(BOB, plain)])

    def test_from_behind(self) -> None:
        """A host behind a client reaches another client."""
        plain = packet(BEHIND_BOB, INNER[0])
        self.arrive(BOB, self.sealed(1, plain))
        self.assertEqual(self.opened(self.taken()[1]), [(ALICE, plain)])

    def test_to_the_kernel(self) -> None:
        """What is for nobody here, and what a client says to itself, is the kernel's business."""
        for target in (WORLD, b"\x08\x08\x08\x08", INNER[0], WORLD_V6):
            plain = packet((INNER if len(target) == 4 else INNER_V6)[0], target)
            self.assertEqual(self.outcome(plain), ([plain], []), target)

    def test_to_all(self) -> None:
        """Multicast and broadcast go to all others and to the kernel, not back to who said it."""
        for target in (*GROUPS, GROUP_V6):
            plain = packet((INNER if len(target) == 4 else INNER_V6)[0], target)
            self.assertEqual(self.outcome(plain), ([plain], [(BOB, plain), (CAROL, plain)]), target)

    def test_burst(self) -> None:
        """What arrives together for one client leaves together, in order, in one buffer."""
        plains = [packet(INNER[0], INNER[1], bytes([number]) * 50) for number in range(5)]
        self.arrive(ALICE, *(self.sealed(0, plain) for plain in plains))
        _, [(endpoint, segment, buffer)] = self.plane.take()
        departed = [(endpoint, buffer[at : at + segment]) for at in range(0, len(buffer), segment)]
        self.assertEqual(self.opened(departed), [(BOB, plain) for plain in plains])

    def test_foreign_source(self) -> None:
        """The source is judged first: nobody reaches a neighbour in another's name."""
        for plain in (packet(INNER[2], INNER[1]), packet(INNER_V6[2], INNER_V6[1]), packet(BEHIND_BOB, GROUPS[0])):
            self.assertEqual(self.outcome(plain), ([], []))
        self.assertEqual(self.plane.counters(0).drops, {"foreign-source": 3})

    def test_without_a_key(self) -> None:
        """A neighbour that has no key yet gets nothing, which is counted as its own."""
        self.plane.retire(1, 0)
        self.assertEqual(self.outcome(packet(INNER[0], INNER[1])), ([], []))
        self.assertEqual(self.plane.counters(1).drops, {"no-key": 1})

    def test_both_clamp(self) -> None:
        """A SYN is clamped for the way in and for the way out: the smaller of both limits holds."""
        for own, other, wanted in ((1300, 1200, 1200), (1200, 1300, 1200), (0, 1250, 1250), (1250, 0, 1250)):
            self.setUp()
            for peer, endpoint, mss in ((0, ALICE, own), (1, BOB, other)):
                self.add_with(peer, endpoint, mss=mss)
            syn = tcp(4, b"\2\4\x05\xb4")
            [(_, plain)] = self.outcome(syn[:16] + INNER[1] + syn[20:])[1]
            self.assertEqual(int.from_bytes(plain[42:44], "big"), wanted)

    def test_ping_waits(self) -> None:
        """What is passed on counts as said to its target."""
        self.add_with(1, BOB, ping=10)
        self.arrive(ALICE, self.sealed(0, packet(INNER[0], INNER[1])), now=NOW + 8)
        self.plane.take()
        self.plane.tick(NOW + 10)
        self.assertEqual(self.plane.take(), ([], []))


class FromTheDeviceTests(ForwardTestCase):
    """Outward."""

    def test_to_all(self) -> None:
        """Multicast and broadcast from the TUN device go to every client, with client-to-client or without."""
        for target in (*GROUPS, GROUP_V6):
            plain = packet(WORLD if len(target) == 4 else WORLD_V6, target)
            self.send(plain)
            seen = self.opened(self.taken()[1])
            self.assertEqual(seen, [(endpoint, plain) for endpoint in self.peers], target)
        self.assertEqual(self.plane.strays.drops, {})

    def test_in_order(self) -> None:
        """A group's packet keeps its place among a client's own."""
        plains = [packet(WORLD, target) for target in (INNER[1], GROUPS[0], INNER[1])]
        self.send(*plains)
        seen = self.opened(self.taken()[1])
        self.assertEqual([plain for endpoint, plain in seen if endpoint == BOB], plains)
        self.assertEqual([plain for endpoint, plain in seen if endpoint == CAROL], plains[1:2])


class SourceTests(ForwardTestCase):
    """Both with client-to-client: what is let through would be seen by a neighbour, too."""

    spec = PeerSpec(client_to_client=True)

    def refused(self, *sources: str) -> None:
        """Nothing in these sources' name reaches anybody, and each try counts as one."""
        for text in sources:
            address = ip_address(text).packed
            kernel, neighbour = (WORLD, INNER[1]) if len(address) == 4 else (WORLD_V6, INNER_V6[1])
            for target in (kernel, neighbour, GROUPS[0] if len(address) == 4 else GROUP_V6):
                before = sum(self.plane.counters(0).drops.values())
                self.assertEqual(self.outcome(packet(address, target)), ([], []), text)
                self.assertEqual(sum(self.plane.counters(0).drops.values()), before + 1, text)

    def test_ipv4(self) -> None:
        """I-01: in the name of a neighbour, the server, the network, broadcast, loopback, a group, nobody, its LAN."""
        self.refused("10.9.0.3", "10.9.0.1", "10.9.0.0", "10.9.0.255", "127.0.0.1", "224.0.0.1", "0.0.0.0",
                     "192.168.1.20", "192.168.7.5", "255.255.255.255")  # fmt: skip
        plain = packet(INNER[0], WORLD)
        self.assertEqual(self.outcome(plain), ([plain], []))

    def test_ipv6(self) -> None:
        """I-02: the same, another's link-local address, an IPv4 address in IPv6, and forged router advertisements."""
        self.refused("fd00::3", "fd00::1", "fd00::", "fe80::3", "fe80::1", "::ffff:10.9.0.2", "::ffff:10.9.0.1", "::1",
                     "::", "ff02::1", "2001:db8::1")  # fmt: skip
        for source in ("fe80::1", "fd00::1"):
            for kind in (134, 136):
                advertisement = bytearray(packet(ip_address(source).packed, GROUP_V6, bytes([kind]) + bytes(15)))
                advertisement[6], advertisement[7] = 58, 255
                self.assertEqual(self.outcome(bytes(advertisement)), ([], []))
        self.assertEqual(set(self.plane.counters(0).drops), {"foreign-source", "link-local-source"})

    def test_moved_address(self) -> None:
        """I-03: an address that another client has got is refused to its former owner at once, even in mid-burst."""
        plain = packet(INNER[0], WORLD)
        self.assertEqual(self.outcome(plain), ([plain], []))
        late = self.sealed(0, plain)
        self.plane.add(2, CAROL, PeerSpec((INNER[2], INNER[0]), 2, client_to_client=True), NOW)
        self.install(2, 0)
        self.arrive(ALICE, late)
        self.assertEqual(self.delivered(), [])
        self.assertEqual(self.plane.counters(0).drops, {"foreign-source": 1})
        self.arrive(CAROL, self.sealed(2, plain))
        self.assertEqual(self.delivered(), [plain])
        self.plane.remove(2)
        self.arrive(ALICE, self.sealed(0, plain))
        self.assertEqual(self.delivered(), [])


class GroupTests(SynchronousTestCase):
    def test_multicast(self) -> None:
        """224.0.0.0/4 and ff00::/8 are groups, and nothing else is."""
        for text, answer in (
            ("223.255.255.255", False), ("224.0.0.0", True), ("239.255.255.255", True), ("240.0.0.0", False),
            ("255.255.255.255", False), ("ff02::1", True), ("feff::1", False), ("e000::1", False), ("10.9.0.1", False),
        ):  # fmt: skip
            self.assertIs(is_multicast(ip_address(text).packed), answer, text)
        self.assertIs(is_multicast(b""), False)
