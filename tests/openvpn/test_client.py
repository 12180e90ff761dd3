"""tvpn as client: against the genuine openvpn and against tvpn itself."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V6, Case, Ends

PUSH = ('push "route 10.55.0.0 255.255.0.0"', 'push "route-ipv6 fd00:55::/64"')


class ClientTests(SynchronousTestCase):
    """What our client does with a server."""

    skip = skip_unless_possible("openvpn", "ping")

    def _check(self, case: Case, stock: bool = True) -> None:
        with two_hosts() as lab:
            ends = Ends(lab, case)
            server = ends.serve_stock() if stock else ends.serve()
            client = ends.join()
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:] + server.output[-3000:])
            self.assertEqual(lab.ping("client", INNER_V6), 3, server.output[-3000:])
            self.assertIn("10.55.0.0/16 dev tun0", lab.ip("client", "route"))
            self.assertIn("fd00:55::/64 dev tun0", lab.ip("client", "-6", "route"))
            self.assertEqual(client.stop(signal.SIGTERM), 0, client.output)
            self.assertNotIn("tun", lab.ip("client", "-br", "link"))
            self.assertNotIn("Traceback", client.output)

    def test_stock_tls_crypt_v2(self) -> None:
        """Joins a stock server by tls-crypt-v2, with its addresses and pushed routes, and leaves cleanly."""
        self._check(Case(server_lines=PUSH))

    def test_stock_tls_crypt(self) -> None:
        """Joins a stock server by tls-crypt over IPv6."""
        self._check(Case("tls-crypt", "CHACHA20-POLY1305", "1.2", outer=SERVER_V6, server_lines=PUSH))

    def test_stock_tls_auth(self) -> None:
        """Joins a stock server by tls-auth with direction."""
        self._check(Case("tls-auth-directed", "AES-128-GCM", server_lines=PUSH))

    def test_stock_27(self) -> None:
        """Joins a stock 2.7 server without any wrapping."""
        self._check(Case("none", version="2.7", server_lines=PUSH))

    def test_own_server(self) -> None:
        """Joins a tvpn server."""
        self._check(Case(server_lines=PUSH), stock=False)

    def test_reconnects(self) -> None:
        """A server that restarts is joined again, by backoff and not at once."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            first = ends.serve()
            client = ends.join()
            first.stop(signal.SIGTERM)
            client.wait_for("disconnected: the server said RESTART", 10)
            ends.serve()
            client.wait_for("connecting to", 20, 2)
            tries = (lab.ping("client", INNER_V4, 1) for _ in range(20))
            self.assertTrue(any(tries), client.output)

    def test_wrong_ca(self) -> None:
        """A server that another CA has signed is refused in words, and tried again."""
        with two_hosts() as lab:
            ends = Ends(lab, Case())
            ends.serve()
            stranger = Ends(lab, Case(), Signer("Another CA", datetime.now(UTC)).issue("mallory"))
            client = lab.twistd("client", stranger.client_config(), "stranger")
            client.wait_for("disconnected: TLS handshake failed: the peer's certificate is not signed by our CA", 15)
            client.wait_for("next try in", 5)

