"""TLS over memory, both sides of it."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.papers import ORDINARY, USAGE, Issuer, Paper, purposes, self_signed, shapeless_key, with_sha1
from tvpn.crypto.certificate import Requirements, judge
from tvpn.crypto.tls import TLS, Credentials, Insistence, Strength, build_context
from tvpn.errors import PeerError

SIGNER, FOREIGN = Signer(), Signer("Foreign CA")
SERVER, CLIENT = SIGNER.issue("server", "server"), SIGNER.issue("alice")
STRANGER = replace(FOREIGN.issue("mallory"), ca=SIGNER.pem)
PAPERS = Issuer()
ANY, OLD = Strength(), Strength(maximum="1.2")
VERSION_NUMBERS = {
    "1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION
}  # fmt: skip
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
        """However the byte stream is cut, the handshake completes and records arrive whole (W-10)."""
        for size in (1, 2, 3, 7, 100, 1200, 20000):
            client, server = sides()
            talk(client, server, size)
            client.send(b"from the client")
            server.send(b"from the server")
            self.assertEqual(talk(client, server, size), ([b"from the server"], [b"from the client"]))

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
                secrets.add(client.export(label, 256))
        self.assertEqual(len(secrets), 4)

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
        """A client's certificate does not make a server."""
        client, server = sides(server=SIGNER.issue("alice"))
        self.assertIn("not made for its role", self.fails(client, server))

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


class InsistenceTests(SynchronousTestCase):
    """verify-client-cert: what a server asks of its clients, in both versions of TLS."""

    def chain(self, insistence: Insistence, version: str, client: Credentials | None) -> list[str] | PeerError:
        """The names in the chain that the server has in the end, or its reason against the client."""
        context = build_context(CLIENT, Strength(maximum=version))
        if client is None:
            # Nothing of ours makes a client without certificate.
            context = SSL.Context(SSL.TLS_METHOD)
            context.set_max_proto_version(SSL.TLS1_2_VERSION if version == "1.2" else SSL.TLS1_3_VERSION)
        elif client is not CLIENT:
            context = build_context(client, Strength(maximum=version))
        caller = TLS(context, server=False)
        server = TLS(build_context(SERVER, Strength(maximum=version), insistence=insistence), server=True)
        try:
            talk(caller, server)
        except PeerError as error:
            return error
        self.assertTrue(server.established)
        return [certificate.subject.rfc4514_string() for certificate in server.chain]

    def test_none(self) -> None:
        """none: no certificate is asked for, so that even a good one is not seen and a foreign one does not hurt."""
        for version in VERSIONS:
            for client in (None, CLIENT, STRANGER):
                self.assertEqual(self.chain("none", version, client), [])

    def test_optional(self) -> None:
        """optional: without certificate one gets through, with a good one it is seen, with another's CA refused."""
        for version in VERSIONS:
            self.assertEqual(self.chain("optional", version, None), [])
            self.assertEqual(self.chain("optional", version, CLIENT), ["CN=alice", "CN=Test CA"])
            self.assertIn("not signed by our CA", str(self.chain("optional", version, STRANGER)))

    def test_require(self) -> None:
        """require, the default: nobody gets through without a certificate, nor with another CA's."""
        for version in VERSIONS:
            self.assertIn("the peer showed no certificate", str(self.chain("require", version, None)))
            self.assertEqual(self.chain("require", version, CLIENT), ["CN=alice", "CN=Test CA"])
            self.assertIn("not signed by our CA", str(self.chain("require", version, STRANGER)))

    def test_nobody_is_refused_by_the_judge(self) -> None:
        """An empty chain is nobody: who has no other proof of that client refuses it."""
        error = self.assertRaises(PeerError, judge, self.chain("none", "1.3", None), Requirements(), 0.0)
        self.assertIn("showed no certificate", str(error))


def unjudged(paper: Paper | None, strength: Strength = ANY) -> SSL.Context:
    """A client that shows whatever it has, and whose own opinion of the server does not matter."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(VERSION_NUMBERS[strength.maximum or "1.3"])
    context.set_cipher_list((strength.ciphers or "DEFAULT@SECLEVEL=0").encode())
    if paper is not None:
        leaf, *chain = (crypto.load_certificate(crypto.FILETYPE_PEM, each.encode()) for each in paper.texts)
        context.use_certificate(leaf)
        for extra in chain:
            context.add_extra_chain_cert(extra)
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, paper.key.encode()))
    return context


class PaperTests(SynchronousTestCase):
    """A server of this authority, visited with papers of all kinds."""

    def setUp(self) -> None:
        server = PAPERS.issue("server", extensions=(USAGE, purposes(ExtendedKeyUsageOID.SERVER_AUTH)))
        self.credentials = Credentials(PAPERS.text, "".join(server.texts), server.key)

    def visited(self, paper: Paper | None, strength: Strength = ANY, without_ca: bool = False) -> TLS | PeerError:
        """The server's side after the handshake, or its reason."""
        credentials = replace(self.credentials, ca="") if without_ca else self.credentials
        server = TLS(build_context(credentials, strength), server=True)
        client = TLS(unjudged(paper), server=False)
        try:
            talk(client, server)
        except PeerError as error:
            return error
        self.assertTrue(server.established)
        return server

    def passes(self, paper: Paper | None, strength: Strength = ANY, without_ca: bool = False) -> bool:
        return isinstance(self.visited(paper, strength, without_ca), TLS)


