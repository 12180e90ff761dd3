"""Throw-away certificates of every kind, made in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tvpn.crypto.tls import Credentials

ROLES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
NOW = datetime(2030, 6, 15, tzinfo=UTC)


@dataclass
class Signer:
    """A CA that signs whatever a test wants."""

    name: str = "Test CA"
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self.subject, self.key.public_key(), -3650, 3650)
        self.certificate = builder.add_extension(basic, critical=True).sign(self.key, hashes.SHA256())

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, begins: float, ends: float
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(self.subject, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(self.now + timedelta(days=begins))
        return builder.not_valid_after(self.now + timedelta(days=ends))

    def issue(
        self, name: str, role: str | None = "client", *, begins: float = -1, ends: float = 365, usage: bool = True
    ) -> Credentials:
        """Credentials with this CN; days count from ``now``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), begins, ends)
        if usage:
            bits = [True] + [False] * 8
            builder = builder.add_extension(x509.KeyUsage(*bits), critical=True)
        if role is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ROLES[role]]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Credentials(self.pem, certificate.public_bytes(Encoding.PEM).decode(), private.decode())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()
