"""The server service around a hub that writes down what it is told: firewall by choice, verdicts, leases."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.errors import TvpnError
from tvpn.hub.event import Joined, Leased, VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.plane.router import Router
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint
from tvpn.service import firewall, nft
from tvpn.service.server import DevicePlan, ListenPlan, ServerService
from tvpn.session.event import VerdictWanted
from tvpn.store.lease import keep

HERE = Endpoint("link", ("192.0.2.7", 1194))
ALICE = Identity("ca", 7, "alice")
REQUEST = VerdictRequest(5, HERE, VerdictWanted(0, ALICE, "user", "correct horse", {}))


class ServerCase(SynchronousTestCase):
    """A service that was never started."""

    def setUp(self) -> None:
        self.hub, self.policy, self.database = mock.Mock(), mock.Mock(), mock.Mock()
        self.hub.transmit.return_value = self.hub.take_events.return_value = []
        self.hub.deadline.return_value = None
        self.logged: list[str] = []

    def build(self, nat: str = "no", certificate: Any = None) -> ServerService:
        device = DevicePlan("tun", 1500, IPv4Network("10.9.0.0/24"), IPv6Network("fd00:9::/64"))
        service = ServerService(
            MemoryReactorClock(), self.hub, Userspace(Router()), self.policy, self.database, device,
            ListenPlan(()), nat, 3, certificate, (),
        )  # fmt: skip
        log = service._log = mock.Mock()
        for level in ("info", "warn", "error", "failure"):
            getattr(log, level).side_effect = lambda text, *_, **values: self.logged.append(text.format(**values))
        return service


class NATTests(ServerCase):
    """yes, no and auto."""

    def raise_up(self, nat: str, error: str | None = None) -> list[str]:
        scripts: list[str] = []

        def load(script: str) -> None:
            if error is not None:
                raise TvpnError(error)
            scripts.append(script)

        with mock.patch.object(nft, "load", load), mock.patch.object(firewall, "switch_forwarding_on"):
            service = self.build(nat)
            service._raise_firewall("tun3")
            service._close()
        return scripts

    def test_no(self) -> None:
        """``no`` leaves nft and the kernel's switches alone, at the start and at the end."""
        self.assertEqual(self.raise_up("no"), [])
        self.assertEqual(self.raise_up("no", "must not be called"), [])

    def test_possible(self) -> None:
        """``yes`` and ``auto`` load the table of the device that there is, and remove it at the end."""
        for nat in ("yes", "auto"):
            up, down = self.raise_up(nat)
            self.assertIn("table inet tvpn_tun3 {", up)
            self.assertIn("ip6 saddr fd00:9::/64", up)
            self.assertEqual(down, "add table inet tvpn_tun3\ndelete table inet tvpn_tun3\n")

    def test_impossible(self) -> None:
        """Without nft ``auto`` goes on with one warning, and takes down nothing it did not raise."""
        self.assertEqual(self.raise_up("auto", "there is no nft here"), [])
        self.assertEqual(self.logged, ["no NAT: there is no nft here; clients reach this machine only"])

    def test_demanded(self) -> None:
        """Without nft ``yes`` refuses to start."""
        error = self.assertRaises(TvpnError, self.raise_up, "yes", "there is no nft here")
        self.assertEqual(str(error), "there is no nft here")

    def test_table_stays(self) -> None:
        """A table that cannot be removed is told, and does not keep the rest from ending."""
        service = self.build("yes")
        service._firewall = mock.Mock()
        service._firewall.take_down.side_effect = TvpnError("nft did not run")
        service._close()
        self.assertEqual(self.logged, ["the NAT table stays: nft did not run"])


class VerdictTests(ServerCase):
    """Questions to the policy and answers to the hub."""

    def ask(self, answer: Any) -> Verdict:
        """The verdict that reaches the hub."""
        self.policy.authenticate.side_effect = answer
        self.build()._tell(REQUEST)
        [(member, verdict, _)] = [call.args for call in self.hub.verdict.call_args_list]
        self.assertEqual(member, 5)
        return verdict

    def test_answer(self) -> None:
        """What the policy says reaches the hub as it is, for the member that was asked about."""
        for verdict in (Verdict(True), Verdict(False, "no reason", "go away")):
            self.hub.verdict.reset_mock()

            async def answer(request: VerdictRequest, pend: object, verdict: Verdict = verdict) -> Verdict:
                self.assertIs(request, REQUEST)
                return verdict

            self.assertEqual(self.ask(answer), verdict)

    def test_failure(self) -> None:
        """A policy that breaks is a no, told as a temporary one; the log has the name and no password."""

        async def answer(request: VerdictRequest, pend: object) -> Verdict:
            raise ZeroDivisionError

        verdict = self.ask(answer)
        self.assertFalse(verdict.accepted)
        self.assertTrue(verdict.temporary)
        self.assertEqual(self.logged, ["the verdict on alice failed: refused"])
        self.assertNotIn("correct horse", repr(REQUEST) + repr(self.logged))

    def test_slow(self) -> None:
        """While one answer is awaited nothing waits: other events are told meanwhile."""
        later: Deferred[Verdict] = Deferred()

        async def answer(request: VerdictRequest, pend: object) -> Verdict:
            return await later

        self.policy.authenticate.side_effect = answer
        service = self.build()
        service._tell(REQUEST)
        service._tell(Joined(6, "bob", HERE, ("10.9.0.3",)))
        self.assertEqual(self.logged, ["bob joined from 192.0.2.7:1194 as 10.9.0.3"])
        self.hub.verdict.assert_not_called()
        later.callback(Verdict(True))
        self.assertEqual(self.hub.verdict.call_args.args[:2], (5, Verdict(True)))


class KeepingTests(ServerCase):
    """What is written down for the next start."""

    def test_lease(self) -> None:
        """A lease goes into the store with its place and time; a store that fails is told."""
        kept: Deferred[None] = Deferred()
        self.database.run.return_value = kept
        service = self.build()
        service._tell(Leased("ca:7", 3))
        self.assertEqual(self.database.run.call_args.args[:3], (keep, "ca:7", 3))
        kept.errback(OSError("disk full"))
        self.assertEqual(self.logged, ["a lease was not stored"])

    def test_renewal(self) -> None:
        """A renewed certificate is told, one that is not due is not, one that cannot be renewed says why."""
        certificate = mock.Mock()
        service = self.build(certificate=certificate)
        certificate.renew.side_effect = [False, True, TvpnError("disk full")]
        for _ in range(3):
            service._renew()
        self.assertEqual(self.logged, [
            "the server certificate was renewed", "the server certificate could not be renewed: disk full",
        ])  # fmt: skip
