"""Pushed options by allow-list."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.pushed import LARGEST_MTU, MOST_ROUTES, REDIRECT_V4, REDIRECT_V6, Tunnel, read_pushed

ADDRESSES = ["ifconfig 10.9.0.2 255.255.255.0", "ifconfig-ipv6 fd00::1000/64 fd00::1"]


class AllowedTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each allowed option sets its own field and nothing else."""
        table = [
            ("ifconfig 10.9.0.2 255.255.255.0", Tunnel(ipv4=IPv4Interface("10.9.0.2/24"))),
            ("ifconfig-ipv6 fd00::1000/64 fd00::1", Tunnel(ipv6=IPv6Interface("fd00::1000/64"))),
            ("topology p2p", Tunnel(topology="p2p")),
            (
                "ifconfig 10.9.0.6 10.9.0.5",
                Tunnel(ipv4=IPv4Interface("10.9.0.6/32"), other_end=IPv4Address("10.9.0.5")),
            ),
            ("route-gateway 10.9.0.1", Tunnel(gateway=IPv4Address("10.9.0.1"))),
            ("route 10.1.0.0 255.255.0.0", Tunnel(routes=[IPv4Network("10.1.0.0/16")])),
            ("route 10.1.0.0 255.255.0.0 vpn_gateway 5", Tunnel(routes=[IPv4Network("10.1.0.0/16")])),
            ("route 10.1.2.3", Tunnel(routes=[IPv4Network("10.1.2.3/32")])),
            ("route 10.1.2.3 default", Tunnel(routes=[IPv4Network("10.1.2.3/32")])),
            ("route-ipv6 2001:db8::/32", Tunnel(routes=[IPv6Network("2001:db8::/32")])),
            ("tun-mtu 1400", Tunnel(mtu=1400)),
            ("ping 10", Tunnel(ping=10)),
            ("ping-restart 0", Tunnel(ping_restart=0)),
            ("  ping   10  ", Tunnel(ping=10)),
        ]
        for option, tunnel in table:
            self.assertEqual(read_pushed([option]), tunnel, option)

    def test_silent(self) -> None:
        """What other layers read has no effect here and is not mentioned."""
        options = ["peer-id 3", "cipher AES-256-GCM", "protocol-flags cc-exit", "tun-ipv6"]
        self.assertEqual(read_pushed(options), Tunnel())

    def test_topology(self) -> None:
        """What an ifconfig means follows from the topology, wherever it stands; without one a mask is a mask."""
        network, pair = ["ifconfig 10.9.0.6 255.255.255.0"], ["ifconfig 10.9.0.6 10.9.0.5"]
        table = [
            (["topology subnet", *network], "10.9.0.6/24", None),
            ([*network, "topology subnet"], "10.9.0.6/24", None),
            (network, "10.9.0.6/24", None),
            (["topology net30", *pair], "10.9.0.6/32", "10.9.0.5"),
            ([*pair, "topology p2p"], "10.9.0.6/32", "10.9.0.5"),
            ([*pair], "10.9.0.6/32", "10.9.0.5"),
        ]
        for options, ipv4, other_end in table:
            tunnel = read_pushed(options)
            self.assertEqual((str(tunnel.ipv4), tunnel.ignored), (ipv4, []), str(options))
            self.assertEqual(tunnel.other_end, other_end and IPv4Address(other_end))
        self.assertEqual(read_pushed(["topology subnet", *pair]).ignored, pair)

    def test_redirect(self) -> None:
        """redirect-gateway routes all of what the tunnel has an address for; flags take away and add."""
        v4, v6 = list(REDIRECT_V4), list(REDIRECT_V6)
        table = [
            (["redirect-gateway def1"], v4),
            (["redirect-gateway def1 ipv6"], v4 + v6),
            (["redirect-gateway ipv6 !ipv4"], v6),
            (["redirect-private def1"], []),
        ]
        for options, routes in table:
            for order in ([*options, *ADDRESSES], [*ADDRESSES, *options]):
                self.assertEqual(read_pushed(order).routes, routes, str(options))
        self.assertEqual(read_pushed(["redirect-gateway def1 ipv6"]).routes, [])
        self.assertTrue(read_pushed(["redirect-gateway"]).redirects)


class IgnoredTests(SynchronousTestCase):
    def test_by_name(self) -> None:
        """What could run a program, change a file or is unknown is ignored, and named."""
        options = [
            "up /bin/sh", "script-security 3", "plugin evil.so", "setenv LD_PRELOAD x", "log /etc/passwd", "dev tun7",
            "iproute /tmp/ip", "verb 11", "no-such-option", "remote 192.0.2.66", "ca other.pem", "user root",
        ]  # fmt: skip
        self.assertEqual(read_pushed(options), Tunnel(ignored=options))

    def test_malformed(self) -> None:
        """A malformed allowed option is ignored by name and leaves the rest alone."""
        options = [
            "topology", "topology bus", "ifconfig", "ifconfig 10.9.0.2", "ifconfig 10.9.0.2/24 10.9.0.1",
            "ifconfig 10.9.0.2 255.0.255.0", "ifconfig x y",
            "ifconfig-ipv6 fd00::/129",
            "ifconfig-ipv6", "route", "route 10.1.2.3 255.0.0.0", "route 127.0.0.0 255.0.0.0",
            "route 224.0.0.0 240.0.0.0",
            "route-ipv6 ::1/128", "route-ipv6 x", "route-gateway dhcp", "tun-mtu 99", f"tun-mtu {LARGEST_MTU + 1}",
            "tun-mtu -5", "ping -1", "ping 86401", "ping x", "ping-restart", "ping " + "9" * 5000,
        ]  # fmt: skip
        self.assertEqual(read_pushed([*options, "ping 7"]), Tunnel(ping=7, ignored=options))

    def test_too_many_routes(self) -> None:
        """Routes beyond the bound are ignored by name."""
        options = [f"route 10.{number >> 8}.{number & 255}.0 255.255.255.0" for number in range(MOST_ROUTES + 3)]
        tunnel = read_pushed(options)
        self.assertEqual((len(tunnel.routes), tunnel.ignored), (MOST_ROUTES, options[MOST_ROUTES:]))

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.tuples(st.sampled_from(
        ["ifconfig", "ifconfig-ipv6", "route", "route-ipv6", "route-gateway", "tun-mtu", "ping", "redirect-gateway", ""]
    ), st.text(max_size=30)), max_size=6))  # fmt: skip
    def test_garbage(self, options: list[tuple[str, str]]) -> None:
        """Any text after any word is read or ignored, never an exception."""
        read_pushed([f"{word} {text}" for word, text in options])
