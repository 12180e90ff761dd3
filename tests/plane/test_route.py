"""Whose inner address it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.plane.route import Routes


class RouteTests(SynchronousTestCase):
    def test_owner(self) -> None:
        """Each address belongs to who got it last; unknown and empty ones to nobody."""
        routes = Routes()
        routes.add((b"v4-a", b"sixteen bytes v6"), 1)
        routes.add((b"v4-b",), 2)
        owners = [routes.owner(address) for address in (b"v4-a", b"sixteen bytes v6", b"v4-b", b"v4-c", b"")]
        self.assertEqual(owners, [1, 1, 2, None, None])
        routes.add((b"v4-a",), 2)
        self.assertEqual(routes.owner(b"v4-a"), 2)

    def test_remove(self) -> None:
        """With a peer go its own addresses, not those that another one has taken over."""
        routes = Routes()
        routes.add((b"a", b"b"), 1)
        routes.add((b"b",), 2)
        routes.remove(1)
        routes.remove(7)
        self.assertEqual([routes.owner(address) for address in (b"a", b"b")], [None, 2])

    def test_networks(self) -> None:
        """An address in a network belongs to who has the longest prefix; an address of one's own goes before all."""
        routes = Routes()
        routes.add((b"\x0a\x01\x02\x03",), 1, [(b"\xc0\xa8\0\0", 16), (b"\xfd" + bytes(15), 8)])
        routes.add((), 2, [(b"\xc0\xa8\x07\0", 24), (b"\x0a\x01\x02\x03", 32), (b"\0" * 4, 0)])
        table = [
            ("c0a80001", 1), ("c0a807ff", 2), ("c0a80800", 1), ("c0a7ffff", 2), ("0a010203", 1), ("0a010204", 2),
            ("fd" + "00" * 14 + "01", 1), ("fe" + "00" * 15, None), ("", None), ("fd", None),
        ]  # fmt: skip
        for address, owner in table:
            self.assertEqual(routes.owner(bytes.fromhex(address)), owner, address)
        routes.remove(2)
        self.assertEqual(routes.owner(bytes.fromhex("c0a807ff")), 1)
        routes.remove(1)
        self.assertIsNone(routes.owner(bytes.fromhex("c0a80001")))

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=20), st.integers(0, 2**32 - 1))
    def test_against_slow_search(self, wanted: list[tuple[int, int]], address: int) -> None:
        """The table answers what a search through all networks answers."""
        networks = [IPv4Network((number, length), strict=False) for number, length in wanted]
        routes = Routes()
        for peer, network in enumerate(networks):
            routes.add((), peer, [(network.network_address.packed, network.prefixlen)])
        host = IPv4Address(address)
        fits = [(each.prefixlen, peer) for peer, each in enumerate(networks) if host in each]
        self.assertEqual(routes.owner(host.packed), max(fits, default=(0, None))[1])
