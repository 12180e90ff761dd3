"""No CA at all: two self-signed certificates whose fingerprints each side has been told (peer-fingerprint)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends
from tests.papers import SERVER, USAGE, Paper, purposes, self_signed
from tvpn.crypto.tls import Credentials

HOME, ALICE, BOB = self_signed("home", (USAGE, purposes(SERVER))), self_signed("alice"), self_signed("bob")
VERSIONS = "2.6", "2.7"


def credentials(paper: Paper) -> Credentials:
    return Credentials("", *paper.texts, paper.key)


def ends(lab: Lab, known_clients: tuple[Paper, ...], known_servers: tuple[Paper, ...], version: str = "2.6") -> Ends:
    """Alice's client and the server at home, and whom each of them knows: the server from a block, Alice by lines."""
    clients = ("<peer-fingerprint>", *(paper.fingerprint for paper in known_clients), "</peer-fingerprint>")
    servers = tuple(f"peer-fingerprint {paper.fingerprint.upper()}" for paper in known_servers)
    case = Case("tls-crypt", version=version, server_lines=clients, client_lines=servers)
    return Ends(lab, case, credentials(ALICE), credentials(HOME))


class FingerprintTests(SynchronousTestCase):
    """The genuine openvpn at the other end, both ways."""

    skip = skip_unless_possible("openvpn")

    def test_stock_client(self) -> None:
        """A genuine client that is listed joins our server, and packets pass."""
        for version in VERSIONS:
            with two_hosts() as lab:
                pair = ends(lab, (BOB, ALICE), (BOB, HOME), version)
                server = pair.serve()
                pair.join_stock()
                server.wait_for("alice joined from")
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_stock_server(self) -> None:
        """Our client joins a genuine server that is listed, and packets pass."""
        for version in VERSIONS:
            with two_hosts() as lab:
                pair = ends(lab, (BOB, ALICE), (BOB, HOME), version)
                pair.serve_stock()
                pair.join()
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_stranger(self) -> None:
        """A genuine client that is not listed is told so, and our log has its fingerprint, ready to be copied."""
        with two_hosts() as lab:
            pair = ends(lab, (BOB,), (HOME,))
            server = pair.serve()
            client = lab.spawn("client", "openvpn", str(pair.client_config()), name="stranger")
            shown = ALICE.fingerprint.upper()
            server.wait_for(f"did not get in: alice: certificate has the fingerprint {shown}, which is not listed", 10)
            client.wait_for("AUTH_FAILED,certificate fingerprint is not listed", 10)
            self.assertNotIn("Traceback", server.output)

    def test_strange_server(self) -> None:
        """Our client turns from a genuine server that is not listed before it has said a word."""
        with two_hosts() as lab:
            pair = ends(lab, (ALICE,), (BOB,))
            server = pair.serve_stock()
            client = lab.twistd("client", pair.client_config(), "stranger")
            client.wait_for(f"disconnected: home: certificate has the fingerprint {HOME.fingerprint.upper()}", 15)
            self.assertNotIn("Peer Connection Initiated", server.output)
            self.assertNotIn("peer info", server.output)
