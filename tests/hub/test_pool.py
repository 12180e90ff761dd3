"""The address pool: one place for each, the same for the same device."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.pool import LARGEST_POOL, Lease, Pool, layout_between

SMALL = IPv4Network("10.9.0.0/29")  # five places: .2 to .6


def taken(pool: Pool, identity: str) -> Lease:
    lease = pool.take(identity)
    if lease is None:
        raise AssertionError(f"no place for {identity}")
    return lease


class AddressTests(SynchronousTestCase):
    def test_sizes(self) -> None:
        """Network, server and broadcast are left out; a large network is used to the bound, a tiny one not at all."""
        table = [
            ("10.9.0.0/24", None, 253),
            ("10.9.0.0/29", None, 5),
            ("10.9.0.0/30", None, 1),
            ("10.9.0.0/31", None, 0),
            ("10.0.0.0/8", None, LARGEST_POOL),
            (None, "fd00::/64", LARGEST_POOL),
            ("10.9.0.0/24", "fd00::/64", 253),
            ("10.9.0.0/24", "fd00::/124", 14),
        ]
        for ipv4, ipv6, size in table:
            pool = Pool(ipv4 and IPv4Network(ipv4), ipv6 and IPv6Network(ipv6), {})
            self.assertEqual(pool.size, size, f"{ipv4} {ipv6}")

    def test_addresses(self) -> None:
        """The first place is .2 and ::1000; in a small IPv6 network ::2."""
        lease = taken(Pool(IPv4Network("10.9.0.0/24"), IPv6Network("fd00::/64"), {}), "alice")
        self.assertEqual((lease.ipv4, lease.ipv6), (IPv4Address("10.9.0.2"), IPv6Address("fd00::1000")))
        self.assertEqual(lease.packed, (b"\x0a\x09\0\x02", IPv6Address("fd00::1000").packed))
        self.assertEqual(lease.texts, ("10.9.0.2", "fd00::1000"))
        self.assertEqual(taken(Pool(None, IPv6Network("fd00::/120"), {}), "alice").texts, ("fd00::2",))

    def test_part(self) -> None:
        """Of a network that is others' too, only the addresses between these two; one of them is enough."""
        network = IPv4Network("192.168.4.0/24")
        for first, last, size in ((".200", ".220", 21), (".2", ".254", 253), (".9", ".9", 1)):
            ends = IPv4Address(f"192.168.4{first}"), IPv4Address(f"192.168.4{last}")
            pool = Pool(network, None, {}, layout=layout_between(network, *ends))
            self.assertEqual(pool.size, size)
            given = [taken(pool, f"device {number}").ipv4 for number in range(size)]
            self.assertEqual((given[0], given[-1], len(set(given))), (*ends, size))
            self.assertIsNone(pool.take("one more"))

    def test_pairs(self) -> None:
        """By pairs a place is four addresses and the client's is the third (net30), or one address (p2p); as in stock a
        network of eight addresses is used to its end.
        """
        table = [
            ("net30", "10.9.0.0/24", 62, "10.9.0.6", "10.9.0.250"),
            ("net30", "10.9.0.0/28", 2, "10.9.0.6", "10.9.0.10"),
            ("net30", "10.9.0.0/29", 1, "10.9.0.6", "10.9.0.6"),
            ("p2p", "10.9.0.0/24", 248, "10.9.0.4", "10.9.0.251"),
            ("p2p", "10.9.0.0/29", 4, "10.9.0.4", "10.9.0.7"),
        ]
        for topology, network, size, first, last in table:
            pool = Pool(IPv4Network(network), None, {}, topology)
            texts = [taken(pool, str(number)).texts[0] for number in range(pool.size)]
            self.assertEqual((pool.size, texts[0], texts[-1]), (size, first, last), f"{topology} {network}")

    def test_last_address(self) -> None:
        """The last place is below the broadcast address and within the IPv6 network."""
        pool = Pool(SMALL, IPv6Network("fd00::/124"), {})
        leases = [taken(pool, str(number)) for number in range(pool.size)]
        self.assertEqual(leases[-1].texts, ("10.9.0.6", "fd00::6"))


