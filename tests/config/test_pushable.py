"""What may be pushed."""

from __future__ import annotations

from tests.config.scene import SERVER, ConfigCase
from tvpn.config import pushable
from tvpn.config.pushable import SYNTAX


class Pushing(ConfigCase):
    def test_every_word_of_the_list_takes_its_own_example(self) -> None:
        """So each remedy that names one is right."""
        examples = [syntax.example for syntax in SYNTAX.values() if not syntax.example.startswith("route ")]
        settings = self.load(SERVER + "[push]\n" + "\n".join(examples) + "\n")
        self.assertEqual(settings.push.lines, tuple(examples))

    def test_what_clients_would_choke_on_is_refused(self) -> None:
        """Commas, unknown words, wrong counts, wrong values, what tvpn pushes itself, and other people's secrets."""
        for line, part in (
            ("echo a,b", "comma"),
            ("up script", "not pushable"),
            ("ca x", "not pushable"),
            ("route", "route 192.0.2.0"),
            ("route 10.0.0.1 255.0.0.0", "write 10.0.0.0/8"),
            ("dhcp-option DNS one", "dhcp-option DNS 192.0.2.53"),
            ("dhcp-option = DNS 1.1.1.1", "without ="),
            ("redirect-gateway def2", "def1"),
            ("topology p3p", "write subnet, net30 or p2p"),
            ("peer-id 3", "by itself"),
            ("cipher AES-256-GCM", "by itself"),
            ("compress", "by itself"),
            ("comp-lzo no", "in [data]"),
            ('push "ping 5"', "without the word push"),
        ):
            self.refused(SERVER + f"[push]\n{line}\n", 4, "push", part)

    def test_own_lines(self) -> None:
        """A client's own file says them as words; they are checked by the same rules, and keep the file's order."""
        self.identity()
        head = "client\nremote a\nca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"
        lines = "dhcp-option DNS 192.0.2.53\nroute 10.7.0.0/16 default 5\nredirect-gateway\nroute-ipv6 fd00::/64\n"
        expected = ("dhcp-option DNS 192.0.2.53", "route 10.7.0.0 255.255.0.0 default 5", "redirect-gateway",
                    "route-ipv6 fd00::/64")  # fmt: skip
        self.assertEqual(self.load(head + lines, "a.ovpn").own_lines, expected)
        for line, part in (
            ("redirect-gateway def2", "has no flag 'def2'"),
            ("dhcp-option DNS one", "takes one address"),
            ("block-ipv6 yes", "for example: block-ipv6"),
            ("route-metric x", "write a number"),
            ('dhcp-option DOMAIN "a\x1bb"', "has a control character"),
        ):
            self.refused(f"{head}{line}\n", 7, line.split()[0], part, name="a.ovpn")
        ini = "[transport]\nremote = a\n[tls]\nca = ca.crt\ncert = own.crt\nkey = own.key\nremote-cert-tls = server\n"
        text = f"{ini}[tunnel]\nblock-ipv6 = yes\ndhcp-option =\n  DNS 192.0.2.1\n  DNS 192.0.2.2\n"
        own = ("block-ipv6", "dhcp-option DNS 192.0.2.1", "dhcp-option DNS 192.0.2.2")
        self.assertEqual(self.load(text).own_lines, own)

    def test_filters(self) -> None:
        """Three actions, and a text that keeps its blanks."""
        self.identity()
        head = "client\nremote a\nca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"
        settings = self.load(head + 'pull-filter accept "route "\npull-filter reject ""\n', "a.ovpn")
        filters = (pushable.PullFilter("accept", "route "), pushable.PullFilter("reject", ""))
        self.assertEqual(settings.tunnel.pull_filter, filters)
        for line in ("pull-filter drop route", "pull-filter ignore", "pull-filter ignore route 10.0.0.0"):
            self.refused(f"{head}{line}\n", 7, "pull-filter", "takes accept, ignore or reject", name="a.ovpn")

    def test_an_option_has_at_most_255_bytes(self) -> None:
        """255 pass, 256 do not; bytes and not letters count."""
        fits = "echo " + "x" * (pushable.MAX_BYTES - 5)
        self.assertEqual(self.load(SERVER + f"[push]\n{fits}\n").push.lines, (fits,))
        self.refused(SERVER + f"[push]\n{fits}x\n", 4, "push", "256 bytes")
        self.refused(SERVER + f"[push]\n{fits[:-1]}é\n", 4, "push", "256 bytes")

    def test_openvpns_push_needs_its_quotes(self) -> None:
        """Several words would lose all but the first."""
        self.refused("server 10.8.0.0 255.255.255.0\npush route 10.0.0.0\n", 2, "push", "quote", name="a.conf")
