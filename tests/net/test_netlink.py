"""Netlink against the kernel, in a namespace: each case is a small program there."""

from __future__ import annotations

import sys
import textwrap
from errno import EMFILE, ENOBUFS
from ipaddress import IPv4Network, ip_address
from unittest import mock

from pyroute2.netlink.exceptions import NetlinkError
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop
from tvpn.net import netlink, way
from tvpn.net.netlink import Netlink

PREAMBLE = """
import subprocess
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop
from tvpn.net.netlink import Netlink
from tvpn.net.tun import open_tap, open_tun

def refused(call, *arguments):
    try:
        call(*arguments)
    except TvpnError as error:
        print("refused:", error)

def show(*words):
    print(subprocess.check_output(["ip", *words], text=True))

descriptor, device = open_tun("tun7")
with Netlink() as netlink:
"""


ENTRY = Entry(IPv4Network("10.1.0.0/16"), Hop(3))


class FailureTests(SynchronousTestCase):
    """A kernel that answers nothing but errors."""

    def test_every(self) -> None:
        """Whatever fails, a socket or the kernel behind it, is a TvpnError that says what was tried."""
        for error in (OSError(EMFILE, "Too many open files"), NetlinkError(ENOBUFS, "No buffer space available")):
            asked = mock.Mock(**{f"{name}.side_effect": error for name in ("link_lookup", "get_links", "get_addr",
                                                                            "get_routes", "link", "addr")})  # fmt: skip
            self.patch(netlink, "IPRoute", mock.Mock(return_value=asked))
            opened = Netlink()
            for call in (
                lambda: opened.index("tun0"), lambda: opened.has("tun0"), lambda: opened.join("tap0", "br0"),
                lambda: opened.lladdr("tap0"), lambda: opened.addresses("tun0"), lambda: opened.clear("tun0"),
                lambda: opened.lans(3), lambda: opened.gateway(4), lambda: opened.link(3),
                lambda: opened.set_up("tun0", 1500), lambda: opened.add_route(ENTRY.network, "tun0"),
            ):  # fmt: skip
                with self.assertRaisesRegex(TvpnError, rf"\Acannot [a-z]+ .*: {error.args[-1]}\Z"):
                    call()
            asked.route.side_effect = error
            self.assertRaises(TvpnError, opened.add, ENTRY)
            asked.link_lookup.side_effect = None
            asked.link_lookup.return_value = [3]
            self.assertRaises(TvpnError, opened.addresses, "tun0")
            self.assertRaises(TvpnError, opened.lladdr, "tun0")

    def test_no_descriptor(self) -> None:
        """Without a free descriptor there is no socket, and a sentence; the ways to a host are refused so, too."""
        error = OSError(EMFILE, "Too many open files")
        for module, call in ((netlink, Netlink), (way, lambda: way.find_way("192.0.2.1", ()))):
            self.patch(module, "IPRoute", mock.Mock(side_effect=error))
            self.assertIn(": Too many open files", str(self.assertRaises(TvpnError, call)))
        opened = netlink.Netlink.__new__(Netlink)
        opened._ip = mock.Mock(**{"route.side_effect": error})
        self.assertRaises(TvpnError, opened.remove, ENTRY)
        self.assertRaises(TvpnError, opened.way, ip_address("192.0.2.1"))


