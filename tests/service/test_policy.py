"""The built-in policy over a real store: who may come in, with a negative twin for each yes."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tvpn.config.clientfile import Addressing
from tvpn.crypto.certificate import Identity
from tvpn.hub.event import VerdictRequest
from tvpn.plane.verbs import Endpoint
from tvpn.service.clientfiles import ClientFiles
from tvpn.service.policy import ACCEPTED, Policy, judge_device
from tvpn.session.event import VerdictWanted
from tvpn.store import device as devices
from tvpn.store.database import Database, connect, transaction
from tvpn.store.device import Device

ALICE = Device("alice", 0xA11CE, "c0ffee", 1000.0, 2000.0)
KNOWN = Identity("c0ffee", 0xA11CE, "alice")
STRANGERS = (
    Identity("c0ffee", 0xB0B, "alice"),
    Identity("beef", 0xA11CE, "alice"),
)

PEND = mock.Mock(side_effect=AssertionError("nobody was to be asked"))


class JudgeTests(SynchronousTestCase):
    """The store's opinion."""

    def setUp(self) -> None:
        self.store = connect(Path(self.mktemp()) / "tvpn.sqlite")
        self.addCleanup(self.store.close)
        devices.add(self.store, ALICE)

    def test_known(self) -> None:
        """A device of the store may come in, by either list, whatever name it shows."""
        for identity in (KNOWN, Identity("c0ffee", 0xA11CE, "another name")):
            for allow_list in (True, False):
                self.assertEqual(judge_device(self.store, identity, allow_list), ACCEPTED)

    def test_unknown(self) -> None:
        """Another serial, or the same of another issuer: the allow-list refuses both, the deny-list neither."""
        for stranger in STRANGERS:
            verdict = judge_device(self.store, stranger, True)
            self.assertEqual((verdict.accepted, verdict.told), (False, "unknown device"))
            self.assertIn(f"not in the store (serial {stranger.serial:x})", verdict.reason)
            self.assertEqual(judge_device(self.store, stranger, False), ACCEPTED)

    def test_revoked(self) -> None:
        """A revoked device is refused by either list, and reads why."""
        devices.revoke(self.store, "alice", 1500.0)
        for allow_list in (True, False):
            verdict = judge_device(self.store, KNOWN, allow_list)
            self.assertEqual((verdict.accepted, verdict.told), (False, "this device is revoked"))
            self.assertEqual(verdict.reason, "alice: this device is revoked")

    def test_name_again(self) -> None:
        """A new device of a revoked name comes in, and the old certificate still does not."""
        devices.revoke(self.store, "alice", 1500.0)
        devices.add(self.store, Device("alice", 0xA2, "c0ffee", 1600.0, 2000.0))
        self.assertTrue(judge_device(self.store, Identity("c0ffee", 0xA2, "alice"), True).accepted)
        self.assertFalse(judge_device(self.store, KNOWN, True).accepted)


class PolicyTests(TestCase):
    """The same, asked as the service asks."""

    timeout = 20

    def request(self, identity: Identity, key_id: int = 0) -> VerdictRequest:
        wanted = VerdictWanted(key_id, identity, "", "", {})
        return VerdictRequest(1, Endpoint("link", ("192.0.2.7", 1194)), wanted)

    async def test_store(self) -> None:
        """The store is read at each question: a revocation counts from the next one on."""
        path = Path(self.mktemp()) / "tvpn.sqlite"
        store = connect(path)
        self.addCleanup(store.close)
        with transaction(store):
            devices.add(store, ALICE)
        database = Database(path, reactor)
        self.addCleanup(database.close)
        policy = Policy(database, allow_list=True)
        self.assertEqual(await policy.authenticate(self.request(KNOWN), PEND), ACCEPTED)
        self.assertFalse((await policy.authenticate(self.request(STRANGERS[0]), PEND)).accepted)
        with transaction(store):
            devices.revoke(store, "alice", 1500.0)
        self.assertFalse((await policy.authenticate(self.request(KNOWN), PEND)).accepted)

    def test_no_store(self) -> None:
        """Without a store everybody comes in whom the CA has signed."""
        verdict = Deferred.fromCoroutine(Policy(None, allow_list=False).authenticate(self.request(KNOWN), PEND))
        self.assertEqual(self.successResultOf(verdict), ACCEPTED)

    async def test_client_file(self) -> None:
        """The client's own file is read when it comes in, and not at a renegotiation, which gives nothing."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "alice").write_text("iroute 192.168.7.0 255.255.255.0\n")
        policy = Policy(None, False, client_files=ClientFiles(folder, False, Addressing(None, None)))
        verdict = await policy.authenticate(self.request(KNOWN), PEND)
        self.assertEqual((verdict.accepted, str(verdict.config.iroutes[0])), (True, "192.168.7.0/24"))
        (folder / "alice").write_text("disable\n")
        self.assertTrue((await policy.authenticate(self.request(KNOWN, key_id=1), PEND)).accepted)
        self.assertFalse((await policy.authenticate(self.request(KNOWN), PEND)).accepted)
