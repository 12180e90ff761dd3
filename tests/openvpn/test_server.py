"""The genuine openvpn as client, tvpn as server."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V4, SERVER_V6, SIGNER, STATIC_KEY, Case, Ends

MATRIX = (
    Case("none", "AES-256-GCM", "1.3"),
    Case("none", "CHACHA20-POLY1305", "1.2", outer=SERVER_V6),
    Case("tls-auth", "AES-128-GCM", "1.2"),
    Case("tls-auth-directed", "CHACHA20-POLY1305", "1.3", outer=SERVER_V6),
    Case("tls-crypt", "AES-256-GCM", "1.2", outer=SERVER_V6),
    Case("tls-crypt", "AES-128-GCM", "1.3"),
    Case("tls-crypt-v2", "AES-128-GCM", "1.2", outer=SERVER_V6),
    Case("tls-crypt-v2", "CHACHA20-POLY1305", "1.3"),
    Case("none", "AES-128-GCM", "1.3", "2.7", outer=SERVER_V6),
    Case("tls-auth-directed", "AES-256-GCM", "1.2", "2.7"),
    Case("tls-crypt", "CHACHA20-POLY1305", "1.2", "2.7"),
    Case("tls-crypt-v2", "AES-256-GCM", "1.3", "2.7", outer=SERVER_V6),
)


class StockClientTests(SynchronousTestCase):
    """What a stock client may expect."""

    skip = skip_unless_possible("openvpn", "ping")

    def _check(self, case: Case) -> None:
        with two_hosts() as lab:
            ends = Ends(lab, case)
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:] + server.output[-3000:])
            self.assertEqual(lab.ping("client", INNER_V6), 3, server.output[-3000:])
            self.assertIn(f"Data Channel: cipher '{case.cipher}'", client.output)
            self.assertIn(f"Control Channel: TLSv{case.tls}", client.output)
            self.assertIn("alice joined from", server.output)
            self.assertNotIn("Traceback", server.output)

    def test_two_clients(self) -> None:
        """Two clients at once have addresses of their own, reach the server, and not each other."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            ends.serve()
            lab.host("other")
            lab.wire("other", ["203.0.113.2/24"], "server", ["203.0.113.1/24"])
            other = Ends(lab, Case(outer="203.0.113.1"), SIGNER.issue("bob"))
            ends.join_stock()
            other.join_stock("other", "other.conf")
            addresses = {host: lab.ip(host, "-br", "addr", "show", "dev", "tun0") for host in ("client", "other")}
            self.assertIn("10.99.0.2/24", addresses["client"])
            self.assertIn("10.99.0.3/24", addresses["other"])
            self.assertEqual([lab.ping(host, INNER_V4) for host in ("client", "other")], [3, 3])

    def test_group_key_beside_own_keys(self) -> None:
        """A server with tls-crypt-v2 and tls-crypt serves a client of each kind."""
        with two_hosts() as lab:
            lab.host("other")
            lab.wire("other", ["203.0.113.2/24"], "server", ["203.0.113.1/24"])
            group = Ends(lab, Case("tls-crypt", outer="203.0.113.1"), SIGNER.issue("bob"))
            own = Ends(lab, Case(server_lines=("<tls-crypt>", STATIC_KEY.text.strip(), "</tls-crypt>")))
            own.serve()
            own.join_stock()
            group.join_stock("other", "other.conf")
            self.assertEqual([lab.ping(host, INNER_V4) for host in ("client", "other")], [3, 3])

    def test_server_renegotiates(self) -> None:
        """A new key every three seconds at the server's wish: not one ping is lost."""
        self._renegotiate(Case(server_lines=("reneg-sec 3 3",), client_lines=("reneg-sec 0",)))

    def test_client_renegotiates(self) -> None:
        """A new key every three seconds at the client's wish: not one ping is lost."""
        self._renegotiate(Case("tls-auth", server_lines=("reneg-sec 0",), client_lines=("reneg-sec 3",)))

    def test_27_renegotiates(self) -> None:
        """The same with a 2.7 client and no wrapping but the dynamic one."""
        case = Case("none", version="2.7", server_lines=("reneg-sec 3 3",), client_lines=("reneg-sec 0",))
        self._renegotiate(case)

    def _renegotiate(self, case: Case) -> None:
        with two_hosts() as lab:
            ends = Ends(lab, case)
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4, 260, 0.03), 260, client.output[-3000:])
            client.wait_for("TLS: tls_process: killed expiring key|soft reset|Control Channel: TLSv", 10, 3)
            self.assertNotIn("Traceback", server.output)

    def test_explicit_exit(self) -> None:
        """A client that leaves with explicit-exit-notify is gone at once."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(client_lines=("explicit-exit-notify 1",)))
            server = ends.serve()
            client = ends.join_stock()
            client.stop(signal.SIGTERM)
            server.wait_for(r"alice .* left", 5)

    def test_stop(self) -> None:
        """SIGTERM: the client is told, the device is gone, the exit status is 0; so with SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with two_hosts() as lab:
                ends = Ends(lab, Case())
                server = ends.serve()
                client = ends.join_stock()
                self.assertEqual(server.stop(number), 0, server.output)
                client.wait_for(r"Connection reset command was pushed by server \('\[P\]:", 5)
                self.assertNotIn("tun", lab.ip("server", "-br", "link"))

    def test_float(self) -> None:
        """F-08: a client whose address changes keeps its session."""
        self._float("2.6")

    def test_float_27(self) -> None:
        """F-08: so does one of 2.7, whose packets have epochs."""
        self._float("2.7")

    def _float(self, version: str) -> None:
        with two_hosts() as lab:
            ends = Ends(lab, Case(version=version, client_lines=("ping 1",)))
            server = ends.serve()
            client = ends.join_stock()
            device = lab.ip("client", "-o", "addr", "show", "to", "198.51.100.2").split()[1]
            lab.ip("client", "addr", "add", "198.51.100.7/24", "dev", device)
            lab.ip("client", "addr", "del", "198.51.100.2/24", "dev", device)
            lab.ip("client", "addr", "replace", "198.51.100.7/24", "dev", device)
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 10), 8, server.output[-3000:])
            self.assertIn("alice moved to 198.51.100.7", server.output)
            self.assertEqual(client.output.count("Peer Connection Initiated"), 1)

    def test_ports(self) -> None:
        """F-08: a client behind a NAT that gives it another port every two seconds keeps its session, and loses three
        packets a time at most.
        """
        with two_hosts() as lab:
            ends = Ends(lab, Case(outer="127.0.0.1"))
            server = ends.serve()
            words = ("-m", "tests.openvpn.relay", "1194", SERVER_V4, "2")
            relay = lab.spawn("client", sys.executable, *words, name="relay")
            client = ends.join_stock()
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 200, 0.05), 200 - 3 * 5, server.output[-3000:])
            self.assertGreaterEqual(len(set(relay.output.split("\n"))), 5)
            self.assertGreaterEqual(server.output.count("alice moved to"), 4)
            self.assertEqual(client.output.count("Peer Connection Initiated"), 1)

    def test_restart_in_place(self) -> None:
        """S-04: a client that crashed and calls from the same address and port is in again at once, and replaces its
        former session only then; a stranger who calls from there and is refused replaces nothing.
        """
        with two_hosts() as lab:
            ends = Ends(lab, Case("tls-crypt", outer="127.0.0.1", client_lines=("ping 1",)))
            server = ends.serve()
            relay = lab.spawn("client", sys.executable, "-m", "tests.openvpn.relay", "1194", SERVER_V4, "600")
            relay.wait_for("port")
            first = ends.join_stock()
            first.stop(signal.SIGKILL)
            eve = replace(Signer("Another CA", datetime.now(UTC)).issue("eve"), ca=SIGNER.pem)
            config = Ends(lab, ends.case, eve).client_config("stranger.conf")
            refused = lab.spawn("client", "openvpn", str(config), name="stranger")
            refused.wait_for("Received fatal SSL alert: unknown CA", 20)
            refused.stop(signal.SIGKILL)
            self.assertNotRegex(server.output, "alice .*(left|replaced)")
            ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4), 3, server.output[-3000:])
            self.assertRegex(server.output, "alice .*replaced by a newer connection")
            self.assertEqual(server.output.count("replaced by a newer connection"), 1)


def _name(case: Case) -> str:
    words = f"{case.version} {case.protection} {case.cipher} {case.tls} {'v6' if ':' in case.outer else 'v4'}"
    return "test_" + "".join(character if character.isalnum() else "_" for character in words.lower())


def _add_matrix() -> None:
    for case in MATRIX:

        def check(self: StockClientTests, case: Case = case) -> None:
            self._check(case)

        check.__doc__ = f"openvpn {case.version} pings through {case.protection}, {case.cipher}, TLS {case.tls}."
        check.__name__ = _name(case)
        setattr(StockClientTests, check.__name__, check)


_add_matrix()
