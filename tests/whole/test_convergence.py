"""Renegotiations in any order, at any time, by both sides and by liars: both ends come to the same key again."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    SERVER_ADDRESS,
    SERVER_PLACE,
    Disconnected,
    Left,
    Limits,
    Node,
    Options,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.session.renegotiation import next_key_id
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import DATA_FIRST_BYTES, Opcode

NEVER = Limits(longest=0, shortest=0)
#: A client without dynamic tls-crypt: its control packets can be forged.
BARE = {"IV_PROTO": "6", "IV_NCP": "2"}


class ConvergenceTests(SynchronousTestCase):
    def setting(self, seed: int, bare: bool) -> tuple[World, Node, random.Random]:
        """Control packets are up to 0.7 s late, and so out of order; data is not."""
        dice = random.Random(seed)
        info = BARE if bare else None

        def fate(_number: int, _sender: tuple, datagram: bytes) -> list[float]:
            return [0.0 if datagram[0] in DATA_FIRST_BYTES else dice.random() * 0.7]

        protection = "none" if bare else "tls-crypt-v2"
        world = World(Options(protection, server_limits=NEVER, client_limits=NEVER, peer_info=info, fate=fate))
        client = world.client()
        self.assertTrue(world.run(20, world.connected(client)))
        world.run(2)
        return world, client, dice

    def stir(self, world: World, client: Node, dice: random.Random, bare: bool) -> None:
        """One thing that has to do with new keys."""
        [member] = world.server.hub.roster
        kind = dice.randrange(4 if bare else 3)
        if kind in (0, 2):
            client.hub.session.renegotiate(world.now)
        if kind in (1, 2):
            member.session.renegotiate(world.now)
        if kind == 3:
            # The right one would be a renegotiation: who can forge that can do worse.
            current = [session._exchange.key_id for session in (member.session, client.hub.session)]
            key_id = dice.choice([key_id for key_id in range(8) if key_id not in map(next_key_id, current)])
            for node, place, sender in ((world.server, client.place, client.hub.session.session_id),
                                        (client, SERVER_PLACE, member.session.session_id)):  # fmt: skip
                packet = ControlPacket(Opcode.SOFT_RESET, key_id, sender, message_id=0)
                node.receive(place, packet.header + packet.encode_body())
        client.flush()
        world.server.hub._speaking[member.number] = member
        world.server.flush()

    def check(self, seed: int, bare: bool) -> int:
        """A minute of it under a stream each way; how many keys there were."""
        world, client, dice = self.setting(seed, bare)
        away = [ipv4_packet(address_of(client), SERVER_ADDRESS, b"%04d" % number) for number in range(300)]
        back = [ipv4_packet(SERVER_ADDRESS, address_of(client), b"%04d" % number) for number in range(300)]
        keys = set()
        for number, (outgoing, incoming) in enumerate(zip(away, back, strict=True)):
            if number % 10 == 0:
                self.stir(world, client, dice, bare)
            client.send(outgoing)
            world.server.send(incoming)
            world.run(0.2)
            keys.add((number // 100, client.hub.session._exchange.key_id))
        world.run(10)
        why = f"seed {seed}"
        self.assertEqual((world.server.delivered, client.delivered), (away, back), why)
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [], why)
        [member] = world.server.hub.roster
        exchanges = [session._exchange for session in (member.session, client.hub.session)]
        self.assertEqual(exchanges[0].key_id, exchanges[1].key_id, why)
        self.assertEqual([exchange.finished for exchange in exchanges], [True, True], why)
        self.assertTrue(world.passes(client), why)
        return len(keys)

    def test_both_sides(self) -> None:
        """S-07: one side, the other, both at once, and again before it is done: nothing is lost (50 seeds)."""
        self.assertGreater(min(self.check(seed, bare=False) for seed in range(50)), 10)

    def test_with_liars(self) -> None:
        """S-07: the same with forged soft resets of reused, skipped and zero key ids in between (50 seeds)."""
        self.assertGreater(min(self.check(seed, bare=True) for seed in range(50)), 10)
