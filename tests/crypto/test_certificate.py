"""Judging certificates: the right one is accepted, each single thing wrong is refused with its reason."""

from __future__ import annotations

import contextlib
import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock, patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import NOW, Signer
from tests.papers import ORDINARY, Issuer, Paper, self_signed, with_bytes
from tvpn.crypto import certificate
from tvpn.crypto.certificate import Requirements, common_name, identify, judge, subject_text
from tvpn.crypto.tls import Credentials
from tvpn.errors import PeerError

SIGNER, OTHER = Signer(), Signer("Other CA")
WALL = NOW.timestamp()
PAPERS, ANYTHING = Issuer(), Requirements()
WALL_NOW = datetime.now(UTC).timestamp()


def chain_of(credentials: Credentials, signer: Signer = SIGNER) -> list[x509.Certificate]:
    return [*x509.load_pem_x509_certificates(credentials.certificate.encode()), signer.certificate]


class AcceptedTests(SynchronousTestCase):
    def test_right_one(self) -> None:
        """A valid certificate of the wanted role has an identity with its name."""
        for role in ("client", "server"):
            self.assertEqual(judge(chain_of(SIGNER.issue("alice", role)), Requirements(role), WALL).name, "alice")

    def test_role_is_not_always_wanted(self) -> None:
        """Without remote-cert-tls neither usage nor role matter."""
        self.assertEqual(judge(chain_of(SIGNER.issue("old", None, usage=False)), Requirements(), WALL).name, "old")

    def test_dates_inclusive(self) -> None:
        """The first and the last second of its life are within it."""
        chain = chain_of(SIGNER.issue("alice", begins=-1, ends=1))
        for days in (-1, 1):
            self.assertEqual(judge(chain, Requirements("client"), WALL + days * 86400).name, "alice")

    def test_names_that_print(self) -> None:
        """Any printable name is fine: letters of other alphabets, spaces, 64 characters."""
        for name in ("Jürgen Müller", "Ελένη", "a" * 64):
            self.assertEqual(judge(chain_of(SIGNER.issue(name)), Requirements("client"), WALL).name, name)


