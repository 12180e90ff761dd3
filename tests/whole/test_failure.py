"""One session's TLS, or an error of ours, fails: that session ends, and nobody else notices."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import SIGNER, Connected, Left, Node, Options, World
from tvpn.wire.message import encode_message


class FailureTests(SynchronousTestCase):
    def connected(self) -> tuple[World, Node, Node]:
        world = World(Options())
        alice, bob = world.client(1), world.client(2, SIGNER.issue("bob"))
        self.assertTrue(world.run(5, world.connected(alice, bob)))
        world.run(5)
        return world, alice, bob

    def ruin(self, world: World, client: Node) -> None:
        """A good record of the client's and a corrupted one, in one packet."""
        tls = client.hub.session._exchange.tls
        pull = tls.pull

        def corrupted(limit: int) -> bytes:
            data = pull(limit)
            return data[:-1] + bytes([data[-1] ^ 1]) if data else data

        tls._connection.sendall(encode_message("PUSH_REQUEST"))
        tls._connection.sendall(encode_message("PUSH_REQUEST"))
        tls.pull = corrupted
        client.flush()
        world.run(1)

    def test_broken_tls(self) -> None:
        """A record that TLS does not take ends its session at once; whatever is said to all reaches the others."""
        world, alice, _ = self.connected()
        self.ruin(world, alice)
        self.assertEqual([left.name for left in world.server.told(Left)], ["alice"])
        self.assertEqual(world.server.hub.inform("hello", world.now), ["bob"])
        world.server.hub.stop("bye", world.now)
        world.server.flush()
        self.assertTrue(world.run(10, lambda: len(world.server.hub.roster) == 0))

    def test_broken_at_the_beginning(self) -> None:
        """So does one behind the very first words, before anybody is known; the next client comes in."""
        world = World(Options())
        client = world.client()
        exchange = client.hub.session._exchange
        speak = exchange._speak

        def twice() -> None:
            spoken = exchange._spoken
            speak()
            if exchange._spoken and not spoken:
                exchange.tls._connection.sendall(b"garbage")
                pull = exchange.tls.pull
                exchange.tls.pull = lambda limit: (data := pull(limit)) and data[:-1] + bytes([data[-1] ^ 1])

        exchange._speak = twice
        world.run(20)
        self.assertEqual(client.told(Connected), [])
        bob = world.client(2, SIGNER.issue("bob"))
        self.assertTrue(world.run(5, world.connected(bob)))
        self.assertTrue(world.passes(bob))

    def test_error_of_ours(self) -> None:
        """A session whose timer raises ends, the error is told, and the timers of all others still run."""
        world = self.connected()[0]
        members = {member.name: member for member in world.server.hub.roster}

        def fail(now: float) -> None:
            raise ZeroDivisionError

        members["alice"].session.tick = fail
        ticked: list[float] = []
        tick = members["bob"].session.tick
        members["bob"].session.tick = lambda now: (ticked.append(now), tick(now))
        at = world.now + 4000
        self.assertRaises(ZeroDivisionError, world.server.hub.tick, at)
        self.assertEqual(ticked, [at])
        [left] = [left for left in world.server.hub.take_events() if isinstance(left, Left)]
        self.assertEqual((left.name, left.reason), ("alice", "ended by an error of ours"))
