"""Where a remote is, by name and by family."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.defer import ensureDeferred, execute
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Proxy, Remote
from tvpn.errors import TvpnError
from tvpn.service import caller
from tvpn.service.caller import Caller, Destination, resolve


class ResolveTests(SynchronousTestCase):
    """Names to addresses."""

    def test_literal(self) -> None:
        """An address is itself, of its own family."""
        self.assertEqual(resolve("192.0.2.1", 1194, 0, 3), (socket.AF_INET, ("192.0.2.1", 1194)))
        self.assertEqual(resolve("2001:db8::1", 443, 6, 0), (socket.AF_INET6, ("2001:db8::1", 443, 0, 0)))

    def test_wrong_family(self) -> None:
        """An address of the family that was not asked for is a sentence with the name."""
        for host, family in (("192.0.2.1", 6), ("2001:db8::1", 4)):
            error = self.assertRaises(TvpnError, resolve, host, 1194, family, 0)
            self.assertIn(f"cannot find the address of {host}: ", str(error))


class ProxyTests(SynchronousTestCase):
    """A server behind a proxy."""

    remote = Remote("vpn.example", 443, 4, "tcp", Proxy("http", "proxy.example", 3128))

    def setUp(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.patch(caller, "deferToThread", execute)
        self.patch(caller, "resolve", self.resolve)
        self.caller = Caller(None, [self.remote], mock.Mock(), mock.Mock(), mock.Mock())

    def resolve(self, *wanted: Any) -> tuple[int, Any]:
        self.asked.append(wanted)
        return socket.AF_INET, ("192.0.2.9", 3128)

    def test_found(self) -> None:
        """It is the proxy that is looked up, and the server's name is asked nobody."""
        found = self.successResultOf(ensureDeferred(self.caller.find()))
        self.assertEqual(found, Destination(self.remote, socket.AF_INET, ("192.0.2.9", 3128)))
        self.assertEqual(self.asked, [("proxy.example", 3128, 4, 0)])

    def test_no_socket(self) -> None:
        """Where our own socket cannot be had the proxy is hung up on."""
        remote = Remote("vpn.example", 1194, 4, "udp", Proxy("socks", "proxy.example", 1080))
        call = mock.Mock()
        self.caller._proxies.call = mock.AsyncMock(return_value=(call, 40000))  # type: ignore[method-assign]
        self.patch(caller, "open_udp", mock.Mock(side_effect=TvpnError("no more descriptors")))
        opening = ensureDeferred(self.caller.open(Destination(remote, socket.AF_INET, ("192.0.2.9", 1080))))
        self.assertEqual(self.failureResultOf(opening, TvpnError).getErrorMessage(), "no more descriptors")
        call.hang_up.assert_called_once_with()
