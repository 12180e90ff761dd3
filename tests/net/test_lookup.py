"""Names looked up beside the reactor: it goes on, and nobody waits for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import DeferredList, inlineCallbacks
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tvpn.errors import TvpnError
from tvpn.net.lookup import PATIENCE, Directory, Place, Query, is_literal, resolve

ONE = Place(socket.AF_INET, ("192.0.2.1", 1194))
QUERY = Query("vpn.example", 1194, 0)


class ResolveTests(SynchronousTestCase):
    """Names to addresses."""

    def test_literal(self) -> None:
        """An address is itself, of its own family."""
        self.assertEqual(resolve(Query("192.0.2.1", 1194, 0)), [ONE])
        self.assertEqual(resolve(Query("2001:db8::1", 443, 6)), [(socket.AF_INET6, ("2001:db8::1", 443, 0, 0))])
        self.assertEqual([is_literal(host) for host in ("192.0.2.1", "fe80::1%lo", "a.example", "1.2.3")],
                         [True, True, False, False])  # fmt: skip

    def test_wrong_family(self) -> None:
        """An address of the family that was not asked for is a sentence with the name."""
        for host, family in (("192.0.2.1", 6), ("2001:db8::1", 4), ("x" * 70 + ".example", 0)):
            error = self.assertRaises(TvpnError, resolve, Query(host, 1194, family))
            self.assertIn(f"cannot find the address of {host}: ", str(error))


class DirectoryTests(TestCase):
    """With threads, and a resolver that takes its time."""

    timeout = 20

    def setUp(self) -> None:
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.asked: list[Query] = []
        self.heard: list[tuple[Query, list[Place]]] = []

    def ask(self, query: Query) -> list[Place]:
        self.asked.append(query)
        self.release.wait(10)
        if query.host == "none.example":
            raise TvpnError("cannot find the address of none.example: unknown")
        return [ONE]

    def directory(self, clock: Any = reactor) -> Directory:
        return Directory(clock, lambda *answer: self.heard.append(answer), self.ask)

    @inlineCallbacks
    def test_reactor_goes_on(self) -> Iterator[Any]:
        """F-23: while a resolver blocks, the reactor turns: no turn takes 50 ms."""
        gaps: list[float] = []
        last = [time.monotonic()]

        def tick() -> None:
            gaps.append(time.monotonic() - last[0])
            last[0] = time.monotonic()

        loop = LoopingCall(tick)
        loop.start(0.005)
        threading.Timer(0.4, self.release.set).start()
        found = yield self.directory().find(QUERY)
        loop.stop()
        self.assertEqual(found, [ONE])
        self.assertGreater(len(gaps), 20)
        self.assertLess(max(gaps), 0.3, "the reactor was blocked by the lookup")

    @inlineCallbacks
    def test_one_thread(self) -> Iterator[Any]:
        """Who asks for the same name meanwhile waits for the same answer."""
        directory = self.directory()
        waiting = DeferredList([directory.find(QUERY) for _ in range(3)])
        self.release.set()
        results = yield waiting
        self.assertEqual((results, len(self.asked)), ([(True, [ONE])] * 3, 1))
        self.assertEqual(self.heard, [(QUERY, [ONE])])

    @inlineCallbacks
    def test_unknown(self) -> Iterator[Any]:
        """A name that is not found fails with its sentence, and nothing is heard."""
        self.release.set()
        error = yield self.assertFailure(self.directory().find(QUERY._replace(host="none.example")), TvpnError)
        self.assertIn("none.example: unknown", str(error))
        self.assertEqual(self.heard, [])

    @inlineCallbacks
    def test_late(self) -> Iterator[Any]:
        """After a few seconds it fails; the answer that comes later is heard for the next time."""
        clock = Clock()
        clock.callFromThread = reactor.callFromThread  # type: ignore[attr-defined]
        answer = self.directory(clock).find(QUERY)
        clock.advance(PATIENCE)
        error = yield self.assertFailure(answer, TvpnError)
        self.assertIn("no name server has answered", str(error))
        self.release.set()
        for _ in range(200):
            yield deferLater(reactor, 0.01)
            if self.heard:
                break
        self.assertEqual(self.heard, [(QUERY, [ONE])])

    def test_literal_at_once(self) -> None:
        """An address needs no thread."""
        directory = Directory(Clock(), lambda *_: None)
        self.assertEqual(self.successResultOf(directory.find(QUERY._replace(host="192.0.2.1"))), [ONE])
