"""The wire for hours: bad ones, and strangers who do not tire."""

from __future__ import annotations

import gc
import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.openvpn.test_renegotiation import StreamTestCase
from tests.session.test_orderings import WalkTestCase
from tests.whole.noise import NoisyTunnel
from tests.whole.simulation import V2_KEY, Disconnected, Left
from tests.whole.stranger import StrangerTestCase
from tests.whole.test_stranger import inner_garbage, metadata_cases
from tvpn.crypto.statickey import TLSCryptV2ClientKey
from tvpn.session.life import Stage
from tvpn.wire.header import Opcode


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

    def each_side(self, **stock: str) -> None:
        for initiator in ("server", "client", "both"):
            self.check(initiator, 50, 20, **stock)

    def test_own(self) -> None:
        """Between our own server and client nothing is lost, doubled or out of order, whoever begins."""
        self.each_side()

    def test_stock_client(self) -> None:
        """Nor with a stock client."""
        self.each_side(client="stock")

    def test_stock_server(self) -> None:
        """Nor with a stock server."""
        self.each_side(server="stock")

    def test_lossy_wire(self) -> None:
        """At 5 % loss nothing is doubled or out of order, and never do two seconds pass without a datagram."""
        for initiator in ("server", "client"):
            for outcome in self.check(initiator, 10, 15, loss="5"):
                self.assertLess(outcome.pause, 2000)
                self.assertGreater(outcome.received, outcome.sent * 0.92)


class StrangerTests(StrangerTestCase):
    """What a stranger with a key repeats for hours leaves nothing behind."""

    timeout = 3600

    def grown(self, begin: int) -> int:
        """Bytes of memory more than then."""
        gc.collect()
        return resident() - begin

    def test_wrapped_keys(self) -> None:
        """W-08: a hundred thousand genuine keys with all kinds of metadata leave no memory taken."""
        stranger = self.meet("tls-crypt-v2")
        keys = [TLSCryptV2ClientKey(stranger.key.key, V2_KEY.wrap(stranger.key.key, m)) for m in metadata_cases()]
        begin = 0
        for number in range(110_000):
            if number == 10_000:
                begin = self.grown(0)
            stranger.key = keys[number % len(keys)]
            stranger.send(stranger.reset())
            self.world.trace.clear()
        self.assertLess(self.grown(begin), 1 << 20)
        self.unharmed()

    def test_inner_garbage(self) -> None:
        """W-09: a hundred thousand authentic datagrams with garbage inside, in a session and without, nor do they."""
        for within in (False, True):
            stranger = self.meet("tls-crypt-v2")
            dice = random.Random(11)
            if within:
                fields = {"acks": (0,), "remote_session_id": stranger.cookie(), "message_id": 1}
                stranger.send(stranger.packet(Opcode.CONTROL_WKC, **fields))
            begin = 0
            for number in range(110_000):
                if number == 10_000:
                    begin = self.grown(0)
                stranger.send(inner_garbage(dice, stranger))
                self.world.server.events.clear()
                self.world.trace.clear()
            self.assertLess(self.grown(begin), 1 << 20)
            self.world.run(70)
            self.world.server.events.clear()
            self.unharmed()


def resident() -> int:
    """Bytes of this process's memory that are really there."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class WalkTests(WalkTestCase):
    timeout = 3600

    def test_walks(self) -> None:
        """S-03: a hundred thousand sessions whose peer, hub and clock throw dice: nothing is raised."""
        self.assertIn((Stage.ADMITTED, 2), self.walks(100_000))