class RefusedTests(SynchronousTestCase):
    def refusal(self, credentials: Credentials, role: str | None = "client", now: float = WALL) -> PeerError:
        return self.assertRaises(PeerError, judge, chain_of(credentials), Requirements(role), now)

    def test_expired(self) -> None:
        """An expired one is refused with its name and how long ago, in the largest fitting unit."""
        alice = SIGNER.issue("alice", ends=1)
        ends = WALL + 86400
        table = [
            (3 * 86400 + 5, "alice: certificate expired 3 days ago"),
            (86400, "alice: certificate expired 1 day ago"),
            (2 * 3600, "alice: certificate expired 2 hours ago"),
            (60, "alice: certificate expired 1 minute ago"),
            (1, "alice: certificate expired less than a minute ago"),
        ]
        for seconds, reason in table:
            error = self.refusal(alice, now=ends + seconds)
            self.assertEqual((str(error), error.told), (reason, "certificate expired"))

    def test_not_yet_valid(self) -> None:
        """One that begins in future is refused, with a word about clocks."""
        error = self.refusal(SIGNER.issue("alice", begins=2))
        self.assertEqual(str(error), "alice: certificate is not valid yet, only in 2 days; look at both clocks")
        self.assertEqual(error.told, "certificate is not valid yet")

    def test_expired_authority(self) -> None:
        """Every certificate of the chain is judged by its dates."""
        chain = chain_of(SIGNER.issue("alice", ends=9000))
        self.assertRaises(PeerError, judge, chain, Requirements(), WALL + 4000 * 86400)

    def test_wrong_role(self) -> None:
        """A server's certificate is no client's, nor the reverse."""
        for role, wanted in (("server", "client"), ("client", "server")):
            error = self.refusal(SIGNER.issue("alice", role), wanted)
            self.assertEqual(str(error), f"alice: certificate is not made for a {wanted}")
            self.assertEqual(error.told, f"certificate is not made for a {wanted}")

    def test_no_usage(self) -> None:
        """Either extension absent is a refusal: what is made for nothing is not made for this."""
        for credentials in (SIGNER.issue("alice", usage=False), SIGNER.issue("alice", None)):
            self.assertIn("not made for a client", str(self.refusal(credentials)))

    def test_unprintable_name(self) -> None:
        """Line breaks, escape sequences and other control characters in the name are refused and not repeated."""
        for name in ("alice\nroot", "al\x1b[31mice", "al\tice", "al\x00ice", "al\u202eice"):
            error = self.refusal(SIGNER.issue(name))
            self.assertTrue(str(error).isprintable())

    def test_nobody(self) -> None:
        """No certificate is no identity."""
        self.assertRaises(PeerError, judge, [], Requirements(), WALL)


    def test_no_name(self) -> None:
        """C-13: without a common name, or with an empty one, nobody comes in: a log would not say who it was."""
        for paper in (PAPERS.issue("O=alice"), PAPERS.issue(), PAPERS.issue("CN=")):
            error = self.assertRaises(PeerError, judge, whole(paper), Requirements(), WALL_NOW)
            self.assertIn("no common name", str(error))

    def test_control_characters_elsewhere(self) -> None:
        """C-13: NUL, line breaks and the like in the other names, of the subject or of SAN, are refused."""
        for bad, good in (("al\0ice", "alice"), ("al\nice", "al ice"), ("al\x1b[31mice", "al[31mice")):
            for text, passes in ((bad, False), (good, True)):
                for paper in (PAPERS.issue("alice", f"O={text}"), *(PAPERS.issue("alice", extensions=(*ORDINARY, each))
                              for each in alternatives(text))):  # fmt: skip
                    self.assertEqual(passed(whole(paper)), passes, text)

    def test_unreadable_text(self) -> None:
        """C-13: bytes that are no text of their kind, in the name or in SAN, are a refusal and no crash."""
        for tag in (0x0C, 0x14, 0x16):
            edit = with_bytes(b"\x0c\x08alicexyz", bytes([tag, 8]) + b"\xd8\0\xff\xfe\xd8\0\xff\xfe")
            paper = PAPERS.issue("alicexyz", edit=edit)
            error = self.assertRaises(PeerError, judge, whole(paper), Requirements(), WALL_NOW)
            self.assertRaises(PeerError, common_name, paper.leaf)
            self.assertIn("cannot be read", str(error))
        broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x05\x82\x03\xff\0")
        self.assertFalse(passed(whole(PAPERS.issue("alice", extensions=(*ORDINARY, (broken, False))))))

    def test_anything_that_goes_wrong(self) -> None:
        """C-13: an exception in any step of the judgement is a refusal; without it the same chain passes."""
        chain = whole(PAPERS.issue("alice"))
        wanted = Requirements("client", fingerprints=(chain[0].fingerprint(hashes.SHA256()),))
        self.assertTrue(passed(chain, wanted))
        steps = ("identify", "_judge_fingerprints", "_judge_dates", "_judge_usages", "_judge_texts", "_judge_name")
        for step in steps:
            for error in (RuntimeError("x"), ValueError("x"), x509.DuplicateExtension("x", NameOID.COMMON_NAME)):
                with patch.object(certificate, step, side_effect=error):
                    self.assertFalse(passed(chain, wanted), step)
            self.assertTrue(passed(chain, wanted))
        error = self.assertRaises(PeerError, judge, chain, wanted, WALL_NOW, Mock(side_effect=OSError("x")))
        self.assertEqual(error.told, None)


    def test_noise(self) -> None:
        """C-13: of certificates with some bytes changed each is judged or refused, and no other exception comes out."""
        dice, paper = random.Random(13), PAPERS.issue("alice", "O=x", extensions=(*ORDINARY, *alternatives("a.b")[:1]))
        judged = 0
        for _ in range(3000):
            noisy = bytearray(paper.chain[0])
            for _ in range(dice.randint(1, 3)):
                noisy[dice.randrange(len(noisy))] = dice.choice((dice.randrange(256), 0, 0x0C, 0x14, 0x1E, 0x30, 0xFF))
            shown = hashlib.sha256(noisy).digest()
            wanted = Requirements("client", (0x80,), fingerprints=(shown,), trusts_authority=False)
            try:
                leaf = x509.load_der_x509_certificate(bytes(noisy))
            except (ValueError, x509.InvalidVersion):
                continue
            judged += passed([leaf], wanted)
            with contextlib.suppress(PeerError):
                common_name(leaf)
        self.assertGreater(judged, 300)