class MemoryTests(SynchronousTestCase):
    def test_same_identity(self) -> None:
        """Who comes back gets the former place, in whatever order they come."""
        pool = Pool(SMALL, None, {})
        leases = {name: taken(pool, name) for name in "abc"}
        for lease in leases.values():
            pool.give_back(lease)
        for name in "cab":
            self.assertEqual(taken(pool, name), leases[name])

    def test_over_a_restart(self) -> None:
        """What is remembered holds in a new pool; places beyond a smaller pool are forgotten."""
        pool = Pool(SMALL, None, {"a": 3, "b": 0, "c": 100})
        self.assertEqual([taken(pool, name).index for name in "xab"], [1, 3, 0])
        self.assertEqual(taken(pool, "c").index, 2)

    def test_new_ones_spare_remembered_places(self) -> None:
        """Newcomers get places that were never used as long as there are any."""
        pool = Pool(SMALL, None, {})
        first = taken(pool, "first")
        pool.give_back(first)
        self.assertEqual([taken(pool, str(number)).index for number in range(4)], [1, 2, 3, 4])
        self.assertEqual(taken(pool, "first"), first)

    def test_exhaustion(self) -> None:
        """When all places are in use the next one gets none, until somebody leaves."""
        pool = Pool(SMALL, None, {})
        leases = [taken(pool, str(number)) for number in range(5)]
        self.assertIsNone(pool.take("late"))
        pool.give_back(leases[3])
        self.assertEqual(taken(pool, "late").index, 3)

    def test_longest_unused_first(self) -> None:
        """Without unused places the one that was free for longest goes first."""
        pool = Pool(SMALL, None, {})
        leases = [taken(pool, str(number)) for number in range(5)]
        for number in (2, 4, 0):
            pool.give_back(leases[number])
        self.assertEqual([taken(pool, name).index for name in "xyz"], [2, 4, 0])

    def test_in_use_twice(self) -> None:
        """The same identity while its place is in use gets another one."""
        pool = Pool(SMALL, None, {})
        self.assertNotEqual(taken(pool, "a").index, taken(pool, "a").index)

    def test_forget(self) -> None:
        """A forgotten place is nobody's and goes to the next newcomer."""
        pool = Pool(SMALL, None, {})
        lease = taken(pool, "a")
        taken(pool, "b")
        pool.forget(lease)
        self.assertEqual([taken(pool, name).index for name in "ca"], [0, 2])

    def test_withheld(self) -> None:
        """An address that a client's file fixes is handed out no more, not even to whom it is remembered for; other
        addresses change nothing.
        """
        pool = Pool(SMALL, IPv6Network("fd00::/64"), {"a": 0})
        pool.withhold(IPv4Address("10.9.0.2"), IPv6Address("fd00::1002"))
        pool.withhold(IPv4Address("10.9.0.1"), IPv4Address("10.9.0.7"), IPv4Address("10.9.1.2"), IPv6Address("fd00::2"))
        self.assertEqual([taken(pool, name).index for name in "abc"], [1, 3, 4])
        self.assertIsNone(pool.take("d"))

    def test_withheld_pair(self) -> None:
        """Any address of a place of four takes the place out."""
        for number in (4, 5, 6, 7):
            pool = Pool(IPv4Network("10.9.0.0/28"), None, {}, "net30")
            pool.withhold(IPv4Address(f"10.9.0.{number}"), IPv4Address("10.9.0.3"))
            self.assertEqual([taken(pool, "a").texts, pool.take("b")], [("10.9.0.10",), None])

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(st.sampled_from(["take", "give back", "forget"]), st.integers(0, 9)), max_size=60))
    def test_no_two_share_a_place(self, steps: list[tuple[str, int]]) -> None:
        """Whatever the sequence, no two in use share a place, and none is refused while there is one."""
        pool = Pool(SMALL, None, {"3": 1, "7": 4})
        in_use: list[Lease] = []
        for word, number in steps:
            if word == "take":
                lease = pool.take(str(number))
                self.assertEqual(lease is None, len(in_use) == pool.size)
                in_use += [lease] if lease is not None else []
            elif in_use:
                lease = in_use.pop(number % len(in_use))
                (pool.give_back if word == "give back" else pool.forget)(lease)
            indexes = [lease.index for lease in in_use]
            self.assertEqual(len(set(indexes)), len(indexes))
            self.assertTrue(all(0 <= index < pool.size for index in indexes))
