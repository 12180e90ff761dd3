"""Where a remote is, by name and by family."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.service.caller import resolve


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
