"""What comes late in the life of a connection, and must not end it."""

from __future__ import annotations

from ipaddress import IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import Disconnected, Left, Limits, Options, World
from tvpn.hub.event import Joined
from tvpn.hub.rules import ServerRules, Verdict
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.wire.header import Opcode
from tvpn.wire.message import PUSH_REQUEST

#: Clients are told to ping, so that a quiet hour is no death.
PINGED = ServerRules(IPv4Network("10.9.0.0/24"), None, ("ping 10",), PeerSpec(ping=10, timeout=60))


class LateTests(SynchronousTestCase):
    def test_push_request_after_the_hand_window(self) -> None:
        """A PUSH_REQUEST long after the handshake is answered anew, and the session goes on."""
        world = World(Options(rules=PINGED))
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        world.run(70)
        client.hub.session.send_message(PUSH_REQUEST)
        client.flush()
        world.run(20)
        self.assertEqual((world.server.told(Left), client.told(Disconnected)), ([], []))
        self.assertTrue(world.passes(client))

    def test_short_transition(self) -> None:
        """A transition window shorter than the deferral of the new key leaves no moment without a key to send with."""
        limits = Limits(longest=600, shortest=600, transition=5)
        world = World(Options(client_limits=limits, server_limits=limits, rules=PINGED))
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        world.run(700, lambda: client.hub.session._exchange.key_id == 1)
        for _ in range(20):
            world.run(0.5)
            self.assertTrue(world.passes(client))

    def test_silent_after_the_cookie(self) -> None:
        """Who proves an address and then says nothing of TLS is forgotten after ten seconds."""
        world = World(Options())
        client = world.client()
        world.run(1, world.connected(client))
        reset, answer = world.trace[0][3], world.trace[1][3]
        ack = bytes([Opcode.ACK << 3]) + reset[1:9] + bytes([1, 0, 0, 0, 0]) + answer[1:9]
        hub = world.server.hub
        hub.disconnect(1, "make room", world.now)
        del world.nodes[client.place]
        world.run(10)
        self.assertEqual(len(hub.roster), 0)
        hub.receive(Endpoint("wire", client.place), ack, world.now)
        self.assertEqual(len(hub.roster), 1)
        world.run(9)
        self.assertEqual(len(hub.roster), 1)
        world.run(2)
        self.assertEqual(len(hub.roster), 0)

    def test_full_server(self) -> None:
        """A refusal that is no fault of the client's is temporary: it tries again, and gets in when there is room."""
        answers = iter([Verdict(False, "busy", "come back", temporary=True), Verdict(True)])
        world = World(Options(verdict=lambda _: next(answers)))
        client = world.client()
        world.run(10, lambda: bool(client.told(Disconnected)))
        (refused,) = client.told(Disconnected)
        self.assertEqual((refused.reason, refused.retry), ("the server refused us: come back", True))
        world.client(2)
        self.assertTrue(world.run(10, lambda: bool(world.server.told(Joined))))
