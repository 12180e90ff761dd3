"""What strangers send: replays, garbage, mutations. Nothing raises, nobody comes in, bystanders do not notice."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    PROTECTIONS,
    SERVER_ADDRESS,
    SERVER_PLACE,
    SIGNER,
    Disconnected,
    Joined,
    Left,
    Node,
    Options,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.wire.header import DATA_FIRST_BYTES

ATTACKER = ("203.0.113.66", 666)


def mutated(dice: random.Random, datagram: bytes) -> bytes:
    """The datagram with some bytes changed, cut, repeated or inserted."""
    copy = bytearray(datagram)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(copy) + 1)
        match dice.randrange(4):
            case 0 if at < len(copy):
                copy[at] ^= 1 << dice.randrange(8)
            case 1:
                del copy[at:]
            case 2:
                copy[at:at] = dice.randbytes(dice.randrange(1, 9))
            case _:
                copy += copy[at:]
    return bytes(copy[:65507])


class ReplayTests(SynchronousTestCase):
    def setting(self, protection: str) -> tuple[World, Node, list[bytes]]:
        """A connected client that has sent data, and all that it has sent."""
        world = World(Options(protection))
        client = world.client()
        world.run(1, world.connected(client))
        self.assertTrue(world.passes(client))
        return world, client, [data for _, sender, _, data in world.trace if sender == client.place]

    def test_during_the_session(self) -> None:
        """S-02: all of the client's datagrams again from its own address: nothing twice, no second session, no harm."""
        for protection in PROTECTIONS:
            world, client, recorded = self.setting(protection)
            world.server.delivered.clear()
            for datagram in recorded * 3:
                world.server.receive(client.place, datagram)
            world.run(1)
            self.assertEqual(world.server.delivered, [])
            self.assertEqual(world.server.told(Left), [])
            self.assertEqual(len(world.server.told(Joined)), 1)
            self.assertTrue(world.passes(client), protection)

    def test_from_elsewhere(self) -> None:
        """S-08: the same from another address makes no state and moves nobody."""
        for protection in PROTECTIONS:
            world, client, recorded = self.setting(protection)
            for datagram in recorded * 10:
                world.server.receive(ATTACKER, datagram)
            world.run(1)
            self.assertEqual(len(world.server.hub.roster), 1)
            self.assertEqual(world.server.plane.endpoint(0).address, client.place)
            self.assertTrue(world.passes(client), protection)

    def test_no_amplification(self) -> None:
        """Of a whole replayed handshake only the reset is answered, with twelve bytes more than it has at most."""
        for protection in PROTECTIONS:
            world, _, recorded = self.setting(protection)
            begin = len(world.trace)
            for datagram in recorded:
                world.server.receive(ATTACKER, datagram)
            answers = [data for _, _, receiver, data in world.trace[begin:] if receiver == ATTACKER]
            self.assertEqual(len(answers), 1)
            self.assertLessEqual(len(answers[0]), len(recorded[0]) + 12, protection)

    def test_after_the_session(self) -> None:
        """S-02: after the client has left its handshake again leads nowhere: nobody joins, and what began ends."""
        for protection in PROTECTIONS:
            world, client, recorded = self.setting(protection)
            client.hub.stop("", world.now)
            client.flush()
            world.run(10)
            del world.nodes[client.place]
            for datagram in recorded:
                world.server.receive(client.place, datagram)
            world.run(70)
            self.assertEqual(len(world.server.told(Joined)), 1)
            self.assertEqual(len(world.server.hub.roster), 0)


