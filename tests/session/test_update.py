"""Pushed options that change: what replaces what."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import PeerError
from tvpn.session.update import UPDATABLE, updated

OLD = ["topology subnet", "route 10.1.0.0 255.255.0.0", "route 10.2.0.0 255.255.0.0", "route-gateway 10.9.0.1",
       "ping 10", "ping-restart 60", "dhcp-option DNS 192.0.2.1", "peer-id 3"]  # fmt: skip


class UpdateTests(SynchronousTestCase):
    def test_replaces(self) -> None:
        """The first of a word in an update clears all earlier ones, later ones add; other words stay as they are."""
        routes = ["route 10.3.0.0 255.255.0.0", "route 10.4.0.0 255.255.0.0"]
        self.assertEqual(updated(OLD, routes), [OLD[0], *OLD[3:], *routes])
        self.assertEqual(updated(OLD, [routes[0], "dns search-domains x", routes[1]])[-3:],
                         [routes[0], "dns search-domains x", routes[1]])  # fmt: skip
        self.assertEqual(updated(OLD, []), OLD)

    def test_removes(self) -> None:
        """A minus takes all of that word away, not of one that begins like it; what is not there is no error."""
        self.assertEqual(updated(OLD, ["-route"]), [OLD[0], *OLD[3:]])
        self.assertEqual(updated(OLD, ["-dns", "-?block-ipv6"]), OLD)
        again = ["route 10.3.0.0", "-route", "route 10.4.0.0"]
        self.assertEqual(updated(OLD, again), [OLD[0], *OLD[3:], "route 10.4.0.0"])

    def test_keepalive(self) -> None:
        """keepalive stands for ping and ping-restart."""
        self.assertEqual(updated(OLD, ["keepalive 5 20"]), [*OLD[:4], *OLD[6:], "ping 5", "ping-restart 20"])
        self.assertEqual(updated(OLD, ["-keepalive"]), [*OLD[:4], *OLD[6:]])

    def test_cannot_change(self) -> None:
        """M-05: what cannot change in place asks for a new connection, marked optional it is skipped."""
        for word in ("bogus 1", "cipher AES-128-GCM", "peer-id 7", "up /bin/sh", "auth-token x", "routes 10.0.0.0",
                     "-peer-id", "-route 10.1.0.0", "", "-", "--route"):  # fmt: skip
            self.assertRaises(PeerError, updated, OLD, ["route 10.9.0.0", word])
        for word in ("?bogus 1", "-?peer-id", "?", "-?", "?-route"):
            self.assertEqual(updated(OLD, [word]), OLD)
        self.assertEqual(updated(OLD, ["?tun-mtu 1400"]), [*OLD, "tun-mtu 1400"])

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.builds(
        "{}{} {}".format, st.sampled_from(["", "-", "?", "-?"]), st.sampled_from([*sorted(UPDATABLE), "ping", "x"]),
        st.text(max_size=5)), max_size=8))  # fmt: skip
    def test_garbage(self, changes: list[str]) -> None:
        """M-05: any changes leave a list without their marks, or ask for a new connection."""
        try:
            result = updated(OLD, changes)
        except PeerError:
            return
        self.assertIn("peer-id 3", result)
        self.assertFalse([option for option in result if option.startswith(("-", "?"))])
