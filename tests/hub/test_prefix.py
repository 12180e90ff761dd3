"""Fairness by source prefix."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.prefix import MOST_PREFIXES, Buckets, Crowd, Tally, prefix_of


class PrefixTests(SynchronousTestCase):
    def test_table(self) -> None:
        """IPv4 counts by /24, IPv6 by /64, scopes do not count."""
        table = [
            (("192.0.2.1", 1), "c00002"),
            (("192.0.2.255", 2), "c00002"),
            (("192.0.3.1", 1), "c00003"),
            (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "20010db800010002"),
            (("2001:db8:1:2::", 9, 0, 0), "20010db800010002"),
            (("fe80::1%eth0", 1, 0, 2), "fe80000000000000"),
        ]
        for address, prefix in table:
            self.assertEqual(prefix_of(address).hex(), prefix)


class BucketTests(SynchronousTestCase):
    def test_burst_and_rate(self) -> None:
        """The burst at once, then so many a second, and never more than the burst after a pause."""
        buckets = Buckets(3, 2.0)
        self.assertEqual([buckets.take(b"a", 0.0) for _ in range(4)], [True, True, True, False])
        self.assertEqual([buckets.take(b"a", 1.0) for _ in range(3)], [True, True, False])
        self.assertEqual([buckets.take(b"a", 1000.0) for _ in range(4)], [True, True, True, False])

    def test_neighbours(self) -> None:
        """One prefix's flood costs another one nothing."""
        buckets = Buckets(2, 1.0)
        for _ in range(100):
            buckets.take(b"a", 0.0)
        self.assertTrue(buckets.take(b"b", 0.0))

    def test_bounded(self) -> None:
        """However many prefixes come, no more are remembered than the bound; the latest stay."""
        buckets = Buckets(1, 0.0)
        for number in range(MOST_PREFIXES + 10):
            buckets.take(number.to_bytes(3, "big"), 0.0)
        self.assertEqual(len(buckets._levels), MOST_PREFIXES)
        self.assertFalse(buckets.take((MOST_PREFIXES + 9).to_bytes(3, "big"), 0.0))


class TallyTests(SynchronousTestCase):
    def test_first_and_then_sometimes(self) -> None:
        """The first is told at once, then one in ten seconds with how many there were."""
        tally = Tally(10.0)
        answers = [tally.count("forged", b"a", now) for now in (0.0, 1.0, 2.0, 9.9, 10.0, 11.0, 30.0)]
        self.assertEqual(answers, [1, 0, 0, 0, 4, 0, 2])

    def test_apart(self) -> None:
        """Reasons and prefixes are counted apart."""
        tally = Tally(10.0)
        told = [tally.count(reason, prefix, 0.0) for reason in ("x", "y") for prefix in (b"a", b"b")]
        self.assertEqual(told, [1, 1, 1, 1])

    def test_bounded(self) -> None:
        """However many sources there are, memory is bounded."""
        tally = Tally()
        for number in range(MOST_PREFIXES + 10):
            tally.count("x", number.to_bytes(3, "big"), 0.0)
        self.assertEqual(len(tally._seen), MOST_PREFIXES)


class ManySourcesTests(SynchronousTestCase):
    def test_log_of_many_prefixes(self) -> None:
        """D-05: five thousand prefixes are told of ten times, and again only after the interval."""
        tally = Tally()
        told = [tally.count("forged", number.to_bytes(3, "big"), 1.0) for number in range(5000)]
        self.assertEqual(sum(number > 0 for number in told), 10)
        self.assertEqual(tally.count("other", b"abc", 1.0), 1)
        self.assertEqual(tally.count("forged", b"new", 12.0), 1)

    def test_crowd(self) -> None:
        """D-09: a site may have its share, a smaller one when it is crowded, and another site still gets in."""
        crowd = Crowd(most=20, most_of_site=5, busy=10, most_when_busy=2)
        for number in range(5):
            self.assertTrue(crowd.has_room((f"192.0.2.{number}", 1)))
            crowd.add((f"192.0.2.{number}", 1))
        self.assertFalse(crowd.has_room(("192.0.2.99", 1)))
        for number in range(5):
            crowd.add((f"2001:db8:1:{number}::1", 1))
        self.assertFalse(crowd.has_room(("2001:db8:1:99::1", 1)))
        for place in ("198.51.100.1", "198.51.100.2"):
            self.assertTrue(crowd.has_room((place, 1)))
            crowd.add((place, 1))
        self.assertFalse(crowd.has_room(("198.51.100.3", 1)))
        crowd.remove(("198.51.100.1", 1))
        self.assertTrue(crowd.has_room(("198.51.100.3", 1)))
        self.assertEqual(crowd.total, 11)
