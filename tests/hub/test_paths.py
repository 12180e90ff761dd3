"""The plan of routes, for surroundings that are written down."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop, Surroundings, plan, unreachable
from tvpn.hub.pushed import read_pushed

OWN = ["topology subnet", "ifconfig 10.9.0.2 255.255.255.0", "ifconfig-ipv6 fd00:9::2/64 fd00:9::1"]
SERVER, NEAR = ip_address("198.51.100.7"), ip_address("192.0.2.9")
TUN = 9
GATEWAY = Hop(2, ip_address("192.0.2.1"), ip_address("192.0.2.2"))
HERE = Surroundings(
    SERVER, {SERVER: (GATEWAY, 0)}, {4: GATEWAY}, (IPv4Network("192.0.2.0/24"),), (ip_address("203.0.113.53"),)
)


def planned(*options: str, around: Surroundings = HERE) -> dict[str, Hop]:
    """Network to hop."""
    return {str(entry.network): entry.hop for entry in plan(read_pushed([*OWN, *options]), TUN, around)}


def chosen(entries: list[Entry], target: IPv4Address) -> Hop | None:
    """Where the kernel would send it: the longest network that covers it."""
    covering = [entry for entry in entries if target in entry.network]
    return max(covering, key=lambda entry: (entry.network.prefixlen, -(entry.metric or 0))).hop if covering else None


class PinTests(SynchronousTestCase):
    """The server keeps its way."""

    def test_only_if_needed(self) -> None:
        """There is a route for the server where something pushed is as close to it as what leads there now."""
        table = [
            (["redirect-gateway def1"], 0, True), (["redirect-gateway"], 0, True),
            (["redirect-gateway def1"], 24, False),
            (["route 198.51.100.0 255.255.255.0"], 0, True), (["route 198.51.100.0 255.255.255.0"], 24, True),
            (["route 198.51.100.0 255.255.254.0"], 24, False), (["route 198.51.100.6 255.255.255.254"], 31, True),
            (["route 198.51.100.7"], 0, False), (["route 203.0.113.0 255.255.255.0"], 0, False), ([], 0, False),
            (["route 198.51.100.0 255.255.255.0 192.0.2.66"], 0, True), (["redirect-private def1"], 0, False),
        ]  # fmt: skip
        for options, bits, pinned in table:
            around = replace(HERE, ways={SERVER: (GATEWAY, bits)})
            found = planned(*options, around=around)
            self.assertEqual(found.get("198.51.100.7/32"), GATEWAY if pinned else None, f"{options} {bits}")

    def test_no_way(self) -> None:
        """Where nothing leads to the server, nothing that covers it is planned."""
        around = replace(HERE, ways={})
        self.assertRaises(TvpnError, planned, "redirect-gateway def1", around=around)
        self.assertEqual(planned("route 10.1.0.0 255.255.0.0", around=around), {"10.1.0.0/16": Hop(TUN)})

    def test_own_network(self) -> None:
        """M-08: the network of our own address may cover the server, which keeps its way; where the tunnel's addresses
        are the server's own there is no way, and that is said.
        """
        for bits, own, pinned in (
            (0, "198.51.100.200 255.255.255.0", True), (24, "198.51.100.200 255.255.255.0", True),
            (25, "198.51.100.200 255.255.255.0", False), (0, "10.9.0.2 0.0.0.0", True),
            (0, "198.51.100.200 198.51.100.201", False),
        ):  # fmt: skip
            around = replace(HERE, ways={SERVER: (GATEWAY, bits)})
            found = planned(f"ifconfig {own}", around=around)
            self.assertEqual(found.get("198.51.100.7/32"), GATEWAY if pinned else None, f"{own} {bits}")
        for own in ("198.51.100.7 255.255.255.0", "10.9.0.2 198.51.100.7"):
            options = [*OWN[:1], "topology p2p", f"ifconfig {own}"]
            self.assertRaises(TvpnError, plan, read_pushed(options), TUN, HERE)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32), st.sampled_from(
        ["", " vpn_gateway", " net_gateway", " 192.0.2.66", " remote_host"])), max_size=8),
        st.sets(st.sampled_from(["local", "autolocal", "def1", "block-local", "!ipv4", "bypass-dns"])))  # fmt: skip
    def test_any_push(self, routes: list[tuple[int, int, str]], flags: set[str]) -> None:
        """M-08: whatever is pushed, the server is reached by its own way."""
        for server, hop, bits in ((SERVER, GATEWAY, 0), (NEAR, Hop(2, None, ip_address("192.0.2.2")), 24)):
            options = [f"redirect-gateway {' '.join(sorted(flags))}".strip()]
            for number, length, gateway in routes:
                # Around the server, where it hurts.
                base = int(server) ^ (number >> length if length else number)
                network = IPv4Network((base, length), strict=False)
                options.append(f"route {network.network_address} {network.netmask}{gateway}")
            around = replace(HERE, server=server, ways={server: (hop, bits)})
            entries = plan(read_pushed([*OWN, *options]), TUN, around)
            connected = Entry(IPv4Network("192.0.2.0/24"), Hop(2, None, ip_address("192.0.2.2")))
            default = Entry(IPv4Network("0.0.0.0/0"), GATEWAY)
            self.assertEqual(chosen([*entries, connected, default], server), hop, options)


class PlanTests(SynchronousTestCase):
    def test_order(self) -> None:
        """What leads past the tunnel is made before what leads into it."""
        routes = ["route 10.1.0.0 255.255.0.0", "route 10.2.0.0 255.255.0.0 net_gateway"]
        tunnel = read_pushed([*OWN, *routes, "redirect-gateway def1"])
        hops = [entry.hop.device == TUN for entry in plan(tunnel, TUN, HERE)]
        self.assertEqual(hops, [False, False, True, True, True])

    def test_twice(self) -> None:
        """What is said twice is one."""
        entries = plan(read_pushed(["route 10.1.0.0 255.255.0.0"] * 2), TUN, HERE)
        self.assertEqual(entries, [Entry(IPv4Network("10.1.0.0/16"), Hop(TUN))])

    def test_block_local(self) -> None:
        """The wire's network as two halves, closer than the wire itself, and the gateway beside them."""
        found = planned("redirect-gateway def1 block-local")
        self.assertEqual(found["192.0.2.0/25"], Hop(TUN))
        self.assertEqual(found["192.0.2.128/25"], Hop(TUN))
        self.assertEqual(found["192.0.2.1/32"], Hop(2, None, ip_address("192.0.2.2")))
        self.assertNotIn("203.0.113.53/32", found)
        self.assertNotIn("192.0.2.0/25", planned("redirect-gateway def1"))
        self.assertNotIn("192.0.2.0/25", planned("redirect-gateway def1 ipv6 !ipv4 block-local"))

    def test_one_host(self) -> None:
        """A wire's network of one address has no halves."""
        around = replace(HERE, lans=(IPv4Network("192.0.2.2/32"),))
        self.assertNotIn("192.0.2.2/32", planned("redirect-gateway def1 block-local", around=around))

    def test_bypass_dns(self) -> None:
        """The machine's own name servers keep their way where they would lose it."""
        dns = ip_address("203.0.113.53")
        around = replace(HERE, ways={SERVER: (GATEWAY, 0), dns: (GATEWAY, 0)})
        self.assertEqual(planned("redirect-gateway def1 bypass-dns", around=around)["203.0.113.53/32"], GATEWAY)
        self.assertNotIn("203.0.113.53/32", planned("redirect-gateway def1", around=around))

    def test_unreachable(self) -> None:
        """A route past the tunnel by a family that has no default gateway is left out, and told."""
        options = ["route-ipv6 fd00:1::/32 net_gateway", "route 10.2.0.0 255.255.0.0 net_gateway"]
        self.assertEqual(planned(*options), {"10.2.0.0/16": GATEWAY})
        lost = unreachable(read_pushed(options), HERE)
        self.assertEqual([route.network for route in lost], [ip_network("fd00:1::/32")])


class EthernetTests(SynchronousTestCase):
    def test_gateways(self) -> None:
        """On an Ethernet all that goes into the tunnel goes to a gateway there, each family to its own."""
        options = [*OWN, "route-gateway 10.9.0.1", "route 10.1.0.0 255.255.0.0", "route-ipv6 2001:db8::/32",
                   "redirect-gateway def1", "route 10.2.0.0 255.255.0.0 10.9.0.77"]  # fmt: skip
        found = {str(each.network): each.hop for each in plan(read_pushed(options, is_tap=True), TUN, HERE)}
        by = Hop(TUN, ip_address("10.9.0.1"))
        self.assertEqual([found[each] for each in ("0.0.0.0/1", "128.0.0.0/1", "10.1.0.0/16")], [by] * 3)
        self.assertEqual(found["2001:db8::/32"], Hop(TUN, ip_address("fd00:9::1")))
        self.assertEqual(found["10.2.0.0/16"], Hop(None, ip_address("10.9.0.77")))
        self.assertEqual(found["198.51.100.7/32"], GATEWAY)
