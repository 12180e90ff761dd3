"""Who waits to be let in, and who makes room."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub import lobby
from tvpn.hub.lobby import Lobby
from tvpn.hub.roster import Member
from tvpn.plane.verbs import Endpoint

NOBODY: Any = None


def member(number: int, host: str = "") -> Member:
    """From a site of its own unless it is told."""
    place = Endpoint("wire", (host or f"10.{number >> 8}.{number & 255}.1", 1))
    return Member(number, NOBODY, place, 0.0)


class LobbyTests(SynchronousTestCase):
    def test_share(self) -> None:
        """A site has fifty places, three when a hundred are waiting; another site still has its own three."""
        waiting = Lobby()
        for number in range(lobby.MOST_OF_SITE):
            self.assertTrue(waiting.has_share_for(("192.0.2.9", 1)))
            waiting.enter(member(number, "192.0.2.1"), 0.0)
        self.assertFalse(waiting.has_share_for(("192.0.2.9", 1)))
        for number in range(lobby.BUSY - lobby.MOST_OF_SITE):
            waiting.enter(member(number), 0.0)
        for number in range(lobby.MOST_OF_SITE_WHEN_BUSY):
            self.assertTrue(waiting.has_share_for(("198.51.100.9", 1)))
            waiting.enter(member(number, "198.51.100.1"), 0.0)
        self.assertFalse(waiting.has_share_for(("198.51.100.9", 1)))

    def test_making_room(self) -> None:
        """When all places are taken, who has got nowhere for longest goes: not who came first and went on."""
        waiting = Lobby()
        members = [member(number) for number in range(lobby.MOST + 3)]
        crowded_out = [waiting.enter(one, 0.0) for one in members[: lobby.MOST]]
        self.assertEqual(crowded_out, [None] * lobby.MOST)
        waiting.advance(members[0], 0.0)
        for late, gone in ((members[lobby.MOST], members[1]), (members[lobby.MOST + 1], members[2])):
            self.assertIs(waiting.enter(late, 0.0), gone)
            waiting.leave(gone)
        self.assertEqual(len(waiting), lobby.MOST)
        waiting.leave(members[0])
        self.assertIsNone(waiting.enter(members[-1], 0.0))

    def test_leaving(self) -> None:
        """Who has left counts no longer, however often it leaves, and cannot advance."""
        waiting = Lobby()
        members = [member(number, "192.0.2.1") for number in range(lobby.MOST_OF_SITE)]
        for one in members:
            waiting.enter(one, 0.0)
        for _ in range(2):
            waiting.leave(members[0])
            waiting.advance(members[0], 0.0)
        self.assertEqual(len(waiting), lobby.MOST_OF_SITE - 1)
        self.assertTrue(waiting.has_share_for(("192.0.2.1", 1)))
        waiting.enter(members[0], 0.0)
        self.assertFalse(waiting.has_share_for(("192.0.2.1", 1)))

    def test_stalled(self) -> None:
        """D-09: while there are many, and for a minute after, who has got nowhere for ten seconds is named, once in ten
        seconds; while there are few nobody is.
        """
        waiting = Lobby()
        for number in range(lobby.BUSY):
            waiting.enter(member(number), 0.0)
        self.assertEqual((waiting.deadline(), waiting.take_stalled(1000.0)), (None, []))
        last = member(lobby.BUSY)
        waiting.enter(last, 1000.0)
        self.assertEqual(len(waiting.take_stalled(1000.0)), lobby.BUSY)
        self.assertEqual((waiting.deadline(), waiting.take_stalled(1009.0)), (1010.0, []))
        waiting.advance(last, 1009.0)
        stalled = waiting.take_stalled(1010.0)
        self.assertEqual((len(stalled), last in stalled), (lobby.BUSY, False))
        for one in stalled:
            waiting.leave(one)
        self.assertEqual((waiting.deadline(), waiting.take_stalled(1019.0)), (1019.0, [last]))
        for at in (1029.0, 1039.0, 1049.0, 1059.0):
            self.assertEqual(waiting.take_stalled(at), [last])
        self.assertEqual((waiting.deadline(), waiting.take_stalled(2000.0)), (None, []))