class ProfileTests(PaperTests):
    """tls-cert-profile: what cryptography in certificates is strong enough (protocol: key-exchange.md 1)."""

    def test_levels(self) -> None:
        """Each profile takes what it should and refuses the next weaker."""
        papers = {
            "sha1": PAPERS.issue("a", edit=with_sha1, digest=hashes.SHA1()),
            "rsa1024": PAPERS.issue("a", key=rsa.generate_private_key(65537, 1024)),
            "rsa2048": PAPERS.issue("a", key=rsa.generate_private_key(65537, 2048)),
            "p256": PAPERS.issue("a"),
        }
        for profile, passing in (
            ("legacy", {"rsa1024", "rsa2048", "p256"}),
            ("preferred", {"rsa2048", "p256"}),
            ("suiteb", {"p256"}),
        ):
            for ciphers in (None, "DEFAULT:@SECLEVEL=0"):
                strength = Strength(profile=profile, ciphers=ciphers)
                self.assertEqual({name for name, paper in papers.items() if self.passes(paper, strength)}, passing)

    def test_ciphers(self) -> None:
        """suiteb leaves TLS 1.2 two ciphers, if tls-cipher does not name others."""
        context = build_context(self.credentials, Strength(profile="suiteb"))
        names = [name for name in SSL.Connection(context, None).get_cipher_list() if not name.startswith("TLS_")]
        self.assertEqual(names, ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])


class FingerprintTests(PaperTests):
    def test_without_authority(self) -> None:
        """Without a CA any certificate gets through to be judged by its fingerprint, but none at all does not."""
        for paper in (self_signed("alice"), Issuer("Other CA").issue("bob"), PAPERS.issue("late", ends=-0.5)):
            visited = self.visited(paper, without_ca=True)
            self.assertIsInstance(visited, TLS)
            self.assertEqual(visited.chain[0], paper.leaf)
        self.assertFalse(self.passes(None, without_ca=True))
        self.assertFalse(self.passes(self_signed("alice")))


class BombTests(PaperTests):
    """D-12: certificates that are made to cost."""

    def test_depth(self) -> None:
        """D-12: a chain of 16 certificates, the CA's included, gets through; one of 17 does not, nor a longer one."""
        issuer, verdicts = PAPERS, {}
        for length in range(2, 21):
            verdicts[length] = self.passes(issuer.issue("alice"))
            issuer = issuer.below(f"Level {length}")
        self.assertEqual([length for length, passes in verdicts.items() if passes], list(range(2, 17)))

    def test_large(self) -> None:
        """D-12: too many bytes, a key of 16384 bits, 10000 names: each is refused within 20 ms of the server's time."""
        filler = [x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(size)) for size in (10**5, 10**6)]
        names = x509.SubjectAlternativeName([x509.DNSName(f"{number:x}") for number in range(10_000)])
        for paper, reason in (
            (self_signed("alice", (*ORDINARY, (filler[0], False))), "not signed by our CA"),
            (PAPERS.issue("alice", extensions=(*ORDINARY, (filler[1], False))), "excessive message size"),
            (self_signed("alice", (*ORDINARY, (names, False))), "not signed by our CA"),
            (Issuer("Other CA").issue("alice", key=shapeless_key(16384)), "not signed by our CA"),
            (PAPERS.issue("alice", key=shapeless_key(16384)), "TLS handshake failed"),
        ):
            self.assertIn(reason, str(self.visited(paper)))
            self.assertLess(self.cost(paper), 0.02, reason)

    def cost(self, paper: Paper) -> float:
        """The least of three times, in seconds, that the server takes to refuse this visit."""
        return min(self._cost(paper) for _ in range(3))

    def _cost(self, paper: Paper) -> float:
        server, client = TLS(build_context(self.credentials), server=True), TLS(unjudged(paper), server=False)
        spent = 0.0
        while True:
            flight = b"".join(iter(lambda: client.pull(1200), b""))
            began = time.process_time()
            try:
                server.receive(flight)
            except PeerError:
                return spent + time.process_time() - began
            spent += time.process_time() - began
            client.receive(b"".join(iter(lambda: server.pull(1200), b"")))


class DowngradeTests(PaperTests):
    """C-14: a peer that can only speak what is weak gets a clear failure and no tunnel."""

    def reason(self, strength: Strength) -> str:
        paper = PAPERS.issue("alice", key=rsa.generate_private_key(65537, 2048))
        server, client = TLS(build_context(self.credentials), server=True), TLS(unjudged(paper, strength), server=False)
        error = self.assertRaises(PeerError, talk, client, server)
        self.assertFalse(server.established)
        return str(error)

    def test_old_versions(self) -> None:
        """C-14: TLS 1.0 and 1.1 are not spoken, whatever ciphers are offered."""
        for version in ("1.0", "1.1"):
            self.assertIn("no common TLS version", self.reason(Strength(maximum=version)))

    def test_weak_ciphers(self) -> None:
        """C-14: ciphers without encryption, without authentication or with static RSA are not spoken."""
        for ciphers in ("eNULL", "aNULL", "AES128-SHA", "AES256-GCM-SHA384"):
            strength = Strength(maximum="1.2", ciphers=f"{ciphers}:@SECLEVEL=0")
            self.assertIn("no common TLS cipher", self.reason(strength))

    def test_nobody_asks_for_them(self) -> None:
        """C-14: no tls-cipher lets them in: alone they are refused at the start, among others left out."""
        for word in ("eNULL", "aNULL", "NULL-SHA256", "RC4-SHA", "DES-CBC3-SHA", "3DES"):
            error = self.assertRaises(ValueError, build_context, self.credentials, Strength(ciphers=word))
            self.assertIn("knows none of the ciphers", str(error))
            context = build_context(self.credentials, Strength(ciphers=f"{word}:ALL:eNULL:@SECLEVEL=0"))
            spoken = SSL.Connection(context, None).get_cipher_list()
            self.assertFalse([name for name in spoken if re.search("NULL|RC4|DES|ADH|AECDH", name)])
            self.assertIn("ECDHE-ECDSA-AES256-GCM-SHA384", spoken)


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
