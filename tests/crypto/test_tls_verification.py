"""What a server's TLS lets through: verify-client-cert, tls-cert-profile, versions, ciphers, costly certificates."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.crypto.test_tls import VERSIONS, talk
from tests.papers import (
    ORDINARY,
    SERVER,
    USAGE,
    Extension,
    Issuer,
    Paper,
    as_version,
    purposes,
    self_signed,
    shapeless_key,
    stubborn_context,
    with_sha1,
)
from tvpn.crypto.certificate import Requirements, judge
from tvpn.crypto.tls import LONGEST_HANDSHAKE, TLS, Credentials, Insistence, Strength, build_context
from tvpn.errors import PeerError

ROOT, OTHER = Issuer(), Issuer("Other CA")
ALICE, MALLORY = ROOT.issue("alice"), OTHER.issue("mallory")
_SERVER = ROOT.issue("server", extensions=(USAGE, purposes(SERVER)))
OWN = Credentials(ROOT.text, *_SERVER.texts, _SERVER.key)
ANY = Strength()
VERSION_NUMBERS = {
    "1.0": SSL.TLS1_VERSION, "1.1": SSL.TLS1_1_VERSION, "1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION
}  # fmt: skip


def visitor(paper: Paper | None, strength: Strength = ANY) -> TLS:
    """A client that speaks what ``strength`` says, however weak."""
    context = stubborn_context(paper.texts, paper.key) if paper else stubborn_context((), "")
    if strength.maximum is not None:
        context.set_max_proto_version(VERSION_NUMBERS[strength.maximum])
    if strength.ciphers is not None:
        context.set_cipher_list(strength.ciphers.encode())
    return TLS(context, server=False)


class InsistenceTests(SynchronousTestCase):
    """verify-client-cert: what a server asks of its clients, in both versions of TLS."""

    def chain(self, insistence: Insistence, version: str, paper: Paper | None) -> list[str] | PeerError:
        """The names in the chain that the server has in the end, or its reason against the client."""
        strength = Strength(maximum=version)
        server = TLS(build_context(OWN, strength, insistence), server=True)
        try:
            talk(visitor(paper, strength), server)
        except PeerError as error:
            return error
        self.assertTrue(server.established)
        return [certificate.subject.rfc4514_string() for certificate in server.chain]

    def test_none(self) -> None:
        """none: no certificate is asked for, so that even a good one is not seen and a foreign one does not hurt."""
        for version in VERSIONS:
            for client in (None, ALICE, MALLORY):
                self.assertEqual(self.chain("none", version, client), [])

    def test_optional(self) -> None:
        """optional: without certificate one gets through, with a good one it is seen, with another's CA refused."""
        for version in VERSIONS:
            self.assertEqual(self.chain("optional", version, None), [])
            self.assertEqual(self.chain("optional", version, ALICE), ["CN=alice", "CN=Test CA"])
            self.assertIn("not signed by our CA", str(self.chain("optional", version, MALLORY)))

    def test_require(self) -> None:
        """require, the default: nobody gets through without a certificate, nor with another CA's."""
        for version in VERSIONS:
            self.assertIn("the peer showed no certificate", str(self.chain("require", version, None)))
            self.assertEqual(self.chain("require", version, ALICE), ["CN=alice", "CN=Test CA"])
            self.assertIn("not signed by our CA", str(self.chain("require", version, MALLORY)))

    def test_nobody_is_refused_by_the_judge(self) -> None:
        """An empty chain is nobody: who has no other proof of that client refuses it."""
        error = self.assertRaises(PeerError, judge, self.chain("none", "1.3", None), Requirements(), 0.0)
        self.assertIn("showed no certificate", str(error))


class PaperTests(SynchronousTestCase):
    """A server of this authority, visited with papers of all kinds."""

    def visited(self, paper: Paper | None, strength: Strength = ANY, without_ca: bool = False) -> TLS | PeerError:
        """The server's side after the handshake, or its reason."""
        credentials = replace(OWN, ca="") if without_ca else OWN
        server = TLS(build_context(credentials, strength), server=True)
        client = visitor(paper)
        try:
            talk(client, server)
        except PeerError as error:
            return error
        self.assertTrue(server.established)
        return server

    def passes(self, paper: Paper | None, strength: Strength = ANY, without_ca: bool = False) -> bool:
        return isinstance(self.visited(paper, strength, without_ca), TLS)


def filled(size: int) -> tuple[Extension, ...]:
    """Ordinary extensions and one more that only takes room."""
    return (*ORDINARY, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(size)), False))


class ProfileTests(PaperTests):
    """tls-cert-profile: what cryptography in certificates is strong enough (protocol: key-exchange.md 1)."""

    def test_levels(self) -> None:
        """Each profile takes what it should and refuses the next weaker."""
        papers = {
            "sha1": ROOT.issue("a", edit=with_sha1, digest=hashes.SHA1()),
            "rsa1024": ROOT.issue("a", key=rsa.generate_private_key(65537, 1024)),
            "rsa2048": ROOT.issue("a", key=rsa.generate_private_key(65537, 2048)),
            "p256": ROOT.issue("a"),
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
        context = build_context(OWN, Strength(profile="suiteb"))
        names = [name for name in SSL.Connection(context, None).get_cipher_list() if not name.startswith("TLS_")]
        self.assertEqual(names, ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])


