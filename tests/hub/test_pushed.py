"""Pushed options by allow-list."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.names import NO_NAMES, Names, NameServer
from tvpn.hub.pushed import LARGEST_MTU, MOST_IGNORED, MOST_ROUTES, Tunnel, read_pushed
from tvpn.hub.redirect import ALL_V4, HALVES_V4, REDIRECT_V6, Redirect, Route, Way

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
            ("route 10.1.0.0 255.255.0.0", Tunnel(routes=[Route(IPv4Network("10.1.0.0/16"))])),
            ("route 10.1.2.3", Tunnel(routes=[Route(IPv4Network("10.1.2.3/32"))])),
            ("route 10.1.2.3 default", Tunnel(routes=[Route(IPv4Network("10.1.2.3/32"))])),
            ("route-ipv6 2001:db8::/32", Tunnel(routes=[Route(IPv6Network("2001:db8::/32"))])),
            ("route-metric 5", Tunnel(metric=5)),
            ("redirect-gateway def1", Tunnel(redirect=Redirect(True, frozenset({"def1"})))),
            ("redirect-private", Tunnel(redirect=Redirect(False))),
            ("block-ipv6", Tunnel(blocks_ipv6=True)),
            ("dhcp-option DNS 10.9.0.1", Tunnel(names=Names((NameServer(((IPv4Address("10.9.0.1"), None),)),)))),
            ("dns search-domains corp.example", Tunnel(names=Names((), ("corp.example",)))),
            ("tun-mtu 1400", Tunnel(mtu=1400)),
            ("ping 10", Tunnel(ping=10)),
            ("ping-restart 0", Tunnel(ping_restart=0, ping_exits=False)),
            ("ping-exit 30", Tunnel(ping_restart=30, ping_exits=True)),
            ("inactive 600", Tunnel(inactive=(600, 0))),
            ("inactive 600 5000", Tunnel(inactive=(600, 5000))),
            ("session-timeout 3600", Tunnel(session_timeout=3600)),
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
        v4, v6 = HALVES_V4, REDIRECT_V6
        table = [
            (["redirect-gateway def1"], v4),
            (["redirect-gateway"], ALL_V4),
            (["redirect-gateway def1 ipv6"], v4 + v6),
            (["redirect-gateway ipv6 !ipv4"], v6),
            (["redirect-private def1"], ()),
            (["redirect-gateway", "redirect-gateway def1", "redirect-private local"], v4),
            (["block-ipv6"], v6),
            (["redirect-gateway def1 ipv6", "block-ipv6"], v4 + v6),
        ]
        for options, networks in table:
            for order in ([*options, *ADDRESSES], [*ADDRESSES, *options]):
                tunnel = read_pushed(order)
                self.assertEqual(tunnel.redirected, networks, str(options))
                self.assertEqual(tunnel.ignored, [])
        self.assertEqual(read_pushed(["redirect-gateway def1 ipv6"]).redirected, ())

    def test_flags(self) -> None:
        """All flags are kept, from wherever they were said; what leads nowhere here is named, what is none refused."""
        said = ["redirect-gateway local def1 bypass-dns", "redirect-private block-local autolocal"]
        tunnel = read_pushed([*ADDRESSES, *said])
        flags = frozenset({"local", "def1", "bypass-dns", "block-local", "autolocal"})
        self.assertEqual((tunnel.redirect, tunnel.ignored), (Redirect(True, flags), []))
        self.assertEqual(read_pushed(["redirect-gateway bypass-dhcp"]).ignored, ["redirect-gateway bypass-dhcp"])
        self.assertEqual(read_pushed([ADDRESSES[0], "redirect-gateway ipv6"]).ignored, ["redirect-gateway ipv6"])
        self.assertEqual(read_pushed([*ADDRESSES, "redirect-private ipv6"]).ignored, ["redirect-private ipv6"])
        bad = read_pushed(["redirect-gateway def2"])
        self.assertEqual((bad.redirect, bad.ignored), (None, ["redirect-gateway def2"]))

    def test_gateways(self) -> None:
        """Gateways in the tunnel are the tunnel, its words too; others are kept; a metric of one's own comes first."""
        network = IPv4Network("10.1.0.0/16")
        table = [
            ("vpn_gateway", Way.TUNNEL), ("default", Way.TUNNEL), ("10.9.0.77", Way.TUNNEL), ("10.8.0.1", Way.TUNNEL),
            ("net_gateway", Way.PAST), ("remote_host", Way.SERVER), ("192.0.2.1", IPv4Address("192.0.2.1")),
        ]  # fmt: skip
        for word, way in table:
            options = [f"route 10.1.0.0 255.255.0.0 {word} 5", *ADDRESSES, "route-gateway 10.8.0.1", "route-metric 9"]
            self.assertEqual(read_pushed(options).routes, [Route(network, way, 5)], word)
        without = read_pushed(["route 10.1.0.0 255.255.0.0", "route-metric 9"])
        self.assertEqual(without.routes, [Route(network, metric=9)])
        v6 = IPv6Network("2001:db8::/32")
        for word, by in (("fd00::1", Way.TUNNEL), ("fe80::1", Way.TUNNEL), ("net_gateway", Way.PAST),
                         ("2001:db8:1::1", IPv6Address("2001:db8:1::1"))):  # fmt: skip
            self.assertEqual(read_pushed([f"route-ipv6 2001:db8::/32 {word} 5", *ADDRESSES]).routes, [Route(v6, by, 5)])

    def test_words_as_networks(self) -> None:
        """The tunnel's gateway may be routed by its word; the server's own address never is."""
        to_server = "route remote_host 255.255.255.255 net_gateway"
        tunnel = read_pushed(["route vpn_gateway", "route-gateway 10.8.0.1", to_server])
        self.assertEqual(tunnel.routes, [Route(IPv4Network("10.8.0.1/32"))])
        self.assertEqual(tunnel.ignored, [])
        unknown = ["route vpn_gateway", "route net_gateway"]
        self.assertEqual(read_pushed(unknown).ignored, unknown)

    def test_small_mtu(self) -> None:
        """M-09: with IPv6 in the tunnel a device has at least 1280 bytes."""
        for options in (ADDRESSES, ["block-ipv6"]):
            tunnel = read_pushed(["tun-mtu 1279", *options])
            self.assertEqual((tunnel.mtu, tunnel.ignored), (None, ["tun-mtu 1279"]))
            self.assertEqual(read_pushed(["tun-mtu 1280", *options]).mtu, 1280)
        self.assertEqual(read_pushed(["tun-mtu 1279", ADDRESSES[0]]).mtu, 1279)


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
            "ifconfig-ipv6", "ifconfig-ipv6 fd00::2%eth0/64", "route", "route 10.1.0.0 255.255.0.0 x",
            "route 10.1.0.0 255.255.0.0 default -1", "route 10.1.0.0 255.255.0.0 default 1 2", "route-metric x",
            "route-ipv6 fd00::/32%eth0", "route-ipv6 fd00::/32 fe80::1%eth0", "block-ipv6 x",
            "route 10.1.2.3 255.0.0.0", "route 127.0.0.0 255.0.0.0",
            "route 224.0.0.0 240.0.0.0",
            "route-ipv6 ::1/128", "route-ipv6 x", "route-gateway dhcp", "tun-mtu 99", f"tun-mtu {LARGEST_MTU + 1}",
            "tun-mtu -5", "ping -1", "ping 86401", "ping x", "ping-restart", "ping " + "9" * 5000,
        ]  # fmt: skip
        tunnel = read_pushed([*options, "ping 7"])
        self.assertEqual(sorted(tunnel.ignored), sorted(options))
        self.assertEqual(tunnel, Tunnel(ping=7, ignored=tunnel.ignored))

    def test_too_many_routes(self) -> None:
        """Routes beyond the bound are ignored by name."""
        options = [f"route 10.{number >> 8}.{number & 255}.0 255.255.255.0" for number in range(MOST_ROUTES + 3)]
        tunnel = read_pushed(options)
        self.assertEqual((len(tunnel.routes), tunnel.ignored), (MOST_ROUTES, options[MOST_ROUTES:]))

    def test_endless(self) -> None:
        """Of what is ignored 64 options are named, and then their number."""
        tunnel = read_pushed([f"bogus {number}" for number in range(MOST_IGNORED + 3)])
        self.assertEqual(tunnel.ignored[MOST_IGNORED - 1 :], [f"bogus {MOST_IGNORED - 1}", "and 3 more"])
        self.assertEqual(tunnel.names, NO_NAMES)

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.tuples(st.sampled_from(
        ["ifconfig", "ifconfig-ipv6", "route", "route-ipv6", "route-gateway", "tun-mtu", "ping", "redirect-gateway",
         "dns", "dns server 1 address", "dhcp-option", "dhcp-option DNS", "dhcp-option DOMAIN", "route-metric",
         "block-ipv6", ""]
    ), st.text(max_size=30)), max_size=6))  # fmt: skip
    def test_garbage(self, options: list[tuple[str, str]]) -> None:
        """Any text after any word is read or ignored, never an exception."""
        read_pushed([f"{word} {text}" for word, text in options])