def whole(paper: Paper) -> list[x509.Certificate]:
    """The chain with its root."""
    return [*paper.certificates, PAPERS.certificate]


def alternatives(text: str) -> list[tuple[x509.ExtensionType, bool]]:
    """The text as each kind of SAN that is one."""
    kinds = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    return [(x509.SubjectAlternativeName([kind(text)]), False) for kind in kinds]


def passed(chain: list[x509.Certificate], wanted: Requirements = ANYTHING) -> bool:
    try:
        judge(chain, wanted, WALL_NOW)
    except PeerError:
        return False
    return True


class FingerprintTests(SynchronousTestCase):
    """peer-fingerprint and verify-hash, with their negative twins."""

    def test_listed(self) -> None:
        """With a CA the fingerprint counts besides all else: any of the list, whole, of the certificate itself."""
        alice, bob = PAPERS.issue("alice"), PAPERS.issue("bob")
        prints = [each.leaf.fingerprint(hashes.SHA256()) for each in (alice, bob)]
        root = PAPERS.certificate.fingerprint(hashes.SHA256())
        for listed, passes in (
            ((prints[0],), True), ((prints[1], prints[0]), True), ((prints[1],), False), ((root,), False),
            ((prints[0][:20],), False), ((prints[0] + b"\0",), False), ((b"",), False),
            ((alice.leaf.fingerprint(hashes.SHA1()),), False),
        ):  # fmt: skip
            self.assertEqual(passed(whole(alice), Requirements(fingerprints=listed)), passes)
        late = PAPERS.issue("late", begins=-3, ends=-2)
        self.assertFalse(passed(whole(late), Requirements(fingerprints=(late.leaf.fingerprint(hashes.SHA256()),))))

    def test_words(self) -> None:
        """The log names the fingerprint, to be copied into the list; the peer reads that it is not listed."""
        alice = PAPERS.issue("alice")
        error = self.assertRaises(PeerError, judge, whole(alice), Requirements(fingerprints=(bytes(32),)), WALL_NOW)
        self.assertIn(f"alice: certificate has the fingerprint {alice.fingerprint.upper()}", str(error))
        self.assertEqual(error.told, "certificate fingerprint is not listed")

    def test_without_authority(self) -> None:
        """Without a CA the listed one passes whatever its dates, as in OpenVPN; its use and name still count."""
        for paper in (self_signed("alice"), self_signed("alice", begins=-9, ends=-8), PAPERS.issue("alice")):
            shown = paper.leaf.fingerprint(hashes.SHA256())
            wanted = Requirements("client", fingerprints=(shown,), trusts_authority=False)
            self.assertTrue(passed(whole(paper), wanted))
            self.assertFalse(passed(whole(paper), replace(wanted, role="server")))
            self.assertFalse(passed(whole(paper), replace(wanted, name="bob", name_type="name")))
            self.assertFalse(passed(whole(paper), replace(wanted, fingerprints=(bytes(32),))))
            self.assertFalse(passed(whole(paper), replace(wanted, fingerprints=())))

    def test_nobody_borrows_an_issuer(self) -> None:
        """Without a CA the identity is the certificate's own key: what stands behind it is not verified."""
        alice = self_signed("alice")
        mallory = Issuer("alice").issue("mallory", serial=alice.leaf.serial_number)
        prints = tuple(each.leaf.fingerprint(hashes.SHA256()) for each in (alice, mallory))
        wanted = Requirements(fingerprints=prints, trusts_authority=False)
        real = judge(alice.certificates, wanted, WALL_NOW)
        false = judge([mallory.leaf, alice.leaf], wanted, WALL_NOW)
        self.assertNotEqual(real.key, false.key)

    def test_issuer(self) -> None:
        """verify-hash is about the certificate that signed the peer's: not its own, not the root further up."""
        below = PAPERS.below("Department")
        paper = below.issue("alice")
        for kind in (hashes.SHA1(), hashes.SHA256()):
            for signed_by, passes in ((below.certificate, True), (PAPERS.certificate, False), (paper.leaf, False)):
                wanted = Requirements(issuer_fingerprints=(bytes(20), signed_by.fingerprint(kind)))
                self.assertEqual(passed(whole(paper), wanted), passes)
        alone = self_signed("alice")
        wanted = Requirements(issuer_fingerprints=(alone.leaf.fingerprint(hashes.SHA256()),))
        self.assertFalse(passed([alone.leaf], wanted))


