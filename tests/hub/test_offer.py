"""What a client is offered on an Ethernet; the rest of it is seen where clients of all kinds join (tests/whole)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.clientfile import ClientConfig
from tvpn.hub.home import Home, Homes
from tvpn.hub.offer import options_for
from tvpn.hub.pool import Pool
from tvpn.hub.rules import ServerRules, Verdict

NETWORK = IPv4Network("10.9.0.0/24")
OWN = ClientConfig(
    (IPv4Address("10.9.0.2"), NETWORK.netmask), (IPv6Interface("fd00::1000/64"), IPv6Address("fd00::1"))
)


class EthernetTests(SynchronousTestCase):
    def offered(self, rules: ServerRules, config: ClientConfig = OWN) -> list[str]:
        return options_for(rules, Home(config), Verdict(True), {})

    def test_own_network(self) -> None:
        """The server is the gateway, and there is no topology to tell."""
        rules = ServerRules(NETWORK, IPv6Network("fd00::/64"), is_tap=True)
        self.assertEqual(self.offered(rules), [
            "route-gateway 10.9.0.1", "tun-ipv6", "ifconfig-ipv6 fd00::1000/64 fd00::1",
            "ifconfig 10.9.0.2 255.255.255.0",
        ])  # fmt: skip
        self.assertIn("topology subnet", self.offered(ServerRules(NETWORK, None)))

    def test_other_network(self) -> None:
        """Somebody else is the gateway there; or the DHCP server tells, or nobody does, and no address is pushed."""
        rules = ServerRules(NETWORK, None, is_tap=True, gateway="10.9.0.254")
        config = ClientConfig(OWN.ifconfig)
        self.assertEqual(self.offered(rules, config), ["route-gateway 10.9.0.254", "ifconfig 10.9.0.2 255.255.255.0"])
        for gateway, offered in (("dhcp", ["route-gateway dhcp"]), (None, [])):
            rules = ServerRules(None, None, is_tap=True, gateway=gateway)
            home = Homes(rules, Pool(None, None, {})).settle(1, "alice", ClientConfig())
            self.assertEqual(home, Home(ClientConfig()))
            self.assertEqual(self.offered(rules, ClientConfig()), offered)
