"""Judging certificates: the right one is accepted, each single thing wrong is refused with its reason."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import NOW, Signer
from tvpn.crypto.certificate import Requirements, identify, judge, subject_text
from tvpn.crypto.tls import Credentials
from tvpn.errors import PeerError

SIGNER, OTHER = Signer(), Signer("Other CA")
WALL = NOW.timestamp()


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
