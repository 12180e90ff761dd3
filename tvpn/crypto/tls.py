"""TLS over memory: records in, records out, no socket (protocol: key-exchange.md 1).

A pyOpenSSL connection on memory BIOs is driven by pulling, so that what does not fit the reliable window waits
inside OpenSSL. The chain is verified by OpenSSL except for its dates: store flag NO_CHECK_TIME lets an expired
certificate finish the handshake, so that its owner can be told; tvpn.crypto.certificate judges it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib

from tvpn.crypto.secret import Secret
from tvpn.errors import PeerError

#: The default of OpenVPN's OpenSSL builds for TLS 1.2: no static RSA, nothing weak.
CIPHERS = "DEFAULT:!EXP:!LOW:!MEDIUM:!kDH:!kECDH:!DSS:!PSK:!SRP:!kRSA"
_NEVER = "!aNULL:!eNULL:!RC4:!3DES"
SUITE_B = b"SUITEB128"
_NO_CHECK_TIME = 0x200000
_RECORD = 16384
VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
#: Certificates between a peer's own and the CA: with both ends OpenVPN's 16 (protocol: key-exchange.md 10).
MOST_INTERMEDIATES = 14
#: Bytes that a peer may say before its handshake is done, so that nobody fills memory unasked.
LONGEST_HANDSHAKE = 65536
#: OpenSSL's security level for each tls-cert-profile; suiteb also narrows the ciphers of TLS 1.2 (RFC 6460).
Profile = Literal["legacy", "preferred", "suiteb"]
_SECURITY_LEVELS = {"legacy": "@SECLEVEL=1", "preferred": "@SECLEVEL=2", "suiteb": "@SECLEVEL=3"}
#: Whether a peer needs a certificate, as verify-client-cert says it; one that is shown must be good in any case.
Insistence = Literal["none", "optional", "require"]
_VERIFY = {
    "none": SSL.VERIFY_NONE,
    "optional": SSL.VERIFY_PEER,
    "require": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Own certificate chain and key, both empty where none is shown, and the CAs that a peer's chain must end in, empty
    without one; all PEM. ``passphrase`` opens a key that is encrypted.
    """

    ca: str
    certificate: str
    key: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


class LockedKey(ValueError):
    """The key needs a passphrase; ``wrong``: the one that was given does not open it."""

    def __init__(self, word: str, wrong: bool) -> None:
        super().__init__(f"{word}: the passphrase does not open it" if wrong else f"{word}: needs a passphrase")
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Strength:
    """What both ends must speak, in OpenVPN's words: versions of TLS, ciphers (of 1.2), ciphersuites (of 1.3) and
    tls-cert-profile.
    """

    minimum: str = "1.2"
    maximum: str | None = None
    ciphers: str | None = None
    ciphersuites: str | None = None
    profile: Profile = "legacy"


