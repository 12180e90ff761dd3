"""The client service around a hub that writes down what it is told: remotes in turn, patience, giving up."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred, execute
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.address import Remote
from tvpn.config.login import UserPass
from tvpn.errors import TvpnError
from tvpn.hub.client import Backoff
from tvpn.hub.event import Connected, Disconnected
from tvpn.hub.pushed import Tunnel
from tvpn.net.person import Unanswered
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.service import attachment, caller, client
from tvpn.service.attachment import MachineAttachment
from tvpn.service.client import ClientService
from tvpn.service.login import Login
from tvpn.service.progress import Calling, Progress, Waiting

REMOTES = [Remote("one.example", 1194, 0, "udp"), Remote("two.example", 1195, 4, "udp")]


class ServiceCase(SynchronousTestCase):
    """A client that resolves in no thread and opens no real socket."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.hub = mock.Mock(session=None)
        self.hub.transmit.return_value = self.hub.take_events.return_value = []
        self.hub.deadline.return_value = None
        self.resolved: list[tuple[str, int, int]] = []
        self.known = {"one.example": "192.0.2.1", "two.example": "192.0.2.2"}
        self.logged: list[str] = []
        self.failed: list[str] = []
        self.patch(caller, "deferToThread", execute)
        self.patch(caller, "resolve", self.resolve)
        self.patch(client, "fail", lambda reactor, sentence: self.failed.append(sentence))
        self.attachment = MachineAttachment(self.reactor, "tun", 1500, [])
        self.service = ClientService(
            self.reactor, self.hub, Userspace(Router()), REMOTES, self.attachment, Backoff(1, 4), Login(self.reactor)
        )  # type: ignore[arg-type]
        log = self.service._log = mock.Mock()
        for level in ("info", "warn", "failure"):
            getattr(log, level).side_effect = lambda text, *_, **values: self.logged.append(text.format(**values))
        self.service.caller._open_socket = mock.Mock()  # type: ignore[method-assign]
        self.seen: list[Progress] = []
        self.service.watchers.append(self.seen.append)

    def resolve(self, host: str, port: int, family: int, attempt: int) -> tuple[int, Any]:
        self.resolved.append((host, port, family))
        if host not in self.known:
            raise TvpnError(f"cannot find the address of {host}: unknown")
        return socket.AF_INET, (self.known[host], port)

    def called(self) -> list[str]:
        """The addresses that the hub was told to connect to."""
        return [call.args[0].address[0] for call in self.hub.connect.call_args_list]


class RemoteTests(ServiceCase):
    """One after the other."""

    def test_in_turn(self) -> None:
        """Each try takes the next remote and looks its name up anew, after a delay that grows to its bound."""
        self.service.startService()
        delays = []
        for _ in range(4):
            self.service._follow(Disconnected("no answer", True))
            [retry] = self.reactor.getDelayedCalls()
            delays.append(retry.getTime() - self.reactor.seconds())
            self.reactor.advance(delays[-1])
        self.assertEqual(self.called(), ["192.0.2.1", "192.0.2.2"] * 2 + ["192.0.2.1"])
        self.assertEqual(len(self.resolved), 5)
        self.assertEqual(delays, sorted(delays))
        self.assertEqual((delays[0], delays[-1]), (1, 4))

    def test_unknown_name(self) -> None:
        """A name that is not found is told, and the next remote is tried."""
        del self.known["one.example"]
        self.service.startService()
        self.assertEqual(self.logged, ["cannot find the address of one.example: unknown", "next try in 1 s"])
        self.reactor.advance(1)
        self.assertEqual(self.called(), ["192.0.2.2"])

    def test_watched(self) -> None:
        """Watchers hear each call and each pause."""
        self.service.startService()
        self.service._follow(Disconnected("no answer", True))
        calling = Calling("one.example", "192.0.2.1", "udp", 1194)
        self.assertEqual(self.seen, [calling, Disconnected("no answer", True), Waiting(1)])

    def test_one_retry(self) -> None:
        """Two reasons to try again are one try."""
        self.service.startService()
        for _ in range(2):
            self.service._follow(Disconnected("no answer", True))
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_refused(self) -> None:
        """What makes no sense to try again ends the service with the reason."""
        self.service.startService()
        self.service._follow(Disconnected("the server refused us: revoked", False))
        self.assertEqual(self.failed, ["gave up: the server refused us: revoked"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_no_device(self) -> None:
        """A device that cannot be made ends the service with its sentence, not with a traceback."""
        error = TvpnError("there is no /dev/net/tun")
        self.service.startService()
        with mock.patch.object(attachment, "open_tun", side_effect=error):
            self.service._follow(Connected(Tunnel()))
        self.assertEqual(self.failed, ["there is no /dev/net/tun"])


class LoginTests(ServiceCase):
    """Who we say we are, and a server that does not take it."""

    def test_refused(self) -> None:
        """auth-retry decides whether a refusal is the end; without a user name there is nothing to try again."""
        refusal = Disconnected("the server refused us: no", False, refused=True)
        for retry, again in (("none", 0), ("nointeract", 1), ("interact", 1)):
            self.setUp()
            login = Login(self.reactor, UserPass("alice", "right"), retry=retry)  # type: ignore[arg-type]
            self.service._login = login
            self.service.startService()
            self.service._follow(refusal)
            self.assertEqual(len(self.reactor.getDelayedCalls()), again, retry)
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


class StopTests(ServiceCase):
    """The end of it."""

    def test_stopped(self) -> None:
        """A stopped client tries no more: neither a retry that waits nor a lookup that comes late."""
        self.service.startService()
        self.service._follow(Disconnected("no answer", True))
        stopped = self.service.stopService()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.hub.stop.assert_called_once()

    def test_late_lookup(self) -> None:
        """A name that is found after the stop is not called."""
        answer: Deferred[Any] = Deferred()
        self.patch(caller, "deferToThread", lambda *_: answer)
        self.service.startService()
        self.service.stopService()
        answer.callback((socket.AF_INET, ("192.0.2.1", 1194)))
        self.assertEqual((self.called(), self.reactor.getDelayedCalls()), ([], []))

    def test_settles(self) -> None:
        """While the server has not heard our goodbye the stop waits for it, but not for long."""
        self.service.startService()
        self.hub.session = mock.Mock(settled=False)
        clock = mock.patch.object(client, "now", self.reactor.seconds)
        with clock:
            stopped = self.service.stopService()
            self.reactor.advance(0.5)
            self.assertNoResult(stopped)
            self.reactor.pump([0.05] * 20)
        self.assertIsNone(self.successResultOf(stopped))
