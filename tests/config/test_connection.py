"""What a remote is called with."""

from __future__ import annotations

from itertools import product

from tests.config.scene import ConfigCase
from tvpn.config.address import Proxy

START = "client\nca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\nproto tcp\n"
LINES = START.count("\n")
BLOCK = "<connection>\nremote a\n{}\n</connection>\n"


class ConnectionTests(ConfigCase):
    def setUp(self) -> None:
        super().setUp()
        self.identity()
        self.write("login", "alice\nhidden\n")

    def proxies(self, text: str) -> list[Proxy | None]:
        return [remote.proxy for remote in self.load(START + text, "a.ovpn").remotes]

    def test_for_all(self) -> None:
        """Without blocks a proxy is every remote's, wherever it stands; patience is, too."""
        http = Proxy("http", "p", 3128)
        text = "remote a\nhttp-proxy p 3128\nserver-poll-timeout 4\nremote b\n"
        settings = self.load(START + text, "a.ovpn")
        self.assertEqual([(each.proxy, each.timeout) for each in settings.remotes], [(http, 4)] * 2)
        self.assertEqual(self.proxies("remote a\nsocks-proxy 192.0.2.7\n"), [Proxy("socks", "192.0.2.7", 1080)])

    def test_looked_up(self) -> None:
        """A limit of seconds for a name has no effect, and that is said; infinite is what is done."""
        for seconds, said in (("5", True), ("infinite", False)):
            warnings = self.load(f"{START}remote a\nresolv-retry {seconds}\n", "a.ovpn").warnings
            self.assertEqual(any("resolv-retry: taken as infinite" in each for each in warnings), said, str(warnings))

    def test_secrets(self) -> None:
        """A header may hold a secret, and a file with a password that others may read is mentioned."""
        self.write("login", "alice\nhidden\n", 0o644)
        text = "remote a\nhttp-proxy p 1\nhttp-proxy-user-pass login\nhttp-proxy-option CUSTOM-HEADER X-Key SECRET\n"
        settings = self.load(START + text, "a.ovpn")
        self.assertTrue(any("login is readable by others" in each for each in settings.warnings), settings.warnings)
        self.assertNotIn("SECRET", repr(settings.remotes))

    def test_exposed(self) -> None:
        """A file with a secret that others may read is mentioned once, at the line that names it."""
        lines = ("tls-crypt login", "http-proxy p 1 login", "socks-proxy p 1 login",
                 "http-proxy p 1\nhttp-proxy-user-pass login")  # fmt: skip
        for mode, times in ((0o644, 1), (0o600, 0)):
            self.write("login", "alice\nhidden\n", mode)
            for line, frame in product(lines, ("remote a\n{}\nremote b\n", BLOCK)):
                warnings = self.load(START + frame.format(line), "a.ovpn").warnings
                found = [each for each in warnings if each.endswith("login is readable by others; chmod 600 it")]
                self.assertEqual(len(found), times, line)
                at = LINES + 2 + frame.startswith("<") + line.count("\n")
                self.assertTrue(all(f"a.ovpn:{at}: " in each for each in found), found)

    def test_by_block(self) -> None:
        """A block's own counts in it; one from outside where it stands above."""
        own = BLOCK.format("http-proxy q 1")
        self.assertEqual(self.proxies(own + BLOCK.format("")), [Proxy("http", "q", 1), None])
        above = "http-proxy p 2\n" + own + BLOCK.format("")
        self.assertEqual(self.proxies(above), [Proxy("http", "q", 1), Proxy("http", "p", 2)])
        self.assertEqual(self.proxies(BLOCK.format("") + "http-proxy p 2\n" + BLOCK.format("")),
                         [None, Proxy("http", "p", 2)])  # fmt: skip

    def test_passwords(self) -> None:
        """A file behind the proxy, a block, or the question; http-proxy-user-pass wins, as it is the later word."""
        for line, asked in (("http-proxy p 1 auto", True), ("http-proxy p 1 login basic", False),
                            ("socks-proxy p 1 stdin", True), ("socks-proxy p 1 login", False)):  # fmt: skip
            [found] = self.proxies(f"remote a\n{line}\n")
            assert found is not None
            self.assertEqual((found.ask, found.credentials is None), (asked, asked), line)
        block = "<http-proxy-user-pass>\nbob\nsecret\n</http-proxy-user-pass>\n"
        [found] = self.proxies(f"remote a\nhttp-proxy p 1 auto\n{block}")
        assert found is not None and found.credentials is not None
        self.assertEqual((found.credentials.text, found.ask), ("bob\nsecret\n", False))

    def test_mistakes(self) -> None:
        """Each at its line, with what to do."""
        self.write("half", "alice")
        for lines, at, part in (
            ("http-proxy p", 1, "takes a host, a port"),
            ("http-proxy p 0", 1, "write a number from 1"),
            ("http-proxy p 1 nowhere", 1, "cannot read"),
            ("http-proxy p 1 login digest", 1, "cannot log in by digest"),
            ("http-proxy p 1 half", 1, "needs a user name and a password"),
            ("socks-proxy", 1, "takes a host"),
            ("socks-proxy a/b", 1, "has no host"),
            ("http-proxy p 1\nsocks-proxy p 1", 2, "keep one of the two"),
            ("http-proxy-option KEEP 1", 1, "takes VERSION 1.0 or 1.1"),
            ("http-proxy-option VERSION 2", 1, "takes VERSION 1.0 or 1.1"),
            ('http-proxy-option CUSTOM-HEADER "a b" c', 1, "can have letters"),
            ('http-proxy-option AGENT "a\x07"', 1, "can have letters"),
            ("proto-force sctp", 1, "write udp or tcp"),
            ("connect-timeout 0", 1, "write a number from 1"),
        ):
            word = lines.split("\n")[at - 1].split()[0]
            self.refused(f"{START}{lines}\nremote a\n", LINES + at, word, part, name="a.ovpn")

    def test_options(self) -> None:
        """Version and header fields for all proxies of HTTP, or those of a block for its own."""
        text = 'http-proxy p 1\nhttp-proxy-option VERSION 1.0\nhttp-proxy-option CUSTOM-HEADER "X-A: b"\n'
        found = Proxy("http", "p", 1, version="1.0", headers=(("X-A", "b"),))
        self.assertEqual(self.proxies(f"{text}remote a\n"), [found])
        own = BLOCK.format("http-proxy-option AGENT us")
        self.assertEqual(self.proxies(text + own + BLOCK.format("")),
                         [Proxy("http", "p", 1, headers=(("User-Agent", "us"),)), found])  # fmt: skip
        self.assertEqual(self.proxies("http-proxy-option AGENT us\nsocks-proxy p 1\nremote a\n"),
                         [Proxy("socks", "p", 1)])  # fmt: skip

    def test_udp(self) -> None:
        """An HTTP proxy carries TCP alone; SOCKS carries both."""
        self.refused(f"{START}http-proxy p 1\nremote a 1194 udp\n", LINES + 1, "http-proxy", "by UDP", name="a.ovpn")
        self.assertEqual(self.proxies("socks-proxy p 1\nremote a 1194 udp\n"), [Proxy("socks", "p", 1)])

    def test_forced(self) -> None:
        """proto-force leaves the remotes of one protocol, and has to leave one."""
        settings = self.load(f"{START}remote a 1 udp\nremote b 2\nproto-force udp\n", "a.ovpn")
        self.assertEqual([each.host for each in settings.remotes], ["a"])
        self.refused(f"{START}remote b\nproto-force udp\n", LINES + 2, "proto-force", "leaves no remote", name="a.ovpn")
