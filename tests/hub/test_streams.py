"""TCP connections that come to something, and those that do not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import Options, World
from tvpn.hub.event import Complaint, HangUp
from tvpn.hub.server import ServerHub
from tvpn.hub.streams import MOST_WAITING, PATIENCE, Streams
from tvpn.plane.verbs import Endpoint


def place(number: int, host: str = "192.0.2.1") -> Endpoint:
    return Endpoint(f"connection {number}", (host, 40000 + number))


class StreamsTests(SynchronousTestCase):
    """D-13: bounded in number and patience."""

    def test_crowd(self) -> None:
        """Ten of a prefix may wait; the eleventh may not, one of elsewhere may; a settled one makes room."""
        streams = Streams()
        self.assertTrue(all(streams.add(place(number), 0.0) for number in range(MOST_WAITING)))
        self.assertFalse(streams.add(place(99), 0.0))
        self.assertTrue(streams.add(place(99, "198.51.100.1"), 0.0))
        streams.settle(place(0))
        self.assertTrue(streams.add(place(99), 0.0))
        self.assertIn(place(0), streams)

    def test_patience(self) -> None:
        """Who says nothing for ten seconds is overdue once; who has settled never is."""
        streams = Streams()
        streams.add(place(1), 0.0)
        streams.add(place(2), 1.0)
        streams.settle(place(1))
        self.assertEqual(streams.deadline(), 1.0 + PATIENCE)
        self.assertEqual(streams.take_overdue(PATIENCE), [])
        self.assertEqual(streams.take_overdue(PATIENCE + 1), [place(2)])
        self.assertEqual(streams.take_overdue(PATIENCE + 100), [])
        self.assertNotIn(place(2), streams)

    def test_removed(self) -> None:
        """A closed connection is forgotten and counts no longer."""
        streams = Streams()
        for number in range(MOST_WAITING):
            streams.add(place(number), 0.0)
            streams.remove(place(number))
        self.assertTrue(streams.add(place(99), 0.0))


class ServerStreamTests(SynchronousTestCase):
    """What the server hub makes of connections."""

    def _hub(self) -> tuple[World, ServerHub]:
        world = World(Options())
        hub = world.server.hub
        if not isinstance(hub, ServerHub):
            raise TypeError(hub)
        return world, hub

    def test_idle(self) -> None:
        """A connection without a word is hung up after ten seconds, with one complaint."""
        world, hub = self._hub()
        hub.connected(place(1), world.now)
        world.run(PATIENCE - 1)
        self.assertEqual(world.server.told(HangUp), [])
        world.run(2)
        self.assertEqual(world.server.told(HangUp), [HangUp(place(1))])
        self.assertEqual([event.reason for event in world.server.told(Complaint)], ["stream-idle"])

    def test_garbage(self) -> None:
        """Garbage on a connection makes no member and does not prolong its time."""
        world, hub = self._hub()
        hub.connected(place(1), world.now)
        for first in range(256):
            hub.receive(place(1), bytes([first]) + b"\1" * 40, world.now)
        self.assertEqual(len(hub.roster), 0)
        world.run(PATIENCE + 1)
        self.assertEqual(world.server.told(HangUp), [HangUp(place(1))])

    def test_stateful(self) -> None:
        """A reset on a connection gets a member at once, and the member goes with the connection."""
        world, hub = self._hub()
        client = world.client()
        reset = world.trace[0][3]
        hub.connected(place(1), world.now)
        hub.receive(place(1), reset, world.now)
        self.assertEqual([member.endpoint for member in hub.roster], [place(1)])
        hub.disconnected(place(1), world.now)
        self.assertEqual(len(hub.roster), 0)
        self.assertTrue(world.run(10, world.connected(client)))