class FingerprintTests(PaperTests):
    def test_without_authority(self) -> None:
        """Without a CA any certificate gets through to be judged by its fingerprint, but none at all does not."""
        for paper in (self_signed("alice"), OTHER.issue("bob"), ROOT.issue("late", ends=-0.5)):
            visited = self.visited(paper, without_ca=True)
            self.assertIsInstance(visited, TLS)
            self.assertEqual(visited.chain[0], paper.leaf)
        self.assertFalse(self.passes(None, without_ca=True))
        self.assertFalse(self.passes(self_signed("alice")))


    def test_hardened_system(self) -> None:
        """Where no memory may be both written and executed the start says what to do, and with a CA all is well."""
        with patch("OpenSSL.SSL._VerifyHelper", side_effect=MemoryError):
            build_context(OWN)
            error = self.assertRaises(ValueError, build_context, replace(OWN, ca=""))
        self.assertIn("MemoryDenyWriteExecute", str(error))


class BombTests(PaperTests):
    """D-12: certificates that are made to cost."""

    def test_depth(self) -> None:
        """D-12: a chain of 16 certificates, the CA's included, gets through; one of 17 does not, nor a longer one."""
        issuer, verdicts = ROOT, {}
        for length in range(2, 21):
            verdicts[length] = self.passes(issuer.issue("alice"))
            issuer = issuer.below(f"Level {length}")
        self.assertEqual([length for length, passes in verdicts.items() if passes], list(range(2, 17)))

    def test_large(self) -> None:
        """D-12: too many bytes, a key of 16384 bits, 10000 names: each is refused within 20 ms of the server's time."""
        names = x509.SubjectAlternativeName([x509.DNSName(f"{number:x}") for number in range(10_000)])
        for paper, reason in (
            (self_signed("alice", filled(60_000)), "not signed by our CA"),
            (ROOT.issue("alice", extensions=filled(100_000)), "longer than 65536 bytes"),
            (self_signed("alice", (*ORDINARY, (names, False))), "not signed by our CA"),
            (OTHER.issue("alice", key=shapeless_key(16384)), "not signed by our CA"),
            (ROOT.issue("alice", key=shapeless_key(16384)), "TLS handshake failed"),
        ):
            self.assertIn(reason, str(self.visited(paper)))
            self.assertLess(self.cost(paper), 0.02, reason)

    def test_bounded(self) -> None:
        """D-12: more than 64 kB before the handshake is done end it, however they are cut; afterwards nothing does."""
        server, client = TLS(build_context(OWN), server=True), visitor(ROOT.issue("alice", extensions=filled(60_000)))
        talk(client, server)
        self.assertTrue(server.established)
        for _ in range(20):
            client.send(bytes(16000))
            self.assertEqual(talk(client, server), ([], [bytes(16000)]))
        for size in (1, 1000, 65535):
            server, heard = TLS(build_context(OWN), server=True), 0
            # A first message that announces 127 kB, in records of 16 kB.
            endless = (bytes.fromhex("1603014000") + bytes.fromhex("0101f000") + bytes(16380)) * 5
            while heard + size <= LONGEST_HANDSHAKE:
                server.receive(endless[heard : heard + size])
                heard += size
            error = self.assertRaises(PeerError, server.receive, endless[heard : heard + size])
            self.assertIn("longer than 65536 bytes", str(error))
            self.assertRaises(PeerError, server.receive, b"")

    def cost(self, paper: Paper) -> float:
        """The least of three times, in seconds, that the server takes to refuse this visit."""
        return min(self._cost(paper) for _ in range(3))

    def _cost(self, paper: Paper) -> float:
        server, client = TLS(build_context(OWN), server=True), visitor(paper)
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


    def test_unreadable(self) -> None:
        """C-13: a certificate that OpenSSL takes and the library does not is nobody's, verified or not."""
        for without_ca in (False, True):
            visited = self.visited(ROOT.issue("alice", edit=as_version(2)), without_ca=without_ca)
            self.assertIsInstance(visited, TLS)
            self.assertRaises(PeerError, lambda tls: tls.chain, visited)
            self.assertIsNone(visited.shown_certificate())


class DowngradeTests(PaperTests):
    """C-14: a peer that can only speak what is weak gets a clear failure and no tunnel."""

    def reason(self, strength: Strength) -> str:
        paper = ROOT.issue("alice", key=rsa.generate_private_key(65537, 2048))
        server, client = TLS(build_context(OWN), server=True), visitor(paper, strength)
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
            error = self.assertRaises(ValueError, build_context, OWN, Strength(ciphers=word))
            self.assertIn("knows none of the ciphers", str(error))
            context = build_context(OWN, Strength(ciphers=f"{word}:ALL:eNULL:@SECLEVEL=0"))
            spoken = SSL.Connection(context, None).get_cipher_list()
            self.assertFalse([name for name in spoken if re.search("NULL|RC4|DES|ADH|AECDH", name)])
            self.assertIn("ECDHE-ECDSA-AES256-GCM-SHA384", spoken)

    def test_alerts(self) -> None:
        """Whoever is refused reads in words of ours why."""
        weak = ROOT.issue("alice", key=rsa.generate_private_key(65537, 1024))
        lost = ROOT.below("Department").issue("alice").alone()
        old = Strength(maximum="1.2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
        for client, strength, reason in (
            (visitor(None), ANY, "wants a certificate"),
            (visitor(weak), Strength(profile="preferred"), "bad or too weak"),
            (visitor(lost), ANY, "does not know the CA"),
            (visitor(ALICE, old), replace(old, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"), "no common TLS cipher"),
            (visitor(ALICE, old), Strength(minimum="1.3"), "no common TLS version"),
        ):
            server = TLS(build_context(OWN, strength), server=True)
            self.assertRaises(PeerError, talk, client, server)
            error = self.assertRaises(PeerError, client.receive, server.pull(1200))
            self.assertIn(reason, str(error))