def build_context(
    credentials: Credentials, strength: Strength = Strength(), insistence: Insistence = "require"
) -> SSL.Context:
    """One context for all peers; raises ValueError with a sentence about what does not fit, LockedKey for a key that
    its passphrase does not open.

    ``insistence`` other than require is for servers only: whoever comes without a certificate has an empty chain.
    Credentials without a CA let any certificate through: then its fingerprint must be judged.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(VERSIONS[strength.minimum])
    if strength.maximum is not None:
        context.set_max_proto_version(VERSIONS[strength.maximum])
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        context.set_verify(_VERIFY[insistence], None if credentials.ca else _let_through)
    except MemoryError:
        raise ValueError(
            "without a CA, OpenSSL has to call Python, which this system forbids; add ca, or allow memory that is "
            "written and executed (systemd: MemoryDenyWriteExecute=no)"
        ) from None
    context.set_verify_depth(MOST_INTERMEDIATES)
    _choose_ciphers(context, strength)
    _use_credentials(context, credentials)
    return context


def _let_through(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, verified: int) -> bool:
    return True


def _choose_ciphers(context: SSL.Context, strength: Strength) -> None:
    names = [_cipher_name(name) for name in (strength.ciphers or CIPHERS).split(":")]
    try:
        # Ours stands last, so that no tls-cipher lowers the level.
        context.set_cipher_list(":".join([*names, _NEVER, _SECURITY_LEVELS[strength.profile]]).encode())
        if strength.profile == "suiteb" and not strength.ciphers:
            context.set_cipher_list(SUITE_B)
        if strength.ciphersuites:
            context.set_tls13_ciphersuites(strength.ciphersuites.replace("-", "_").encode())
    except SSL.Error:
        raise ValueError("OpenSSL knows none of the ciphers in tls-cipher or tls-ciphersuites") from None


def _cipher_name(name: str) -> str:
    """OpenSSL's or the standard's name; OpenVPN writes the latter as TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384."""
    return name.replace("-", "_") if name.startswith("TLS-") else name


def _use_credentials(context: SSL.Context, credentials: Credentials) -> None:
    if credentials.certificate:
        _show_certificate(context, credentials)
    store = context.get_cert_store()
    if store is None:
        raise ValueError("ca: OpenSSL gives no certificate store")
    for authority in _load_certificates("ca", credentials.ca) if credentials.ca else []:
        store.add_cert(crypto.X509.from_cryptography(authority))
    store.set_flags(_NO_CHECK_TIME)


def _show_certificate(context: SSL.Context, credentials: Credentials) -> None:
    certificate, *chain = _load_certificates("cert", credentials.certificate)
    key = _load_key(credentials.key, credentials.passphrase)
    context.use_certificate(certificate)
    for extra in chain:
        context.add_extra_chain_cert(extra)
    try:
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.check_privatekey()
    except (SSL.Error, TypeError):
        raise ValueError("key: does not belong to the certificate in cert; name the one it was made with") from None


def _load_certificates(word: str, text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ValueError(f"{word}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None


def _load_key(text: str, passphrase: str | None) -> PrivateKeyTypes:
    # Both of OpenSSL's forms say so in their text: BEGIN ENCRYPTED PRIVATE KEY, and Proc-Type: 4,ENCRYPTED.
    locked = "ENCRYPTED" in text
    if locked and not passphrase:
        raise LockedKey("key", passphrase is not None)
    try:
        return load_pem_private_key(text.encode(), passphrase.encode() if locked and passphrase else None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        if locked:
            raise LockedKey("key", True) from None
        raise ValueError("key: holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None


def narrate(context: SSL.Context) -> None:
    """Let every TLS session of this context note its ``steps``; raises ValueError with a sentence where OpenSSL may not
    call Python.
    """
    try:
        context.set_info_callback(_note_step)
    except MemoryError:
        raise ValueError(
            "OpenSSL has to call Python to tell its steps, which this system forbids (MemoryDenyWriteExecute=yes)"
        ) from None


def _note_step(connection: SSL.Connection, where: int, outcome: int) -> None:
    if where & SSL.SSL_CB_LOOP:
        connection.get_app_data().append(connection.get_state_string().decode("ascii", "replace"))


class TLS:
    """One TLS session, from either side. ``steps``: where a narrated handshake has come to, in OpenSSL's words."""

    def __init__(self, context: SSL.Context, server: bool) -> None:
        self._connection = SSL.Connection(context, None)
        self.steps: list[str] = []
        self._connection.set_app_data(self.steps)
        self.established = False
        self._heard = 0
        self.broken: PeerError | None = None
        if server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
            self._handshake()

    def receive(self, data: bytes) -> list[bytes]:
        """Feed TLS bytes; the plaintext records they complete. Raises PeerError, after whole records only at the next
        call; an alert may wait in ``pull``.
        """
        if self.broken is not None:
            raise self.broken
        self._heard += len(data)
        if not self.established and self._heard > LONGEST_HANDSHAKE:
            self.broken = PeerError(f"TLS handshake failed: longer than {LONGEST_HANDSHAKE} bytes")
            raise self.broken
        if data:
            self._connection.bio_write(data)
        if not self.established and not self._handshake():
            return []
        records: list[bytes] = []
        try:
            while True:
                records.append(self._connection.recv(_RECORD))
        except SSL.WantReadError:
            return records
        except SSL.ZeroReturnError:
            self.broken = PeerError("the peer closed its TLS session")
        except SSL.Error as error:
            self.broken = PeerError(f"TLS failed: {_explain(error)}")
        if not records:
            raise self.broken
        return records

    def send(self, record: bytes) -> None:
        """Queue one record; only once established. What is said after TLS has failed is lost, see ``broken``."""
        if self.broken is not None:
            return
        try:
            self._connection.sendall(record)
        except SSL.Error as error:
            self.broken = PeerError(f"TLS failed: {_explain(error)}")

    def pull(self, limit: int) -> bytes:
        """At most ``limit`` bytes that wait to be sent, empty when none do."""
        try:
            return self._connection.bio_read(limit)
        except SSL.WantReadError:
            return b""

    def export(self, label: bytes, size: int) -> Secret:
        """RFC 5705 exporter, context absent; only after the handshake.

        OpenSSL writes into our memory, since pyOpenSSL's own method leaves two copies behind.
        """
        material = Secret(size)
        place, ssl = ffi.from_buffer(material), self._connection._ssl
        if lib.SSL_export_keying_material(ssl, place, size, label, len(label), ffi.NULL, 0, 0) != 1:
            raise PeerError("TLS has no key material to export")
        return material

    @property
    def version(self) -> str:
        return self._connection.get_protocol_version_name()

    @property
    def chain(self) -> list[x509.Certificate]:
        """The peer's verified chain, leaf first, empty if it showed none; only after the handshake. Raises PeerError.
        """
        try:
            return list(self._connection.get_verified_chain(as_cryptography=True) or ())
        except (ValueError, x509.InvalidVersion) as error:
            raise PeerError(f"the peer's certificate cannot be read: {error}") from None

    def shown_certificate(self) -> x509.Certificate | None:
        """What the peer showed, verified or not: good for a log's text, never for identity."""
        try:
            return self._connection.get_peer_certificate(as_cryptography=True)
        except (ValueError, x509.InvalidVersion):
            return None

    def _handshake(self) -> bool:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            told = _VERIFIED.get(lib.SSL_get_verify_result(self._connection._ssl)) or _explain(error)
            raise PeerError(f"TLS handshake failed: {told}") from None
        self.established = True
        return True


