"""Certificate revocation lists (RFC 5280 section 5), as crl-verify names them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tvpn.crypto.certificate import common_name
from tvpn.errors import PeerError

SIGNING_KEYS = (EllipticCurvePublicKey, RSAPublicKey, Ed25519PublicKey, Ed448PublicKey, DSAPublicKey)
_END = "-----END X509 CRL-----"


class Revocations:
    """Revocation lists of a crl-verify file. A list that has expired or is not signed by its issuer refuses everybody
    of that issuer; an issuer without a list is not checked.
    """

    def __init__(self, lists: Sequence[x509.CertificateRevocationList]) -> None:
        self._lists = lists

    @classmethod
    def from_pem(cls, text: str) -> Revocations:
        """One or more PEM blocks; raises ValueError."""
        blocks = [block + _END for block in text.split(_END)[:-1]]
        if not blocks:
            raise ValueError("no X509 CRL in PEM form")
        return cls([x509.load_pem_x509_crl(block.encode()) for block in blocks])

    def judge(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Raises PeerError when one of the chain (leaf first) is revoked or its issuer's list cannot be relied on."""
        name = common_name(chain[0])
        for certificate, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
            for revocation in self._lists:
                if revocation.issuer == certificate.issuer:
                    self._judge(name, certificate, issuer, revocation, now)

    def _judge(
        self, name: str, certificate: x509.Certificate, issuer: x509.Certificate,
        revocation: x509.CertificateRevocationList, now: datetime,
    ) -> None:  # fmt: skip
        public = issuer.public_key()
        if not isinstance(public, SIGNING_KEYS) or not revocation.is_signature_valid(public):
            raise PeerError(f"{name}: the revocation list is not signed by its issuer", "revocation list")
        if revocation.next_update_utc is not None and revocation.next_update_utc < now:
            expired = f"{revocation.next_update_utc:%Y-%m-%d}"
            raise PeerError(f"{name}: the revocation list has expired on {expired}; renew it", "revocation list")
        if revocation.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise PeerError(f"{name}: certificate is revoked", "certificate revoked")
