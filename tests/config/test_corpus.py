"""Profiles as they are in the wild, each with its verdict."""

from __future__ import annotations

from pathlib import Path

from tests.config.scene import ConfigCase
from tests.corpus import FOLDER, unpack
from tvpn.config.address import Proxy, Remote
from tvpn.config.login import UserPass
from tvpn.config.pushable import PullFilter
from tvpn.config.settings import Settings, load
from tvpn.config.variable import Variable
from tvpn.crypto.wrap import TLSAuth, TLSCrypt
from tvpn.errors import ConfigError
from tvpn.service.build import check, pull_rules
from tvpn.service.terms import variants

#: The words that each is warned of, in the order in which that is said.
ACCEPTED = {
    "access-server": "sndbuf rcvbuf a-word-of-tomorrow ns-cert-type tls-version-min cipher",
    "access-server-current": "sndbuf rcvbuf a-word-of-tomorrow",
    "blowfish": "key-method cipher",
    "connect-cloud": "persist-tun block-ipv4 setenv cipher",
    "connections": "explicit-exit-notify float",
    "connections-differ": "",
    "connections-keyed": "",
    "ethernet": "ca",
    "http-proxy": "http-proxy-retry http-proxy-timeout",
    "kill-switch": "allow-pull-fqdn",
    "mikrotik": "persist-key persist-tun route-method route-delay",
    "opnsense": "persist-tun persist-key lport",
    "pfsense": "persist-tun persist-key explicit-exit-notify",
    "pfsense-bundle": "persist-tun persist-key ncp-disable passtos lport",
    "provider-many": "persist-key persist-tun sndbuf rcvbuf script-security up down fast-io",
    "provider-prefix": (
        "fast-io persist-key persist-tun route-method route-delay keysize sndbuf rcvbuf ns-cert-type cipher"
    ),
    "provider-random": "persist-key persist-tun block-outside-dns",
    "provider-udp": "tun-mtu-extra persist-key persist-tun ping-timer-rem fast-io cipher",
    "provider-weak": "persist-key persist-tun disable-occ cipher",
    "router": "float sndbuf rcvbuf user group max-routes ns-cert-type",
    "split": "",
    "synology": "script-security ca",
    "windows-gui": (
        "dev-node persist-key persist-tun mute-replay-warnings ip-win32 route-method route-delay tap-sleep dhcp-renew "
        "dhcp-release register-dns show-net-up win-sys pause-exit service mute"
    ),
}
#: The line, its word, and what is said.
REFUSED = {
    "blowfish-only": (5, "data-ciphers", "cannot use 'BF-CBC'; the ciphers for data are AES-256-GCM, "),
    "compressed": (4, "compress", "cannot be 'lz4-v2', since nothing is compressed here; write stub or stub-v2"),
    "http-proxy-ntlm": (5, "http-proxy", "cannot log in by ntlm, which gives the password away; write basic"),
    "http-proxy-udp": (3, "http-proxy", "carries TCP alone, and vpn.example.org is called by UDP; write: proto tcp"),
    "managed": (4, "management", "the management interface arrives in a later release; delete the line"),
    "missing-file": (4, "ca", "config\\ca.crt (no such file or directory); check the path"),
    "misspelt": (4, "verify-x509-nam", "is no known word; the nearest is verify-x509-name"),
    "no-name": (4, "auth-user-pass", "needs the user name in its first line; add it, or leave the file out"),
    "old-name": (4, "tls-remote", "it is obsolete; write verify-x509-name with the same name"),
    "smart-card": (5, "pkcs11-providers", "keys in hardware are not supported; name PEM files"),
    "static-key": (3, "secret", "static keys without TLS are unsafe and not supported; use ca, cert and key"),
    "torn": (4, "<ca>", "is never closed; add a line </ca>"),
}


class CorpusCase(ConfigCase):
    def profile(self, name: str) -> Settings:
        return load(unpack(name, self.folder), environ={})


class Verdicts(CorpusCase):
    def test_every_profile_has_one(self) -> None:
        """And there are enough of them."""
        self.assertEqual({path.stem for path in FOLDER.glob("*.ovpn")}, {*ACCEPTED, *REFUSED})
        self.assertGreaterEqual(len(ACCEPTED) + len(REFUSED), 35)

    def test_accepted(self) -> None:
        """These load with exactly these warnings, each at the line that has the word, and their keys can be read."""
        for name, words in ACCEPTED.items():
            settings = self.profile(name)
            self.assertEqual(settings.role, "client", name)
            said = [warning.split(": ")[:2] for warning in settings.warnings]
            self.assertEqual([word for _, word in said], words.split(), f"{name}: {settings.warnings}")
            lines = Path(settings.source).read_text(encoding="utf-8-sig").split("\n")
            for place, word in said:
                self.assertIn(word, lines[int(place.rpartition(":")[2]) - 1], name)
            check(settings)

    def test_refused(self) -> None:
        """These are refused with file, line, word and what to do."""
        for name, (line, word, sentence) in REFUSED.items():
            error = self.assertRaises(ConfigError, self.profile, name)
            self.assertEqual((error.line, error.option), (line, word), f"{name}: {error}")
            self.assertIn(sentence, str(error), name)


