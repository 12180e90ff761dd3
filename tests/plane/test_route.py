"""Whose inner address it is."""

from __future__ import annotations

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
