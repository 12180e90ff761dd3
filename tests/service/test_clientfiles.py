"""Which file is a client's: names from outside never lead out of the folder."""

from __future__ import annotations

import hashlib
import os
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.clientfile import Addressing
from tvpn.errors import TvpnError
from tvpn.hub.rules import Verdict
from tvpn.service.clientfiles import LARGEST, ClientFiles, file_name

NETWORK = Addressing(IPv4Network("10.87.0.0/24"), None)
HOSTILE = (
    "../x", "/etc/passwd", ".", "..", "", "a\nb", "a\0b", "-rf", ".hidden", "a/b", "a b", "a" * 300, "\U0001f600",
    "\u202ealice", "\u0430lice", "DEFAULT", "a:b", "a*", "$(id)", "alice\r", "\udcff", "0" * 64,
)  # fmt: skip


class FolderCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.files = ClientFiles(self.folder, False, NETWORK)

    def write(self, name: str, address: int) -> None:
        (self.folder / name).write_text(f"ifconfig-push 10.87.0.{address} 255.255.255.0\n")

    def address(self, name: str, files: ClientFiles | None = None) -> int | None:
        """The last number of the address that this name is given, None without."""
        config = (files or self.files).find(name)
        self.assertIsNotNone(config)
        return None if config is None or config.ifconfig is None else config.ifconfig[0].packed[3]


class NameTests(FolderCase):
    def test_own_file(self) -> None:
        """A harmless name is the file's name, letter by letter; who has none gets DEFAULT's, or nothing."""
        self.assertEqual(self.address("alice"), None)
        self.write("DEFAULT", 7)
        for number, name in enumerate(("alice", "Alice", "bob@example.org", "_9", "a.b-c", "a" * 63), 10):
            self.assertEqual(self.address(name), 7)
            self.write(name, number)
            self.assertEqual(self.address(name), number)

    def test_hostile_names(self) -> None:
        """I-06: whatever is no harmless name opens the file of its SHA-256 and nothing else, inside the folder."""
        self.write("DEFAULT", 7)
        (self.folder.parent / "x").write_text("disable\n")
        opened: list[str] = []
        recording = [True]

        def audit(event: str, arguments: tuple) -> None:
            if recording[0] and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
                opened.append(os.fspath(arguments[0]))

        sys.addaudithook(audit)
        for name in HOSTILE:
            hashed = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
            opened.clear()
            self.assertEqual((file_name(name), self.address(name)), (hashed, 7), repr(name))
            # Who has no name has no file of that name.
            own = [str(self.folder), hashed] if name else []
            self.assertEqual(opened, [*own, str(self.folder), "DEFAULT"])
        recording[0] = False
        self.assertEqual(len({file_name(name) for name in HOSTILE}), len(HOSTILE))
        self.write(file_name("a b"), 9)
        self.assertEqual(self.address("a b"), 9)

    def test_case_twins(self) -> None:
        """I-06: names that differ in case are two clients."""
        self.write("alice", 9)
        self.assertEqual([self.address(name) for name in ("alice", "Alice", "ALICE")], [9, None, None])

    def test_links(self) -> None:
        """I-06: a link, a folder or a pipe in the place of a file is refused, wherever it leads."""
        self.write("real", 9)
        (self.folder / "link").symlink_to(self.folder / "real")
        (self.folder / "away").symlink_to("/etc/passwd")
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "pipe")
        for name in ("link", "away", "folder", "pipe"):
            error = self.assertRaises(TvpnError, self.files.find, name)
            self.assertIn(f"{self.folder / name}: is no ordinary file", str(error))

    def test_unreadable(self) -> None:
        """A file that is too large or no text, and a folder that is gone, are errors in words."""
        (self.folder / "large").write_bytes(b"#" * (LARGEST + 1))
        (self.folder / "binary").write_bytes(b"\xff\xfe\0")
        self.assertIn("is larger than", str(self.assertRaises(TvpnError, self.files.find, "large")))
        self.assertIn("is not UTF-8", str(self.assertRaises(TvpnError, self.files.find, "binary")))
        gone = ClientFiles(self.folder / "gone", False, NETWORK)
        self.assertIn("cannot be read: No such file", str(self.assertRaises(TvpnError, gone.find, "alice")))


class GrantTests(FolderCase):
    YES = Verdict(True, push=("route 10.1.0.0 255.255.0.0",))

    def test_granted(self) -> None:
        """A yes carries the file's contents and keeps its own push."""
        self.write("alice", 9)
        verdict = self.files.grant(self.YES, "alice")
        self.assertTrue(verdict.accepted)
        self.assertEqual(verdict.push, self.YES.push)
        self.assertEqual(verdict.config.ifconfig, (IPv4Address("10.87.0.9"), IPv4Address("255.255.255.0")))

    def test_disabled(self) -> None:
        """A file that says disable refuses, also by DEFAULT; others are not disturbed."""
        (self.folder / "mallory").write_text("disable\n")
        verdict = self.files.grant(self.YES, "mallory")
        self.assertEqual((verdict.accepted, verdict.told), (False, "this client is disabled"))
        self.assertTrue(self.files.grant(self.YES, "alice").accepted)
        (self.folder / "DEFAULT").write_text("disable\n")
        self.assertFalse(self.files.grant(self.YES, "alice").accepted)

    def test_broken(self) -> None:
        """A broken file refuses its client for the time being: the log names file, line and word, the client does not
        read them.
        """
        (self.folder / "alice").write_text("# mine\niroute 10.0.0.0 255.0.0.0\n")
        verdict = self.files.grant(self.YES, "alice")
        self.assertEqual((verdict.accepted, verdict.temporary), (False, True))
        place = f"alice: {self.folder / 'alice'}:2: iroute: "
        self.assertIn(f"{place}10.0.0.0/8 overlaps the clients' network", verdict.reason)
        self.assertEqual(verdict.told, "the server's file for you is wrong")
        self.assertTrue(self.files.grant(self.YES, "bob").accepted)

    def test_exclusive(self) -> None:
        """With ccd-exclusive only who has a file of its own comes in; DEFAULT is nobody's, whatever the name says."""
        files = ClientFiles(self.folder, True, NETWORK)
        self.write("DEFAULT", 7)
        self.write("alice", 9)
        self.assertTrue(files.grant(self.YES, "alice").accepted)
        for name in ("bob", "DEFAULT", "../alice", "Alice"):
            verdict = files.grant(self.YES, name)
            self.assertEqual((verdict.accepted, verdict.told), (False, "unknown client"), name)
            self.assertIn(str(self.folder / file_name(name)), verdict.reason)