class Meanings(CorpusCase):
    """What some of them come to."""

    def test_access_server(self) -> None:
        """Its remotes in their order with their patience; the password is asked for, the server told what it wants."""
        settings = self.profile("access-server")
        self.assertEqual([(each.port, each.protocol, each.timeout) for each in settings.remotes],
                         [(1194, "udp", 4), (1194, "udp", 4), (443, "tcp", 4), (1194, "udp", 4)])  # fmt: skip
        self.assertEqual(settings.auth.auth_user_pass, UserPass())
        self.assertEqual((settings.tls.remote_cert_tls, settings.tls.tls_version_min), ("server", "1.2"))
        self.assertEqual((settings.control.push_peer_info, settings.control.key_direction), (True, 1))

    def test_cloud(self) -> None:
        """setenv opt counts where the word is known; UV and IV names are kept."""
        settings = self.profile("connect-cloud")
        self.assertEqual(settings.data.data_ciphers, ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"))
        kept = [Variable("UV_ASCLI_VER", "2.9.0"), Variable("IV_GUI_VER", "OC30_3.4.1")]
        self.assertEqual([each for each in settings.control.setenv if each.is_told(everything=True)], kept)

    def test_connections(self) -> None:
        """Each has its own proxy and patience, and what stands above them where it says nothing itself."""
        settings = self.profile("connections")
        one, two, three = settings.remotes
        self.assertEqual(one, Remote("one.example.org", 1194, 0, "udp", None, 5))
        agent = (("User-Agent", "Mozilla/5.0"),)
        proxy = Proxy("http", "proxy.example.net", 8080, None, True, headers=agent)
        self.assertEqual((two.proxy, two.timeout), (proxy, 30))
        assert three.proxy is not None and three.proxy.credentials is not None
        self.assertEqual((three.port, three.family, three.protocol, three.timeout), (993, 6, "tcp", 30))
        self.assertEqual((three.proxy.kind, three.proxy.host, three.proxy.port), ("socks", "192.0.2.7", 1080))
        self.assertEqual(three.proxy.credentials.text, "alice\nwell hidden\n")
        self.assertEqual(settings.tunnel.mssfix, 1400)
        self.assertIsNotNone(self.profile("connections-keyed").control.tls_crypt)

    def test_keys_of_their_own(self) -> None:
        """One connection with tls-crypt, the other with tls-auth in its direction; nothing is common to both."""
        settings = self.profile("connections-differ")
        one, two = (remote.own for remote in settings.remotes)
        assert one is not None and two is not None
        self.assertEqual((one.tls_crypt is None, one.tls_auth), (False, None))
        self.assertEqual((two.tls_auth is None, two.tls_crypt, two.key_direction), (False, None, 1))
        self.assertEqual((settings.control.tls_crypt, settings.control.tls_auth), (None, None))
        wrapped = variants(settings)
        self.assertIsInstance(wrapped[one].keys.wrapping, TLSCrypt)
        self.assertIsInstance(wrapped[two].keys.wrapping, TLSAuth)

    def test_http_proxy(self) -> None:
        """User name and password for the proxy come from a block of their own, and no repr shows them."""
        [remote] = self.profile("http-proxy").remotes
        assert remote.proxy is not None and remote.proxy.credentials is not None
        self.assertEqual(remote.proxy.credentials.text, "alice\nwell hidden\n")
        self.assertNotIn("well hidden", repr(remote))

    def test_split(self) -> None:
        """Own lines keep their order; filters, timers and limits are kept."""
        settings = self.profile("split")
        self.assertEqual(settings.own_lines, (
            "route 10.20.0.0 255.255.0.0", "route 192.168.7.0 255.255.255.0 vpn_gateway", "route-ipv6 fd00:20::/48",
            "route-metric 50", "dhcp-option DNS 10.20.0.53", "dhcp-option DOMAIN corp.example.org",
            "dns server 1 address 10.20.0.53",
        ))  # fmt: skip
        tunnel, transport = settings.tunnel, settings.transport
        self.assertEqual(tunnel.pull_filter[-1], PullFilter("reject", "route-gateway 0."))
        self.assertEqual((tunnel.route_nopull, tunnel.inactive, tunnel.session_timeout), (True, (3600, 10000), 36000))
        self.assertEqual((transport.connect_retry, transport.connect_retry_max), ((2, 60), 5))
        taken = pull_rules(settings).apply(["route 10.0.0.0 255.0.0.0", "dhcp-option DNS 1.1.1.1", "ping 5"])
        self.assertEqual(taken, [*settings.own_lines, "ping 5"])

    def test_kill_switch(self) -> None:
        """Our own word in a file that stock reads, too; a name without a password; an end by silence."""
        settings = self.profile("kill-switch")
        self.assertEqual((settings.tunnel.kill_switch, settings.transport.remote_random_hostname), (True, True))
        self.assertEqual((settings.tunnel.ping_exit, settings.tunnel.ping_restart), (60, 0))
        said = settings.auth.auth_user_pass
        assert said is not None
        self.assertEqual((said.username, said.password, settings.auth.auth_retry), ("alice", None, "interact"))

    def test_passwords(self) -> None:
        """A file with both; auth-nocache; the terminal's question."""
        auth = self.profile("provider-random").auth
        assert auth.auth_user_pass is not None
        self.assertEqual((auth.auth_user_pass.username, auth.auth_user_pass.password), ("alice", "well hidden"))
        self.assertNotIn("well hidden", repr(auth))
        self.assertEqual((auth.auth_nocache, auth.auth_retry), (True, "nointeract"))
        challenge = self.profile("opnsense").auth.static_challenge
        assert challenge is not None
        self.assertEqual((challenge.text, challenge.echo), ("Enter token", False))
