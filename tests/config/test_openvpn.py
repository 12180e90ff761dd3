"""OpenVPN's own files, unchanged."""

from __future__ import annotations

from ipaddress import ip_network

from tests.config.scene import PEM, ConfigCase
from tvpn.config.address import Listen, Remote

SERVER_CONF = """\
# a usual server
port 1195
proto udp4
dev tun
topology subnet
ca ca.crt
cert own.crt
key own.key  # secret
dh none
server 10.8.0.0 255.255.255.0
server-ipv6 fd00:8::/64
push "route 192.168.10.0 255.255.255.0"
push "redirect-gateway def1 bypass-dhcp"
push "dhcp-option DNS 208.67.222.222"
keepalive 10 120
tls-auth ta.key 0
cipher AES-256-CBC
data-ciphers AES-256-GCM:?UNKNOWN:CHACHA20-POLY1305
auth SHA256
reneg-sec 1800 600
duplicate-cn
max-clients 100
user nobody
group nogroup
persist-key
persist-tun
status openvpn-status.log
ifconfig-pool-persist ipp.txt
verb 4
mute 20
explicit-exit-notify 1
"""
CLIENT_OVPN = f"""\
<ca>
{PEM}</ca>
client
dev tun
proto udp
remote one.example.org 1194
remote two.example.org
remote three.example.org 443 tcp
port 5000
nobind
persist-key
remote-cert-tls server
setenv opt block-outside-dns
setenv opt no-such-word 1
ignore-unknown-option novel
novel thing
setenv FRIENDLY_NAME "My VPN"
key-direction 1
<cert>
{PEM}</cert>
<key>
{PEM}</key>
<tls-auth>
# text
-----BEGIN OpenVPN Static key V1-----
</tls-auth>
"""
IDENTITY = "ca ca.crt\ncert own.crt\nkey own.key\nremote-cert-tls server\n"


class Servers(ConfigCase):
    def test_a_usual_server_file_loads_unchanged(self) -> None:
        """Every word arrives where the settings keep it, and what is ignored is said."""
        self.identity()
        settings = self.load(SERVER_CONF, "server.conf")
        self.assertEqual(settings.role, "server")
        self.assertEqual(settings.listen, (Listen("udp", "0.0.0.0", 1195, 3),))
        self.assertEqual(settings.tunnel.server, ip_network("10.8.0.0/24"))
        self.assertEqual(settings.tunnel.server_ipv6, ip_network("fd00:8::/64"))
        self.assertEqual(settings.push.lines[1], "redirect-gateway def1 bypass-dhcp")
        self.assertEqual((settings.tunnel.ping, settings.tunnel.ping_restart), (10, 240))
        self.assertEqual(settings.pushed_keepalive, (10, 120))
        self.assertEqual(settings.control.key_direction, 0)
        self.assertEqual(settings.data.data_ciphers, ("AES-256-GCM", "CHACHA20-POLY1305"))
        self.assertEqual((settings.control.reneg_sec, settings.control.reneg_sec_min), (1800, 600))
        self.assertTrue(settings.tunnel.duplicate_cn)
        self.assertIsNone(settings.tvpn.state)
        said = [text.split(": ")[1] for text in settings.warnings]
        words = "user group persist-key persist-tun status ifconfig-pool-persist mute explicit-exit-notify"
        self.assertEqual(said, words.split(), settings.warnings)

    def test_a_server_without_certificates_gets_a_state(self) -> None:
        """Where the environment says, else beside the file."""
        settings = self.load("server 10.8.0.0 255.255.255.0\n", "server.conf")
        self.assertEqual(settings.tvpn.state, self.folder / "state")

    def test_lport_and_local_make_the_listening_address(self) -> None:
        """``lport`` is more exact than ``port``."""
        text = "--server 10.8.0.0 255.255.255.0\nport 1\nlport 2\nlocal 192.0.2.1\n"
        self.assertEqual(self.load(text, "server.conf").listen, (Listen("udp", "192.0.2.1", 2, 2),))

    def test_a_word_given_again_counts_and_is_said(self) -> None:
        """OpenVPN takes the last; nobody loses the first without a word."""
        settings = self.load("server 10.8.0.0 255.255.255.0\nverb 3\nverb 5\n", "server.conf")
        self.assertEqual(settings.log.verb, 5)
        self.assertIn("server.conf:3: verb", settings.warnings[0])


