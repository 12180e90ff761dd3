"""The wire for hours: bad ones, and strangers who do not tire."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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
