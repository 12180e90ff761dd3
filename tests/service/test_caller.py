"""The link to whom is called."""

from __future__ import annotations

import socket
from unittest import mock

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Proxy, Remote
from tvpn.errors import TvpnError
from tvpn.net.lookup import Place
from tvpn.service import caller
from tvpn.service.caller import Caller
from tvpn.service.itinerary import Destination


class ProxyTests(SynchronousTestCase):
    """A server behind a proxy."""

    def test_no_socket(self) -> None:
        """Where our own socket cannot be had the proxy is hung up on."""
        remote = Remote("vpn.example", 1194, 4, "udp", Proxy("socks", "proxy.example", 1080))
        call = mock.Mock()
        calling = Caller(None, mock.Mock(), mock.Mock(), mock.Mock())
        calling._proxies.call = mock.AsyncMock(return_value=(call, 40000))  # type: ignore[method-assign]
        self.patch(caller, "open_udp", mock.Mock(side_effect=TvpnError("no more descriptors")))
        destination = Destination(remote, Place(socket.AF_INET, ("192.0.2.9", 1080)))
        opening = ensureDeferred(calling.open(destination))
        self.assertEqual(self.failureResultOf(opening, TvpnError).getErrorMessage(), "no more descriptors")
        call.hang_up.assert_called_once_with()
