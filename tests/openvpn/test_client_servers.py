"""Our client with genuine 2.6 and 2.7 servers of every make: what they insist on, and what they push."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V4, SERVER_V6, V2_KEY, Case, Ends

VERSIONS = "2.6", "2.7"
AES_128 = "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"
#: All that a server may push and that leaves the name servers of this machine alone; the last ones are unknown.
PUSHED = (
    "route 10.55.0.0 255.255.0.0", "route 10.56.0.7", "route 10.57.0.0 255.255.0.0 vpn_gateway 7",
    "route-ipv6 fd00:55::/64", "route-ipv6 fd00:56::/64 fd00:99::1 7", "route-metric 5", "route-delay 1",
    "redirect-private", "dhcp-option NTP 10.99.0.1", "dhcp-option WINS 10.99.0.1", "ping 3", "ping-restart 30",
    "inactive 3600", "session-timeout 7200", "explicit-exit-notify 1", "sndbuf 393216", "rcvbuf 393216",
    "socket-flags TCP_NODELAY", "persist-tun", "persist-key", "setenv-safe COLOUR blue", "echo hello", "verb 3",
    "mute 20", "register-dns", "block-outside-dns", "ip-win32 dynamic", "route-method exe", "dhcp-renew",
    "client-ip 192.0.2.1", "reneg-sec 600", "gibberish with 'words'",
)  # fmt: skip


@dataclass(frozen=True)
class Make:
    """A kind of server. ``says``: what its log then has; ``edit``: of (pattern, instead) in its configuration."""

    case: Case
    says: str = ""
    edit: tuple[str, str] | None = None
    sizes: tuple[int, ...] = (16, 1300)
    inner: tuple[str, ...] = (INNER_V4, INNER_V6)


def makes(says: str = "", *server: str, client: tuple[str, ...] = (), tls: str = "1.3",
          cipher: str = "AES-256-GCM") -> list[Make]:  # fmt: skip
    """Of both versions."""
    return [
        Make(Case("tls-crypt", cipher, tls, version, server_lines=server, client_lines=client), says)
        for version in VERSIONS
    ]


class ServerCase(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def play(self, make: Make, look: Callable[[Lab, Program, Program], None] | None = None) -> None:
        """Join, send packets of these sizes both ways, look."""
        with two_hosts() as lab:
            ends = Ends(lab, make.case)
            path = ends.server_config()
            edited = re.sub(*make.edit, path.read_text(), flags=re.MULTILINE) if make.edit else path.read_text()
            lab.write("v2.key", V2_KEY.pem)
            server = ends.serve_stock(edited)
            client = ends.join()
            for inner in make.inner:
                for size in make.sizes:
                    answered = lab.ping("client", inner, 2, 0.1, size)
                    self.assertEqual(answered, 2, client.output + server.output[-3000:])
            if make.says:
                server.wait_for(make.says, 5)
            if look is not None:
                look(lab, client, server)
            self.assertNotIn("Traceback", client.output)


class MakeTests(ServerCase):
    """What a server insists on."""

    def test_cookie(self) -> None:
        """Servers that keep no state for who has not come back with their cookie (force-cookie)."""
        whole = r"<tls-crypt-v2>[^<]*</tls-crypt-v2>", "tls-crypt-v2 v2.key force-cookie"
        abreast(self.play, [
            Make(Case(version=version, server_lines=(lines,)), "using tls-crypt-v2 key", whole)
            for version in VERSIONS for lines in ("verb 4", "max-packet-size 600")
        ])  # fmt: skip

    def test_tls(self) -> None:
        """Suites, versions, curves and profiles that the server chooses."""
        abreast(self.play, [
            *makes("cipher TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", f"tls-cipher {AES_128}", tls="1.2"),
            *makes("cipher TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", "tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
            *makes("TLSv1.3.* peer temporary key: 384 bits ECsecp384r1", "tls-version-min 1.3", "tls-groups secp384r1"),
            *makes("peer temporary key: 256 bits ECprime256v1", "tls-cert-profile suiteb"),
        ])  # fmt: skip

    def test_first_cipher(self) -> None:
        """Of several common ciphers the one that comes first at the server."""
        ciphers = "CHACHA20-POLY1305:AES-128-GCM:AES-256-GCM"
        client = ("data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305",)
        abreast(self.play, makes("Data Channel: cipher 'CHACHA20-POLY1305'", client=client, cipher=ciphers))

    def test_frames(self) -> None:
        """Compression that compresses nothing, at both ends or pushed, under AEAD and CBC; and fragments. (What both
        ends of a 2.6 are told is with the formats of data packets.)
        """
        pushed = makes("compress stub-v2", "compress stub-v2", 'push "compress stub-v2"')
        cut = ("fragment 500",)
        written = [
            make
            for line, cipher in (
                ("comp-lzo no", "AES-128-CBC"), ("compress stub", "AES-256-GCM"), ("compress stub-v2", "AES-128-CBC"),
            )
            for make in makes("", line, client=(line,), cipher=cipher)[1:]
        ]  # fmt: skip
        abreast(self.play, [*pushed, *written, *makes("", *cut, client=cut)[1:]])

    def test_several(self) -> None:
        """Two of us with one certificate at a server with duplicate-cn."""

        def scene(version: str) -> None:
            with two_hosts() as lab:
                ends = Ends(lab, Case(version=version))
                server = ends.serve_stock()
                clients = [ends.join(), ends.join()]
                for device in ("tun0", "tun1"):
                    done = lab.run("client", "ping", "-q", "-c2", "-i0.1", "-W2", "-I", device, INNER_V4, check=False)
                    self.assertIn("2 received", done.stdout, server.output[-3000:])
                self.assertEqual([client.output.count("disconnected") for client in clients], [0, 0])

        abreast(scene, VERSIONS)

    def test_one_family(self) -> None:
        """Servers that give out IPv4 addresses alone, or IPv6 addresses alone."""
        families = ((r"^server-ipv6 .*\n", INNER_V4), (r"^server .*\n", INNER_V6))
        abreast(self.play, [
            Make(Case(version=version), edit=(line, ""), inner=(inner,)) for version in VERSIONS
            for line, inner in families
        ])  # fmt: skip


class PushTests(ServerCase):
    """What a server pushes."""

    def test_everything(self) -> None:
        """Every word there is, and some that there are not: routes are there, nothing else disturbs."""
        lines = tuple(f'push "{line}"' for line in PUSHED)

        def look(lab: Lab, client: Program, server: Program) -> None:
            routes = lab.ip("client", "route") + lab.ip("client", "-6", "route")
            for route in ("10.55.0.0/16", "10.56.0.7", "10.57.0.0/16", "fd00:55::/64", "fd00:56::/64"):
                self.assertRegex(routes, rf"(?m)^{re.escape(route)} (via \S+ )?dev tun0", client.output)
            self.assertEqual(client.output.count("connecting to"), 1)

        cases = [Make(Case(version=version, server_lines=lines)) for version in VERSIONS]
        abreast(lambda make: self.play(make, look), cases)

    def test_everything_through(self) -> None:
        """redirect-gateway with its flags: what they name goes into the tunnel, and only that; the server itself, which
        is behind a router, is reached past it.
        """

        def scene(case: tuple[str, str, str, tuple[bool, bool]]) -> None:
            version, flags, outer, inside = case
            with two_hosts() as lab:
                lab.ip("server", "addr", "add", "203.0.113.1/32", "dev", "lo")
                lab.ip("server", "addr", "add", "2001:db8:2::1/128", "dev", "lo")
                lab.ip("client", "route", "add", "default", "via", SERVER_V4)
                lab.ip("client", "-6", "route", "add", "default", "via", SERVER_V6)
                lines = ("multihome", f'push "redirect-gateway {flags}"')
                ends = Ends(lab, Case(version=version, server_lines=lines, outer=outer))
                server, client = ends.serve_stock(), ends.join()
                self.assertEqual(lab.ping("client", INNER_V4, 2, 0.1), 2, client.output + server.output[-3000:])
                for address, expected in zip(("192.0.2.1", "2001:db8:7::1"), inside, strict=True):
                    route = lab.ip("client", "route", "get", address)
                    self.assertEqual("dev tun0" in route, expected, f"{route}\n{client.output}")
                self.assertNotIn("dev tun0", lab.ip("client", "route", "get", outer))
                client.stop()
                self.assertNotIn(outer, lab.ip("client", "route") + lab.ip("client", "-6", "route"))
                self.assertIn(f"default via {SERVER_V4}", lab.ip("client", "route"))

        far, far_v6 = "203.0.113.1", "2001:db8:2::1"
        abreast(scene, [
            ("2.6", "def1", far, (True, False)), ("2.7", "def1 ipv6", far_v6, (True, True)),
            ("2.6", "def1 ipv6", far_v6, (True, True)), ("2.7", "ipv6 !ipv4", far, (False, True)),
        ])  # fmt: skip

    def test_topologies(self) -> None:
        """Pairs and networks, and what 2.6 does when nobody says anything: pairs."""

        def scene(case: tuple[str, str, str]) -> None:
            version, topology, address = case
            said = "" if topology == "none" else f"topology {topology}"

            def look(lab: Lab, client: Program, server: Program) -> None:
                self.assertIn(address, lab.ip("client", "addr", "show", "dev", "tun0"))
                own = address.partition("/")[0].partition(" ")[0]
                self.assertEqual(lab.ping("server", own, 2, 0.1), 2, server.output[-3000:])

            self.play(Make(Case(version=version), edit=("^topology .*", said)), look)

        pair, point, network = "10.99.0.6 peer 10.99.0.5/32", "10.99.0.4 peer 10.99.0.1/32", "10.99.0.2/24"
        abreast(scene, [
            ("2.6", "none", pair), ("2.7", "none", network), ("2.6", "p2p", point), ("2.7", "p2p", point),
            ("2.6", "net30", pair), ("2.7", "net30", pair),
        ])  # fmt: skip

    def test_own_file(self) -> None:
        """A client-config-dir: addresses of our own, another route, a network behind us; and a file that takes back all
        that is pushed to others (push-reset), the topology among it.
        """

        def scene(case: tuple[str, bool]) -> None:
            version, resets = case
            with two_hosts() as lab:
                own = ["push-reset"] if resets else []
                own += ["ifconfig-push 10.99.0.77 255.255.255.0", "ifconfig-ipv6-push fd00:99::77/64",
                        'push "route 10.66.0.0 255.255.0.0"', "iroute 10.88.0.0 255.255.255.0"]  # fmt: skip
                (lab.folder / "ccd").mkdir()
                lab.write("ccd/alice", "\n".join([*own, ""]))
                lines = (f"client-config-dir {lab.folder}/ccd", "route 10.88.0.0 255.255.255.0",
                         'push "route 10.55.0.0 255.255.0.0"')  # fmt: skip
                ends = Ends(lab, Case(version=version, server_lines=lines))
                server, client = ends.serve_stock(), ends.join()
                shown = lab.ip("client", "addr", "show", "dev", "tun0")
                self.assertIn("10.99.0.77/24", shown, client.output)
                self.assertIn("fd00:99::77/64", shown)
                routes = lab.ip("client", "route")
                self.assertIn("10.66.0.0/16 dev tun0", routes)
                self.assertEqual("10.55.0.0/16 dev tun0" in routes, not resets)
                lab.ip("client", "addr", "add", "10.88.0.1/32", "dev", "lo")
                for host, target in (("client", INNER_V4), ("client", INNER_V6), ("server", "10.88.0.1")):
                    self.assertEqual(lab.ping(host, target, 2, 0.1), 2, client.output + server.output[-3000:])

        abreast(scene, [(version, resets) for version in VERSIONS for resets in (False, True)])
