from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Requirements, judge
from tvpn.errors import PeerError, TvpnError
from tvpn.pki.authority import (
    Authority,
    certificate_text,
    identity,
    key_text,
    load_certificate,
    load_key,
    new_key,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class AuthorityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.authority = Authority.create(NOW)

    def test_certificate(self) -> None:
        """The CA is EC P-256, self-signed, marked as a CA, and lasts ten years."""
        certificate = self.authority.certificate
        certificate.verify_directly_issued_by(certificate)
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self.assertEqual(key.curve.name, "secp256r1")
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(constraints.critical and constraints.value.ca)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertEqual((usage.key_cert_sign, usage.crl_sign, usage.digital_signature), (True, True, False))
        self.assertEqual(certificate.not_valid_after_utc, NOW + timedelta(days=3652))
        self.assertRegex(certificate.subject.rfc4514_string(), r"\ACN=tvpn CA [0-9a-f]{4}\Z")

    def test_load(self) -> None:
        """An authority that was written and read issues what the first one would."""
        again = Authority.load(self.authority.certificate_pem, self.authority.key_pem)
        issued = again.issue_device("alice", NOW)
        issued.certificate.verify_directly_issued_by(self.authority.certificate)

    def test_load_mixed(self) -> None:
        """The key of one authority with the certificate of another is refused."""
        other = Authority.create(NOW)
        error = self.assertRaises(TvpnError, Authority.load, self.authority.certificate_pem, other.key_pem)
        self.assertIn("do not belong together", str(error))

    def test_made_again(self) -> None:
        """A certificate made anew for the same key verifies what the lost one had issued, by name and key."""
        issued = self.authority.issue_device("alice", NOW)
        again = Authority.create(NOW + timedelta(days=1), key=load_key(self.authority.key_pem))
        issued.certificate.verify_directly_issued_by(again.certificate)
        self.assertEqual(identity(issued.certificate, again.certificate), issued.identity.key)

    def test_random_serial(self) -> None:
        """Serials are 159 bits of the randomness that was passed in."""
        authority = Authority.create(NOW, lambda size: b"\xff" * size)
        self.assertEqual(authority.issue_device("alice", NOW).certificate.serial_number, (1 << 159) - 1)
        serials = {self.authority.issue_device("alice", NOW).certificate.serial_number for _ in range(5)}
        self.assertEqual(len(serials), 5)

    def test_bad_texts(self) -> None:
        """Texts that are no certificate, no key, or a key of another kind are refused by a sentence."""
        self.assertRaises(TvpnError, load_certificate, "nothing")
        self.assertRaises(TvpnError, load_key, "nothing")
        self.assertRaises(TvpnError, load_key, self.authority.certificate_pem)


class IssuedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.authority = Authority.create(NOW)

    def test_server(self) -> None:
        """A server's certificate is for servers only, names itself, and lasts 825 days."""
        certificate = self.authority.issue_server("vpn.example.org", NOW).certificate
        certificate.verify_directly_issued_by(self.authority.certificate)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usages), [ExtendedKeyUsageOID.SERVER_AUTH])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["vpn.example.org"])
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        self.assertLessEqual(life, timedelta(days=825))
        self.assertGreater(certificate.not_valid_after_utc, NOW + timedelta(days=824))

    def test_server_by_address(self) -> None:
        """A server that is named by its address says so as an address."""
        certificate = self.authority.issue_server("192.0.2.1", NOW).certificate
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.IPAddress), [ip_address("192.0.2.1")])

    def test_server_key(self) -> None:
        """A server that has a key keeps it."""
        key = new_key()
        issued = self.authority.issue_server("vpn", NOW, key)
        self.assertEqual(issued.key_pem, key_text(key))
        self.assertEqual(issued.certificate.public_key(), key.public_key())

    def test_device(self) -> None:
        """A device's certificate is for clients, is no CA, names its issuer's key, and ends with its CA."""
        issued = self.authority.issue_device("alice", NOW)
        extensions = issued.certificate.extensions
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usages), [ExtendedKeyUsageOID.CLIENT_AUTH])
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertEqual((constraints.critical, constraints.value.ca), (True, False))
        above = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = self.authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        self.assertEqual(above.key_identifier, own.digest)
        later = self.authority.issue_device("bob", NOW + timedelta(days=300)).certificate
        self.assertEqual(later.not_valid_after_utc, self.authority.certificate.not_valid_after_utc)

    def test_slow_clock(self) -> None:
        """A device whose clock is half an hour slow accepts the certificate that was made just now."""
        certificate = self.authority.issue_device("alice", NOW + timedelta(days=1)).certificate
        self.assertLess(certificate.not_valid_before_utc, NOW + timedelta(days=1, minutes=-30))

    def test_ended(self) -> None:
        """A CA that has ended issues nothing more."""
        self.assertRaises(TvpnError, self.authority.issue_device, "alice", NOW + timedelta(days=3652))

    def test_judged(self) -> None:
        """The judge takes a device for a client with the identity of its row, and for no server."""
        issued = self.authority.issue_device("alice", NOW)
        chain = [issued.certificate, self.authority.certificate]
        self.assertEqual(judge(chain, Requirements("client"), NOW.timestamp()), issued.identity)
        self.assertEqual(identity(*chain), issued.identity.key)
        self.assertRaises(PeerError, judge, chain, Requirements("server"), NOW.timestamp())

    def test_secret(self) -> None:
        """The representation of what was issued does not show the private key."""
        issued = self.authority.issue_device("alice", NOW)
        self.assertNotIn("PRIVATE", repr(issued))
        self.assertEqual(load_certificate(certificate_text(issued.certificate)), issued.certificate)