class GarbageTests(SynchronousTestCase):
    def setting(self, protection: str) -> tuple[World, Node, list[bytes]]:
        """A world with a bystander that is connected, and a recorded handshake of somebody else."""
        world = World(Options(protection))
        bystander, other = world.client(), world.client(2, SIGNER.issue("bob"))
        world.run(1, world.connected(bystander, other))
        recorded = [data for _, sender, _, data in world.trace if sender == other.place]
        other.hub.stop("", world.now)
        other.flush()
        world.run(10)
        del world.nodes[other.place]
        world.server.events.clear()
        return world, bystander, recorded

    def unharmed(self, world: World, bystander: Node, why: str) -> None:
        self.assertEqual(world.server.told(Joined) + world.server.told(Left), [], why)
        self.assertEqual(len(world.server.hub.roster), 1, why)
        self.assertTrue(world.passes(bystander), why)

    def test_random_datagrams(self) -> None:
        """Ten thousand random datagrams, from a stranger's and from the bystander's address."""
        for number, protection in enumerate(PROTECTIONS):
            dice = random.Random(number)
            world, bystander, _ = self.setting(protection)
            for _ in range(2000):
                datagram = bytes([dice.randrange(256)]) + dice.randbytes(dice.choice((0, 7, 8, 13, 40, 60, 400, 1200)))
                world.server.receive(dice.choice((ATTACKER, bystander.place)), datagram)
            self.unharmed(world, bystander, protection)

    def test_mutated_datagrams(self) -> None:
        """Ten thousand mutations of a genuine handshake, from a stranger's address."""
        for number, protection in enumerate(PROTECTIONS):
            dice = random.Random(number)
            world, bystander, recorded = self.setting(protection)
            for _ in range(2000):
                world.server.receive(ATTACKER, mutated(dice, dice.choice(recorded)))
            self.unharmed(world, bystander, protection)

    def test_mutations_of_the_bystander(self) -> None:
        """With a wrapping even mutations of its own datagrams from its own address do the bystander no harm."""
        for number, protection in enumerate(PROTECTIONS[1:]):
            dice = random.Random(number)
            world, bystander, _ = self.setting(protection)
            own = [data for _, sender, _, data in world.trace if sender == bystander.place]
            for _ in range(2000):
                world.server.receive(bystander.place, mutated(dice, dice.choice(own)))
            self.unharmed(world, bystander, protection)

    def test_mutations_at_the_client(self) -> None:
        """A client takes mutated datagrams of its server for nothing, wherever they come from."""
        for number, protection in enumerate(PROTECTIONS[1:]):
            dice = random.Random(number)
            world, bystander, _ = self.setting(protection)
            own = [data for _, _, receiver, data in world.trace if receiver == bystander.place]
            for _ in range(2000):
                bystander.receive(dice.choice((SERVER_PLACE, ATTACKER)), mutated(dice, dice.choice(own)))
            self.assertEqual(bystander.told(Disconnected), [])
            self.unharmed(world, bystander, protection)

    def test_mutations_without_wrapping(self) -> None:
        """Without one the session may suffer, but nothing raises and nobody comes in."""
        dice = random.Random(9)
        world, bystander, _ = self.setting("none")
        own = [data for _, sender, _, data in world.trace if sender == bystander.place]
        for _ in range(2000):
            world.server.receive(bystander.place, mutated(dice, dice.choice(own)))
            world.run(0.01)
        self.assertEqual(world.server.told(Joined), [])

    def test_during_a_handshake(self) -> None:
        """Mutations that arrive between the genuine packets of a handshake do not stop it, with a wrapping."""
        for number, protection in enumerate(PROTECTIONS[1:]):
            dice = random.Random(number)
            world = World(Options(protection))
            client = world.client()
            for _ in range(200):
                world.step(world.now + 0.01)
                sent = [data for _, sender, _, data in world.trace if sender == client.place]
                world.server.receive(client.place, mutated(dice, dice.choice(sent)))
            self.assertTrue(world.run(10, world.connected(client)), protection)


class InsiderTests(SynchronousTestCase):
    def test_foreign_source(self) -> None:
        """A client cannot send as another one: such packets are counted and dropped."""
        world = World()
        alice, bob = world.client(1), world.client(2, SIGNER.issue("bob"))
        world.run(1, world.connected(alice, bob))
        bob.send(ipv4_packet(address_of(alice), SERVER_ADDRESS, b"as alice"))
        world.run(1)
        self.assertEqual(world.server.delivered, [])
        self.assertEqual(world.server.plane.counters(1).drops, {"foreign-source": 1})

    def test_other_ones_peer_id(self) -> None:
        """A data packet under another client's peer id does not open."""
        world = World()
        alice, bob = world.client(1), world.client(2, SIGNER.issue("bob"))
        world.run(1, world.connected(alice, bob))
        bob.send(ipv4_packet(address_of(bob), SERVER_ADDRESS, b"mine"))
        world.run(1)
        world.server.delivered.clear()
        datagram = next(data for _, sender, _, data in world.trace[::-1] if sender == bob.place)
        self.assertIn(datagram[0], DATA_FIRST_BYTES)
        self.assertEqual(datagram[1:4], b"\0\0\1")
        world.server.receive(bob.place, datagram[:1] + bytes(3) + datagram[4:])
        self.assertEqual(world.server.delivered, [])
        self.assertEqual(world.server.plane.counters(0).drops, {"data-forged": 1})
        self.assertTrue(world.passes(alice))
