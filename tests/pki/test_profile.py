from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey
from tvpn.errors import TvpnError
from tvpn.pki.authority import Authority
from tvpn.pki.profile import profile

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# OpenVPN Connect refuses a profile with one of these (protocol: pitfalls.md D).
REFUSED_BY_CONNECT = {
    "ifconfig", "ping", "ping-restart", "route-gateway", "topology", "peer-id", "echo", "auth-token", "dh",
    "duplicate-cn", "client-to-client", "no-replay", "ncp-disable", "mtu-dynamic", "no-iv", "fragment",
}  # fmt: skip


@dataclass
class Remote:
    host: str
    port: int = 1194
    family: int = 0
    protocol: str = "udp"


class ProfileTests(SynchronousTestCase):
    def setUp(self) -> None:
        authority = Authority.create(NOW)
        issued = authority.issue_device("alice", NOW)
        self.texts = {
            "ca_pem": authority.certificate_pem,
            "certificate_pem": issued.certificate_pem,
            "key_pem": issued.key_pem,
        }

    def lines(self, *remotes: Remote, **more: Any) -> list[str]:
        words: dict[str, Any] = {**self.texts, "remotes": remotes or [Remote("vpn.example.org")], **more}
        return profile(**words).splitlines()

    def test_words(self) -> None:
        """Outside of its blocks a profile says exactly this."""
        lines = self.lines(comment=["alice"])
        self.assertEqual(
            lines[: lines.index("<ca>")],
            ["# alice", "client", "dev tun", "remote vpn.example.org 1194 udp", "resolv-retry infinite",
             "nobind", "persist-tun", "remote-cert-tls server", "verb 3"],
        )  # fmt: skip

    def test_frames(self) -> None:
        """For a server of frames it is one of frames."""
        lines = self.lines(is_tap=True)
        self.assertEqual(("dev tap" in lines, "dev tun" in lines), (True, False))

    def test_connect(self) -> None:
        """With everything in it a profile has no word that OpenVPN Connect refuses."""
        static = StaticKey(bytes(256)).text
        lines = self.lines(tls_auth_text=static, key_direction=1, auth="SHA256", data_ciphers=["AES-256-GCM"])
        self.assertEqual({line.split()[0] for line in lines} & REFUSED_BY_CONNECT, set())

    def test_remotes(self) -> None:
        """Every server address has its line, in order, with the family where one was chosen."""
        remotes = Remote("192.0.2.1", 443, 4), Remote("2001:db8::1", 1194, 6), Remote("b.example", 443, 6, "tcp")
        lines = self.lines(*remotes)
        expected = ["remote 192.0.2.1 443 udp4", "remote 2001:db8::1 1194 udp6", "remote b.example 443 tcp6"]
        self.assertEqual([line for line in lines if line.startswith("remote ")], expected)

    def test_no_remote(self) -> None:
        """A profile without a server is refused, with both ways to name one."""
        error = self.assertRaises(TvpnError, profile, remotes=[], **self.texts)
        self.assertIn("--remote", str(error))
        self.assertIn("advertise", str(error))

    def test_bad_host(self) -> None:
        """A host cannot carry another option, an argument or an interface into the profile."""
        for host in ("a b", "a\nscript-security 2", "", "-a", '"a"', "fe80::1%eth0", "fe80::1%a b", "a#b"):
            self.assertRaises(TvpnError, self.lines, Remote(host))

    def test_comment(self) -> None:
        """A comment of several lines, whatever breaks them, stays a comment."""
        lines = self.lines(comment=["a\nup b\rup c\u2028up d\x0bup e\x00"])
        self.assertEqual(lines[:6], ["# a", "# up b", "# up c", "# up d", "# up e?", "client"])

    def test_blocks(self) -> None:
        """Certificates and keys stand inline and come out as they went in."""
        text = "\n".join(self.lines())
        for word, name in (("ca", "ca_pem"), ("cert", "certificate_pem"), ("key", "key_pem")):
            inside = text.partition(f"<{word}>\n")[2].partition(f"</{word}>")[0]
            self.assertEqual(inside, self.texts[name])

    def test_normalised(self) -> None:
        """Text around, carriage returns and blank lines go; every certificate of a chain stays."""
        pem = self.texts["ca_pem"]
        messy = "Certificate: Data\r\n" + pem.replace("\n", "\r\n\r\n") + "\nsubject=b\n" + pem
        text = "\n".join(self.lines(ca_pem=messy))
        self.assertIn(f"<ca>\n{pem}{pem}</ca>\n", text)

    def test_no_pem(self) -> None:
        """A text without a PEM block is refused and names its word."""
        error = self.assertRaises(TvpnError, self.lines, ca_pem="nothing")
        self.assertIn("<ca>", str(error))

    def test_wrapping(self) -> None:
        """Each way to wrap the control channel has its block, and only tls-auth its direction and digest."""
        static = StaticKey(bytes(range(256))).text
        server = TLSCryptV2ServerKey(bytes(128))
        client = server.issue(lambda size: b"\x01" * size, 0)
        text = "\n".join(self.lines(tls_crypt_v2_pem=client.pem))
        self.assertIn(f"<tls-crypt-v2>\n{client.pem}</tls-crypt-v2>", text)
        text = "\n".join(self.lines(tls_crypt_text=f"#\n# 2048 bit OpenVPN static key\n#\n{static}"))
        self.assertIn(f"<tls-crypt>\n{static}</tls-crypt>", text)
        self.assertNotIn("key-direction", text)
        lines = self.lines(tls_auth_text=static, key_direction=1, auth="SHA256")
        self.assertIn(f"<tls-auth>\n{static}</tls-auth>", "\n".join(lines))
        self.assertTrue({"key-direction 1", "auth SHA256"} <= set(lines))
        self.assertNotIn("key-direction", "\n".join(self.lines(tls_auth_text=static)))

    def test_ciphers(self) -> None:
        """Only ciphers that are not the default are named."""
        default = self.lines(data_ciphers=("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"))
        self.assertFalse([line for line in default if line.startswith("data-ciphers")])
        self.assertIn("data-ciphers AES-128-GCM", self.lines(data_ciphers=["AES-128-GCM"]))
