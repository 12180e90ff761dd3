"""Who is told of names; systemd-resolved through a resolvectl that writes down what it is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tvpn.hub.pushed import read_pushed
from tvpn.service.resolvconf import ResolvConf
from tvpn.service.resolver import FileResolver, ResolvedResolver, commands, find_resolver, own_name_servers

RESOLVECTL = """#!/bin/sh
echo "$@" >> {log}
echo "Failed to do so: no such link" >&2
exit {status}
"""


def told(*options: str) -> list[str]:
    return [" ".join(words) for words in commands("tun7", read_pushed(options).names)]


class CommandTests(SynchronousTestCase):
    def test_table(self) -> None:
        """A server that knows everything is asked everything; one for some domains about them alone."""
        table = [
            (["dhcp-option DNS 10.9.0.1", "dhcp-option DNS6 fd00::1", "dhcp-option DOMAIN corp.example"],
             ["dns tun7 10.9.0.1 fd00::1", "domain tun7 corp.example ~.", "default-route tun7 yes"]),
            (["dns server 0 address 10.9.0.1:5353 [fd00::1]:53", "dns server 0 sni dns.example",
              "dns server 0 transport DoT", "dns server 0 dnssec optional"],
             ["dns tun7 10.9.0.1:5353#dns.example [fd00::1]:53#dns.example", "domain tun7 ~.",
              "default-route tun7 yes", "dnssec tun7 allow-downgrade", "dnsovertls tun7 yes"]),
            (["dns server 0 address 10.9.0.1", "dns server 0 resolve-domains corp.example",
              "dns search-domains a.example"],
             ["dns tun7 10.9.0.1", "domain tun7 a.example ~corp.example", "default-route tun7 no"]),
            (["dns search-domains a.example"], ["domain tun7 a.example", "default-route tun7 no"]),
            (["dns server 0 address 10.9.0.1", "dns server 0 transport DoH", "dns server 1 address 10.9.0.2"],
             ["dns tun7 10.9.0.2", "domain tun7 ~.", "default-route tun7 yes"]),
        ]  # fmt: skip
        for options, expected in table:
            self.assertEqual(told(*options), expected)


class ResolvedTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.logged: list[str] = []

    def resolver(self, status: int = 0) -> ResolvedResolver:
        program = self.folder / "resolvectl"
        program.write_text(RESOLVECTL.format(log=self.folder / "log", status=status))
        program.chmod(0o755)
        resolver = ResolvedResolver(reactor, str(program))
        log = resolver._log = mock.Mock()
        log.warn.side_effect = lambda text, **values: self.logged.append(text.format(**values))
        return resolver

    async def wait(self, number: int) -> list[str]:
        """What was said, once it is so many lines and nobody is saying anything any more."""
        log = self.folder / "log"
        for _ in range(500):
            lines = log.read_text().splitlines() if log.exists() else []
            if len(lines) >= number:
                await deferLater(reactor, 0.05)
                return log.read_text().splitlines()
            await deferLater(reactor, 0.01)
        raise AssertionError(f"only {lines}")

    def test_told(self) -> Any:
        """One call after the other; what was set before is taken back first, and all at the end."""

        async def run() -> None:
            resolver = self.resolver()
            resolver.set("tun7", read_pushed(["dhcp-option DNS 10.9.0.1"]).names)
            first = ["revert tun7", "dns tun7 10.9.0.1", "domain tun7 ~.", "default-route tun7 yes"]
            self.assertEqual(await self.wait(4), first)
            resolver.reset("tun7")
            self.assertEqual(await self.wait(5), [*first, "revert tun7"])
            self.assertEqual(self.logged, [])

        return Deferred.fromCoroutine(run())

    def test_overtaken(self) -> Any:
        """What was not said yet when it changes is not said at all."""

        async def run() -> None:
            resolver = self.resolver()
            for number in range(20):
                resolver.set("tun7", read_pushed([f"dhcp-option DNS 10.9.0.{number}"]).names)
            last = ["revert tun7", "dns tun7 10.9.0.19", "domain tun7 ~.", "default-route tun7 yes"]
            self.assertEqual(await self.wait(5), ["revert tun7", *last])

        return Deferred.fromCoroutine(run())

    def test_refused(self) -> Any:
        """What resolved refuses is a warning with its own words; a device that is gone needs none."""

        async def run() -> None:
            resolver = self.resolver(status=1)
            resolver.set("tun7", read_pushed(["dns search-domains a.example"]).names)
            await self.wait(3)
            self.assertEqual(self.logged, [
                "resolvectl domain tun7 a.example failed: Failed to do so: no such link",
                "resolvectl default-route tun7 no failed: Failed to do so: no such link",
            ])  # fmt: skip

        return Deferred.fromCoroutine(run())

    def test_not_run(self) -> None:
        """A resolvectl that cannot even be started is a warning, whatever the reactor makes of it."""
        resolver = self.resolver()
        resolver._reactor = mock.Mock(**{"spawnProcess.side_effect": OSError(24, "Too many open files")})
        resolver.reset("tun7")
        self.assertEqual(self.logged, ["resolvectl revert tun7 failed: [Errno 24] Too many open files"])

    def test_doh(self) -> None:
        """A server that resolved cannot ask is left out with a sentence."""
        resolver = self.resolver()
        self.patch(resolver, "_call", lambda device, commands: None)
        resolver.set("tun7", read_pushed(["dns server 0 address 10.9.0.1", "dns server 0 transport DoH"]).names)
        self.assertEqual(self.logged, ["the name server 10.9.0.1 is left out: systemd-resolved knows no DoH"])

    def test_which(self) -> None:
        """systemd-resolved where it runs and there is a resolvectl; else the file."""
        self.resolver()
        with mock.patch.dict(os.environ, {"PATH": str(self.folder)}):
            self.assertIsInstance(find_resolver(reactor, self.folder), ResolvedResolver)
            self.assertIsInstance(find_resolver(reactor, self.folder / "none"), FileResolver)
        with mock.patch.dict(os.environ, {"PATH": "/nowhere"}):
            self.assertIsInstance(find_resolver(reactor, self.folder), FileResolver)


class OwnTests(SynchronousTestCase):
    def test_own(self) -> None:
        """The machine's own name servers: those of its file, or those behind resolved's address on loopback."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "resolv.conf").write_text("nameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver\noptions x\n")
        etc = folder / "etc"
        for text, servers in (("nameserver 127.0.0.53", ["192.0.2.53"]), ("nameserver 192.0.2.9", ["192.0.2.9"])):
            etc.write_text(text)
            self.assertEqual([str(each) for each in own_name_servers(folder, etc)], servers)
        self.assertEqual(own_name_servers(folder / "none", folder / "nothing"), [])


class FileTests(SynchronousTestCase):
    def test_warnings(self) -> None:
        """What cannot be written is a warning, never an error."""
        resolver = FileResolver(ResolvConf(Path("/nowhere/at/all")))
        log = resolver._log = mock.Mock()
        resolver.set("tun7", read_pushed(["dhcp-option DNS 10.9.0.1"]).names)
        log.warn.assert_called_once()
        resolver.reset("tun7")
