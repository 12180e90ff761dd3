"""Revocation lists: who is on one, and which list counts at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import NOW, Signer
from tests.papers import Issuer
from tvpn.crypto.revocation import Revocations
from tvpn.crypto.tls import Credentials
from tvpn.errors import PeerError

SIGNER = Signer()


def chain_of(credentials: Credentials) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(credentials.certificate.encode()), SIGNER.certificate]


def revocation_list(*serials: int, signer: Signer = SIGNER, days: int = 30, issuer: Signer = SIGNER) -> str:
    """A list in PEM form, issued a day ago."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    builder = builder.last_update(NOW - timedelta(days=1)).next_update(NOW + timedelta(days=days))
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - timedelta(days=1))
        builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class RevocationTests(SynchronousTestCase):
    def test_listed(self) -> None:
        """A listed serial is refused, its neighbour is not."""
        alice, bob = (chain_of(SIGNER.issue(name)) for name in ("alice", "bob"))
        revocations = Revocations.from_pem(revocation_list(alice[0].serial_number))
        error = self.assertRaises(PeerError, revocations.judge, alice, NOW)
        self.assertEqual(str(error), "alice: certificate is revoked")
        revocations.judge(bob, NOW)

    def test_several(self) -> None:
        """Several lists stand in one file."""
        alice = chain_of(SIGNER.issue("alice"))
        other = Signer("Another CA")
        text = revocation_list(signer=other, issuer=other) + "a note\n" + revocation_list(alice[0].serial_number)
        self.assertRaises(PeerError, Revocations.from_pem(text).judge, alice, NOW)

    def test_expired(self) -> None:
        """A list past its next update refuses everybody of that issuer, in words."""
        revocations = Revocations.from_pem(revocation_list(days=3))
        alice = chain_of(SIGNER.issue("alice"))
        revocations.judge(alice, NOW + timedelta(days=2))
        error = self.assertRaises(PeerError, revocations.judge, alice, NOW + timedelta(days=4))
        self.assertIn("the revocation list has expired on 2030-06-18", str(error))

    def test_authorities(self) -> None:
        """A revoked authority takes with it all below it; an authority needs no common name to be asked about."""
        root = Issuer("O=Nameless")
        fallen = root.below("O=Department")
        revocations = Revocations.from_pem(root.revoke(fallen.certificate))
        for issuer, passes in ((fallen, False), (root.below("O=Department"), True), (root, True)):
            chain = [*issuer.issue("alice").certificates, root.certificate]
            if passes:
                revocations.judge(chain, datetime.now(UTC))
            else:
                error = self.assertRaises(PeerError, revocations.judge, chain, datetime.now(UTC))
                self.assertEqual(str(error), "alice: certificate is revoked")

    def test_forged(self) -> None:
        """A list that somebody else signed in the issuer's name refuses, rather than counts or is passed over."""
        revocations = Revocations.from_pem(revocation_list(signer=Signer("Mallory")))
        error = self.assertRaises(PeerError, revocations.judge, chain_of(SIGNER.issue("alice")), NOW)
        self.assertIn("not signed by its issuer", str(error))

    def test_foreign(self) -> None:
        """The list of another issuer has no say, even with the same serial."""
        other = Signer("Another CA")
        alice = chain_of(SIGNER.issue("alice"))
        revocations = Revocations.from_pem(revocation_list(alice[0].serial_number, signer=other, issuer=other))
        revocations.judge(alice, NOW)

    def test_nothing(self) -> None:
        """A text without a list is a ValueError."""
        for text in ("", "nothing", SIGNER.pem, "-----BEGIN X509 CRL-----\nxx\n-----END X509 CRL-----\n"):
            self.assertRaises(ValueError, Revocations.from_pem, text)
