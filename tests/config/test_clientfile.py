"""A client's own file: every word, and what does not belong in it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.clientfile import Addressing, ClientConfig, PushStep, parse
from tvpn.errors import ConfigError

FILE = Path("/ccd/alice")
DUAL = Addressing(IPv4Network("10.87.0.0/24"), IPv6Network("fd00:87::/64"))


def refusal(text: str, addressing: Addressing = DUAL) -> ConfigError:
    try:
        parse(text, FILE, addressing)
    except ConfigError as error:
        return error
    raise AssertionError(f"not refused: {text!r}")


class WordTests(SynchronousTestCase):
    def test_every_word(self) -> None:
        """All words at once; comments, a byte order mark and CIDR are as welcome as in other files."""
        text = (
            "\ufeff# alice's\nifconfig-push 10.87.0.50 255.255.255.0\nifconfig-ipv6-push fd00:87::50/64\n"
            "iroute 192.168.7.0 255.255.255.0\niroute 192.168.9.9 ; one host\niroute 172.16.0.0/12\n"
            "iroute-ipv6 2001:db8:7::/48\npush-reset\npush \"route 10.1.0.0/16\"\npush-remove dhcp-option\n"
        )  # fmt: skip
        config = parse(text, FILE, DUAL)
        self.assertEqual(config.ifconfig, (IPv4Address("10.87.0.50"), IPv4Address("255.255.255.0")))
        self.assertEqual(config.ifconfig_ipv6, (IPv6Interface("fd00:87::50/64"), IPv6Address("fd00:87::1")))
        nets = ["192.168.7.0/24", "192.168.9.9/32", "172.16.0.0/12"]
        self.assertEqual(config.iroutes, (*map(IPv4Network, nets), IPv6Network("2001:db8:7::/48")))
        steps = [("push-reset", ""), ("push", "route 10.1.0.0 255.255.0.0"), ("push-remove", "dhcp-option")]
        self.assertEqual(config.steps, tuple(PushStep(word, text) for word, text in steps))
        self.assertFalse(config.disabled)
        self.assertEqual(
            config.networks, (IPv4Network("10.87.0.50/32"), IPv6Network("fd00:87::50/128"), *config.iroutes)
        )

    def test_ethernet(self) -> None:
        """On a tap device a client may have a VLAN if the server tells them apart; networks behind it mean nothing."""
        tap = replace(DUAL, is_tap=True, has_vlans=True, own=IPv4Address("10.87.0.254"))
        self.assertEqual(parse("vlan-pvid 7\n", FILE, tap).vlan_pvid, 7)
        self.assertEqual(parse("", FILE, tap).vlan_pvid, 0)
        for text, addressing, part in (
            ("vlan-pvid 7", DUAL, "without the server's vlan-tagging"), ("vlan-pvid 0", tap, "from 1 to 4094"),
            ("vlan-pvid 4095", tap, "from 1 to 4094"), ("iroute 192.168.7.0 255.255.255.0", tap, "on a tap device"),
            ("iroute-ipv6 2001:db8::/48", tap, "on a tap device"),
            ("ifconfig-push 10.87.0.254 255.255.255.0", tap, "the server's own address"),
        ):  # fmt: skip
            self.assertIn(part, str(refusal(f"{text}\n", addressing)))
        self.assertIsNotNone(parse("ifconfig-push 10.87.0.1 255.255.255.0\n", FILE, tap).ifconfig)

    def test_little(self) -> None:
        """An empty file gives nothing; disable is a word by itself; a gateway may be named."""
        self.assertEqual(parse("", FILE, DUAL), ClientConfig())
        self.assertTrue(parse("disable\n", FILE, DUAL).disabled)
        config = parse("ifconfig-ipv6-push 2001:db8::7/64 2001:db8::1", FILE, Addressing(DUAL.ipv4, None))
        self.assertEqual(config.ifconfig_ipv6, (IPv6Interface("2001:db8::7/64"), IPv6Address("2001:db8::1")))


class RefusalTests(SynchronousTestCase):
    def test_injection(self) -> None:
        """I-08: each line is one option; what does not belong in a client's file is refused by name, and the whole
        file with it.
        """
        for word in ("config other", "up /bin/sh", "script-security 3", "plugin x.so", "route 10.0.0.0",
                     "ca ca.crt", "setenv opt up /bin/sh", "bogus", "verb 11", "client-config-dir /", ".."):
            error = refusal(f'push "dhcp-option DNS 192.0.2.1"\n{word}\n')
            self.assertEqual((error.file, error.line), (FILE, 2))
            self.assertIn("cannot stand in a client's file; the words there are ifconfig-push, ", str(error))
        for broken in ('push "route 10.1.0.0 255.255.0.0\nup /bin/sh"', "push 'echo a\nb'"):
            self.assertIn("quote that is never closed", str(refusal(broken)))
        for hidden in ("\0", "\r", "\x0b", "\x1b[2J", "\x85", "\u2028"):
            error = refusal(f'push "echo a{hidden}AUTH_FAILED"')
            self.assertIn("control character", str(error))
        self.assertIn("comma", str(refusal('push "echo a,route 0.0.0.0 0.0.0.0"')))

    def test_inline(self) -> None:
        """A block is refused, known or not."""
        self.assertIn("cannot stand", str(refusal("<ca>\nx\n</ca>")))
        self.assertIn("is no block", str(refusal("<push>\nx\n</push>")))

    def test_values(self) -> None:
        """A wrong value names file, line, word and remedy."""
        table = [
            ("ifconfig-push 10.87.0.50", "takes an address and a netmask; write for example: 10.87.0.50 255.255.255.0"),
            ("ifconfig-push 10.87.0.50 255.255.255.0 10.1.1.1", "takes an address and a netmask"),
            ("ifconfig-push alice 255.255.255.0", "takes an address and a netmask"),
            ("ifconfig-push 10.87.0.50 255.0.255.0", "cannot have the netmask 255.0.255.0"),
            ("ifconfig-push 10.87.0.50 0.0.0.255", "cannot have the netmask 0.0.0.255"),
            ("ifconfig-push 10.87.0.50 10.87.0.49", "cannot have the netmask 10.87.0.49; write one such as"),
            ('push "topology net30"', "contradicts the server's topology subnet"),
            ("ifconfig-push 10.87.0.1 255.255.255.0", "the server's own address"),
            ("ifconfig-push 10.87.0.0 255.255.254.0", "no host's address"),
            ("ifconfig-push 10.87.0.255 255.255.255.0", "no host's address"),
            ("ifconfig-push 10.87.0.255 255.255.254.0", "no host's address in 10.87.0.0/24"),
            ("ifconfig-push 127.0.0.1 255.255.255.0", "no host's address"),
            ("ifconfig-push 224.0.0.5 255.255.255.0", "no host's address"),
            ("ifconfig-push 10.87.0.5 255.255.255.0\nifconfig-push 10.87.0.6 255.255.255.0", "is given twice"),
            ("ifconfig-ipv6-push fd00:87::50", "takes an address with its length"),
            ("ifconfig-ipv6-push fd00:87::1/64", "the server's own address"),
            ("ifconfig-ipv6-push fd00:87::5/48", "write one from 64 to 124"),
            ("ifconfig-ipv6-push ::ffff:10.0.0.1/64", "no host's address"),
            ("ifconfig-ipv6-push fd00:87::5/64 10.0.0.1", "does not read"),
            ("iroute", "takes a network"),
            ("iroute 192.168.7.1 255.255.255.0", "write 192.168.7.0/24"),
            ("iroute 192.168.7.0 255.255.255.0 10.0.0.1", "takes a network"),
            ("iroute fd00::/64", "IPv4 network"),
            ("iroute-ipv6 2001:db8::", "IPv6 network"),
            ("push", "takes one value"),
            ("push up", "is not pushable"),
            ("push-remove", "takes one value"),
            ('push-remove ""', "is empty"),
            ("push-reset now", "stands alone"),
            ("disable no", "stands alone"),
        ]
        for text, part in table:
            error = refusal(text)
            self.assertEqual((error.file, error.option), (FILE, text.split()[0]), text)
            self.assertIn(part, str(error), text)
        error = refusal("ifconfig-ipv6-push 2001:db8::7/64", Addressing(DUAL.ipv4, None))
        self.assertIn("needs a gateway", str(error))

    def test_networks(self) -> None:
        """I-05: a network that contains or touches the clients' own, the default route, loopback, link-local and
        multicast lie behind nobody.
        """
        for network in ("10.87.0.0/24", "10.87.0.128/25", "10.0.0.0/8", "10.87.0.7/32", "0.0.0.0/0", "0.0.0.0/1",
                        "128.0.0.0/1", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255"):  # fmt: skip
            self.assertIn("overlaps", str(refusal(f"iroute {network}")), network)
        for network in ("fd00:87::/64", "fd00:87::7/128", "fd00::/16", "::/0", "::/1", "8000::/1", "fe80::/64",
                        "ff02::/16", "::1/128", "::ffff:0:0/96"):  # fmt: skip
            self.assertIn("overlaps", str(refusal(f"iroute-ipv6 {network}")), network)
        for word, network in (("iroute", "10.86.0.0/16"), ("iroute", "10.87.1.0/24"), ("iroute-ipv6", "fd00:88::/64")):
            self.assertEqual(str(parse(f"{word} {network}", FILE, DUAL).iroutes[0]), network)

    def test_pairs(self) -> None:
        """With net30 and p2p an address has another end, and no netmask."""
        for topology in ("net30", "p2p"):
            pairs = Addressing(DUAL.ipv4, None, topology)
            config = parse(f'ifconfig-push 10.87.0.50 10.87.0.49\npush "topology {topology}"', FILE, pairs)
            self.assertEqual(config.ifconfig, (IPv4Address("10.87.0.50"), IPv4Address("10.87.0.49")))
            for other in ("255.255.255.0", "255.255.255.252", "10.87.0.50"):
                error = refusal(f"ifconfig-push 10.87.0.50 {other}", pairs)
                self.assertIn(f"needs the other end's address behind 10.87.0.50, as topology is {topology}", str(error))
            self.assertIn("write for example: 10.87.0.50 10.87.0.49", str(refusal("ifconfig-push 10.87.0.50", pairs)))
            self.assertIn("the server's own address", str(refusal("ifconfig-push 10.87.0.1 10.87.0.2", pairs)))

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(
        st.sampled_from(["ifconfig-push", "ifconfig-ipv6-push", "iroute", "iroute-ipv6", "push", "push-remove", ""]),
        st.text(max_size=30)), max_size=4))  # fmt: skip
    def test_garbage(self, lines: list[tuple[str, str]]) -> None:
        """Any text after any word is read or refused in words, and no pushed option has a control character."""
        try:
            config = parse("\n".join(f"{word} {text}" for word, text in lines), FILE, DUAL)
        except ConfigError:
            return
        self.assertTrue(all(step.text.isprintable() for step in config.steps if step.word == "push"))


class PushListTests(SynchronousTestCase):
    ALL = ("route-gateway 10.87.0.1", "topology subnet", "route 10.1.0.0 255.255.0.0",
           "route 192.168.7.0 255.255.255.0")  # fmt: skip

    def change(self, text: str) -> list[str]:
        return parse(text, FILE, DUAL).change(self.ALL)

    def test_steps(self) -> None:
        """The steps work on the list in their order: a word's start is enough, and reset takes all that is there."""
        added = "dhcp-option DNS 192.0.2.53"
        self.assertEqual(self.change(""), [*self.ALL])
        self.assertEqual(self.change(f'push "{added}"'), [*self.ALL, added])
        self.assertEqual(self.change("push-remove route"), ["topology subnet"])
        self.assertEqual(self.change('push-remove "route 10."'), [*self.ALL[:2], self.ALL[3]])
        self.assertEqual(self.change(f'push-reset\npush "{added}"'), [added])
        self.assertEqual(self.change(f'push "{added}"\npush-reset'), [])
        self.assertEqual(self.change("push-remove oute"), [*self.ALL])

    def test_own_network(self) -> None:
        """A route to a network that lies behind the client itself is not pushed to it."""
        self.assertEqual(self.change("iroute 192.168.7.0 255.255.255.0"), [*self.ALL[:3]])
        self.assertEqual(self.change("iroute 192.168.7.0 255.255.255.128"), [*self.ALL])
        config = parse("iroute-ipv6 2001:db8:7::/48\niroute 10.3.3.3", FILE, DUAL)
        self.assertEqual(config.change(["route-ipv6 2001:db8:7::/48", "route 10.3.3.3", "echo x"]), ["echo x"])

    def test_withheld_address(self) -> None:
        """push-remove with exactly ifconfig or ifconfig-ipv6 keeps that address untold."""
        self.assertTrue(parse("push-remove ifconfig", FILE, DUAL).withholds("ifconfig"))
        self.assertFalse(parse("push-remove ifconfig", FILE, DUAL).withholds("ifconfig-ipv6"))
        self.assertFalse(parse("push-remove ifc", FILE, DUAL).withholds("ifconfig"))
