"""TCP, with the genuine openvpn at the other end, in both roles."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V6, SIGNER, Case, Ends


class TCPTests(SynchronousTestCase):
    """The same tunnel on a stream."""

    skip = skip_unless_possible("openvpn", "ping")

    def _check_server(self, case: Case) -> None:
        with two_hosts() as lab:
            ends = Ends(lab, case)
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4, 10, 0.05), 10, client.output[-3000:] + server.output[-3000:])
            self.assertEqual(lab.ping("client", INNER_V6), 3, server.output[-3000:])
            client.stop(signal.SIGTERM)
            server.wait_for("alice .* left", 10)
            self.assertNotIn("Traceback", server.output)

    def test_server_26(self) -> None:
        """openvpn 2.6 pings through tls-crypt-v2 over TCP on IPv4."""
        self._check_server(Case(proto="tcp"))

    def test_server_27(self) -> None:
        """openvpn 2.7 pings through tls-auth over TCP on IPv6."""
        self._check_server(Case("tls-auth-directed", "CHACHA20-POLY1305", version="2.7", outer=SERVER_V6, proto="tcp"))

    def test_renegotiates(self) -> None:
        """A new key every three seconds over TCP: not one ping is lost."""
        case = Case("tls-crypt", proto="tcp", server_lines=("reneg-sec 3 3",), client_lines=("reneg-sec 0",))
        with two_hosts() as lab:
            ends = Ends(lab, case)
            ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4, 260, 0.03), 260, client.output[-3000:])
            client.wait_for("Control Channel: TLSv", 10, 3)

    def test_client(self) -> None:
        """Our client joins a stock server over TCP, of 2.6 and of 2.7, on IPv4 and on IPv6, and leaves cleanly."""
        for case in (Case(proto="tcp"), Case("none", version="2.7", outer=SERVER_V6, proto="tcp")):
            with two_hosts() as lab:
                ends = Ends(lab, case)
                server = ends.serve_stock()
                client = ends.join()
                self.assertEqual(lab.ping("client", INNER_V4, 10, 0.05), 10, client.output + server.output[-3000:])
                self.assertEqual(client.stop(signal.SIGTERM), 0, client.output)

    def test_client_reconnects(self) -> None:
        """A server that is gone and comes back is joined again."""
        with two_hosts() as lab:
            ends = Ends(lab, Case("tls-crypt", proto="tcp"))
            first = ends.serve()
            client = ends.join()
            first.stop(signal.SIGKILL)
            client.wait_for("disconnected: the connection was closed", 10)
            ends.serve()
            tries = (lab.ping("client", INNER_V4, 1) for _ in range(20))
            self.assertTrue(any(tries), client.output)

    def test_both_transports(self) -> None:
        """One process and one pool serve UDP and TCP: two clients have two addresses."""
        with two_hosts() as lab:
            lab.host("other")
            lab.wire("other", ["203.0.113.2/24"], "server", ["203.0.113.1/24"])
            ends = Ends(lab, Case())
            text = ends.server_config().read_text().replace("proto udp4", "").replace("port 1194", "")
            config = lab.write("both.ini", _as_ini(lab.folder, text))
            lab.twistd("server", config).wait_for("listening on")
            ends.join_stock()
            Ends(lab, Case(outer="203.0.113.1", proto="tcp"), SIGNER.issue("bob")).join_stock("other", "other.conf")
            self.assertEqual([lab.ping(host, INNER_V4) for host in ("client", "other")], [3, 3])
            self.assertIn("10.99.0.3/24", lab.ip("other", "-br", "addr", "show", "dev", "tun0"))


def _as_ini(folder: Path, text: str) -> str:
    """An ini file with the inline blocks of an OpenVPN file as files beside it."""
    for word, block in re.findall(r"<([a-z0-9-]+)>\n(.*?)\n</\1>", text, re.DOTALL):
        path = folder / f"{word}.pem"
        path.write_text(block + "\n")
        path.chmod(0o600)
    return (
        "[transport]\nlisten =\n    udp:1194\n    tcp:1194\n"
        "[tunnel]\nserver = 10.99.0.0/24\nserver-ipv6 = fd00:99::/64\n"
        "[tls]\nca = ca.pem\ncert = cert.pem\nkey = key.pem\n[control]\ntls-crypt-v2 = tls-crypt-v2.pem\n"
    )