class Clients(ConfigCase):
    def test_a_profile_with_blocks_loads_unchanged(self) -> None:
        """Blocks become material, TCP remotes are left out aloud, unknown words only where the file allows it."""
        settings = self.load(CLIENT_OVPN, "client.ovpn")
        self.assertEqual(settings.role, "client")
        named = [(remote.host, remote.port, remote.protocol) for remote in settings.remotes]
        hosts = ("one.example.org", "two.example.org", "three.example.org")
        self.assertEqual(named, list(zip(hosts, (1194, 5000, 443), ("udp", "udp", "tcp"), strict=True)))
        assert settings.tls.key is not None and settings.control.tls_auth is not None
        self.assertEqual((settings.tls.key.text, settings.tls.key.origin), (PEM, "inline <key>"))
        self.assertIn("# text\n", settings.control.tls_auth.text)
        self.assertEqual((settings.control.key_direction, settings.listen), (1, ()))
        self.assertEqual(settings.tunnel.ping_restart, 120)
        text = "\n".join(settings.warnings)
        for part in ("no-such-word: ignored", "novel: ignored"):
            self.assertIn(part, text)

    def test_the_old_inline_spelling_gives_the_direction(self) -> None:
        """``tls-auth [inline] 1`` and its block are one option; without a block it is refused."""
        self.identity()
        text = IDENTITY + "client\nremote a\ntls-auth [inline] 1\n"
        settings = self.load(text + "<tls-auth>\nkey\n</tls-auth>\n", "a.ovpn")
        self.assertEqual(settings.control.key_direction, 1)
        self.refused(text, 7, "tls-auth", "no block", name="a.ovpn")

    def test_connections_replace_the_remotes_outside(self) -> None:
        """Values before a block are its defaults; the values of a block stay in it."""
        self.identity()
        settings = self.load(
            IDENTITY + "client\nremote void\nport 7\n<connection>\nremote a\n</connection>\n"
            "<connection>\nremote b 8\nproto udp6\n</connection>\n<connection>\nremote c\nproto tcp\n</connection>\n",
            "a.ovpn",
        )
        self.assertEqual(settings.remotes, (Remote("a", 7), Remote("b", 8, 6), Remote("c", 7, 0, "tcp")))

    def test_words_in_a_connection(self) -> None:
        """A key that all connections have is one for all; a word that is no connection's is refused at its line."""
        self.identity()
        text = "client\n<connection>\nremote a\ntls-crypt ta.key\n</connection>\n"
        self.assertIsNotNone(self.load(text + IDENTITY, "a.ovpn").control.tls_crypt)
        text = text.replace("tls-crypt ta.key", "verb 3")
        self.refused(text, 4, "verb", "outside of <connection>", name="a.ovpn")

    def test_unknown_words_pass_under_forward_compatible(self) -> None:
        """And are errors without it, with the nearest word."""
        self.identity()
        text = IDENTITY + "client\nremote a\n"
        self.refused(text + "remot-cert-tls server\n", 7, "remot-cert-tls", "remote-cert-tls", name="a.ovpn")
        self.load(text + "setenv FORWARD_COMPATIBLE 1\nremot-cert-tls server\n", "a.ovpn")


