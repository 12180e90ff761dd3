"""The warden of a device, in front of a kernel that says what it is told to."""

from __future__ import annotations

from ipaddress import IPv4Interface, ip_address
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.net.netlink import Link
from tvpn.service import warden
from tvpn.service.warden import Warden

OWN = IPv4Interface("10.9.0.2/24")
WHOLE = Link("tap0", True, [OWN.ip, ip_address("fe80::1")])


class WardenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.netlink = mock.MagicMock()
        self.netlink.__enter__.return_value = self.netlink
        self.patch(warden, "Netlink", lambda: self.netlink)
        self.patch(warden, "Monitor", mock.Mock())
        self.heard: list[str] = []
        self.warden = Warden(MemoryReactorClock(), "tap0", [OWN], self.heard.append)
        self.warden._log = mock.Mock()
        self.warden.start()

    def test_whole(self) -> None:
        """A device as it should be is no news, and neither is one that cannot be looked at just now."""
        self.netlink.link.side_effect = [WHOLE, TvpnError("cannot look at a device: no room"), WHOLE]
        for _ in range(3):
            self.warden._look()
        self.assertEqual((self.heard, self.warden._log.warn.call_count), ([], 1))  # type: ignore[attr-defined]

    def test_harm(self) -> None:
        """Each harm is a sentence about a device, of whatever kind it is."""
        for link, said in (
            (None, "was deleted"), (WHOLE._replace(name="x"), "was renamed to x"),
            (WHOLE._replace(is_up=False), "was taken down"), (WHOLE._replace(addresses=[]), "has lost its address"),
        ):  # fmt: skip
            self.netlink.link.return_value = link
            self.warden._look()
            self.assertIn(f"the device tap0 {said}", self.heard.pop())

    def test_no_start(self) -> None:
        """A device that cannot be found, or a kernel that cannot be asked, is an error of the start."""
        self.netlink.index.side_effect = TvpnError("there is no device tap0")
        self.assertRaises(TvpnError, self.warden.start)
