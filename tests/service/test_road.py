"""The road: news of the network that matter and those that do not, and a machine that has slept."""

from __future__ import annotations

from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.net.way import Way
from tvpn.service import road
from tvpn.service.road import ANSWER, GLANCE, Road

HOST = "192.0.2.1"
FIRST, SECOND = Way(2, "198.51.100.1", "198.51.100.2"), Way(3, "203.0.113.1", "203.0.113.2")


class RoadTests(SynchronousTestCase):
    """With a way that the test decides, and a clock of its own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.way: Way | None = FIRST
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.changes = 0
        self.asleep = 100.0
        self.monitor = mock.Mock()
        self.patch(road, "Monitor", mock.Mock(return_value=self.monitor))
        self.road = Road(self.clock, self.changed, self.find, lambda: self.asleep)
        self.road._log = mock.Mock()
        self.road.start()

    def find(self, host: str, tunnels: tuple[str, ...]) -> Way | None:
        self.asked.append((host, tunnels))
        return self.way

    def changed(self) -> None:
        self.changes += 1

    def test_same(self) -> None:
        """News that leave the way as it is, our own routes among them, are none."""
        self.road.ignore("tun0")
        self.road.head_for(HOST)
        self.road._look()
        self.assertEqual((self.changes, self.asked[-1]), (0, (HOST, ("tun0",))))

    def test_other(self) -> None:
        """Another device, gateway or address is told once; so is none at all, and one again."""
        self.road.head_for(HOST)
        for number, way in enumerate((SECOND, SECOND._replace(source="203.0.113.9"), None, FIRST), 1):
            self.way = way
            for _ in range(2):
                self.road._look()
            self.assertEqual((self.changes, self.road.is_open), (number, way is not None))

    def test_nobody_called(self) -> None:
        """As long as no server was found, all news are told: a name may be found now."""
        self.road._look()
        self.assertEqual((self.changes, self.road.is_open), (1, True))

    def test_sleep(self) -> None:
        """A machine that has slept is told, a moment is no sleep; the way is looked for anew."""
        self.road.head_for(HOST)
        for slept, changes in ((2, 0), (600, 1), (0, 1)):
            self.asleep += slept
            self.clock.advance(GLANCE)
            self.assertEqual(self.changes, changes, str(slept))

    def test_sleep_fails(self) -> None:
        """When the kernel gives no answer after one sleep, the next one is noticed."""
        self.road.head_for(HOST)
        self.road._find = mock.Mock(side_effect=[OSError, FIRST])
        for changes in (0, 1):
            self.asleep += 600
            self.clock.advance(GLANCE)
            self.assertEqual(self.changes, changes)

    def test_verdict(self) -> None:
        """The server has a moment to answer from the new way."""
        for answered in (True, False):
            failed: list[bool] = []
            self.road.verify(lambda answered=answered: answered, lambda failed=failed: failed.append(True))
            self.clock.advance(ANSWER - 0.1)
            self.assertEqual(failed, [])
            self.clock.advance(0.2)
            self.assertEqual(bool(failed), not answered)

    def test_stop(self) -> None:
        """After the end nothing is pending."""
        self.road.verify(lambda: False, self.changed)
        self.road.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.monitor.stop.assert_called_once()

    def test_no_monitor(self) -> None:
        """Where the kernel does not tell, it is said, and the rest works."""
        self.monitor.start.side_effect = TvpnError("not allowed")
        other = Road(self.clock, self.changed, self.find, lambda: self.asleep)
        other._log = mock.Mock()
        other.start()
        other._log.warn.assert_called_once()
        other.stop()
