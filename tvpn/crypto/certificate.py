"""Judging a peer's certificate after the handshake, by our own code and clock (protocol: key-exchange.md 10).

OpenSSL has checked signatures, chain and role; dates, key usage and names are ours, so that a refusal has words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tvpn.errors import PeerError

EXTENDED_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a peer is: the issuer's key and the serial it gave; the name is for people only.

    ``user`` tells apart those who share a certificate, or have none (then issuer and serial are empty).
    """

    issuer: str
    serial: int
    name: str
    user: str = ""

    @classmethod
    def of_user(cls, username: str) -> Identity:
        """Who has no certificate but a user name."""
        return cls("", 0, username, username)

    @property
    def key(self) -> str:
        return f"{self.issuer}:{self.serial:x}" + (f":{self.user}" if self.user else "")


def identify(chain: Sequence[x509.Certificate]) -> Identity:
    """The identity of a verified chain, leaf first; raises PeerError for a name that cannot be trusted to print."""
    if not chain:
        raise PeerError("the peer showed no certificate")
    leaf = chain[0]
    issuer = chain[1] if len(chain) > 1 else leaf
    public = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Identity(hashlib.sha256(public).hexdigest(), leaf.serial_number, common_name(leaf))


def common_name(certificate: x509.Certificate) -> str:
    """The CN, the last one as in OpenVPN; raises PeerError unless it is printable and of 1 to 64 characters."""
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise PeerError(f"the subject of the peer's certificate cannot be read: {error}") from None
    name = str(names[-1].value) if names else ""
    if not name:
        raise PeerError("the peer's certificate has no common name")
    if not name.isprintable() or len(name) > LONGEST_NAME:
        raise PeerError("the common name of the peer's certificate has control characters or more than 64 characters")
    return name


