"""Which server is called next, at which address, and what serves where names cannot be looked up."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Proxy, Remote
from tvpn.errors import TvpnError
from tvpn.net.lookup import Place, Query
from tvpn.service.itinerary import ADDRESS_PATIENCE, REMOTE_PATIENCE, Itinerary

ONE, TWO = Remote("one.example"), Remote("two.example", 443, 4, "tcp")
LITERAL = Remote("192.0.2.9")


def place(number: int, port: int = 1194) -> Place:
    return Place(socket.AF_INET, (f"192.0.2.{number}", port))


class ItineraryCase(SynchronousTestCase):
    """Names in a table instead of a thread."""

    def setUp(self) -> None:
        self.names: dict[str, list[Place]] = {"one.example": [place(1)], "two.example": [place(2, 443)]}
        self.asked: list[str] = []

    def itinerary(self, *remotes: Remote, **more: Any) -> Itinerary:
        made = Itinerary(Clock(), remotes, **more)
        made._directory.find = self.find  # type: ignore[method-assign]
        return made

    def find(self, query: Query) -> Deferred[list[Place]]:
        self.asked.append(query.host)
        if query.host == LITERAL.host:
            return succeed([place(9)])
        found = self.names.get(query.host)
        return fail(TvpnError(f"cannot find the address of {query.host}: unknown")) if found is None else succeed(found)

    def next(self, itinerary: Itinerary) -> Any:
        return self.successResultOf(ensureDeferred(itinerary.next()))

    def called(self, itinerary: Itinerary, number: int) -> list[str]:
        return [self.next(itinerary).place.address[0] for _ in range(number)]


class OrderTests(ItineraryCase):
    def test_in_turn(self) -> None:
        """One after the other, and again; each name is looked up anew."""
        itinerary = self.itinerary(ONE, TWO)
        self.assertEqual(self.called(itinerary, 3), ["192.0.2.1", "192.0.2.2", "192.0.2.1"])
        self.assertEqual(self.asked, ["one.example", "two.example", "one.example"])

    def test_addresses(self) -> None:
        """All addresses of a name before the next name."""
        self.names["one.example"] = [place(3), place(4)]
        self.assertEqual(self.called(self.itinerary(ONE, TWO), 3), ["192.0.2.3", "192.0.2.4", "192.0.2.2"])

    def test_unknown(self) -> None:
        """A name that is not found is an error, and then it is the next one's turn."""
        del self.names["one.example"]
        itinerary = self.itinerary(ONE, TWO)
        self.failureResultOf(ensureDeferred(itinerary.next()), TvpnError)
        self.assertEqual(self.called(itinerary, 1), ["192.0.2.2"])

    def test_repeat_and_skip(self) -> None:
        """The last one again, or none of its other addresses."""
        self.names["one.example"] = [place(3), place(4)]
        itinerary = self.itinerary(ONE, TWO)
        self.called(itinerary, 1)
        itinerary.repeat()
        self.assertEqual(self.called(itinerary, 2), ["192.0.2.3", "192.0.2.4"])
        itinerary = self.itinerary(ONE, TWO)
        self.called(itinerary, 1)
        itinerary.skip()
        self.assertEqual(self.called(itinerary, 1), ["192.0.2.2"])

    def test_rounds(self) -> None:
        """A round is over when the last address of the last one was called in vain; arriving begins anew."""
        self.names["two.example"] = [place(3), place(4)]
        itinerary = self.itinerary(ONE, TWO)
        over = []
        for _ in range(6):
            self.next(itinerary)
            over.append(itinerary.failed())
        self.assertEqual((over, itinerary.rounds), ([False, False, True] * 2, 2))
        itinerary.arrived()
        self.assertEqual(itinerary.rounds, 0)


class PatienceTests(ItineraryCase):
    def test_patience(self) -> None:
        """One server is waited for as long as a handshake may take, one of several not; connect-timeout decides."""
        self.names["one.example"] = [place(3), place(4)]
        cases: tuple[tuple[tuple[Remote, ...], float | None], ...] = (
            ((LITERAL,), None), ((LITERAL, TWO), REMOTE_PATIENCE), ((ONE,), ADDRESS_PATIENCE),
            ((replace(ONE, timeout=7), TWO), 7), ((replace(LITERAL, timeout=7),), 7),
        )  # fmt: skip
        for remotes, patience in cases:
            self.assertEqual(self.next(self.itinerary(*remotes)).patience, patience, str(remotes))

    def test_returning(self) -> None:
        """Back to where a session was: a name may have moved, an address cannot."""
        for remote, patience in ((TWO, ADDRESS_PATIENCE), (LITERAL, None)):
            itinerary = self.itinerary(remote)
            self.next(itinerary)
            itinerary.repeat(patiently=False)
            asked = len(self.asked)
            self.assertEqual(self.next(itinerary).patience, patience)
            self.assertEqual(len(self.asked), asked)


class MemoryTests(ItineraryCase):
    def test_proxy(self) -> None:
        """Whom this machine talks to is looked up: the proxy, and never the server behind it."""
        self.names["proxy.example"] = [place(8, 3128)]
        behind = Remote("one.example", 443, 4, "tcp", Proxy("http", "proxy.example", 3128))
        self.assertEqual(self.called(self.itinerary(behind), 1), ["192.0.2.8"])
        self.assertEqual(self.asked, ["proxy.example"])

    def test_remembered(self) -> None:
        """Where a lookup fails, what was found before serves."""
        itinerary = self.itinerary(TWO)
        self.called(itinerary, 1)
        del self.names["two.example"]
        self.assertEqual(self.called(itinerary, 1), ["192.0.2.2"])

    def test_late_answer(self) -> None:
        """So does an answer that came too late."""
        itinerary = self.itinerary(TWO)
        itinerary._heard(Query("two.example", 443, 4), [place(5, 443)])
        del self.names["two.example"]
        self.assertEqual(self.called(itinerary, 1), ["192.0.2.5"])

    def test_settled(self) -> None:
        """Once settled nothing is looked up: known ones are called, unknown ones are a sentence."""
        del self.names["one.example"]
        itinerary = self.itinerary(ONE, TWO)
        doors = self.successResultOf(ensureDeferred(itinerary.settle()))
        self.assertEqual(doors, [(TWO, place(2, 443))])
        self.asked.clear()
        error = self.failureResultOf(ensureDeferred(itinerary.next()), TvpnError)
        self.assertIn("one.example", error.getErrorMessage())
        self.assertEqual((self.called(itinerary, 1), self.asked), (["192.0.2.2"], []))

    def test_nothing_known(self) -> None:
        """With nothing known at all nothing is settled."""
        self.names.clear()
        itinerary = self.itinerary(ONE)
        self.failureResultOf(ensureDeferred(itinerary.settle()), TvpnError)
        self.assertFalse(itinerary.settled)
        itinerary.remember(ONE, [place(6)])
        self.assertEqual(self.successResultOf(ensureDeferred(itinerary.settle())), [(ONE, place(6))])

    def test_label(self) -> None:
        """remote-random-hostname: another label before the name each time, and none before an address."""
        self.names["0101.one.example"] = [place(7)]
        itinerary = self.itinerary(ONE, LITERAL, label=lambda size: b"\1\1")
        self.assertEqual(self.called(itinerary, 2), ["192.0.2.7", "192.0.2.9"])
        self.assertEqual(self.asked, ["0101.one.example", "192.0.2.9"])
        self.assertTrue(itinerary.has_names)
        self.assertFalse(self.itinerary(LITERAL).has_names)
