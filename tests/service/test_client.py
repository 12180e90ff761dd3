"""The client service around a hub that writes down what it is told: remotes in turn, patience, giving up."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred, execute, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Remote
from tvpn.config.login import UserPass
from tvpn.errors import TvpnError
from tvpn.hub.backoff import Backoff
from tvpn.hub.event import Advanced, Changed, Connected, Disconnected
from tvpn.hub.pushed import Tunnel
from tvpn.net.lookup import Place, Query
from tvpn.net.person import Unanswered
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.service import client
from tvpn.service.client import ClientService
from tvpn.service.dialer import Dialer
from tvpn.service.itinerary import Itinerary
from tvpn.service.login import Login
from tvpn.service.progress import Calling, Progress, Waiting
from tvpn.session.event import Step

REMOTES = [Remote("one.example", 1194, 0, "udp"), Remote("two.example", 1195, 4, "udp")]
SILENT = Disconnected("no answer", True, silent=True)
REFUSED = Disconnected("the server refused us: later", True)


class ServiceCase(SynchronousTestCase):
    """A client that resolves in no thread, opens no real socket and touches no machine."""

    kill_switch: Any = None
    most_rounds = 0
    verb = 3

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.hub = mock.Mock(session=None, endpoint=None)
        self.hub.transmit.return_value = self.hub.take_events.return_value = []
        self.hub.deadline.return_value = None
        self.resolved: list[str] = []
        self.known = {"one.example": "192.0.2.1", "two.example": "192.0.2.2"}
        self.logged: list[str] = []
        self.failed: list[str] = []
        self.patch(client, "fail", lambda reactor, sentence: self.failed.append(sentence))
        self.patch(client, "finish", lambda reactor, sentence: self.failed.append(f"finished: {sentence}"))
        self.patch(client, "now", self.reactor.seconds)
        self.patch(client, "Road", mock.Mock(return_value=mock.Mock(is_open=True)))
        self.attachment = mock.Mock(device="")
        itinerary = Itinerary(self.reactor, REMOTES)
        itinerary._directory.find = self.find  # type: ignore[method-assign]
        self.dialer = Dialer(itinerary, Backoff(1, 300, lambda size: b"\x80" * size), self.most_rounds)
        self.service = ClientService(
            self.reactor, self.hub, Userspace(Router()), self.dialer, self.attachment, Login(self.reactor),
            self.kill_switch, self.verb,
        )  # fmt: skip
        log = self.service._log = mock.Mock()
        for level in ("info", "warn", "failure"):
            getattr(log, level).side_effect = lambda text, *_, **values: self.logged.append(text.format(**values))
        self.service.caller._open_socket = mock.Mock()  # type: ignore[method-assign]
        self.seen: list[Progress] = []
        self.service.watchers.append(self.seen.append)

    def find(self, query: Query) -> Deferred[list[Place]]:
        self.resolved.append(query.host)
        if query.host not in self.known:
            return fail(TvpnError(f"cannot find the address of {query.host}: unknown"))
        return succeed([Place(socket.AF_INET, (self.known[query.host], query.port))])

    def called(self) -> list[str]:
        """The addresses that the hub was told to connect to."""
        return [call.args[0].address[0] for call in self.hub.connect.call_args_list]

    def wait(self) -> float:
        """The pause before the next call, which is over then."""
        retry = self.service._retry
        assert retry is not None
        delay = float(retry.getTime() - self.reactor.seconds())
        self.reactor.advance(delay)
        return delay

    def hold(self, seconds: float = 60.0) -> None:
        """A session that lasts so long."""
        self.service._follow(Connected(Tunnel()))
        self.reactor.advance(seconds)


class RemoteTests(ServiceCase):
    """One after the other."""

    def test_in_turn(self) -> None:
        """Each try takes the next remote; only after all of them there is a pause, of four seconds at most."""
        self.service.startService()
        delays = []
        for _ in range(8):
            self.service._follow(SILENT)
            delays.append(round(self.wait(), 1))
        self.assertEqual(self.called(), ["192.0.2.1", "192.0.2.2"] * 4 + ["192.0.2.1"])
        self.assertEqual(delays, [1, 1, 1, 2, 1, 4, 1, 4])

    def test_refusals(self) -> None:
        """Who is sent away waits longer and longer."""
        self.service.startService()
        delays = []
        for _ in range(5):
            self.service._follow(REFUSED)
            delays.append(round(self.wait()))
        self.assertEqual(delays, [1, 2, 4, 8, 16])

    def test_unknown_name(self) -> None:
        """A name that is not found is told, and the next remote is tried."""
        del self.known["one.example"]
        self.service.startService()
        self.assertEqual(self.logged, ["cannot find the address of one.example: unknown", "next try in 1.0 s"])
        self.reactor.advance(1)
        self.assertEqual(self.called(), ["192.0.2.2"])

    def test_no_answer(self) -> None:
        """One of several that does not answer is left after ten seconds; one that has answered is not."""
        self.service.startService()
        self.reactor.advance(9.9)
        self.hub.lose.assert_not_called()
        self.reactor.advance(0.2)
        self.hub.lose.assert_called_once_with("no answer within 10 seconds", silent=True)
        self.service._follow(SILENT)
        self.wait()
        self.service._follow(Advanced(Step.ANSWERED))
        self.reactor.advance(30)
        self.hub.lose.assert_called_once()

    def test_watched(self) -> None:
        """Watchers hear each call and each pause."""
        self.service.startService()
        self.service._follow(SILENT)
        self.assertEqual(self.seen, [Calling("one.example", "192.0.2.1", "udp", 1194), SILENT, Waiting(1)])

    def test_told_late(self) -> None:
        """That we are connected is told once the tunnel stands, and not at all where it cannot be opened."""
        self.service.startService()
        self.hub.endpoint = mock.Mock()
        before: list[list[Progress]] = []

        def open_device(*words: object) -> object:
            before.append([*self.seen])
            return mock.DEFAULT

        self.attachment.open.side_effect = open_device
        self.service._follow(Connected(Tunnel()))
        self.assertEqual(len(before[0]), 1)
        self.assertEqual([type(each) for each in self.seen], [Calling, Connected])
        self.attachment.open.side_effect = TvpnError("there is no /dev/net/tun")
        self.service._follow(Changed(Tunnel()))
        self.assertEqual(len(self.seen), 2)

    def test_verb(self) -> None:
        """verb counts as on a server: at 0 the log has nothing of what happens; watchers hear it all the same."""
        for verb, told in ((0, []), (1, ["connecting to 192.0.2.1, udp port 1194"])):
            self.verb = verb
            self.setUp()
            self.service.startService()
            self.assertEqual((self.logged, len(self.seen)), (told, 1), str(verb))

    def test_obstacle(self) -> None:
        """What stands in the way of every call is told once, at the start, and keeps nobody from trying."""
        self.patch(client, "deferToThread", execute)
        for obstacle in ("a door is closed", None):
            self.setUp()
            self.service._look_around = lambda found=obstacle: found  # type: ignore[misc]
            self.service.startService()
            self.service._follow(SILENT)
            self.wait()
            self.assertEqual(self.logged.count("a door is closed"), 1 if obstacle else 0)
            self.assertEqual(self.called(), ["192.0.2.1", "192.0.2.2"])

    def test_watcher_fails(self) -> None:
        """A watcher that fails keeps neither the others from hearing nor the client from its work."""
        self.service.watchers.insert(0, mock.Mock(side_effect=BrokenPipeError))
        self.service.startService()
        self.hub.endpoint = mock.Mock()
        self.service._follow(Connected(Tunnel()))
        self.attachment.open.assert_called_once()
        self.assertEqual([type(each) for each in self.seen], [Calling, Connected])

    def test_one_retry(self) -> None:
        """Two reasons to try again are one try."""
        self.service.startService()
        for _ in range(2):
            self.service._follow(SILENT)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_refused(self) -> None:
        """What makes no sense to try again ends the service with the reason; what was agreed ends it in peace."""
        self.service.startService()
        self.service._follow(Disconnected("the server refused us: revoked", False))
        self.service._follow(Disconnected("session-timeout", False, agreed=True))
        self.assertEqual(self.failed, ["gave up: the server refused us: revoked", "finished: session-timeout"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_no_device(self) -> None:
        """A device that cannot be made ends the service with its sentence, not with a traceback."""
        self.service.startService()
        self.attachment.open.side_effect = TvpnError("there is no /dev/net/tun")
        self.hub.endpoint = mock.Mock()
        self.service._follow(Connected(Tunnel()))
        self.attachment.open.side_effect = OSError(24, "Too many open files")
        self.service._follow(Connected(Tunnel()))
        self.assertEqual(self.failed, ["there is no /dev/net/tun", "the tunnel could not be opened; why is in the log"])


class LoginTests(ServiceCase):
    """Who we say we are, and a server that does not take it."""

    def test_refused(self) -> None:
        """auth-retry decides whether a refusal is the end; without a user name there is nothing to try again."""
        refusal = Disconnected("the server refused us: no", False, refused=True)
        for retry, again in (("none", False), ("nointeract", True), ("interact", True)):
            self.setUp()
            login = Login(self.reactor, UserPass("alice", "right"), retry=retry)  # type: ignore[arg-type]
            self.service._login = login
            self.service.startService()
            self.service._follow(refusal)
            self.assertEqual(self.service._retry is not None, again, retry)
            self.assertEqual(self.failed, [] if again else ["gave up: the server refused us: no"])

    def test_nobody(self) -> None:
        """Where nobody can be asked, or nobody answers, the client ends with the sentence and asks no more."""
        self.service._login = mock.Mock()
        self.service._login.credentials.side_effect = Unanswered("nobody is there")
        self.service.startService()
        self.assertEqual((self.failed, self.reactor.getDelayedCalls()), (["nobody is there"], []))

    def test_withdrawn(self) -> None:
        """A question that gave way to another starts no further attempt."""
        self.service._login = mock.Mock()
        self.service._login.credentials.side_effect = CancelledError
        self.service.startService()
        self.assertEqual((self.failed, self.reactor.getDelayedCalls(), self.called()), ([], [], []))


class ReturnTests(ServiceCase):
    """After a session that held."""

    def test_same_server(self) -> None:
        """The same server is called first, at once if it fell silent, and where it was; then the others."""
        self.service.startService()
        self.hold()
        self.service._follow(SILENT)
        self.assertEqual((self.wait(), self.called()), (0, ["192.0.2.1"] * 2))
        self.assertEqual(self.resolved, ["one.example"])
        self.service._follow(SILENT)
        self.wait()
        self.assertEqual(self.called()[-1], "192.0.2.2")

    def test_sent_on(self) -> None:
        """A server that names no other one is called again; [N] leads to the next."""
        for advance, expected in ((None, "192.0.2.1"), (False, "192.0.2.1"), (True, "192.0.2.2")):
            self.setUp()
            self.service.startService()
            self.hold()
            self.service._follow(Disconnected("the server said RESTART", True, advance=advance))
            self.assertEqual(round(self.wait()), 1)
            self.assertEqual(self.called()[-1], expected, str(advance))

    def test_breaks_at_once(self) -> None:
        """M-10: sessions that break at once are no good ones: the pauses grow, and the next remote is called."""
        self.service.startService()
        delays = []
        for _ in range(4):
            self.hold(1)
            self.service._follow(Disconnected("the server said RESTART", True))
            delays.append(round(self.wait()))
        self.assertEqual(delays, [1, 2, 4, 8])
        self.assertEqual(len(set(self.called())), 2)

    def test_released(self) -> None:
        """When all of them have failed, the machine looks names up in the open; not before."""
        self.service.startService()
        self.hold()
        for expected in (False, False, True):
            self.service._follow(SILENT)
            self.assertEqual(self.attachment.release.called, expected)
            self.wait()


class RoundsTests(ServiceCase):
    most_rounds = 2

    def test_most(self) -> None:
        """connect-retry-max: each remote so often, and that is all; a good session counts anew."""
        self.service.startService()
        for _ in range(3):
            self.service._follow(SILENT)
            self.wait()
        self.assertEqual(self.failed, [])
        self.service._follow(SILENT)
        self.assertEqual(self.failed, ["gave up after 2 calls at each remote (connect-retry-max)"])


class RoadTests(ServiceCase):
    """The way to the server is another one."""

    def setUp(self) -> None:
        super().setUp()
        self.service.startService()
        self.hub.endpoint, self.hub.session = mock.Mock(), mock.Mock()

    def test_followed(self) -> None:
        """A server that knows us by our peer id is asked to answer; only if it does not, it is called anew."""
        self.hub.can_be_followed = True
        self.service._road_changed()
        self.attachment.routes_changed.assert_called_with(self.hub.endpoint.address)
        self.hub.probe.assert_called_once()
        self.hub.lose.assert_not_called()
        answered, failed = self.service.road.verify.call_args.args  # type: ignore[attr-defined]
        self.assertIs(answered(), self.hub.probed)
        failed()
        self.hub.lose.assert_called_once_with("the way to the server has changed", silent=True, advance=False)

    def test_not_followed(self) -> None:
        """One that cannot follow is called anew at once."""
        self.hub.can_be_followed = False
        self.service._road_changed()
        self.hub.lose.assert_called_once()

    def test_no_way(self) -> None:
        """Without a way nothing is done."""
        self.service.road.is_open = False  # type: ignore[misc]
        self.service._road_changed()
        self.hub.lose.assert_not_called()
        self.hub.probe.assert_not_called()

    def test_while_waiting(self) -> None:
        """A pause for somebody who did not answer is over; one that the server wants is not."""
        for event, soon in ((SILENT, True), (REFUSED, False)):
            for _ in range(4):
                self.service._follow(event)
                self.wait()
            self.service._follow(event)
            self.service._road_changed()
            self.assertEqual(self.wait() <= 1.01, soon)


class KillSwitchTests(ServiceCase):
    """Blocked first, connected second."""

    def setUp(self) -> None:
        self.kill_switch = mock.Mock(remedy="open it with a key")
        self.closed: Deferred[None] = Deferred()
        self.kill_switch.raise_up = mock.Mock(return_value=self.closed)
        super().setUp()

    def test_first(self) -> None:
        """Nobody is called before it is closed; nothing is released while it is."""
        self.service.startService()
        self.assertEqual(self.called(), [])
        self.closed.callback(None)
        self.assertEqual(self.called(), ["192.0.2.1"])
        for _ in range(4):
            self.kill_switch.raise_up.return_value = succeed(None)
            self.service._follow(SILENT)
            self.wait()
        self.attachment.release.assert_not_called()

    def test_device(self) -> None:
        """The tunnel's device is let through as soon as it is there."""
        self.closed.callback(None)
        self.service.startService()
        self.hub.endpoint, self.attachment.device = mock.Mock(), "tun3"
        self.service._follow(Connected(Tunnel()))
        self.kill_switch.admit.assert_called_once_with("tun3")

    def test_end(self) -> None:
        """Who is asked to stop opens it; an end that nobody asked for leaves it closed and says how it opens."""
        self.closed.callback(None)
        for event, opened in ((SILENT, True), (Disconnected("revoked", False), False),
                              (Disconnected("session-timeout", False, agreed=True), False)):  # fmt: skip
            self.kill_switch.end.reset_mock()
            super().setUp()
            self.service.startService()
            self.service._follow(event)
            self.successResultOf(self.service.stopService())
            self.assertEqual(self.kill_switch.end.called, opened, str(event))
        self.assertEqual(self.failed, ["finished: session-timeout"])

    def test_sentence(self) -> None:
        """The sentence of such an end has the remedy."""
        self.closed.callback(None)
        self.service.startService()
        self.service._follow(Disconnected("revoked", False))
        self.assertEqual(self.failed, ["gave up: revoked; open it with a key"])


class StopTests(ServiceCase):
    """The end of it."""

    def test_stopped(self) -> None:
        """A stopped client tries no more: neither a retry that waits nor a lookup that comes late."""
        self.service.startService()
        self.service._follow(SILENT)
        stopped = self.service.stopService()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.hub.stop.assert_called_once()

    def test_late_lookup(self) -> None:
        """A name that is found after the stop is not called."""
        answer: Deferred[Any] = Deferred()
        self.dialer.itinerary._directory.find = lambda query: answer  # type: ignore[method-assign]
        self.service.startService()
        self.service.stopService()
        answer.callback([Place(socket.AF_INET, ("192.0.2.1", 1194))])
        self.assertEqual((self.called(), self.reactor.getDelayedCalls()), ([], []))

    def test_settles(self) -> None:
        """While the server has not heard our goodbye the stop waits for it, but not for long."""
        self.service.startService()
        self.hub.session = mock.Mock(settled=False)
        stopped = self.service.stopService()
        self.reactor.advance(0.5)
        self.assertNoResult(stopped)
        self.reactor.pump([0.05] * 20)
        self.assertIsNone(self.successResultOf(stopped))