class NetlinkTests(SynchronousTestCase):
    """What ``ip`` shows afterwards is what was asked for."""

    skip = skip_unless_possible()

    def setUp(self) -> None:
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.lab.host("here")

    def do(self, body: str) -> str:
        """Run these lines with ``netlink`` open and the device tun7 there; what they and ``ip`` print."""
        program = PREAMBLE + textwrap.indent(textwrap.dedent(body).strip(), "    ")
        return self.lab.run("here", sys.executable, "-c", program).stdout


    def test_addresses(self) -> None:
        """The device is up with both addresses, their prefixes and the MTU; IPv6 can be used at once."""
        said = self.do(
            """
            netlink.set_up(device, 1400, IPv4Interface('10.9.0.1/24'), IPv6Interface('fd00:9::1/64'), None)
            show('addr', 'show', 'dev', device)
            """
        )
        self.assertIn("mtu 1400", said)
        self.assertRegex(said, r"tun7: <[^>]*\bUP\b")
        self.assertIn("inet 10.9.0.1/24", said)
        self.assertRegex(said, r"inet6 fd00:9::1/64 scope global")

    def test_pair(self) -> None:
        """An IPv4 address may be one end of a pair; the IPv6 one beside it is none."""
        said = self.do(
            """
            netlink.set_up(device, 1400, IPv4Interface('10.9.0.6/32'), IPv6Interface('fd00:9::6/64'),
                           other_end=ip_address('10.9.0.5'))
            show('addr', 'show', 'dev', device)
            """
        )
        self.assertIn("inet 10.9.0.6 peer 10.9.0.5/32", said)
        self.assertIn("inet6 fd00:9::6/64", said)
        self.assertNotIn("tentative", said)

    def test_twice(self) -> None:
        """What is there already is no error: addresses and routes may be asked for again."""
        said = self.do(
            """
            for _ in range(2):
                netlink.set_up(device, 1500, IPv4Interface('10.9.0.1/24'))
                netlink.add_route(IPv4Network('10.20.0.0/16'), device)
            show('route')
            """
        )
        self.assertEqual(said.count("10.20.0.0/16 dev tun7"), 1)

    def test_routes(self) -> None:
        """Networks of both families lead into the device."""
        said = self.do(
            """
            netlink.set_up(device, 1500, IPv4Interface('10.9.0.1/24'), IPv6Interface('fd00:9::1/64'))
            netlink.add_route(IPv4Network('0.0.0.0/1'), device)
            netlink.add_route(IPv6Network('fd00:20::/32'), device)
            show('route')
            show('-6', 'route')
            """
        )
        self.assertIn("0.0.0.0/1 dev tun7", said)
        self.assertIn("fd00:20::/32 dev tun7", said)

    def route(self) -> str:
        """A router on a wire, the default gateway by both families; the wire's device."""
        self.lab.host("router")
        device, _ = self.lab.wire(
            "here", ["192.0.2.2/24", "2001:db8::2/64"], "router", ["192.0.2.1/24", "2001:db8::1/64"]
        )
        self.lab.ip("here", "route", "add", "default", "via", "192.0.2.1")
        self.lab.ip("here", "-6", "route", "add", "default", "via", "2001:db8::1")
        return device

    def test_ways(self) -> None:
        """How a host is reached, and how closely: by the default gateway, on the wire, or not at all."""
        device = self.route()
        said = self.do(
            f"""
            assert netlink.index('{device}') > 0
            for host in ('198.51.100.7', '2001:db8:7::7', '192.0.2.9', '2001:db8::9'):
                hop, bits = netlink.way(ip_address(host))
                print(host, hop.device == netlink.index('{device}'), hop.gateway, bits)
            print(netlink.gateway(4).gateway, netlink.gateway(6).gateway)
            print(*netlink.lans(netlink.index('{device}')))
            show('route', 'del', 'default')
            print('nothing', netlink.way(ip_address('198.51.100.7')), netlink.gateway(4))
            """
        )
        self.assertEqual(said.split("\n")[:6], [
            "198.51.100.7 True 192.0.2.1 0", "2001:db8:7::7 True 2001:db8::1 0", "192.0.2.9 True None 24",
            "2001:db8::9 True None 64", "192.0.2.1 2001:db8::1", "192.0.2.0/24 2001:db8::/64",
        ])  # fmt: skip
        self.assertIn("nothing None None", said)

    def test_ways_without_us(self) -> None:
        """Ways past a device, and without entries of ours, are those that there would be without them."""
        self.route()
        said = self.do(
            """
            netlink.set_up(device, 1500, IPv4Interface('10.9.0.1/24'))
            server, tun = ip_address('198.51.100.7'), netlink.index(device)
            pin = Entry(IPv4Network(server), netlink.way(server)[0])
            for network in ('0.0.0.0/0', '198.51.100.0/24'):
                netlink.add(Entry(IPv4Network(network), Hop(tun)))
            print(netlink.way(server)[0].device == tun, netlink.way(server, tun)[0].gateway)
            netlink.add(pin)
            print(netlink.way(server)[1], netlink.way(server, tun)[1], netlink.way(server, tun, [pin])[1])
            print(netlink.gateway(4, tun).gateway)
            """
        )
        self.assertEqual(said, "True 192.0.2.1\n32 32 0\n192.0.2.1\n")

    def test_entries(self) -> None:
        """Entries are made once and taken back, even twice; those of others are not ours to take."""
        device = self.route()
        said = self.do(
            f"""
            hop = Hop(netlink.index('{device}'), ip_address('192.0.2.1'))
            on_link = Entry(IPv4Network('192.0.2.9/32'), Hop(hop.device, None, ip_address('192.0.2.2')))
            v6 = Entry(IPv6Network('2001:db8:7::/48'), Hop(hop.device, ip_address('2001:db8::1')), 7)
            ours = [Entry(IPv4Network('10.1.0.0/16'), hop, 5), on_link, v6]
            print([netlink.add(entry) for entry in ours * 2])
            show('route', 'show', 'proto', '119')
            show('-6', 'route', 'show', 'proto', '119')
            show('route', 'add', '10.2.0.0/16', 'via', '192.0.2.1')
            for entry in [*ours, *ours, Entry(IPv4Network('10.2.0.0/16'), hop)]:
                netlink.remove(entry)
            """
        )
        self.assertIn("[True, True, True, False, False, False]", said)
        for line in (
            f"10.1.0.0/16 via 192.0.2.1 dev {device} metric 5", f"192.0.2.9 dev {device} scope link src 192.0.2.2",
            f"2001:db8:7::/48 via 2001:db8::1 dev {device} metric 7",
        ):  # fmt: skip
            self.assertIn(line, said)
        after = self.lab.ip("here", "route") + self.lab.ip("here", "-6", "route")
        self.assertIn("10.2.0.0/16", after)
        self.assertNotIn("proto 119", after)

    def test_default(self) -> None:
        """A default route of ours stands in front of the other one, and goes with its device."""
        self.route()
        said = self.do(
            """
            netlink.set_up(device, 1500, IPv4Interface('10.9.0.1/24'))
            netlink.add(Entry(IPv4Network('0.0.0.0/0'), Hop(netlink.index(device))))
            show('route', 'show', 'default')
            show('route', 'get', '203.0.113.9')
            """
        )
        self.assertRegex(said, r"\Adefault dev tun7 .*\ndefault via 192\.0\.2\.1 ")
        self.assertIn("203.0.113.9 dev tun7", said)
        self.assertRegex(self.lab.ip("here", "route", "show", "default"), r"\Adefault via 192\.0\.2\.1 .*\n\Z")

    def test_onlink(self) -> None:
        """A gateway that no address of ours reaches, as in some clouds, is one of a host route, too."""
        device = self.route()
        self.lab.ip("here", "route", "replace", "default", "via", "172.31.1.1", "dev", device, "onlink")
        said = self.do(
            """
            hop, _ = netlink.way(ip_address('198.51.100.7'))
            print(netlink.add(Entry(IPv4Network('198.51.100.7/32'), hop)))
            show('route')
            """
        )
        self.assertRegex(said, r"\ATrue\n(.*\n)*198\.51\.100\.7 via 172\.31\.1\.1 .* onlink")

    def test_sentences(self) -> None:
        """Each failure names the device, the address or the route that it was about."""
        said = self.do(
            """
            refused(netlink.add_route, IPv4Network('10.0.0.0/8'), 'tun99')
            refused(netlink.add_route, IPv4Network('10.0.0.0/8'), device)
            refused(netlink.set_up, device, 70000, IPv4Interface('10.9.0.1/24'))
            refused(netlink.add, Entry(IPv4Network('10.0.0.0/8'), Hop(None, ip_address('203.0.113.1'))))
            """
        )
        lines = said.splitlines()
        self.assertEqual(lines[0], "refused: there is no device tun99")
        self.assertRegex(lines[1], r"\Arefused: cannot route 10\.0\.0\.0/8 to tun7: .+")
        self.assertRegex(lines[2], r"\Arefused: cannot bring tun7 up: .+")
        self.assertRegex(lines[3], r"\Arefused: cannot route 10\.0\.0\.0/8: .+")

    def test_bridge(self) -> None:
        """A device joins a bridge that is there, and the bridge is asked who it is; what is none is refused by name."""
        self.lab.ip("here", "link", "add", "br0", "up", "type", "bridge")
        self.lab.ip("here", "addr", "add", "10.7.0.1/24", "dev", "br0")
        self.lab.ip("here", "addr", "add", "fd00:7::1/64", "dev", "br0", "nodad")
        said = self.do(
            """
            port, name, own = open_tap('tap7', bytes.fromhex('0200000000ab'))
            netlink.join(name, 'br0')
            show('-o', 'link', 'show', name)
            print(own.hex(':'), netlink.lladdr(name).hex(':'))
            found = [str(address) for address in netlink.addresses('br0')]
            print([address for address in found if not address.startswith('fe80')])
            for other in ('br1', 'lo', device):
                refused(netlink.join, name, other)
            """
        )
        self.assertIn("master br0", said)
        self.assertIn("02:00:00:00:00:ab 02:00:00:00:00:ab", said)
        self.assertIn("['10.7.0.1', 'fd00:7::1']", said)
        for other in ("br1", "lo", "tun7"):
            self.assertIn(f"refused: there is no bridge {other}; make it with: ip link add {other}", said)
