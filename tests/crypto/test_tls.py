"""TLS over memory, both sides of it."""

from __future__ import annotations

import hashlib
import hmac
import random
from dataclasses import replace

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tvpn.crypto.tls import TLS, Credentials, Strength, build_context
from tvpn.errors import PeerError

SIGNER, FOREIGN = Signer(), Signer("Foreign CA")
SERVER, CLIENT = SIGNER.issue("server", "server"), SIGNER.issue("alice")
OLD = Strength(maximum="1.2")
VERSIONS = {"1.2": "TLSv1.2", "1.3": "TLSv1.3"}


def talk(client: TLS, server: TLS, size: int = 1200) -> tuple[list[bytes], list[bytes]]:
    """Carry bytes both ways in pieces until both are quiet; (what the client read, what the server read)."""
    read: tuple[list[bytes], list[bytes]] = ([], [])
    quiet = False
    while not quiet:
        quiet = True
        for sender, receiver, records in ((client, server, read[1]), (server, client, read[0])):
            while piece := sender.pull(size):
                quiet = False
                records += receiver.receive(piece)
    return read


def sides(version: str | None = None, client: Credentials = CLIENT, server: Credentials = SERVER) -> tuple[TLS, TLS]:
    return (
        TLS(build_context(client, Strength(maximum=version)), server=False),
        TLS(build_context(server, Strength(maximum=version)), server=True),
    )


def _p_hash(secret: bytes, seed: bytes, digest: str) -> bytes:
    """256 bytes of RFC 5246's P_hash."""
    output, chained = b"", seed
    while len(output) < 256:
        chained = hmac.digest(secret, chained, digest)
        output += hmac.digest(secret, chained + seed, digest)
    return output[:256]


