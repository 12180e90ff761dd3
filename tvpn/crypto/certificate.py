"""Judging a peer's certificate after the handshake, by our own code and clock (protocol: key-exchange.md 10).

OpenSSL has checked signatures, chain and role; dates, key usage and names are ours, so that a refusal has words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tvpn.errors import PeerError

EXTENDED_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a peer is: the issuer's key and the serial it gave; the name is for people only."""

    issuer: str
    serial: int
    name: str

    @property
    def key(self) -> str:
        return f"{self.issuer}:{self.serial:x}"


def identify(chain: Sequence[x509.Certificate]) -> Identity:
    """The identity of a verified chain, leaf first; raises PeerError for a name that cannot be trusted to print."""
    if not chain:
        raise PeerError("the peer showed no certificate")
    leaf = chain[0]
    issuer = chain[1] if len(chain) > 1 else leaf
    public = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Identity(hashlib.sha256(public).hexdigest(), leaf.serial_number, common_name(leaf))


def common_name(certificate: x509.Certificate) -> str:
    """The CN; raises PeerError unless it is printable and at most 64 characters long."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise PeerError("the common name of the peer's certificate has control characters or more than 64 characters")
    return name


def judge(chain: Sequence[x509.Certificate], wanted_role: str | None, now: float) -> Identity:
    """The identity behind a verified chain at wall-clock time ``now``; raises PeerError, its text told to the peer.

    ``wanted_role`` ("client" or "server") is remote-cert-tls: the leaf must have a key usage and this extended one.
    """
    try:
        identity = identify(chain)
        moment = datetime.fromtimestamp(now, UTC)
        for certificate in chain:
            _judge_dates(certificate, moment, identity.name)
        if wanted_role is not None:
            _judge_usage(chain[0], wanted_role, identity.name)
    except ValueError as error:
        raise PeerError(f"the peer's certificate cannot be read: {error}") from None
    return identity


def _judge_dates(certificate: x509.Certificate, now: datetime, name: str) -> None:
    early, late = certificate.not_valid_before_utc - now, now - certificate.not_valid_after_utc
    if late.total_seconds() > 0:
        raise PeerError(f"{name}: certificate expired {_ago(late.total_seconds())} ago", "certificate expired")
    if early.total_seconds() > 0:
        text = f"{name}: certificate is not valid yet, only in {_ago(early.total_seconds())}; look at both clocks"
        raise PeerError(text, "certificate is not valid yet")


def _judge_usage(leaf: x509.Certificate, role: str, name: str) -> None:
    try:
        leaf.extensions.get_extension_for_class(x509.KeyUsage)
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    if EXTENDED_USAGES[role] not in usages:
        raise PeerError(f"{name}: certificate is not made for a {role}", f"certificate is not made for a {role}")


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"
