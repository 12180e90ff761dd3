"""What a hostile server may push, and how little comes of it (the client's allow-list, seen from outside)."""

from __future__ import annotations

from dataclasses import fields
from time import process_time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.foreign import FOREIGN
from tvpn.config.pushable import SYNTAX
from tvpn.config.table import ENTRIES
from tvpn.errors import Drop
from tvpn.hub.pushed import MOST_ROUTES, Tunnel, read_pushed
from tvpn.wire.message import PUSH_REPLY, PushReply

#: The words that may change what our client does; everything else a server says leads nowhere.
ALLOWED = frozenset(
    {"topology", "ifconfig", "ifconfig-ipv6", "route", "route-ipv6", "route-gateway", "redirect-gateway", "tun-mtu",
     "ping", "ping-restart", "ping-exit", "inactive", "session-timeout", "redirect-private", "route-metric",
     "block-ipv6", "dhcp-option", "dns"}
)  # fmt: skip
WORDS = sorted({entry.word for entry in ENTRIES if entry.option.openvpn} | set(FOREIGN) | set(SYNTAX))
VALUES = (
    "", "1", "600", "yes", "/tmp/x", "10.66.0.2 255.255.255.0", "LD_PRELOAD /tmp/x.so", "evil", "DNS 192.0.2.53",
    "def1 ipv6", "p2p", "fd00::/64", "10.0.0.0 255.0.0.0 vpn_gateway 1", "2001:db8::1/64 2001:db8::2",
    "server 0 address 192.0.2.53",
)  # fmt: skip
#: What runs something, writes something or lets somebody else decide.
DANGEROUS = (
    "up /tmp/x", "down /tmp/x", "plugin /tmp/x.so", "script-security 3", "setenv LD_PRELOAD /tmp/x.so",
    "setenv-safe LD_PRELOAD /tmp/x.so", "log /etc/passwd", "log-append /etc/passwd", "writepid /etc/cron.d/x",
    "cd /tmp", "chroot /tmp", "user nobody", "group nogroup", "config /tmp/x", "management 0.0.0.0 7505",
    "remote 192.0.2.66",
    "ca /tmp/ca.pem", "auth-user-pass /etc/shadow", "tls-verify /tmp/x", "route-up /tmp/x", "ipchange /tmp/x",
    "iproute /tmp/x", "client-connect /tmp/x", "status /etc/passwd", "daemon", "compress lzo", "comp-lzo yes",
)  # fmt: skip


def changed(tunnel: Tunnel) -> set[str]:
    """The fields that differ from a tunnel nobody has pushed anything to."""
    fresh = Tunnel()
    names = (field.name for field in fields(Tunnel) if field.name != "ignored")
    return {name for name in names if getattr(tunnel, name) != getattr(fresh, name)}


class AllowListTests(SynchronousTestCase):
    """Only what is on the list takes effect."""

    def test_every_word(self) -> None:
        """M-01: of all words that OpenVPN has, with whatever value, only those that are allowed change anything."""
        self.assertGreater(len(WORDS), 250)
        effective = {word for word in WORDS for value in VALUES if changed(read_pushed([f"{word} {value}".strip()]))}
        self.assertEqual(effective, ALLOWED)

    def test_dangerous(self) -> None:
        """M-02: what could run a program, write a file or take over the client has no effect."""
        for option in DANGEROUS:
            self.assertEqual(changed(read_pushed([option])), set(), option)

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(WORDS), st.text(max_size=40))
    def test_any_value(self, word: str, value: str) -> None:
        """M-01: with any text behind it, a word that is not allowed changes nothing, and none raises."""
        found = changed(read_pushed([f"{word} {value}"]))
        self.assertTrue(word in ALLOWED or not found, f"{word} {value!r}: {found}")


