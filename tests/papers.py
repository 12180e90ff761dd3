"""Certificates good and bad, one wrong thing at a time, as a client may show them to a server.

What the library refuses to make (version 1, SHA-1, broken text) is made by editing the DER and signing again.
"""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]
Edit = Callable[[list[bytes]], list[bytes]]
NOW = datetime.now(UTC)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
SHA1_WITH_ECDSA = bytes.fromhex("300906072a8648ce3d0401")
SHA256_WITH_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")


def subject(*names: str) -> x509.Name:
    """A subject of ``CN=...`` or ``O=...`` parts; a bare word is a CN."""
    oids = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "E": NameOID.EMAIL_ADDRESS}
    parts = [name.split("=", 1) if name[1:2] == "=" or name[2:3] == "=" else ["CN", name] for name in names]
    with warnings.catch_warnings():
        # The length of some of these names is what is wrong with them.
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(oids[word], value, _validate=False) for word, value in parts])


def shapeless_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key of that size in a moment: its factors are no primes, so that nothing it signs is good."""
    p, q = (1 << (bits // 2 - 1) | 3 << (bits // 2 - 3) | number for number in (1, 3))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, 3, 3, 3, pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def usage(*names: str) -> Extension:
    """Key usage with these bits, such as ``digital_signature``."""
    words = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{word: word in names for word in words}), True


def purposes(*oids: x509.ObjectIdentifier) -> Extension:
    return x509.ExtendedKeyUsage(oids), False


def constraint(ca: bool, length: int | None = None) -> Extension:
    return x509.BasicConstraints(ca, length), True


USAGE = usage("digital_signature")
ORDINARY: tuple[Extension, ...] = (USAGE, purposes(CLIENT))


@dataclass(frozen=True)
class Paper:
    """What a client shows: its certificate first, the chain behind it (DER, since not all can be read), and the key."""

    chain: tuple[bytes, ...]
    key: str = field(repr=False)

    @property
    def texts(self) -> list[str]:
        return [ssl.DER_cert_to_PEM_cert(each) for each in self.chain]

    @property
    def certificates(self) -> list[x509.Certificate]:
        return [x509.load_der_x509_certificate(each) for each in self.chain]

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 as ``aa:bb:...``."""
        return hashlib.sha256(self.chain[0]).digest().hex(":")

    def alone(self) -> Paper:
        """The same without its chain."""
        return Paper(self.chain[:1], self.key)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def stubborn_context(chain: Sequence[str], key: str) -> SSL.Context:
    """A client that shows what it is given (PEM), however weak, and trusts every server."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    context.set_verify(SSL.VERIFY_NONE)
    if chain:
        # Through OpenSSL, which reads more than the library for certificates does.
        leaf, *others = (crypto.load_certificate(crypto.FILETYPE_PEM, each.encode()) for each in chain)
        context.use_certificate(leaf)
        for each in others:
            context.add_extra_chain_cert(each)
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, key.encode()))
    return context


def key_text(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """An authority: the root if it was made by itself, else below another."""

    def __init__(self, name: str = "Test CA", above: Issuer | None = None, *extensions: Extension) -> None:
        self.key = new_key()
        self.name = subject(name)
        signer = above or self
        made = extensions or (constraint(True),)
        self.certificate = signer._sign(self.name, self.key, made, -3650, 3650)
        #: What a client has to show behind its own certificate.
        self.chain: tuple[bytes, ...] = (der(self.certificate), *above.chain) if above else ()

    @property
    def text(self) -> str:
        return ssl.DER_cert_to_PEM_cert(der(self.certificate))

    def below(self, name: str, *extensions: Extension) -> Issuer:
        return Issuer(name, self, *extensions)

    def issue(
        self, *names: str, extensions: Sequence[Extension] = ORDINARY, begins: float = -1, ends: float = 365,
        key: Key | None = None, edit: Edit | None = None, digest: hashes.HashAlgorithm | None = None,
        serial: int | None = None,
    ) -> Paper:  # fmt: skip
        """A certificate for these names (``CN`` unless said otherwise); days count from now."""
        key = key or new_key()
        made = der(self._sign(subject(*names), key, extensions, begins, ends, serial))
        if edit is not None:
            made = edited(made, self.key, edit, digest or hashes.SHA256())
        return Paper((made, *self.chain), key_text(key))

    def _sign(
        self, name: x509.Name, key: Key, extensions: Sequence[Extension], begins: float, ends: float,
        serial: int | None = None,
    ) -> x509.Certificate:  # fmt: skip
        serial = serial or x509.random_serial_number()
        builder = x509.CertificateBuilder(self.name, name, key.public_key(), serial)
        builder = builder.not_valid_before(NOW + timedelta(days=begins)).not_valid_after(NOW + timedelta(days=ends))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def revoke(self, *certificates: x509.Certificate, ends: float = 30) -> str:
        """A revocation list with these certificates, PEM; it is good for that many days."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(NOW - timedelta(days=1)).next_update(NOW + timedelta(days=ends))
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(NOW - timedelta(hours=1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def self_signed(name: str, extensions: Sequence[Extension] = ORDINARY, begins: float = -1, ends: float = 365) -> Paper:
    """A certificate that nobody vouches for."""
    issuer = Issuer(name)
    return issuer.issue(name, extensions=extensions, begins=begins, ends=ends, key=issuer.key)


# The shape of a certificate (RFC 5280 section 4.1), as far as it is edited here.


def items(sequence: bytes) -> list[bytes]:
    """The elements of a DER sequence, each with its header."""
    found, at = [], _header(sequence)[0]
    while at < len(sequence):
        start, size = _header(sequence[at:])
        found.append(sequence[at : at + start + size])
        at += start + size
    return found


def _header(element: bytes) -> tuple[int, int]:
    """The sizes of an element's header and of its content."""
    first = element[1]
    if first < 0x80:
        return 2, first
    count = first & 0x7F
    return 2 + count, int.from_bytes(element[2 : 2 + count], "big")


def wrapped(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def edited(
    certificate: bytes, key: ec.EllipticCurvePrivateKey, edit: Edit, digest: hashes.HashAlgorithm
) -> bytes:
    """The certificate with other fields (version, serial, algorithm, issuer, ...), signed again."""
    body, algorithm, _ = items(certificate)
    fields = edit(items(body))
    body = wrapped(0x30, b"".join(fields))
    if SHA1_WITH_ECDSA in fields:
        algorithm = SHA1_WITH_ECDSA
    signature = wrapped(0x03, b"\0" + key.sign(body, ec.ECDSA(digest)))
    return wrapped(0x30, body + algorithm + signature)


def version_one(fields: list[bytes]) -> list[bytes]:
    """Without version and extensions, as certificates were before 1996."""
    return [each for each in fields if each[0] not in (0xA0, 0xA3)]


def with_sha1(fields: list[bytes]) -> list[bytes]:
    return [SHA1_WITH_ECDSA if each == SHA256_WITH_ECDSA else each for each in fields]


def with_bytes(old: bytes, new: bytes) -> Edit:
    """Some bytes of the body replaced by as many others."""
    return lambda fields: [each.replace(old, new) for each in fields]


def as_version(number: int) -> Edit:
    """The version that the certificate claims (RFC 5280: 3)."""
    return lambda fields: [wrapped(0xA0, bytes([2, 1, number - 1])) if each[0] == 0xA0 else each for each in fields]
