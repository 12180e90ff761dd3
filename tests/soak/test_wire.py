"""The wire for hours: bad ones, and strangers who do not tire."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.openvpn.test_renegotiation import StreamTestCase
from tests.whole.noise import NoisyTunnel
from tests.whole.simulation import Disconnected, Left


class TunnelTests(SynchronousTestCase):
    timeout = 3600

    def test_noisy_wire(self) -> None:
        """F-03: of a million packets on a noisy wire no wrong and no doubled one comes out, over 50 renegotiations."""
        tunnel = NoisyTunnel("tls-crypt-v2", 3, pause=0.1)
        self.assertTrue(tunnel.connect())
        tunnel.run(500_000)
        self.assertEqual(tunnel.bad, [])
        for arrived in tunnel.arrived:
            self.assertGreater(arrived, 450_000)
        self.assertEqual([node.told(Left) + node.told(Disconnected) for node in tunnel.ends], [[], []])
        self.assertEqual(tunnel.key_ids, set(range(8)))


class RenegotiationTests(StreamTestCase):
    """F-09: twenty new keys while 50 Mbit/s go each way."""

    timeout = 3600

    def test_own(self) -> None:
        """Between our own server and client nothing is lost, doubled or out of order, whoever begins."""
        self.check("server", 50, 20)
        self.check("client", 50, 20)

    def test_stock_client(self) -> None:
        """Nor with a stock client."""
        self.check("server", 50, 20, client="stock")
        self.check("client", 50, 20, client="stock")

    def test_stock_server(self) -> None:
        """Nor with a stock server."""
        self.check("server", 50, 20, server="stock")
        self.check("client", 50, 20, server="stock")

    def test_lossy_wire(self) -> None:
        """At 5 % loss nothing is doubled or out of order, and never do two seconds pass without a datagram."""
        for initiator in ("server", "client"):
            for outcome in self.check(initiator, 10, 15, loss="5"):
                self.assertLess(outcome.pause, 2000)
                self.assertGreater(outcome.received, outcome.sent * 0.92)
