"""Who is here, and when each wants to be looked at again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.hub.roster import Roster
from tvpn.plane.verbs import Endpoint


class Session:
    """As much of a session as a roster sees."""

    def __init__(self, remote_id: bytes, at: float | None = None) -> None:
        self.remote_id = remote_id
        self.at = at

    def deadline(self) -> float | None:
        return self.at

    @property
    def identity(self) -> Identity:
        return Identity("issuer", self.remote_id[-1] - 48, "somebody")

    def describe(self) -> str:
        return "somebody"


def place(port: int) -> Endpoint:
    return Endpoint("wire", ("192.0.2.1", port))


class RosterTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.roster = Roster()

    def add(self, port: int, at: float | None = None):  # type: ignore[no-untyped-def]
        return self.roster.add(place(port), Session(b"session%d" % port, at), 0.0)  # type: ignore[arg-type]


class RosterTests(RosterTestCase):
    def test_found_by_everything(self) -> None:
        """A member is found by place and session id, by number, and once seated by peer id."""
        first, second = self.add(1), self.add(2)
        self.assertEqual(self.roster.seat(second), 0)
        self.assertIs(self.roster.find(place(1), b"session1"), first)
        self.assertIsNone(self.roster.find(place(1), b"session2"))
        self.assertIsNone(self.roster.find(place(2), b"session1"))
        self.assertIs(self.roster.get(second.number), second)
        self.assertIs(self.roster.of_peer(0), second)
        self.assertEqual((len(self.roster), self.roster.admitted), (2, 1))

    def test_lowest_peer_id(self) -> None:
        """The lowest free peer id is given; a freed one is used again."""
        members = [self.add(port) for port in range(4)]
        self.assertEqual([self.roster.seat(member) for member in members], [0, 1, 2, 3])
        self.roster.remove(members[1])
        self.assertEqual(self.roster.seat(self.add(9)), 1)

    def test_numbers_are_not_reused(self) -> None:
        """A late answer for a member that is gone never hits another one."""
        first = self.add(1)
        self.roster.remove(first)
        self.assertNotEqual(self.add(1).number, first.number)
        self.assertIsNone(self.roster.get(first.number))

    def test_move(self) -> None:
        """After a move the old place is empty; a later arrival there is not taken down with the former one."""
        first = self.add(1)
        self.roster.move(first, place(7))
        self.assertIsNone(self.roster.find(place(1), b"session1"))
        self.assertIs(self.roster.find(place(7), b"session1"), first)
        successor = self.roster.add(place(7), Session(b"session1"), 0.0)  # type: ignore[arg-type]
        self.roster.remove(first)
        self.assertIs(self.roster.find(place(7), b"session1"), successor)

    def test_removal_is_whole(self) -> None:
        """Nothing finds a removed member any more, and removing it again does no harm."""
        member = self.add(1)
        self.roster.seat(member)
        self.roster.remove(member)
        self.roster.remove(member)
        self.assertEqual((len(self.roster), self.roster.admitted, list(self.roster)), (0, 0, []))
        self.assertIsNone(self.roster.of_peer(0))


class DeadlineTests(RosterTestCase):
    def test_due(self) -> None:
        """Members come up when due, each once however often it was scheduled, and again only when scheduled again."""
        early, late = self.add(1, 5.0), self.add(2, 9.0)
        for member in (late, early, late):
            self.roster.schedule(member)
        self.assertEqual(self.roster.deadline(), 5.0)
        self.assertEqual(self.roster.take_due(4.9), [])
        early.session.at = 3.0
        self.roster.schedule(early)
        self.assertEqual(self.roster.deadline(), 3.0)
        self.assertEqual(self.roster.take_due(5.0), [early])
        self.assertEqual(self.roster.take_due(100.0), [late])
        self.assertIsNone(self.roster.deadline())

    def test_gone_ones(self) -> None:
        """A removed member is not due; one without a deadline is never due."""
        gone, idle = self.add(1, 5.0), self.add(2)
        self.roster.schedule(gone)
        self.roster.schedule(idle)
        self.roster.remove(gone)
        self.assertEqual(self.roster.take_due(100.0), [])

    def test_bounded(self) -> None:
        """Scheduling the same deadline a thousand times keeps one entry."""
        member = self.add(1, 5.0)
        for _ in range(1000):
            self.roster.schedule(member)
        self.assertEqual(len(self.roster._deadlines), 1)


class RivalTests(RosterTestCase):
    def test_rivals(self) -> None:
        """Rivals are those with a seat, of the same device or at the same endpoint, and follow a move."""
        one, same_device, same_place, other = (
            self.roster.add(place(port), Session(name), 0.0)  # type: ignore[arg-type]
            for port, name in ((1, b"a1"), (2, b"b1"), (1, b"c3"), (4, b"d4"))
        )
        self.assertEqual(self.roster.rivals(one, same_device=True), set())
        for member in (one, same_device, same_place, other):
            self.roster.seat(member)
        self.assertEqual(self.roster.rivals(one, same_device=True), {same_device, same_place})
        self.assertEqual(self.roster.rivals(one, same_device=False), {same_place})
        self.roster.move(same_place, place(7))
        self.assertEqual(self.roster.rivals(one, same_device=False), set())
        self.roster.remove(same_device)
        self.assertEqual(self.roster.rivals(one, same_device=True), set())
