"""Netlink against the kernel, in a namespace: each case is a small program there."""

from __future__ import annotations

import sys
import textwrap

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible

PREAMBLE = """
import subprocess
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from tvpn.errors import TvpnError
from tvpn.net.netlink import Netlink
from tvpn.net.tun import open_tun

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

    def test_bypass(self) -> None:
        """A server behind a gateway gets a host route by that gateway, which can be taken back, even twice."""
        self.lab.host("router")
        self.lab.wire("here", ["192.0.2.2/24", "2001:db8::2/64"], "router", ["192.0.2.1/24", "2001:db8::1/64"])
        self.lab.ip("here", "route", "add", "default", "via", "192.0.2.1")
        self.lab.ip("here", "-6", "route", "add", "default", "via", "2001:db8::1")
        said = self.do(
            """
            for host in ('198.51.100.7', '2001:db8:7::7'):
                bypass = netlink.add_bypass(ip_address(host))
                print('bypass', bypass)
                show('route')
                show('-6', 'route')
                netlink.remove_route(bypass)
                netlink.remove_route(bypass)
            """
        )
        self.assertRegex(said, r"bypass 198\.51\.100\.7/32\n(.*\n)*198\.51\.100\.7 via 192\.0\.2\.1 dev v")
        self.assertRegex(said, r"bypass 2001:db8:7::7/128\n(.*\n)*2001:db8:7::7 via 2001:db8::1 dev v")
        after = self.lab.ip("here", "route") + self.lab.ip("here", "-6", "route")
        self.assertNotIn("198.51.100.7", after)
        self.assertNotIn("2001:db8:7::7", after)

    def test_no_bypass(self) -> None:
        """A server on the same wire needs none."""
        self.lab.host("router")
        self.lab.wire("here", ["192.0.2.2/24"], "router", ["192.0.2.1/24"])
        self.assertEqual(self.do("print(netlink.add_bypass(ip_address('192.0.2.1')))"), "None\n")

    def test_unreachable(self) -> None:
        """A server that no route leads to is a sentence, not a traceback."""
        said = self.do("refused(netlink.add_bypass, ip_address('198.51.100.7'))")
        self.assertEqual(said, "refused: cannot find the way to 198.51.100.7: Network is unreachable\n")

    def test_sentences(self) -> None:
        """Each failure names the device, the address or the route that it was about."""
        said = self.do(
            """
            refused(netlink.add_route, IPv4Network('10.0.0.0/8'), 'tun99')
            refused(netlink.add_route, IPv4Network('10.0.0.0/8'), device)
            refused(netlink.set_up, device, 70000, IPv4Interface('10.9.0.1/24'))
            """
        )
        lines = said.splitlines()
        self.assertEqual(lines[0], "refused: there is no device tun99")
        self.assertRegex(lines[1], r"\Arefused: cannot route 10\.0\.0\.0/8 to tun7: .+")
        self.assertRegex(lines[2], r"\Arefused: cannot bring tun7 up: .+")
