"""A connected pair of sessions, and what a peer may not do with it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    STATIC_KEY,
    Disconnected,
    Joined,
    Left,
    Limits,
    Node,
    Options,
    World,
)
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import TLSCrypt, Unwrapped
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode

NEVER = Limits(longest=0, shortest=0)
FUTURE = 0xFFFFFF00


class PeerTests(SynchronousTestCase):
    def connect(self, protection: str = "none", **more: object) -> tuple[World, Node]:
        world = World(Options(protection, server_limits=NEVER, client_limits=NEVER, **more))  # type: ignore[arg-type]
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        world.run(2)
        return world, client

    def forge(self, client: Node, opcode: Opcode, key_id: int, **fields: object) -> bytes:
        """A packet of the client's session, without a wrapping."""
        packet = ControlPacket(opcode, key_id, client.hub.session.session_id, **fields)  # type: ignore[arg-type]
        return Unwrapped().wrap(Stamp(0, 0), packet.header, packet.encode_body())


class FloodTests(PeerTests):
    def test_pull_flood(self) -> None:
        """S-09: a thousand PUSH_REQUESTs are acked and get one reply at most in thirty seconds."""
        world, client = self.connect()
        begin = len(world.trace)

        def replies() -> int:
            """Reliable packets of the server since then."""
            sent = [data for _, sender, _, data in world.trace[begin:] if sender == world.server.place]
            return sum(data[0] >> 3 == Opcode.CONTROL for data in sent)

        for _ in range(1000):
            client.hub.session.send_message("PUSH_REQUEST")
        client.flush()
        world.run(20)
        self.assertEqual(replies(), 0)
        world.run(20)
        client.hub.session.send_message("PUSH_REQUEST")
        client.flush()
        world.run(5)
        self.assertEqual(replies(), 1)
        self.assertEqual(len(client.events), 1)

    def test_renegotiation_flood(self) -> None:
        """S-06: a client that renegotiates without pause gets a new key once a second, and keeps its session."""
        world, client = self.connect()
        begin = len(world.trace)
        for _ in range(500):
            client.hub.session.renegotiate(world.now)
            client.flush()
            world.run(0.02)
        resets = [
            data for _, sender, _, data in world.trace[begin:]
            if sender == world.server.place and data[0] >> 3 == Opcode.SOFT_RESET
        ]  # fmt: skip
        self.assertTrue(2 <= len(resets) <= 11, len(resets))
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
        self.assertTrue(world.passes(client))

    def test_unknown_messages(self) -> None:
        """Messages that mean nothing here, empty, endless or unprintable, have no effect."""
        world, client = self.connect()
        texts = ("", "HELLO", "PUSH_REPLY,ping 1", "AUTH_FAILED", "x" * 3000, "EXIT\x07", "exit", "CR_RESPONSE,")
        for text in texts:
            client.hub.session.send_message(text)
        client.flush()
        world.run(5)
        self.assertEqual(world.server.told(Left), [])
        self.assertTrue(world.passes(client))


class OutOfPlaceTests(PeerTests):
    def check(self, datagram: bytes, reason: str, protection: str = "none") -> None:
        world, client = self.world, self.client
        world.server.receive(client.place, datagram)
        self.assertEqual(world.server.hub.drops, {reason: 1})
        world.server.hub.drops.clear()
        self.assertTrue(world.passes(client))

    def setUp(self) -> None:
        self.world, self.client = self.connect(peer_info={"IV_PROTO": "6", "IV_NCP": "2"})

    def test_reset_out_of_place(self) -> None:
        """Soft resets that skip a key id, return to 0 or carry a number, and resets within the session, are dropped."""
        table = [
            (self.forge(self.client, Opcode.SOFT_RESET, 2, message_id=0), "soft-reset-out-of-place"),
            (self.forge(self.client, Opcode.SOFT_RESET, 7, message_id=0), "soft-reset-out-of-place"),
            (self.forge(self.client, Opcode.SOFT_RESET, 1, message_id=1), "message-id-of-reset"),
            (self.forge(self.client, Opcode.CONTROL, 0, message_id=0), "message-id-of-reset"),
            (self.forge(self.client, Opcode.CONTROL, 1, message_id=1), "key-id-out-of-sync"),
            (self.forge(self.client, Opcode.HARD_RESET_SERVER_V2, 3, message_id=0), "key-id-out-of-sync"),
        ]
        for datagram, reason in table:
            self.check(datagram, reason)

    def test_foreign_session_ids(self) -> None:
        """Acks for another session of ours end the packet (section 3)."""
        session = self.client.hub.session
        self.check(
            self.forge(self.client, Opcode.ACK, 0, acks=(1,), remote_session_id=b"somebody"), "session-id-foreign"
        )
        self.assertNotEqual(session.remote_id, b"somebody")

    def test_static_key_after_dynamic(self) -> None:
        """Where dynamic tls-crypt holds a soft reset under the static key is refused."""
        world, client = self.connect("tls-crypt")
        packet = ControlPacket(Opcode.SOFT_RESET, 1, client.hub.session.session_id, message_id=0)
        datagram = TLSCrypt(STATIC_KEY, server=False).wrap(Stamp(1, FUTURE), packet.header, packet.encode_body())
        world.server.receive(client.place, datagram)
        self.assertEqual(world.server.hub.drops, {"tls-crypt-forged": 1})
        self.assertTrue(world.passes(client))


class HandWindowTests(PeerTests):
    def test_half_a_handshake(self) -> None:
        """Who stops in the middle of a handshake is forgotten after the hand-window, wherever he stopped."""
        for last in range(1, 14):
            world = World(Options("tls-crypt", fate=lambda number, *_, last=last: [0.0] if number < last else []))
            world.client()
            world.run(70)
            self.assertEqual(len(world.server.hub.roster), 0, f"after {last} datagrams")
            for left in world.server.told(Left):
                self.assertIn("seconds", left.reason)

    def test_no_verdict(self) -> None:
        """A verdict that never comes ends the attempt with a reason on both sides."""
        world = World(Options(verdict=lambda _: None))
        client = world.client()
        world.run(70)
        [left] = world.server.told(Left)
        self.assertEqual((left.reason, left.joined), ("the verdict did not finish within 60 seconds", False))
        [gone] = client.told(Disconnected)
        self.assertEqual(gone.reason, "the server's push did not finish within 60 seconds")
        self.assertEqual(world.server.told(Joined), [])