class Verification(ConfigCase):
    def test_what_the_certificate_must_show(self) -> None:
        """Names, usages and revocation lists are read in OpenVPN's spelling."""
        self.identity()
        self.write("crl.pem", PEM)
        tls = self.load(
            IDENTITY + 'client\nremote a\nverify-x509-name "C=KG, CN=vpn 1"\nremote-cert-ku a0 88\n'
            'remote-cert-eku "TLS Web Server Authentication"\ncrl-verify crl.pem\n',
            "a.ovpn",
        ).tls
        self.assertEqual(tls.verify_x509_name, ("C=KG, CN=vpn 1", "subject"))
        self.assertEqual((tls.remote_cert_ku, tls.remote_cert_eku), ((0xA0, 0x88), "1.3.6.1.5.5.7.3.1"))
        self.assertEqual(tls.crl_verify and tls.crl_verify.text, PEM)

    def test_whoever_may_be_the_server(self) -> None:
        """M-12: a profile that would take any client of its CA for the server is warned of, with the remedy."""
        self.identity()
        profile = IDENTITY.replace("remote-cert-tls server\n", "client\nremote a\n")
        self.assertIn("may pose as the server; add remote-cert-tls server", str(self.load(profile, "a.ovpn").warnings))
        pinned = "peer-fingerprint " + ":".join(["0a"] * 32)
        for line in ("remote-cert-tls server", pinned):
            self.assertNotIn("may pose", str(self.load(f"{profile}{line}\n", "a.ovpn").warnings))

    def test_fingerprints(self) -> None:
        """peer-fingerprint stands behind the word, as often as wanted, or in a block with comments; no CA is needed."""
        self.identity()
        one, two, three = (":".join([f"{number:02X}"] * 32) for number in (1, 2, 0xAB))
        text = "client\nremote a\ncert own.crt\nkey own.key\n"
        block = f"<peer-fingerprint>\n# bob\n\n {two.lower()}\n{three.lower()}\n</peer-fingerprint>\n"
        settings = self.load(f"{text}peer-fingerprint {one}\n{block}", "a.ovpn")
        self.assertEqual(settings.tls.peer_fingerprint, ((b"\1" * 32,), (b"\2" * 32, b"\xab" * 32)))
        self.assertEqual((settings.tls.ca, settings.warnings, settings.tvpn.state), (None, (), None))
        self.refused(text, None, "ca", "is missing", name="a.ovpn")
        for word in (f"verify-hash {one} SHA256", "crl-verify ca.crt"):
            line = f"{text}peer-fingerprint {one}\n{word}\n"
            self.refused(line, 6, word.split()[0], "keep one of the two" if "hash" in word else "add ca", name="a.ovpn")

    def test_hashes(self) -> None:
        """verify-hash is SHA-1 unless it says SHA256, a block SHA-256."""
        self.identity()
        short, long = ":".join(["0a"] * 20), ":".join(["0b"] * 32)
        for line, size in (
            (f"verify-hash {short}", 20),
            (f"verify-hash {short} SHA1", 20),
            (f"verify-hash {long} SHA256", 32),
            (f"<verify-hash>\n{long}\n</verify-hash>", 32),
        ):
            tls = self.load(f"{IDENTITY}client\nremote a\n{line}\n", "a.ovpn").tls
            self.assertEqual(tls.verify_hash, ((bytes([10 if size == 20 else 11]) * size,),), line)

    def test_mistakes(self) -> None:
        """What cannot be compared is refused with what to write."""
        for line, part in (
            ("verify-x509-name a b", "write subject, name or name-prefix"),
            ("verify-x509-name", "takes a name"),
            ("remote-cert-ku xyz", "write for example: a0 88"),
            ("remote-cert-eku Fishing", "write a dotted OID"),
            ("crl-verify folder dir", "reads no folder"),
            ("crl-verify missing.pem", "cannot read"),
            (f"peer-fingerprint {'00:' * 19}00", "is no SHA256"),
            (f"peer-fingerprint {'00' * 32}", "as AA:BB"),
            (f"peer-fingerprint {'00:' * 32}", "as AA:BB"),
            ("peer-fingerprint a b", "takes one fingerprint"),
            (f"verify-hash {'00:' * 31}00", "is no SHA1"),
            (f"verify-hash {'00:' * 31}00 MD5", "write SHA256 or SHA1"),
            ("verify-hash", "takes a hash and its kind"),
            ("tls-cert-profile insecure", "can be forged"),
            ("tls-cert-profile strong", "write legacy, preferred or suiteb"),
        ):
            self.refused(f"{line}\n", 1, line.split()[0], part, name="a.conf")


