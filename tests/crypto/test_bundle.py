"""PKCS #12."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_certificate
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.corpus import bundle
from tvpn.crypto.bundle import open_bundle
from tvpn.crypto.tls import LockedKey, build_context

OWN = Signer().issue("alice")


class BundleTests(SynchronousTestCase):
    def test_contents(self) -> None:
        """Certificate, key and CA come out as they went in, with a passphrase and without."""
        for passphrase in ("", "open sesame"):
            opened = open_bundle(bundle(OWN.ca, OWN.certificate, OWN.key, passphrase), passphrase or None)
            self.assertEqual((opened.ca, opened.certificate, opened.key), (OWN.ca, OWN.certificate, OWN.key))
            build_context(opened)

    def test_locked(self) -> None:
        """Without the passphrase, and with a wrong one: each says so."""
        data = bundle(OWN.ca, OWN.certificate, OWN.key, "open sesame")
        for passphrase, wrong in ((None, False), ("", True), ("open says me", True)):
            error = self.assertRaises(LockedKey, open_bundle, data, passphrase)
            self.assertEqual(error.wrong, wrong)

    def test_others(self) -> None:
        """What is no such file, or has no key, is one sentence."""
        certificate = load_pem_x509_certificate(OWN.certificate.encode())
        keyless = serialize_key_and_certificates(None, None, certificate, None, NoEncryption())
        for data, part in ((b"", "is no PKCS"), (OWN.key.encode(), "is no PKCS"), (keyless, "with its key")):
            error = self.assertRaises(ValueError, open_bundle, data, None)
            self.assertNotIsInstance(error, LockedKey)
            self.assertIn(part, str(error))
