"""Name servers and search domains, as two generations of options say them."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.hub.names import LONGEST_NAME, Names, NameServer, domain_name, host_address
from tvpn.hub.pushed import read_pushed

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def server(*places: str, **more: object) -> NameServer:
    """One with these addresses at the usual port."""
    return NameServer(tuple((ip_address(place), None) for place in places), **more)  # type: ignore[arg-type]


class NamesTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each way to say it."""
        table: list[tuple[list[str], Names]] = [
            (["dhcp-option DNS 10.9.0.1", "dhcp-option DNS6 fd00::1", "dhcp-option DOMAIN a.example",
              "dhcp-option ADAPTER_DOMAIN_SUFFIX b.example", "dhcp-option DOMAIN-SEARCH c.example"],
             Names((server("10.9.0.1", "fd00::1"),), ("a.example", "b.example", "c.example"))),
            (["dns server 0 address 10.9.0.1 fd00::1"], Names((server("10.9.0.1", "fd00::1"),))),
            (["dns server 0 address 10.9.0.1:5353 [fd00::1]:53 [fd00::2]"],
             Names((NameServer(((ip_address("10.9.0.1"), 5353), (ip_address("fd00::1"), 53),
                                (ip_address("fd00::2"), None))),))),
            (["dns server 7 resolve-domains a.example b.example", "dns server 7 address 10.9.0.1",
              "dns server 7 dnssec optional", "dns server 7 transport DoT", "dns server 7 sni dns.example"],
             Names((server("10.9.0.1", domains=("a.example", "b.example"), dnssec="optional", transport="DoT",
                           sni="dns.example"),))),
            (["dns search-domains a.example b.example", "dns search-domains c.example a.example"],
             Names((), ("a.example", "b.example", "c.example"))),
            (['dhcp-option DOMAIN "a.example"'], Names((), ("a.example",))),
        ]  # fmt: skip
        for options, names in table:
            tunnel = read_pushed(options)
            self.assertEqual((tunnel.names, tunnel.ignored), (names, []), str(options))

    def test_priority(self) -> None:
        """The lowest number is wanted most."""
        options = [f"dns server {number} address 10.9.0.{10 + number}" for number in (3, -1, 0)]
        servers = read_pushed(options).names.servers
        self.assertEqual([str(each.places[0][0]) for each in servers], ["10.9.0.9", "10.9.0.10", "10.9.0.13"])

    def test_generations(self) -> None:
        """Where there is a dns server, the older options are for older clients."""
        options = ["dhcp-option DNS 10.9.0.1", "dhcp-option DOMAIN a.example", "dns server 0 address 10.9.0.2"]
        self.assertEqual(read_pushed(options).names, Names((server("10.9.0.2"),)))
        with_search = [options[0], "dns search-domains b.example", options[1]]
        self.assertEqual(read_pushed(with_search).names, Names((server("10.9.0.1"),), ("b.example", "a.example")))

    def test_no_address(self) -> None:
        """A server that has no address is ignored by all its options, and the older ones count."""
        lost = ["dns server 0 resolve-domains a.example", "dns server 0 transport DoT"]
        tunnel = read_pushed([*lost, "dhcp-option DNS 10.9.0.1"])
        self.assertEqual((tunnel.names, tunnel.ignored), (Names((server("10.9.0.1"),)), lost))

    def test_ignored(self) -> None:
        """What has no effect here, and what no dns option is, is named."""
        options = [
            "dhcp-option WINS 10.9.0.1", "dhcp-option DISABLE-NBT", "dhcp-option PROXY_HTTP 10.9.0.1 80", "dhcp-option",
            "dns", "dns server", "dns server 0", "dns server 0 address", "dns server x address 10.9.0.1",
            "dns server 128 address 10.9.0.1", "dns server -129 address 10.9.0.1", "dns server 0 dnssec maybe",
            "dns server 0 transport carrier-pigeon", "dns server 0 port 53", "dns search-domains", "dns options",
        ]  # fmt: skip
        tunnel = read_pushed(options)
        self.assertEqual((tunnel.names, tunnel.ignored), (Names(), options))

    @settings(deadline=None)
    @given(st.text(max_size=300))
    def test_any_name(self, text: str) -> None:
        """M-06: whatever text there is, what comes out is of harmless letters and short, or refused."""
        try:
            name = domain_name(text)
        except ValueError:
            return
        self.assertTrue(SAFE.issuperset(name) and 0 < len(name) <= LONGEST_NAME, name)

    @settings(deadline=None)
    @given(st.text(alphabet="0123456789abcdef:.%[];$ \n", max_size=40))
    def test_any_address(self, text: str) -> None:
        """M-06: whatever text there is, what comes out is an address without a scope, or refused."""
        try:
            address = host_address(text)
        except ValueError:
            return
        self.assertTrue(set(str(address)) <= set("0123456789abcdef:."), address)