class Refusing(ConfigCase):
    def test_words_of_security_are_refused_with_the_reason(self) -> None:
        """Not even ``setenv opt`` drops them."""
        for word in ("capath", "tls-groups", "ifconfig-push"):
            self.refused(f"{word} x\n", 1, word, "not supported", name="a.conf")
            self.refused(f"setenv opt {word} x\n", 1, word, "not supported", name="a.conf")

    def test_compression(self) -> None:
        """C-16: whatever would compress is refused; frames that once were for compression are not."""
        self.identity()
        for line in ("compress lzo", "compress lz4", "compress lz4-v2", "allow-compression yes"):
            self.refused(f"{line}\n", 1, line.split()[0], "write", name="a.conf")
        for line in ("comp-lzo", "comp-lzo no", "compress", "compress stub", "allow-compression no"):
            self.assertEqual(self.load(f"{IDENTITY}client\nremote a\n{line}\n", "a.conf").role, "client")

    def test_mssfix(self) -> None:
        """A number, also as the whole outer packet that OpenVPN's ``mtu`` says it is; its other kind is refused."""
        self.identity()
        for line, limit in (("mssfix", 1492), ("mssfix 0", 0), ("mssfix 1300", 1300), ("mssfix 1300 mtu", 1300)):
            settings = self.load(f"{IDENTITY}client\nremote a\n{line}\n", "a.conf")
            self.assertEqual(settings.tunnel.mssfix, limit, line)
        for line, part in (("1300 fixed", "mssfix 1400 mtu"), ("1300 mtu mtu", "takes one"), ("1300 ip", "takes one")):
            self.refused(f"mssfix {line}\n", 1, "mssfix", part, name="a.conf")

    def test_what_comes_later_is_refused(self) -> None:
        """Strange protocols, compression, passwords: each with what to do."""
        for line, part in (
            ("proto sctp", "write udp"),
            ("topology net31", "write subnet, net30 or p2p"),
            ("comp-lzo maybe", "write no"),
            ("compress lz4", "write stub or stub-v2"),
            ("fragment 20", "68"),
            ("allow-compression yes", "write no"),
            ("tls-version-max 1.0", "write 1.2"),
            ("shaper 1000", "later release"),
            ("server 10.8.0.0 255.255.255.0 nopool", "nopool"),
            ("cipher none", "never sends data in clear"),
            ("data-ciphers BF-CBC", "cannot use 'BF-CBC'"),
            ("data-ciphers AES-256-GCM:none", "cannot use 'NONE'"),
        ):
            self.refused(f"{line}\n", 1, line.split()[0], part, name="a.conf")

    def test_the_protocol_of_a_remote(self) -> None:
        """A remote's own protocol counts for it, ``proto`` for those that name none."""
        self.identity()
        text = IDENTITY + "client\nproto tcp4-client\nremote a 443\nremote b 1194 udp6\n"
        settings = self.load(text, "a.ovpn")
        self.assertEqual(settings.remotes, (Remote("a", 443, 4, "tcp"), Remote("b", 1194, 6, "udp")))

    def test_a_server_on_tcp(self) -> None:
        """``proto tcp-server`` with its port, and ``listen`` with both transports in an ini file."""
        self.identity()
        text = IDENTITY + "dev tun\nserver 10.8.0.0 255.255.255.0\nproto tcp-server\nport 443\ndh none\n"
        listen = self.load(text, "a.conf").listen
        self.assertEqual([(place.protocol, place.port) for place in listen], [("tcp", 443)])
        ini = "[transport]\nlisten =\n    udp:1194\n    tcp:443:interface=192.0.2.1\n[tunnel]\nserver = 10.8.0.0/24\n"
        listen = self.load(ini, "a.ini").listen
        self.assertEqual(
            [(place.protocol, place.interface, place.port) for place in listen],
            [("udp", None, 1194), ("tcp", "192.0.2.1", 443)],
        )

    def test_a_port_shared_with_a_web_server(self) -> None:
        """``port-share HOST PORT`` in both kinds of file: an address or a name, and a port."""
        self.identity()
        text = IDENTITY + "dev tun\nserver 10.8.0.0 255.255.255.0\nproto tcp-server\nport 443\ndh none\n"
        self.assertIsNone(self.load(text, "a.conf").transport.port_share)
        shared = self.load(text + "port-share web.example.org 8443\n", "a.conf").transport.port_share
        self.assertEqual(shared, Remote("web.example.org", 8443, 0, "tcp"))
        ini = "[transport]\nlisten =\n    udp:1194\n    tcp:443\nport-share = 2001:db8::1 443\n"
        shared = self.load(ini + "[tunnel]\nserver = 10.8.0.0/24\n", "a.ini").transport.port_share
        self.assertEqual(shared, Remote("2001:db8::1", 443, 0, "tcp"))

    def test_a_port_that_cannot_be_shared(self) -> None:
        """A journal, half a place, no TCP and a client are refused, each with what to do."""
        self.identity()
        server = IDENTITY + "dev tun\nserver 10.8.0.0 255.255.255.0\ndh none\n"
        last = server.count("\n") + 1
        for line, part in (
            ("port-share 127.0.0.1 8443 /var/journal", "remove '/var/journal'"),
            ("port-share 127.0.0.1", "127.0.0.1 8443"),
            ("port-share a!b 8443", "write a name or an address"),
            ("port-share 127.0.0.1 0", "1"),
            ("port-share 127.0.0.1 8443", "add tcp:443 to listen (OpenVPN: proto tcp)"),
        ):
            self.refused(f"{server}{line}\n", last, "port-share", part, name="a.conf")
        client = IDENTITY + "client\nremote a 443 tcp\nport-share 127.0.0.1 8443\n"
        self.refused(client, client.count("\n"), "port-share", "a server's word", name="a.conf")

    def test_a_block_must_be_known_and_closed(self) -> None:
        """The line is that of its opening."""
        self.refused("client\n<ca>\nx\n", 2, "<ca>", "</ca>", name="a.ovpn")
        self.refused("<port>\n</port>\n", 1, "<port>", "no block", name="a.ovpn")
        self.refused("<ca>\n\n</ca>\n", 1, "ca", "empty block", name="a.ovpn")

    def test_tvpns_ini_words_are_refused_by_name(self) -> None:
        """The manhole's words have no meaning in OpenVPN's files."""
        self.refused("expose yes\n", 1, "expose", "ini files only", name="a.conf")