#: Why OpenSSL refuses a chain (X509_V_ERR_*, x509_vfy.h), as far as it says more than that it does.
_VERIFIED = dict.fromkeys((2, 18, 19, 20, 21), "the peer's certificate is not signed by our CA") | {
    7: "the peer's certificate, or one above it, has a wrong signature",
    26: "the peer's certificate is not made for its role",
    66: "the key of the peer's certificate is too weak",
    67: "the key of a CA above the peer's certificate is too weak",
    68: "the peer's certificate, or one above it, is signed with a digest that is too weak",
}
_EXPLAINED = {
    "certificate verify failed": "the peer's certificate, or one above it, is not good",
    "unsupported protocol": "no common TLS version",
    "no shared cipher": "no common TLS cipher",
    "peer did not return a certificate": "the peer showed no certificate",
    "excessive message size": "the peer's certificates are too large",
}
#: What the peer's alerts say; OpenSSL's versions differ in what they write before the word alert.
_ALERTS = {
    "unknown ca": "the peer does not know the CA that signed our certificate",
    "protocol version": "no common TLS version",
    "handshake failure": "the peer finds no common TLS cipher, or misses our certificate",
    "certificate required": "the peer wants a certificate, and we showed none",
    "certificate expired": "the peer finds our certificate expired; look at both clocks",
    "certificate revoked": "the peer finds our certificate revoked",
    "bad certificate": "the peer finds our certificate bad or too weak",
    "unsupported certificate": "the peer finds that our certificate is not made for this role",
}


def _explain(error: SSL.Error) -> str:
    """OpenSSL's reason in words a person understands, its own words beside them."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(entry[2]) for entry in entries if len(entry) > 2 and entry[2]]
    if not reasons:
        return "the peer broke off"
    meanings = (_EXPLAINED.get(reason) or _ALERTS.get(reason.partition(" alert ")[2]) for reason in reasons)
    told = next((meaning for meaning in meanings if meaning), None)
    return f"{told} ({reasons[0]})" if told else reasons[0]
