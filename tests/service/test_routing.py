"""Routes that the kernel does not let us take back."""

from __future__ import annotations

from ipaddress import IPv4Network
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop
from tvpn.service import routing
from tvpn.service.routing import RoutingTable


class ClearTests(SynchronousTestCase):
    def test_fails(self) -> None:
        """What cannot be taken back keeps nothing else from ending: it is told, and stays in the journal."""
        journal = mock.Mock()
        table = RoutingTable(journal)
        log = table._log = mock.Mock()
        table._entries = {Entry(IPv4Network("198.51.100.7/32"), Hop(2)): None}
        self.patch(routing, "Netlink", mock.Mock(side_effect=TvpnError("cannot speak to the kernel")))
        table.clear()
        self.assertIn("tvpn disconnect", log.warn.call_args.args[0])
        journal.write.assert_not_called()
