"""How long a session may last, and how little may go through it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import Connected, Disconnected, Left, Node, Options, World
from tvpn.hub.event import Changed
from tvpn.hub.stay import Limits, Stay


class StayTests(SynchronousTestCase):
    def ended(self, stay: Stay, carried: dict[int, int], until: int = 1000) -> int | None:
        """When it is over, if what went through by then is ``carried``; it is asked as often as it wants."""
        now, total = 0.0, 0
        while now < until:
            deadline = stay.deadline()
            if deadline is None:
                return None
            now = deadline
            total = max((amount for at, amount in carried.items() if at <= now), default=0)
            if stay.over(total, now) is not None:
                return round(now)
        return None

    def test_no_limit(self) -> None:
        """Without limits nothing is due, ever."""
        self.assertIsNone(Stay(Limits(), 0.0).deadline())
        self.assertIsNone(Stay(Limits(), 0.0).over(0, 1e9))

    def test_session_timeout(self) -> None:
        """After its seconds, whatever goes through."""
        self.assertEqual(self.ended(Stay(Limits(session=90), 0.0), {at: at * 1000 for at in range(100)}), 90)

    def test_inactive(self) -> None:
        """So long after the last byte; traffic at any time begins anew."""
        self.assertEqual(self.ended(Stay(Limits((100, 0)), 0.0), {}), 100)
        last = self.ended(Stay(Limits((100, 0)), 0.0), {50: 1, 130: 2})
        self.assertTrue(last is not None and 230 <= last <= 240, last)
        self.assertIsNone(self.ended(Stay(Limits((100, 0)), 0.0), {at: at for at in range(0, 1001, 50)}))

    def test_changed(self) -> None:
        """Other limits count at once, a session's seconds from its begin; those of inactivity anew if others."""
        stay = Stay(Limits((100, 0), 90), 0.0)
        stay.change(Limits((100, 0), 120), 50.0)
        self.assertEqual((stay.deadline(), stay.over(0, 99.0)), (10, None))
        self.assertIn("(inactive)", str(stay.over(0, 100.0)))
        stay.change(Limits((40, 0), 120), 90.0)
        self.assertIsNone(stay.over(0, 119.0))
        self.assertIn("(session-timeout)", str(stay.over(0, 120.0)))
        stay.change(Limits((30, 0)), 110.0)
        self.assertIsNone(stay.over(0, 139.0))
        self.assertIn("(inactive)", str(stay.over(0, 140.0)))

    def test_too_little(self) -> None:
        """With a number of bytes less than that is nothing, and more is something."""
        drip = {at: at for at in range(0, 1001, 10)}
        self.assertEqual(self.ended(Stay(Limits((100, 500)), 0.0), drip), 100)
        self.assertIsNone(self.ended(Stay(Limits((100, 50)), 0.0), drip))


class PushedTests(SynchronousTestCase):
    """From the file or pushed, in a whole session."""

    def client(self, *push: str, limits: Limits | None = None) -> tuple[World, Node]:
        world = World(Options(rules=replace(Options().rules, push=push)))
        client = world.client()
        client.hub._limits = limits or Limits()
        self.assertTrue(world.run(5, world.connected(client)))
        return world, client

    def test_session_timeout(self) -> None:
        """It ends for good, as agreed; the server hears of it."""
        for world, client in (self.client("session-timeout 30"), self.client(limits=Limits(session=30))):
            world.run(29)
            self.assertEqual(client.told(Disconnected), [])
            world.run(3)
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.retry, gone.agreed), (False, True))
            self.assertIn("session-timeout", gone.reason)
            self.assertEqual([left.reason for left in world.server.told(Left)], ["left"])

    def test_updated(self) -> None:
        """Whatever the server pushes later, the session lasts no longer."""
        world, client = self.client("session-timeout 30")
        world.run(25)
        self.assertEqual(len(world.server.hub.push_update(["route 10.1.0.0/16"], world.now)), 1)
        world.server.flush()
        world.run(1)
        self.assertEqual((len(client.told(Changed)), client.told(Disconnected)), (1, []))
        world.run(5)
        self.assertIn("session-timeout", client.told(Disconnected)[0].reason)

    def test_pushed_wins(self) -> None:
        """What is pushed takes the place of what the file has."""
        world, client = self.client("session-timeout 0", limits=Limits(session=30))
        world.run(60)
        self.assertEqual(client.told(Disconnected), [])

    def test_inactive(self) -> None:
        """Pings are no traffic, packets are."""
        world, client = self.client("inactive 40", "ping 5", "ping-restart 60")
        world.run(30)
        self.assertTrue(world.passes(client))
        world.run(30)
        self.assertEqual(client.told(Disconnected), [])
        world.run(20)
        self.assertIn("inactive", client.told(Disconnected)[0].reason)

    def test_ping_exit(self) -> None:
        """The last word of ping-exit and ping-restart decides whether silence is the end."""
        for push, retry in (
            (("ping-restart 20", "ping-exit 20"), False), (("ping-exit 20", "ping-restart 20"), True)
        ):
            cut = False
            world = World(Options(rules=replace(Options().rules, push=push), fate=lambda *_: [] if cut else [0.0]))
            client = world.client()
            self.assertTrue(world.run(5, world.connected(client)))
            cut = True
            world.run(25)
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.retry, gone.silent, gone.agreed), (retry, True, False))
            cut = False
            self.assertIn(Connected, {type(event) for event in client.events})
