"""What a genuine client and the operator read when something does not fit: a reason, once, on both sides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import READY, SIGNER, STATIC_KEY, Case, Ends, binary
from tvpn.crypto.statickey import StaticKey
from tvpn.crypto.tls import Credentials


class RefusalTests(SynchronousTestCase):
    """One wrong thing at a time."""

    skip = skip_unless_possible("openvpn")

    @contextmanager
    def _refused(self, case: Case, client: Credentials | None = None) -> Iterator[tuple[Lab, Program, Program]]:
        with two_hosts() as lab:
            ends = Ends(lab, case, client or SIGNER.issue("alice"))
            server = ends.serve()
            yield lab, server, lab.spawn("client", "openvpn", str(ends.client_config()), name="refused")
            self.assertNotIn("Traceback", server.output)

    def test_expired(self) -> None:
        """An expired certificate: the log says since when, the client is told."""
        expired = SIGNER.issue("alice", begins=-30, ends=-3)
        with self._refused(Case(), expired) as (_, server, client):
            server.wait_for(r"alice .* did not get in: alice: certificate expired [23] days ago", 10)
            client.wait_for("AUTH_FAILED,certificate expired", 10)

    def test_foreign_authority(self) -> None:
        """A certificate of another authority: the log says so, the client gets a TLS alert."""
        stranger = Signer("Another CA", datetime.now(UTC)).issue("mallory")
        stranger = replace(stranger, ca=SIGNER.pem)
        with self._refused(Case(), stranger) as (_, server, client):
            server.wait_for("did not get in: TLS handshake failed: the peer's certificate is not signed by our CA", 10)
            client.wait_for("Received fatal SSL alert: unknown CA", 10)

    def test_no_common_cipher(self) -> None:
        """No common cipher: both offers are in the log, the client is told."""
        case = Case(cipher="AES-128-GCM", client_lines=("data-ciphers CHACHA20-POLY1305",))
        with self._refused(case) as (_, server, client):
            server.wait_for("no common cipher: client offers CHACHA20-POLY1305, server allows AES-128-GCM", 10)
            client.wait_for("AUTH_FAILED,Data channel cipher negotiation failed", 10)

    def test_another_key(self) -> None:
        """Another tls-crypt key: silence on the wire, one line in the log however often it is tried."""
        with two_hosts() as lab:
            ends = Ends(lab, Case("tls-crypt"))
            server = ends.serve()
            config = ends.client_config()
            other = StaticKey.generate(os.urandom).text.strip()
            config.write_text(config.read_text().replace(STATIC_KEY.text.strip(), other))
            client = lab.spawn("client", "openvpn", str(config), name="wrong-key")
            server.wait_for("198.51.100.2 used another tls-crypt key", 10)
            self.assertRaises(AssertionError, client.wait_for, "TLS: Initial packet from", 4)
            self.assertEqual(server.output.count("used another tls-crypt key"), 1)

    def test_not_for_clients(self) -> None:
        """A server's certificate does not let a client in."""
        with self._refused(Case(), SIGNER.issue("alice", "server")) as (_, server, _client):
            server.wait_for("did not get in: TLS handshake failed: .*not made for its role", 10)

    def test_revoked(self) -> None:
        """A certificate that comes onto the revocation list while the server runs is refused from then on."""
        with two_hosts() as lab:
            alice = SIGNER.issue("alice")
            lists = lab.write("crl.pem", _revocation_list())
            ends = Ends(lab, Case(server_lines=("crl-verify crl.pem",)), alice)
            server = ends.serve()
            ends.join_stock().stop()
            serial = x509.load_pem_x509_certificate(alice.certificate.encode()).serial_number
            lists.write_text(_revocation_list(serial))
            client = lab.spawn("client", "openvpn", str(ends.client_config()), name="revoked")
            server.wait_for("did not get in: alice: certificate is revoked", 10)
            client.wait_for("AUTH_FAILED,certificate revoked", 10)

    def test_names(self) -> None:
        """Our client, told the server's name, joins that server and refuses any other."""
        with two_hosts() as lab:
            right = Ends(lab, Case(client_lines=("verify-x509-name server name",)))
            right.serve_stock()
            right.join().stop()
            wrong = Ends(lab, Case(client_lines=("verify-x509-name serve name",)))
            client = lab.twistd("client", wrong.client_config("wrong.conf"), "wrong-name")
            client.wait_for("disconnected: the peer is 'server', not 'serve' \\(name\\)", 15)

    def test_full_server(self) -> None:
        """max-clients: one client too many is told, of 2.6 and of 2.7, tries again, and is in when a place is free."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                lab.host("other")
                lab.wire("other", ["203.0.113.2/24"], "server", ["203.0.113.1/24"])
                polite = ("explicit-exit-notify 1",)
                first = Ends(lab, Case(version=version, server_lines=("max-clients 1",), client_lines=polite))
                server, occupant = first.serve(), first.join_stock()
                second = Ends(lab, Case(version=version, outer="203.0.113.1"), SIGNER.issue("bob"))
                config = str(second.client_config("other.conf"))
                client = lab.spawn("other", binary(version), config, name="one-too-many")
                client.wait_for("AUTH_FAILED,TEMP:the server is full", 20)
                server.wait_for("bob .* did not get in: max-clients 1 is reached", 5)
                occupant.stop()
                client.wait_for(READY, 40)
                self.assertNotIn("Traceback", server.output)


def _revocation_list(*serials: int) -> str:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(SIGNER.subject)
    builder = builder.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=30))
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=1))
        builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(SIGNER.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
