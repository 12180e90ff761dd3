"""The nftables table as text, who loads it when, and the switches of the kernel in a folder of their own."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tvpn.errors import TvpnError
from tvpn.service import firewall
from tvpn.service.firewall import Firewall, switch_forwarding_on

V4, V6 = IPv4Network("10.9.0.0/24"), IPv6Network("fd00:9::/64")
UDP = (("udp", 1194),)


class ScriptTests(SynchronousTestCase):
    """What is loaded."""

    def script(self, *networks: IPv4Network | IPv6Network) -> str:
        return Firewall("tun0", networks, UDP).script()

    def test_ipv4(self) -> None:
        """A network of IPv4 is masqueraded wherever it leaves, and IPv6 is not mentioned."""
        text = self.script(V4)
        self.assertIn('ip saddr 10.9.0.0/24 oifname != "tun0" masquerade', text)
        self.assertNotIn("ip6", text)

    def test_ipv6(self) -> None:
        """A network of IPv6 likewise, and IPv4 is not mentioned."""
        text = self.script(V6)
        self.assertIn('ip6 saddr fd00:9::/64 oifname != "tun0" masquerade', text)
        self.assertNotIn("ip saddr", text)

    def test_both(self) -> None:
        """Both networks have their lines; TCP and UDP keep to the ephemeral ports, before the rest goes anyhow."""
        lines = [line.strip() for line in self.script(V4, V6).splitlines()]
        found = [line for line in lines if "masquerade" in line]
        self.assertEqual(found, [
            'meta l4proto { tcp, udp } ip saddr 10.9.0.0/24 oifname != "tun0" masquerade to :32768-60999',
            'ip saddr 10.9.0.0/24 oifname != "tun0" masquerade',
            'meta l4proto { tcp, udp } ip6 saddr fd00:9::/64 oifname != "tun0" masquerade to :32768-60999',
            'ip6 saddr fd00:9::/64 oifname != "tun0" masquerade',
        ])  # fmt: skip

    def test_ports(self) -> None:
        """Each port of the service is untracked once, both ways, with its protocol."""
        ports = (("udp", 1194), ("tcp", 443), ("udp", 1194))
        text = Firewall("tun0", (V4,), ports).script()
        self.assertEqual(text.count("{ tcp . 443, udp . 1194 } notrack"), 2)
        self.assertIn('iifname != "tun0" fib daddr type local meta l4proto . th dport { tcp . 443', text)
        self.assertIn("meta l4proto . th sport { tcp . 443", text)

    def test_isolation(self) -> None:
        """Nothing is forwarded from one client to another, unless they may talk to each other."""
        rule = 'iifname "tun0" oifname "tun0" drop'
        self.assertIn(rule, Firewall("tun0", (V4,), UDP).script())
        self.assertNotIn("drop", Firewall("tun0", (V4,), UDP, isolates=False).script())

    def test_table(self) -> None:
        """Each device has a table of its own, by a name that nft can read."""
        self.assertEqual(Firewall("tun0", (V4,), UDP).table, "tvpn_tun0")
        self.assertEqual(Firewall("tun-a.b", (V4,), UDP).table, "tvpn_tun_a_b")

    def test_transactions(self) -> None:
        """Raising replaces what a killed server has left, in one transaction; taking down works twice."""
        scripts: list[str] = []
        wall = Firewall("tun0", (V4,), UDP, run=scripts.append)
        with mock.patch.object(firewall, "switch_forwarding_on") as switched:
            wall.raise_up()
        switched.assert_called_once_with((V4,))
        wall.take_down()
        away = "add table inet tvpn_tun0\ndelete table inet tvpn_tun0\n"
        self.assertEqual(scripts, [away + wall.script(), away])


    def test_half_way(self) -> None:
        """Without the table nothing is forwarded, and without forwarding no table stays."""
        missing = TvpnError("there is no nft here")
        with mock.patch.object(firewall, "switch_forwarding_on") as switched:
            wall = Firewall("tun0", (V4,), UDP, run=mock.Mock(side_effect=missing))
            self.assertIs(self.assertRaises(TvpnError, wall.raise_up), missing)
        switched.assert_not_called()
        scripts: list[str] = []
        wall = Firewall("tun0", (V4,), UDP, run=scripts.append)
        with mock.patch.object(firewall, "switch_forwarding_on", side_effect=TvpnError("read-only")):
            self.assertRaises(TvpnError, wall.raise_up)
        self.assertEqual(scripts[1:], ["add table inet tvpn_tun0\ndelete table inet tvpn_tun0\n"])


class KernelTests(SynchronousTestCase):
    """nft itself takes what we write."""

    skip = skip_unless_possible("nft")

    def test_accepted(self) -> None:
        """The table of each combination loads, loads again in place of itself, and is gone after taking down."""
        with Lab() as lab:
            lab.host("here")
            for networks in ((V4,), (V6,), (V4, V6)):
                scripts: list[str] = []
                wall = Firewall("tun0", networks, (("udp", 1194), ("tcp", 1194)), run=scripts.append)
                with mock.patch.object(firewall, "switch_forwarding_on"):
                    wall.raise_up()
                wall.take_down()
                up, down = (str(lab.write(f"{number}.nft", text)) for number, text in enumerate(scripts))
                for _ in range(2):
                    lab.run("here", "nft", "-f", up)
                listed = lab.run("here", "nft", "list", "ruleset").stdout
                self.assertEqual(listed.count("table inet tvpn_tun0"), 1)
                self.assertEqual(listed.count("masquerade"), 2 * len(networks))
                for _ in range(2):
                    lab.run("here", "nft", "-f", down)
                self.assertEqual(lab.run("here", "nft", "list", "tables").stdout, "")


class ForwardingTests(SynchronousTestCase):
    """The switches, as files."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.values = {
            "ipv4/ip_forward": "0", "ipv6/conf/all/forwarding": "0", "ipv6/conf/all/accept_ra": "1",
            "ipv6/conf/eth0/accept_ra": "1", "ipv6/conf/eth1/accept_ra": "0", "ipv6/conf/eth2/accept_ra": "2",
        }  # fmt: skip
        for name, value in self.values.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")

    def changed(self) -> dict[str, str]:
        now = {name: (self.folder / name).read_text().strip() for name in self.values}
        return {name: value for name, value in now.items() if value != self.values[name]}

    def test_ipv4(self) -> None:
        """A network of IPv4 switches IPv4 alone."""
        switch_forwarding_on((V4,), self.folder)
        self.assertEqual(self.changed(), {"ipv4/ip_forward": "1"})

    def test_ipv6(self) -> None:
        """A network of IPv6 switches IPv6, and who heard router advertisements goes on hearing them."""
        switch_forwarding_on((V6,), self.folder)
        self.assertEqual(self.changed(), {
            "ipv6/conf/all/forwarding": "1", "ipv6/conf/all/accept_ra": "2", "ipv6/conf/eth0/accept_ra": "2",
        })  # fmt: skip

    def test_advertisements_first(self) -> None:
        """They are kept before forwarding is on: in between the kernel would drop its default route."""
        written: list[str] = []
        with mock.patch.object(firewall, "_write", lambda path, value: written.append(path.name)):
            switch_forwarding_on((V6,), self.folder)
        self.assertEqual(written, ["accept_ra", "accept_ra", "forwarding"])

    def test_nothing_to_do(self) -> None:
        """What is right already is not written: the files may be read-only, as in a container."""
        switch_forwarding_on((V4, V6), self.folder)
        stamps = {}
        for name in self.values:
            os.utime(self.folder / name, (1, 1))
            stamps[name] = (self.folder / name).stat().st_mtime
        with mock.patch.object(Path, "write_text", side_effect=PermissionError(30, "Read-only file system")):
            switch_forwarding_on((V4, V6), self.folder)
        self.assertEqual({name: (self.folder / name).stat().st_mtime for name in self.values}, stamps)

    def test_read_only(self) -> None:
        """A switch that cannot be written is named."""
        failure = PermissionError(30, "Read-only file system", str(self.folder / "ipv4/ip_forward"))
        with mock.patch.object(Path, "write_text", side_effect=failure):
            error = self.assertRaises(TvpnError, switch_forwarding_on, (V4,), self.folder)
        self.assertIn("ipv4/ip_forward: Read-only file system", str(error))