class EthernetTests(SynchronousTestCase):
    """What is read otherwise where frames are carried."""

    def test_addresses(self) -> None:
        """An address has a netmask, whatever the topology; there may be none, and a gateway from DHCP is none yet."""
        for topology in ((), ("topology net30",)):
            tunnel = read_pushed([*topology, "ifconfig 10.9.0.2 128.0.0.0", "route-gateway 10.9.0.1"], is_tap=True)
            self.assertEqual((tunnel.ipv4, tunnel.other_end), (IPv4Interface("10.9.0.2/1"), None))
            self.assertEqual(tunnel.gateway, IPv4Address("10.9.0.1"))
        self.assertEqual(read_pushed(["route-gateway dhcp"], is_tap=True), Tunnel(is_tap=True))
        self.assertEqual(read_pushed(["route-gateway dhcp"]).ignored, ["route-gateway dhcp"])
        tunnel = read_pushed(ADDRESSES, is_tap=True)
        self.assertEqual((tunnel.gateway_v6, read_pushed(ADDRESSES).gateway_v6), (IPv6Address("fd00::1"), None))

    def test_gateways(self) -> None:
        """A route by another host of the Ethernet is by that one, and by nobody in particular where packets go."""
        options = [*ADDRESSES, "route-gateway 10.9.0.1", "route 10.1.0.0 255.255.0.0 10.9.0.77",
                   "route 10.2.0.0 255.255.0.0 10.9.0.1", "route 10.3.0.0 255.255.0.0"]  # fmt: skip
        self.assertEqual(
            [route.by for route in read_pushed(options, is_tap=True).routes],
            [IPv4Address("10.9.0.77"), Way.TUNNEL, Way.TUNNEL],
        )
        self.assertEqual([route.by for route in read_pushed(["topology subnet", *options]).routes], [Way.TUNNEL] * 3)

    def test_packets_only(self) -> None:
        """block-ipv6 answers packets, and there are none: it is named as ignored."""
        tunnel = read_pushed([*ADDRESSES, "block-ipv6"], is_tap=True)
        self.assertEqual((tunnel.ignored, tunnel.blocks_ipv6), (["block-ipv6"], False))
