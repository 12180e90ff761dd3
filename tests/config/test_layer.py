"""Packets or frames, and words that belong to the other."""

from __future__ import annotations

from tests.config.scene import ConfigCase
from tests.config.test_ethernet import POOL, TAP

IDENTITY = "ca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"
BRIDGED = f"{TAP}[ethernet]\nserver-bridge = nogw\n"


class LayerTests(ConfigCase):
    def test_which(self) -> None:
        """The name says it, or dev-type does; with dev-type alone the device takes the next free number."""
        for lines, is_tap, name in (
            ("", False, "tun"), ("dev = tap\n", True, "tap"), ("dev = tap7\n", True, "tap7"),
            ("dev = home\ndev-type = tap\n", True, "home"), ("dev-type = tap\n", True, "tap"),
            ("dev = tapestry\ndev-type = tun\n", False, "tapestry"), ("dev = tun7\ndev-type = tap\n", True, "tun7"),
        ):  # fmt: skip
            settings = self.load(f"[tunnel]\nserver = 10.8.0.0/24\n{lines}")
            self.assertEqual((settings.is_tap, settings.tunnel.dev), (is_tap, name), lines)
        self.refused("[tunnel]\nserver = 10.8.0.0/24\ndev = home\n", 3, "dev", "add dev-type tun or dev-type tap")

    def test_stock_files(self) -> None:
        """A stock server.conf and a stock client's profile for frames are read as they are."""
        self.identity()
        server = self.load(f"dev tap0\nserver-bridge {POOL}\n{IDENTITY}", "server.conf")
        self.assertTrue(server.is_tap and server.ethernet.server_bridge)
        server = self.load(f"dev tap\nserver 10.8.0.0 255.255.255.0\n{IDENTITY}", "server.conf")
        self.assertTrue(server.is_tap)
        client = self.load(f"client\ndev tap\nremote vpn.example.org\nlladdr 02:00:00:00:00:01\n{IDENTITY}", "a.ovpn")
        self.assertEqual((client.is_tap, client.role), (True, "client"))

    def test_small(self) -> None:
        """A /30 has room for one station on an Ethernet, and for no pair of packets' ends."""
        self.assertTrue(self.load(f"{TAP}server = 10.8.0.0/30\n").is_tap)
        self.refused("[tunnel]\nserver = 10.8.0.0/30\n", 2, "server", "/16 to /29")

    def test_topology(self) -> None:
        """It means nothing on an Ethernet, which is said; subnet is what it is like."""
        settings = self.load(f"{TAP}server = 10.8.0.0/24\ntopology = net30\n")
        self.assertEqual((settings.tunnel.topology, len(settings.warnings)), ("subnet", 1))
        self.assertIn("topology: has no effect on a tap device", settings.warnings[0])
        self.assertEqual(self.load(f"{TAP}server = 10.8.0.0/24\ntopology = subnet\n").warnings, ())

    def test_other_layer(self) -> None:
        """A word for frames where packets are carried is refused, at its line."""
        for line in ("server-bridge = nogw", "bridge = br0", "lladdr = 02:00:00:00:00:01", "guard = no",
                     "vlan-tagging = yes", "vlan-accept = all", "vlan-pvid = 7"):  # fmt: skip
            text = f"[tunnel]\nserver = 10.8.0.0/24\n[ethernet]\n{line}\n"
            self.refused(text, 4, line.split()[0], "is for tap devices")

    def test_server(self) -> None:
        """What contradicts server-bridge, needs it, or needs vlan-tagging."""
        for lines, line, word, part in (
            (f"{TAP}server = 10.8.0.0/24\n[ethernet]\nserver-bridge = nogw\n", 3, "server", "beside server-bridge"),
            (f"{TAP}server-ipv6 = fd00::/64\n[ethernet]\nserver-bridge = nogw\n", 3, "server-ipv6", "beside"),
            (f"{TAP}nat = yes\n[ethernet]\nserver-bridge = nogw\n", 3, "nat", "network of its own"),
            (f"{TAP}server = 10.8.0.0/24\n[ethernet]\nbridge = br0\n", 5, "bridge", "write server-bridge instead"),
            (f"{TAP}server = 10.8.0.0/24\nroute = 10.9.0.0/24\n", 4, "route", "no machine on an Ethernet"),
            (f"{BRIDGED}vlan-pvid = 7\n", 5, "vlan-pvid", "without vlan-tagging"),
            (f"{BRIDGED}vlan-accept = all\n", 5, "vlan-accept", "without vlan-tagging"),
        ):  # fmt: skip
            self.refused(lines, line, word, part)
        self.load(f"{BRIDGED}bridge = br0\nvlan-tagging = yes\nvlan-pvid = 7\n")

    def test_client(self) -> None:
        """A client has a device that may join a bridge and have an address; all the rest is the server's."""
        self.identity()
        client = f"client\ndev tap\nremote vpn.example.org\n{IDENTITY}"
        self.load(f"{client}bridge br0\nlladdr 02:00:00:00:00:01\n", "a.ovpn")
        for line in ("guard no", "vlan-tagging", "vlan-pvid 7"):
            self.refused(f"{client}{line}\n", 8, line.split()[0], "is a server's word", name="a.ovpn")
