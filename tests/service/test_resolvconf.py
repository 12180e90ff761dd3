"""resolv.conf: replaced, put back, and left alone where it is not ours."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.service.test_journal import dead
from tvpn.errors import TvpnError
from tvpn.hub.names import Names, NameServer
from tvpn.hub.pushed import read_pushed
from tvpn.service.owner import Owner
from tvpn.service.repair import repair
from tvpn.service.resolvconf import ResolvConf, Saved, name_servers, original, plain_servers, read

BEFORE = b"# mine\nsearch old.example\nnameserver 192.0.2.53\noptions edns0\n"
PUSHED = ("dhcp-option DNS 10.9.0.1", "dhcp-option DNS6 fd00::1", "dhcp-option DOMAIN corp.example")


def names(*options: str) -> Names:
    return read_pushed(options or PUSHED).names


class ResolvConfCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "resolv.conf"
        self.path.write_bytes(BEFORE)
        self.path.chmod(0o640)
        self.file = ResolvConf(self.path)

    def said(self) -> list[str]:
        """What counts in it."""
        return [line for line in self.path.read_text().splitlines() if not line.startswith("#")]

    def one_of(self, owner: Owner) -> ResolvConf:
        """A client of another process."""
        with mock.patch("tvpn.service.resolvconf.this_process", return_value=owner):
            return ResolvConf(self.path)


class SetTests(ResolvConfCase):
    def test_set(self) -> None:
        """The servers and domains that were pushed, instead of what was there; a comment says whose file it is."""
        self.assertEqual(self.file.set(names()), [])
        self.assertEqual(self.said(), ["nameserver 10.9.0.1", "nameserver fd00::1", "search corp.example"])
        self.assertTrue(self.path.read_text().startswith(f"# Made by tvpn, process {os.getpid()} started at "))
        self.assertEqual(name_servers(self.path), [ip_address("10.9.0.1"), ip_address("fd00::1")])

    def test_search(self) -> None:
        """Domains alone leave the servers as they are, also behind a link."""
        self.file.set(names("dhcp-option DOMAIN corp.example"))
        lines = ["nameserver 192.0.2.53", "options edns0", "search corp.example"]
        self.assertEqual(self.said(), lines)
        self.file.reset()
        self.path.rename(self.folder / "real")
        self.path.symlink_to("real")
        for _ in range(2):
            self.file.set(names("dhcp-option DOMAIN corp.example"))
            self.assertEqual(self.said(), lines)

    def test_split(self) -> None:
        """Servers for some domains alone, or that want more than plain DNS, are left out with a sentence, but one that
        there is nothing else than.
        """
        split = ("dns server 1 address 10.9.0.1", "dns server 1 resolve-domains corp.example")
        more = ("dns server 2 address 10.9.0.2", "dns server 2 transport DoT", "dns server 3 address 10.9.0.3:5353",
                "dns server 4 address 10.9.0.4", "dns server 4 dnssec yes")  # fmt: skip
        unsaid = self.file.set(names(*split, *more, "dns server 9 address 10.9.0.9"))
        self.assertEqual(self.said(), ["nameserver 10.9.0.9"])
        self.assertEqual(unsaid, [
            f"the name server 10.9.0.{number} is left out: resolv.conf has no words for {reason}"
            for number, reason in ((1, "split DNS"), (2, "DoT"), (3, "a port of its own"), (4, "DNSSEC"))
        ])  # fmt: skip
        self.assertEqual(self.file.set(names(*split)), [])
        self.assertEqual(self.said(), ["nameserver 10.9.0.1"])
        self.assertEqual(len(self.file.set(names(*more))), 3)
        self.assertEqual(self.path.read_bytes(), BEFORE)

    def test_unreadable(self) -> None:
        """Something that is no small file is left alone, with a sentence."""
        self.path.write_bytes(b"#" * 70000)
        self.assertIn(str(self.path), str(self.assertRaises(TvpnError, self.file.set, names())))
        self.path.unlink()
        self.path.mkdir()
        self.assertRaises(TvpnError, self.file.set, names())


class PlainTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Of pushed servers the first that a resolv.conf can name: one for all domains before those for some."""
        def server(last: int, port: int | None = None, **more: Any) -> NameServer:
            return NameServer(((ip_address(f"192.0.2.{last}"), port),), **more)

        for servers, chosen in (
            ((server(1), server(2, 53)), [1]),
            ((server(1, 853), server(2)), [2]),
            ((server(1, transport="DoT"), server(2, dnssec="yes"), server(3, transport="plain")), [3]),
            ((server(1, domains=("corp.example",)), server(2)), [2]),
            ((server(1, domains=("corp.example",)),), [1]),
            ((server(1, transport="DoH"),), []),
        ):
            found = plain_servers(Names(servers))
            self.assertEqual(found, [IPv4Address(f"192.0.2.{last}") for last in chosen])