#: Raises PeerError for a chain (leaf first) that is revoked at that moment.
Refusal = Callable[[Sequence[x509.Certificate], datetime], None]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a peer's certificate must be besides signed and current, in OpenVPN's words.

    ``role`` is remote-cert-tls, ``key_usages`` remote-cert-ku (bit masks, one of them wholly contained),
    ``extended_usage`` remote-cert-eku (dotted OID), ``name`` verify-x509-name with its type: subject, name or
    name-prefix. ``fingerprints`` is peer-fingerprint (SHA-256 of the certificate), ``issuer_fingerprints`` verify-hash
    (SHA-1 or SHA-256 of the certificate that signed it): one of them must be it. Not ``trusts_authority``: there is
    no CA, and the fingerprint alone says who it is.
    """

    role: str | None = None
    key_usages: tuple[int, ...] = ()
    extended_usage: str | None = None
    name: str | None = None
    name_type: str = "subject"
    fingerprints: tuple[bytes, ...] = ()
    issuer_fingerprints: tuple[bytes, ...] = ()
    trusts_authority: bool = True


def judge(
    chain: Sequence[x509.Certificate], requirements: Requirements, now: float, refuse_revoked: Refusal | None = None
) -> Identity:
    """The identity behind a verified chain at wall-clock time ``now``; raises PeerError, its text told to the peer.

    Whatever goes wrong on the way is a refusal.
    """
    try:
        # Without a CA nothing behind the certificate itself is verified: nobody may borrow an issuer.
        return _judge(chain if requirements.trusts_authority else chain[:1], requirements, now, refuse_revoked)
    except PeerError:
        raise
    except Exception as error:
        raise PeerError(f"the peer's certificate cannot be judged: {type(error).__name__}: {error}") from None


def _judge(
    chain: Sequence[x509.Certificate], requirements: Requirements, now: float, refuse_revoked: Refusal | None
) -> Identity:
    identity = identify(chain)
    moment = datetime.fromtimestamp(now, UTC)
    _judge_fingerprints(chain, requirements, identity.name)
    if requirements.trusts_authority:
        for certificate in chain:
            _judge_dates(certificate, moment, identity.name)
    _judge_usages(chain[0], requirements, identity.name)
    _judge_texts(chain[0])
    _judge_name(chain[0], requirements, identity.name)
    if refuse_revoked is not None:
        refuse_revoked(chain, moment)
    return identity


def _judge_fingerprints(chain: Sequence[x509.Certificate], wanted: Requirements, name: str) -> None:
    """peer-fingerprint and verify-hash; without a CA somebody must be named."""
    if wanted.fingerprints or not wanted.trusts_authority:
        shown = chain[0].fingerprint(hashes.SHA256())
        if not any(compare_digest(shown, each) for each in wanted.fingerprints):
            text = f"{name}: certificate has the fingerprint {shown.hex(':').upper()}, which is not listed"
            raise PeerError(text, "certificate fingerprint is not listed")
    if wanted.issuer_fingerprints:
        signers = [each.fingerprint(digest) for each in chain[1:2] for digest in (hashes.SHA1(), hashes.SHA256())]
        if not any(compare_digest(shown, each) for shown in signers for each in wanted.issuer_fingerprints):
            told = "certificate is signed by another issuer"
            raise PeerError(f"{name}: {told}, none of verify-hash", told)


def _judge_dates(certificate: x509.Certificate, now: datetime, name: str) -> None:
    early, late = certificate.not_valid_before_utc - now, now - certificate.not_valid_after_utc
    if late.total_seconds() > 0:
        raise PeerError(f"{name}: certificate expired {_ago(late.total_seconds())} ago", "certificate expired")
    if early.total_seconds() > 0:
        text = f"{name}: certificate is not valid yet, only in {_ago(early.total_seconds())}; look at both clocks"
        raise PeerError(text, "certificate is not valid yet")


def _judge_usages(leaf: x509.Certificate, wanted: Requirements, name: str) -> None:
    if wanted.role is not None:
        extended = EXTENDED_USAGES[wanted.role].dotted_string
        if key_usage(leaf) is None or extended not in extended_usages(leaf):
            told = f"certificate is not made for a {wanted.role}"
            raise PeerError(f"{name}: {told}", told)
    if wanted.extended_usage is not None and wanted.extended_usage not in extended_usages(leaf):
        told = f"certificate lacks the extended key usage {wanted.extended_usage}"
        raise PeerError(f"{name}: {told}", told)
    if wanted.key_usages:
        usage = key_usage(leaf) or 0
        if not any(usage & mask == mask for mask in wanted.key_usages):
            told = f"certificate has the key usage {usage:02x}, which is not wanted"
            raise PeerError(f"{name}: {told}", told)


def _judge_name(leaf: x509.Certificate, wanted: Requirements, name: str) -> None:
    if wanted.name is None:
        return
    shown = subject_text(leaf) if wanted.name_type == "subject" else name
    same = shown.startswith(wanted.name) if wanted.name_type == "name-prefix" else shown == wanted.name
    if not same:
        raise PeerError(f"the peer is {shown!r}, not {wanted.name!r} ({wanted.name_type})", "certificate name")


def _judge_texts(leaf: x509.Certificate) -> None:
    """Control characters in any name of the certificate, which others may read otherwise than we do."""
    texts = [str(attribute.value) for attribute in leaf.subject]
    try:
        others = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        others = x509.SubjectAlternativeName([])
    for kind in (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier):
        texts += others.get_values_for_type(kind)
    if not all(text.isprintable() for text in texts):
        raise PeerError("a name in the peer's certificate has control characters", "malformed name in the certificate")


_USAGE_BITS = (
    ("digital_signature", 0x80), ("content_commitment", 0x40), ("key_encipherment", 0x20), ("data_encipherment", 0x10),
    ("key_agreement", 0x08), ("key_cert_sign", 0x04), ("crl_sign", 0x02),
)  # fmt: skip


def key_usage(leaf: x509.Certificate) -> int | None:
    """The key usage as OpenVPN writes it, digitalSignature 0x80 first; None without the extension."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return sum(bit for name, bit in _USAGE_BITS if getattr(usage, name))


def extended_usages(leaf: x509.Certificate) -> set[str]:
    """The dotted OIDs of the extended key usage, empty without the extension."""
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return set()
    return {usage.dotted_string for usage in usages}


#: OpenSSL's short names, as they stand in the subject that verify-x509-name compares.
_SHORT_NAMES = {
    NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST", NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.COMMON_NAME: "CN",
    NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber", NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN", NameOID.TITLE: "title", NameOID.DOMAIN_COMPONENT: "DC", NameOID.USER_ID: "UID",
}  # fmt: skip


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as OpenVPN writes it: ``C=KG, O=x, CN=Server-1``, in the certificate's order."""
    return ", ".join(
        " + ".join(f"{_SHORT_NAMES.get(part.oid, part.oid.dotted_string)}={part.value!s}" for part in relative)
        for relative in certificate.subject.rdns
    )


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"
