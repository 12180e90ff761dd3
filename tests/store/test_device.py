import string
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.store import device as devices
from tvpn.store.database import connect
from tvpn.store.device import Device, check_name

ALICE = Device("alice", (1 << 159) - 1, "c0ffee", 1000.0, 2000.0)
_ALLOWED = set(string.ascii_letters + string.digits + "_.@-")


class NameTests(SynchronousTestCase):
    def test_good(self) -> None:
        """Names as people give them are names of devices."""
        for name in ("a", "7", "alice", "Alice-Phone_2", "alice@example.org", "a.b", "x" * 64):
            check_name(name)

    def test_bad(self) -> None:
        """Nothing that could be an option, a path, a line of a log or another's look-alike is a name."""
        for name in (
            "", ".", "..", "a..b", "-a", "_a", "@a", ".a", "a b", "a/b", "a\n", "\na", "a\x00", "a\\b", "ä",
            "аlice", "x" * 65, "a,b", "a'b", 'a"b', "$(a)", "a;b", "a:b", "%s",
        ):  # fmt: skip
            self.assertRaises(TvpnError, check_name, name)

    @given(st.text(max_size=70))
    @settings(deadline=None, max_examples=300)
    def test_any(self, name: str) -> None:
        """Whatever is accepted has only allowed characters, and a letter or digit first."""
        try:
            check_name(name)
        except TvpnError:
            return
        self.assertTrue(set(name) <= _ALLOWED and name[0].isalnum() and len(name) <= 64 and ".." not in name)


class DeviceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.cursor = connect(Path(self.mktemp()) / "tvpn.sqlite")
        self.addCleanup(self.cursor.close)
        devices.add(self.cursor, ALICE)

    def test_found(self) -> None:
        """A device is found by serial and by name, and comes back as it went in, all 159 bits of serial."""
        self.assertEqual(devices.find_by_serial(self.cursor, "c0ffee", ALICE.serial), ALICE)
        self.assertEqual(devices.find_by_name(self.cursor, "ALICE"), ALICE)
        self.assertEqual(devices.all(self.cursor), [ALICE])

    def test_not_found(self) -> None:
        """The same serial of another issuer, another serial and another name are nobody."""
        self.assertIsNone(devices.find_by_serial(self.cursor, "beef", ALICE.serial))
        self.assertIsNone(devices.find_by_serial(self.cursor, "c0ffee", 1))
        self.assertIsNone(devices.find_by_name(self.cursor, "alic_"))

    def test_same_name(self) -> None:
        """A living device's name is refused to another, in any case of letters, and the holder is named."""
        for name in ("alice", "Alice", "ALICE"):
            other = replace(ALICE, name=name, serial=2)
            error = self.assertRaises(TvpnError, devices.add, self.cursor, other)
            self.assertIn("'alice'", str(error))
        self.assertEqual(len(devices.all(self.cursor)), 1)

    def test_same_serial(self) -> None:
        """A certificate is remembered once."""
        self.assertRaises(TvpnError, devices.add, self.cursor, replace(ALICE, name="bob"))

    def test_bad_name(self) -> None:
        """A row with a bad name cannot come in by any way."""
        self.assertRaises(TvpnError, devices.add, self.cursor, replace(ALICE, name="../a", serial=2))

    def test_revoke(self) -> None:
        """A revoked device is still found by its serial, with the time, and by its name no more."""
        gone = devices.revoke(self.cursor, "Alice", 1500.0)
        self.assertEqual(gone, replace(ALICE, revoked=1500.0))
        self.assertEqual(devices.find_by_serial(self.cursor, "c0ffee", ALICE.serial), gone)
        self.assertIsNone(devices.find_by_name(self.cursor, "alice"))

    def test_name_again(self) -> None:
        """A revoked name may be given again; the old certificate stays revoked when the new device is."""
        devices.revoke(self.cursor, "alice", 1500.0)
        devices.add(self.cursor, replace(ALICE, serial=2))
        devices.revoke(self.cursor, "alice", 1600.0)
        found = [(one.serial, one.revoked) for one in devices.all(self.cursor)]
        self.assertEqual(found, [(ALICE.serial, 1500.0), (2, 1600.0)])

    def test_revoke_nobody(self) -> None:
        """Revoking an unknown device and a revoked one are two different sentences."""
        error = self.assertRaises(TvpnError, devices.revoke, self.cursor, "bob", 1.0)
        self.assertIn("no device 'bob'", str(error))
        devices.revoke(self.cursor, "alice", 1.0)
        error = self.assertRaises(TvpnError, devices.revoke, self.cursor, "alice", 2.0)
        self.assertIn("revoked already", str(error))

    def test_remove(self) -> None:
        """A device that never got its profile leaves nothing, and others stay."""
        bob = replace(ALICE, name="bob", serial=2)
        devices.add(self.cursor, bob)
        devices.remove(self.cursor, ALICE)
        self.assertEqual(devices.all(self.cursor), [bob])
