"""tvpn's own certificate authority: one EC P-256 key that signs the server's certificate and the devices'."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tvpn.crypto.certificate import Identity, identify
from tvpn.errors import TvpnError

Random = Callable[[int], bytes]

AUTHORITY_LIFE = timedelta(days=3652)
DEVICE_LIFE = timedelta(days=3652)
SERVER_LIFE = timedelta(days=825)  # what Apple's systems accept at most
EARLIER = timedelta(hours=1)  # certificates begin in the past: the clocks of devices are slow now and then

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key, and the identity its sessions will have."""

    certificate: x509.Certificate
    key_pem: str = field(repr=False)
    identity: Identity

    @property
    def certificate_pem(self) -> str:
        return certificate_text(self.certificate)


class Authority:
    """Raises TvpnError when the key is not the certificate's, or the certificate no authority's."""

    def __init__(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, random: Random = os.urandom
    ) -> None:
        if not belongs(key, certificate):
            raise TvpnError(
                "the CA's key and certificate do not belong together; restore both from one backup"
            )
        self.certificate = certificate
        self._key = key
        self._random = random

    @classmethod
    def create(
        cls, now: datetime, random: Random = os.urandom, key: ec.EllipticCurvePrivateKey | None = None
    ) -> Authority:
        """A new authority; with the key of a lost certificate, one that fits what that one had issued."""
        key = new_key() if key is None else key
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        # The name follows from the key: a certificate made again for the same key fits what was issued.
        name = _name(f"tvpn CA {own.digest[:2].hex()}")
        builder = (
            _builder(name, name, key, now - EARLIER, now + AUTHORITY_LIFE, random)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        )
        return cls(builder.sign(key, SHA256()), key, random)

    @classmethod
    def load(cls, certificate_pem: str, key_pem: str, random: Random = os.urandom) -> Authority:
        """Raises TvpnError for texts that are no certificate and EC key, or do not belong together."""
        return cls(load_certificate(certificate_pem), load_key(key_pem), random)

    @property
    def certificate_pem(self) -> str:
        return certificate_text(self.certificate)

    @property
    def key_pem(self) -> str:
        return key_text(self._key)

    def issue_server(self, name: str, now: datetime, key: ec.EllipticCurvePrivateKey | None = None) -> Issued:
        """A server's certificate for 825 days, for the key it has or for a new one; raises TvpnError."""
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            alternative = x509.DNSName(name)
        end = now - EARLIER + SERVER_LIFE
        return self._issue(name, now, end, ExtendedKeyUsageOID.SERVER_AUTH, key or new_key(), alternative)

    def issue_device(self, name: str, now: datetime) -> Issued:
        """A device's certificate and new key, for 10 years or as long as the CA lasts; raises TvpnError."""
        return self._issue(name, now, now + DEVICE_LIFE, ExtendedKeyUsageOID.CLIENT_AUTH, new_key())

    def _issue(
        self,
        name: str,
        now: datetime,
        end: datetime,
        usage: ObjectIdentifier,
        key: ec.EllipticCurvePrivateKey,
        alternative: x509.GeneralName | None = None,
    ) -> Issued:
        last = self.certificate.not_valid_after_utc
        if now >= last:
            raise TvpnError(
                f"the CA's certificate ended on {last:%Y-%m-%d}; begin anew with an empty state folder"
            )
        begin = max(now - EARLIER, self.certificate.not_valid_before_utc)
        builder = (
            _builder(_name(name), self.certificate.subject, key, begin, min(end, last), self._random)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if alternative is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        certificate = builder.sign(self._key, SHA256())
        return Issued(certificate, key_text(key), identify([certificate, self.certificate]))


def identity(certificate: x509.Certificate, issuer: x509.Certificate) -> str:
    """``sha256 of the issuer's public key:serial`` in hexadecimal, exactly as the hub calls the peer."""
    return identify([certificate, issuer]).key


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def belongs(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bool:
    return key.public_key() == certificate.public_key()


def load_certificate(pem: str) -> x509.Certificate:
    """Raises TvpnError for a text without a certificate."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise TvpnError("it is not a certificate in PEM; restore it from a backup") from error


def load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Raises TvpnError for a text without an unencrypted EC key."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TvpnError("it is not an unencrypted private key in PEM; restore it from a backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TvpnError("it is not an elliptic curve key; restore the one that tvpn made from a backup")
    return key


def certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    end: datetime,
    random: Random,
) -> x509.CertificateBuilder:
    # 159 random bits: a serial is at most 20 bytes long (RFC 5280, 4.1.2.2) and its sign bit is 0.
    serial = int.from_bytes(random(20), "big") >> 1
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, serial_number=serial)
        .public_key(key.public_key())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(own, critical=False)
    )


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in usages for usage in _KEY_USAGES})