def _expand(secret: bytes, label: bytes, context: bytes, digest: str, size: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 7.1."""
    full = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    output, block = b"", b""
    while len(output) < size:
        block = hmac.digest(secret, block + info + bytes([len(output) // len(context) + 1]), digest)
        output += block
    return output[:size]


class HandshakeTests(SynchronousTestCase):
    def test_both_versions(self) -> None:
        """TLS 1.2 and 1.3 come up, both sides see the other's chain, leaf first and CA behind it."""
        for version, name in VERSIONS.items():
            client, server = sides(version)
            talk(client, server)
            self.assertTrue(client.established and server.established)
            self.assertEqual((client.version, server.version), (name, name))
            names = [certificate.subject.rfc4514_string() for certificate in server.chain]
            self.assertEqual(names, ["CN=alice", "CN=Test CA"])
            self.assertEqual(client.chain[0].subject.rfc4514_string(), "CN=server")

    def test_any_piece_size(self) -> None:
        """W-10: however the byte stream is cut, the handshake completes and records arrive whole."""
        for size in (1, 2, 3, 7, 100, 1200, 20000):
            client, server = sides()
            talk(client, server, size)
            client.send(b"from the client")
            server.send(b"from the server")
            self.assertEqual(talk(client, server, size), ([b"from the server"], [b"from the client"]))

    def test_random_pieces(self) -> None:
        """W-10: in a thousand handshakes every piece has a size of its own, from 1 to 1200 bytes, and all are merged
        and split at will on their way: each one completes.
        """
        contexts = build_context(CLIENT), build_context(SERVER)
        for seed in range(1000):
            dice = random.Random(seed)
            client, server = TLS(contexts[0], server=False), TLS(contexts[1], server=True)
            waiting = {client: b"", server: b""}
            for _ in range(5000):
                for sender, receiver in ((client, server), (server, client)):
                    waiting[receiver] += sender.pull(dice.randrange(1, 1201))
                    size = dice.randrange(1, 1201)
                    piece, waiting[receiver] = waiting[receiver][:size], waiting[receiver][size:]
                    receiver.receive(piece)
                if client.established and server.established and not any(waiting.values()):
                    break
            self.assertTrue(client.established and server.established, f"seed {seed}")

    def test_one_record_one_message(self) -> None:
        """Records are not merged: each ``send`` is read as one."""
        client, server = sides()
        talk(client, server)
        for word in (b"one", b"two", b"three"):
            server.send(word)
        self.assertEqual(talk(client, server)[0], [b"one", b"two", b"three"])

    def test_pull_obeys_its_limit(self) -> None:
        """No pull gives more than was asked for, an idle session gives nothing."""
        client, _ = sides()
        sizes = []
        while piece := client.pull(50):
            sizes.append(len(piece))
        self.assertEqual(set(sizes[:-1]), {50})
        self.assertEqual(client.pull(50), b"")

    def test_exporters_are_equal(self) -> None:
        """Both sides export the same secret, another label gives another one, another session yet another."""
        secrets = set()
        for version in VERSIONS:
            client, server = sides(version)
            talk(client, server)
            for label in (b"EXPORTER-OpenVPN-datakeys", b"EXPORTER-OpenVPN-dynamic-tls-crypt"):
                self.assertEqual(client.export(label, 256), server.export(label, 256))
                secrets.add(bytes(client.export(label, 256)))
        self.assertEqual(len(secrets), 4)

    def test_exporter_12(self) -> None:
        """C-07: the exporter of TLS 1.2 is that of RFC 5705 with its context absent, computed here by itself."""
        client, server = sides("1.2")
        talk(client, server)
        connection = client._connection
        digest = connection.get_cipher_name().rpartition("-")[2].lower()
        label = b"EXPORTER-OpenVPN-datakeys"
        seed = label + connection.client_random() + connection.server_random()
        self.assertEqual(client.export(label, 256), _p_hash(connection.master_key(), seed, digest))

    def test_exporter_13(self) -> None:
        """C-07: the exporter of TLS 1.3 is that of RFC 8446 7.5 with its context absent, computed here by itself."""
        context, lines = build_context(CLIENT, Strength(maximum="1.3")), []
        context.set_keylog_callback(lambda _, line: lines.append(line.split()))
        client, server = TLS(context, server=False), sides("1.3")[1]
        talk(client, server)
        [secret] = [bytes.fromhex(words[2].decode()) for words in lines if words[0] == b"EXPORTER_SECRET"]
        digest = client._connection.get_cipher_name().rpartition("_")[2].lower()
        for label in (b"EXPORTER-OpenVPN-datakeys", b"EXPORTER-OpenVPN-dynamic-tls-crypt"):
            nothing = hashlib.new(digest).digest()
            derived = _expand(secret, label, nothing, digest, len(nothing))
            self.assertEqual(client.export(label, 256), _expand(derived, b"exporter", nothing, digest, 256))
            self.assertNotEqual(client.export(label, 64), client.export(label, 256)[:64])

    def test_expired_certificate_finishes(self) -> None:
        """Dates are not TLS's business: who expired or has not begun yet gets through, to be judged and told."""
        client, server = sides(client=SIGNER.issue("late", begins=-9000, ends=-8000))
        talk(client, server)
        self.assertTrue(server.established)


class RefusalTests(SynchronousTestCase):
    def fails(self, client: TLS, server: TLS) -> str:
        """The reason of the PeerError that this handshake ends in."""
        error = self.assertRaises(PeerError, talk, client, server)
        return str(error)

    def test_client_of_another_ca(self) -> None:
        """The server says that the certificate is not signed by our CA, and the client is told by an alert."""
        for version in VERSIONS:
            stranger = FOREIGN.issue("mallory")
            trusting = Credentials(SIGNER.pem, stranger.certificate, stranger.key)
            client, server = sides(version, client=trusting)
            self.assertIn("not signed by our CA", self.fails(client, server))
            self.assertFalse(server.established)
            alert = server.pull(1200)
            self.assertTrue(alert)
            error = self.assertRaises(PeerError, client.receive, alert)
            self.assertIn("does not know the CA that signed our certificate", str(error))

    def test_server_of_another_ca(self) -> None:
        """The client refuses a server of another CA, and the server is told by an alert."""
        for version in VERSIONS:
            stranger = FOREIGN.issue("server", "server")
            client, server = sides(version, server=Credentials(SIGNER.pem, stranger.certificate, stranger.key))
            self.assertIn("not signed by our CA", self.fails(client, server))
            alert = client.pull(1200)
            error = self.assertRaises(PeerError, server.receive, alert)
            self.assertIn("does not know the CA", str(error))

    def test_wrong_role(self) -> None:
        """A client's certificate does not make a server, and that is all that is said about it."""
        client, server = sides(server=SIGNER.issue("alice"))
        self.assertEqual(
            self.fails(client, server), "TLS handshake failed: the peer's certificate is not made for its role"
        )

    def test_no_common_version(self) -> None:
        """Sides that share no version say so."""
        client = TLS(build_context(CLIENT, Strength(maximum="1.2")), server=False)
        server = TLS(build_context(SERVER, Strength(minimum="1.3")), server=True)
        self.assertIn("no common TLS version", self.fails(client, server))

    def test_no_common_cipher(self) -> None:
        """Sides that share no cipher say so."""
        client = TLS(build_context(CLIENT, replace(OLD, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")), server=False)
        server = TLS(build_context(SERVER, replace(OLD, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")), server=True)
        self.assertIn("no common TLS cipher", self.fails(client, server))

    def test_garbage_is_a_peer_error(self) -> None:
        """Bytes that are no TLS end the session, before and after the handshake."""
        _, server = sides()
        self.assertRaises(PeerError, server.receive, b"GET / HTTP/1.0\r\n\r\n")
        client, server = sides()
        talk(client, server)
        self.assertRaises(PeerError, server.receive, b"\x17\x03\x03\0\x20" + bytes(32))


class ContextTests(SynchronousTestCase):
    def test_refused_credentials(self) -> None:
        """What does not fit is a ValueError whose text says what."""
        pem = SIGNER.pem
        table = [
            (Credentials(pem, SERVER.certificate, CLIENT.key), "does not belong"),
            (Credentials("nothing", SERVER.certificate, SERVER.key), "ca: holds no certificate"),
            (Credentials(pem, "nothing", SERVER.key), "cert: holds no certificate"),
            (Credentials(pem, SERVER.certificate, "nothing"), "key: holds no private key"),
        ]
        for credentials, reason in table:
            error = self.assertRaises(ValueError, build_context, credentials)
            self.assertIn(reason, str(error))
        error = self.assertRaises(ValueError, build_context, SERVER, Strength(ciphers="ROT13"))
        self.assertIn("knows none of the ciphers", str(error))

    def test_names_of_ciphers(self) -> None:
        """tls-cipher takes OpenSSL's names and OpenVPN's, tls-ciphersuites the standard's with either sign."""
        for ciphers in ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"):
            for suites in ("TLS_AES_128_GCM_SHA256", "TLS-AES-128-GCM-SHA256"):
                context = build_context(SERVER, Strength(ciphers=ciphers, ciphersuites=suites))
                spoken = SSL.Connection(context, None).get_cipher_list()
                self.assertEqual(spoken, ["TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])

    def test_key_stays_out_of_repr(self) -> None:
        """No representation shows the private key."""
        self.assertNotIn("PRIVATE", repr(SERVER))