class ResetTests(ResolvConfCase):
    """Byte for byte."""

    def test_file(self) -> None:
        """Content, mode and owner are back, after changes in between; a second time changes nothing."""
        os.chown(self.path, 1234, 1234) if os.geteuid() == 0 else None
        before = read(self.path)
        self.file.set(names())
        self.file.set(names("dhcp-option DNS 10.9.0.2"))
        for _ in range(2):
            self.file.reset()
            self.assertEqual(read(self.path), before)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["resolv.conf"])

    def test_link(self) -> None:
        """A symbolic link is a link again; what it leads to was never touched."""
        target = self.folder / "stub"
        self.path.rename(target)
        self.path.symlink_to("stub")
        self.file.set(names())
        self.assertFalse(self.path.is_symlink())
        self.assertEqual(target.read_bytes(), BEFORE)
        self.file.reset()
        self.assertEqual(os.readlink(self.path), "stub")

    def test_nothing(self) -> None:
        """Where there was no file there is none."""
        self.path.unlink()
        self.file.set(names())
        self.file.reset()
        self.assertFalse(self.path.exists())

    def test_changed(self) -> None:
        """What somebody else has written since stays."""
        self.file.set(names())
        self.path.write_text("nameserver 192.0.2.99\n")
        self.file.reset()
        self.assertEqual(self.path.read_text(), "nameserver 192.0.2.99\n")

    def test_changed_and_set(self) -> None:
        """Names that are pushed after that take its place, and it is what comes back."""
        self.file.set(names())
        self.path.write_text("nameserver 192.0.2.99\n")
        self.file.set(names())
        self.file.reset()
        self.assertEqual(self.path.read_text(), "nameserver 192.0.2.99\n")

    def test_in_place(self) -> None:
        """Where the file cannot be replaced (a mount of its own) it is written in place, and back."""
        inode = self.path.stat().st_ino
        with mock.patch.object(Path, "replace", side_effect=OSError(16, "busy")):
            self.file.set(names())
            self.assertEqual(self.said()[0], "nameserver 10.9.0.1")
            self.file.reset()
        self.assertEqual((self.path.read_bytes(), self.path.stat().st_ino), (BEFORE, inode))
        self.assertEqual([path.name for path in self.folder.iterdir()], ["resolv.conf"])

    @settings(deadline=None)
    @given(st.binary(max_size=2000))
    def test_any_bytes(self, content: bytes) -> None:
        """Whatever stood there."""
        self.path.write_bytes(content)
        self.file.set(names())
        self.assertEqual(original(read(self.path)), Saved(content, None, 0o640, (os.geteuid(), os.getegid())))
        self.file.reset()
        self.assertEqual(self.path.read_bytes(), content)


class RepairTests(ResolvConfCase):
    """After a crash."""

    def repair(self) -> list[str]:
        return repair(self.folder / "none", self.path)

    def test_killed(self) -> None:
        """What a dead process changed is put back, with one sentence."""
        owner = dead()
        self.one_of(owner).set(names())
        self.assertEqual(
            self.repair(), [f"put {self.path} back as it was before a killed tvpn (process {owner.pid}) changed it"]
        )
        self.assertEqual(self.path.read_bytes(), BEFORE)
        self.assertEqual(self.repair(), [])

    def test_living(self) -> None:
        """What a living process changed stays."""
        self.file.set(names())
        changed = self.path.read_bytes()
        self.assertEqual(self.repair(), [])
        self.assertEqual(self.path.read_bytes(), changed)

    def test_one_in_the_other(self) -> None:
        """A file that stood in for one of a client that is dead by now becomes what was there before both."""
        self.one_of(dead()).set(names())
        self.file.set(names("dhcp-option DNS 10.9.0.2"))
        self.file.reset()
        self.assertEqual(self.path.read_bytes(), BEFORE)

    def test_broken(self) -> None:
        """A file of a dead process whose memory was cut out is left alone, with a sentence."""
        self.one_of(dead()).set(names())
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text("".join(line for line in lines if not line.startswith("#|")))
        broken = self.path.read_bytes()
        self.assertIn("write your own name servers", self.repair()[0])
        self.assertEqual(self.path.read_bytes(), broken)
