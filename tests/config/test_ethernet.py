"""The words of tap devices, one by one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from tests.config.scene import ConfigCase
from tvpn.config.ethernet import ServerBridge

TAP = "[tunnel]\ndev = tap\n"
POOL = "192.168.4.1 255.255.255.0 192.168.4.200 192.168.4.220"


class WordTests(ConfigCase):
    def ethernet(self, *lines: str) -> object:
        return self.load("\n".join([TAP, "[ethernet]", *lines, ""])).ethernet

    def test_server_bridge(self) -> None:
        """A gateway with addresses to give, or the DHCP server of the network, told about or not."""
        network = IPv4Network("192.168.4.0/24")
        first, last, gateway = (IPv4Address(f"192.168.4.{number}") for number in (200, 220, 1))
        for text, found in (
            (POOL, ServerBridge(gateway, network, first, last)), ("dhcp", ServerBridge()),
            ("nogw", ServerBridge(tells=False)),
        ):  # fmt: skip
            self.assertEqual(self.load(f"{TAP}[ethernet]\nserver-bridge = {text}\n").ethernet.server_bridge, found)
        settings = self.load("dev tap\nserver-bridge\n", "a.conf")
        self.assertEqual((settings.ethernet.server_bridge, settings.role), (ServerBridge(), "server"))

    def test_wrong_bridges(self) -> None:
        """Each way to write it wrong is refused, with what to write."""
        for text, part in (
            ("192.168.4.1", "takes a gateway"), ("a 255.255.255.0 b c", "does not read so"),
            (POOL.replace("255.255.255.0", "255.0.255.0"), "does not read so"),
            (POOL.replace("255.255.255.0", "0.0.0.255"), "cannot have the netmask 0.0.0.255"),
            (POOL.replace(".220", ".255"), "no host's address"), (POOL.replace(".200", ".0"), "no host's address"),
            (POOL.replace("4.220", "5.20"), "no host's address"), (POOL.replace(".220", ".199"), "the lower one first"),
            (POOL.replace("4.1 ", "4.210 "), "gateway's own address"),
        ):  # fmt: skip
            self.refused(f"{TAP}[ethernet]\nserver-bridge = {text}\n", 4, "server-bridge", part)

    def test_names_and_addresses(self) -> None:
        """A bridge is a name of this machine, a hardware address one station's."""
        settings = self.load(f"{TAP}[ethernet]\nserver-bridge = nogw\nbridge = br0\nlladdr = 02:00:00:00:aB:01\n")
        self.assertEqual((settings.ethernet.bridge, settings.ethernet.lladdr), ("br0", b"\2\0\0\0\xab\1"))
        for line, part in (
            ("bridge = a/b", "the name of a bridge"), ("bridge = a-name-that-is-too-long", "the name of a bridge"),
            ("lladdr = 02:00:00", "six bytes"), ("lladdr = 01:00:00:00:00:01", "no station's address"),
            ("lladdr = 00:00:00:00:00:00", "no station's address"),
        ):  # fmt: skip
            self.refused(f"{TAP}[ethernet]\nserver-bridge = nogw\n{line}\n", 5, line.split()[0], part)

    def test_vlans(self) -> None:
        """VLANs are told apart only if one says so; they have numbers from 1 to 4094."""
        tagged = f"{TAP}[ethernet]\nserver-bridge = nogw\nvlan-tagging = yes\n"
        found = self.load(f"{tagged}vlan-accept = untagged\nvlan-pvid = 4094\n").ethernet
        self.assertEqual((found.vlan_tagging, found.vlan_accept, found.vlan_pvid), (True, "untagged", 4094))
        for line, part in (("vlan-pvid = 0", "1 to 4094"), ("vlan-pvid = 4095", "1 to 4094"),
                           ("vlan-accept = some", "write all, tagged or untagged")):  # fmt: skip
            self.refused(f"{tagged}{line}\n", 6, line.split()[0], part)

    def test_guard(self) -> None:
        """The guard is on unless one says no."""
        for line, on in (("", True), ("guard = yes", True), ("guard = no", False)):
            settings = self.load(f"{TAP}[ethernet]\nserver-bridge = nogw\n{line}\n")
            self.assertIs(settings.ethernet.guard, on)