class BoundTests(SynchronousTestCase):
    """However much is pushed."""

    def test_many_routes(self) -> None:
        """M-07: of a hundred thousand routes 1024 are taken; the rest is ignored by name."""
        options = [f"route 10.{number >> 8 & 255}.{number & 255}.0 255.255.255.0" for number in range(100_000)]
        begin = process_time()
        tunnel = read_pushed(options)
        self.assertLess(process_time() - begin, 1)
        self.assertEqual(len(tunnel.routes), MOST_ROUTES)

    def test_endless_push(self) -> None:
        """M-07: a push that goes on and on ends after 64 KiB."""
        push = PushReply()
        part = f"{PUSH_REPLY}," + "route 10.0.0.0 255.0.0.0," * 30 + "push-continuation 2"
        taken = 0
        with self.assertRaises(Drop):
            for _ in range(20_000):
                push.add(part)
                taken += len(part)
        self.assertLess(taken, 65536)

    def test_names(self) -> None:
        """M-06: what is no name and no address of a host is refused, one by one and by name; its twin is taken."""
        bad_names = ("a;reboot", "$(reboot)", "`reboot`", "a|b", "a b", "a\nb", "'x y'", "-a.example", "a-.example",
                     "a..example", ".example", "a" * 64 + ".example", ".".join(["a" * 63] * 4), "a" * 300,
                     "\u00e4.example", "a/b", "a%b", "~.", "#a")  # fmt: skip
        bad_places = ("300.1.1.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1",
                      "fe80::1", "fe80::1%eth0", "fd00::1%x;reboot", "10.9.0.1;reboot", "$(reboot)", "10.9.0.1:0",
                      "10.9.0.1:65536", "[fd00::1]:x", "[fd00::1", "10.9.0.1/32", "name.example")  # fmt: skip
        bad = [f"dhcp-option {kind} {name}" for name in bad_names for kind in ("DOMAIN", "DOMAIN-SEARCH")]
        bad += [f"dns search-domains {name}" for name in bad_names if name.split() == [name]]
        bad += [f"dns server 0 resolve-domains {name}" for name in bad_names if name.split() == [name]]
        bad += [f"{words} {place}" for place in bad_places for words in ("dhcp-option DNS", "dns server 0 address")]
        for option in bad:
            tunnel = read_pushed([option, "ping 7"])
            self.assertEqual(changed(tunnel), {"ping"}, option)
            self.assertEqual(tunnel.ignored, [option])
        good = ("dhcp-option DOMAIN a.example", "dhcp-option DOMAIN-SEARCH a-b_c.example.", "dhcp-option DNS 10.9.0.1",
                "dns search-domains " + ".".join(["a" * 49] * 5), "dns server 0 address [fd00::1]:53 10.9.0.1:65535")
        for option in good:
            self.assertEqual((changed(read_pushed([option])), read_pushed([option]).ignored), ({"names"}, []), option)

    def test_many_names(self) -> None:
        """M-06: of ten thousand servers eight are taken, and 64 domains; the rest is ignored."""
        many = range(10_000)
        tunnel = read_pushed([f"dhcp-option DNS 10.9.{number >> 8}.{number & 255}" for number in range(1, 10_000)])
        self.assertEqual(len(tunnel.names.servers[0].places), 8)
        for words in ("dhcp-option DOMAIN", "dns search-domains"):
            self.assertEqual(len(read_pushed([f"{words} d{number}.example" for number in many]).names.search), 64)
        servers = read_pushed([f"dns server {number} address 10.9.0.1" for number in range(128)]).names.servers
        self.assertEqual(len(servers), 8)
        places = read_pushed([f"dns server 1 address 10.9.1.{number}" for number in range(200)]).names.servers[0].places
        self.assertEqual(len(places), 8)

    def test_bad_values(self) -> None:
        """M-09: what no tunnel can have is refused, the rest of the push still counts; each good twin is taken."""
        bad = (
            "tun-mtu 0", "tun-mtu 67", "tun-mtu 99", "tun-mtu 65536", "tun-mtu -1", "tun-mtu 1e3", "ping -1",
            "ping 86401", "ping-restart -1", "ping-restart 86401", "ifconfig 300.1.1.1 255.255.255.0",
            "ifconfig 10.9.0.2", "ifconfig 224.0.0.5 255.255.255.0", "ifconfig 127.0.0.1 255.0.0.0",
            "ifconfig 0.0.0.0 255.255.255.0", "ifconfig 255.255.255.255 255.255.255.0",
            "ifconfig-ipv6 ff02::1/64 fd00::1",
            "ifconfig-ipv6 ::1/64 fd00::1", "ifconfig-ipv6 ::/64 fd00::1", "ifconfig-ipv6 fd00::1/129 fd00::1",
            "route 127.0.0.0 255.0.0.0", "route 224.0.0.0 240.0.0.0", "route 10.1.0.0 255.0.255.0",
            "route-ipv6 ::1/128", "route-ipv6 ff00::/8", "route-ipv6 fe80::/64", "topology ring",
            "route-gateway nowhere",
        )  # fmt: skip
        for option in bad:
            tunnel = read_pushed([option, "ping 7"])
            self.assertEqual(changed(tunnel), {"ping"}, option)
            self.assertEqual(tunnel.ignored, [option])
        good = (
            "tun-mtu 1400", "ping-restart 0", "ifconfig 10.9.0.2 255.255.255.0",
            "ifconfig-ipv6 fd00::1000/64 fd00::1", "route 10.1.0.0 255.255.0.0", "route-ipv6 fd01::/64", "topology p2p",
            "route-gateway 10.9.0.1",
        )  # fmt: skip
        for option in good:
            self.assertEqual(read_pushed([option]).ignored, [], option)
            self.assertNotEqual(changed(read_pushed([option])), set(), option)