class IdentityTests(SynchronousTestCase):
    def test_not_the_name(self) -> None:
        """The same name issued twice is two identities; the same certificate is one."""
        first, second = SIGNER.issue("alice"), SIGNER.issue("alice")
        self.assertEqual(identify(chain_of(first)), identify(chain_of(first)))
        self.assertNotEqual(identify(chain_of(first)).key, identify(chain_of(second)).key)

    def test_issuer_counts(self) -> None:
        """The same serial from another CA's key is somebody else."""
        leaf = chain_of(SIGNER.issue("alice"))[0]
        ours, theirs = identify([leaf, SIGNER.certificate]), identify([leaf, OTHER.certificate])
        self.assertEqual(ours.serial, theirs.serial)
        self.assertNotEqual(ours.key, theirs.key)


class RequirementTests(SynchronousTestCase):
    """Each requirement with its negative twins."""

    def setUp(self) -> None:
        self.chain = chain_of(SIGNER.issue("server-1", "server"))

    def _passes(self, **wanted: object) -> bool:
        try:
            judge(self.chain, Requirements(**wanted), WALL)  # type: ignore[arg-type]
        except PeerError:
            return False
        return True

    def test_names(self) -> None:
        """verify-x509-name compares the whole subject, the whole name, or its beginning, and nothing else."""
        for name, name_type, passes in (
            ("CN=server-1", "subject", True),
            ("server-1", "subject", False),
            ("CN=server-1 ", "subject", False),
            ("cn=server-1", "subject", False),
            ("server-1", "name", True),
            ("server-", "name", False),
            ("server-1.evil", "name", False),
            ("SERVER-1", "name", False),
            ("server-", "name-prefix", True),
            ("server-1", "name-prefix", True),
            ("server-12", "name-prefix", False),
            ("erver", "name-prefix", False),
        ):
            self.assertEqual(self._passes(name=name, name_type=name_type), passes, (name, name_type))

    def test_key_usage(self) -> None:
        """remote-cert-ku: one mask must be wholly contained (the certificate has digitalSignature, 80)."""
        for masks, passes in (((0x80,), True), ((0xA0,), False), ((0xA0, 0x80), True), ((0x08,), False)):
            self.assertEqual(self._passes(key_usages=masks), passes, masks)

    def test_no_key_usage(self) -> None:
        """A certificate without key usage contains no mask."""
        self.chain = chain_of(SIGNER.issue("bare", "server", usage=False))
        self.assertFalse(self._passes(key_usages=(0x80,)))

    def test_extended_usage(self) -> None:
        """remote-cert-eku: the OID must be there."""
        self.assertTrue(self._passes(extended_usage="1.3.6.1.5.5.7.3.1"))
        self.assertFalse(self._passes(extended_usage="1.3.6.1.5.5.7.3.2"))

    def test_subject(self) -> None:
        """The subject is written as OpenVPN writes it: short names, the certificate's order, a comma and a space."""
        oids = NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
        names = zip(oids, ("KG", "Öl, & Co", "Server-1"), strict=True)
        subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7)
        builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
        certificate = builder.sign(key, hashes.SHA256())
        self.assertEqual(subject_text(certificate), "C=KG, O=Öl, & Co, CN=Server-1")
