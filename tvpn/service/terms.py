"""What a configuration means to the floors below: keys, TLS context, terms of a session, what holds for a peer."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from OpenSSL import SSL

from tvpn import __version__
from tvpn.config import Settings
from tvpn.config.address import Own
from tvpn.config.material import Material
from tvpn.config.table import DAY
from tvpn.crypto.certificate import Requirements
from tvpn.crypto.statickey import KeyFileError, StaticKey, TLSCryptV2ClientKey, TLSCryptV2ServerKey
from tvpn.crypto.tls import Credentials, Strength, build_context
from tvpn.crypto.token import TokenRules, TokenSecret
from tvpn.crypto.wrap import TLSAuth, TLSCrypt, Unwrapped, Wrapping
from tvpn.errors import ConfigError
from tvpn.hub.client import ClientKeys, Variant
from tvpn.hub.door import ControlKeys
from tvpn.net.clock import wall
from tvpn.net.terminal import has_terminal
from tvpn.pki.revocation import RevocationFile
from tvpn.pki.state import State
from tvpn.plane.verbs import PeerSpec
from tvpn.service.passphrase import own_credentials, unlocked
from tvpn.session.negotiation import Formats, own_peer_info
from tvpn.session.peer import Terms
from tvpn.session.renegotiation import Limits
from tvpn.wire.data import Framing
from tvpn.wire.option import encode_options_string

Key = TypeVar("Key")


@dataclass
class ContextHolder:
    """The TLS context in use; renewing the server certificate exchanges it for new handshakes."""

    build: Callable[[], SSL.Context]
    state: State | None = None

    def __post_init__(self) -> None:
        self.context = self.build()

    def __call__(self) -> SSL.Context:
        return self.context

    def renew(self) -> bool:
        if self.state is None or not self.state.renew_server_certificate_if_due(datetime.now(UTC)):
            return False
        self.context = self.build()
        return True


def server_keys(settings: Settings, state: State | None) -> ControlKeys:
    """How clients may wrap. Without any word about it, tvpn's own state means tls-crypt-v2."""
    control = settings.control
    group, group_key = _group_wrapping(settings, server=True)
    v2 = None
    if control.tls_crypt_v2 is not None:
        v2 = _key(settings, "tls-crypt-v2", control.tls_crypt_v2, TLSCryptV2ServerKey.from_pem)
    elif state is not None and group is None:
        v2 = state.tls_crypt_v2
    if group is None and v2 is None:
        group = Unwrapped()
    return ControlKeys(group, group_key, v2, control.force_cookie)


def client_keys(settings: Settings) -> ClientKeys:
    wrapping, static_key = _group_wrapping(settings, server=False)
    material = settings.control.tls_crypt_v2
    v2 = None
    if material is not None:
        v2 = _key(settings, "tls-crypt-v2", material, TLSCryptV2ClientKey.from_pem)
    return ClientKeys(wrapping or Unwrapped(), static_key, v2)


def variants(settings: Settings) -> dict[Own, Variant]:
    """The connections that have keys or sizes of their own; raises ConfigError."""
    found: dict[Own, Variant] = {}
    for own in (remote.own for remote in settings.remotes):
        if own is not None:
            control = replace(
                settings.control, tls_auth=own.tls_auth, tls_crypt=own.tls_crypt, tls_crypt_v2=own.tls_crypt_v2,
                key_direction=own.key_direction,
            )  # fmt: skip
            found[own] = Variant(client_keys(replace(settings, control=control)), own.fragment, own.mssfix)
    return found


def peer_spec(settings: Settings) -> PeerSpec:
    """What holds for every peer, as far as the settings say."""
    tunnel, control = settings.tunnel, settings.control
    return PeerSpec(
        ping=tunnel.ping,
        timeout=tunnel.ping_restart,
        replay_window=settings.data.replay_window[0],
        replay_seconds=settings.data.replay_window[1],
        most_bytes=control.reneg_bytes,
        most_packets=control.reneg_pkts,
        fragment=settings.data.fragment,
        client_to_client=tunnel.client_to_client,
    )


def token_rules(settings: Settings, state: State | None) -> TokenRules | None:
    """The tokens of a server; without a secret of its own in the state folder they end with the process."""
    times, material = settings.auth.auth_gen_token, settings.auth.auth_gen_token_secret
    if times is None:
        return None
    if material is not None:
        secret = _key(settings, "auth-gen-token-secret", material, TokenSecret.from_pem, "openvpn --genkey auth-token")
    elif state is not None:
        secret = state.open_token_secret()
    else:
        secret = TokenSecret.generate(os.urandom)
    # The shortest life that outlasts any distance between two keys.
    renewal = times.renewal or settings.control.reneg_sec or DAY
    return TokenRules(secret, times.lifetime, renewal, times.external)


def terms_of(
    settings: Settings, context: Callable[[], SSL.Context], server: bool, tokens: TokenRules | None = None
) -> Terms:
    control, data = settings.control, settings.data
    shortest = control.reneg_sec_min
    if shortest is None:
        # As stock: a server's keys live up to 10 % shorter, so that not all clients renegotiate at once.
        shortest = control.reneg_sec * 9 // 10 if server else control.reneg_sec
    limits = Limits(control.reneg_sec, shortest, control.hand_window, control.tran_window)
    formats = _formats(settings)
    return Terms(
        context=context,
        options=encode_options_string(
            server, data.cipher, data.auth, settings.tunnel.tun_mtu, formats.framing != "none", settings.is_tap
        ),
        formats=formats,
        wall=wall,
        random=os.urandom,
        certificate_wanted=settings.tls.verify_client_cert == "require",
        username_as_common_name=settings.auth.username_as_common_name,
        tokens=tokens,
        requirements=_requirements(settings, server),
        refuse_revoked=revocations_of(settings),
        peer_info={} if server else _peer_info(settings),
        limits=limits,
        longest_timeout=control.tls_timeout,
        max_packet_size=control.max_packet_size,
    )


def _peer_info(settings: Settings) -> dict[str, str]:
    """What our client says of itself: as stock, more of it with push-peer-info."""
    everything = settings.control.push_peer_info
    told = own_peer_info(settings.data.data_ciphers, __version__, can_be_asked=has_terminal())
    if everything:
        told["IV_SSL"] = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()
        told["IV_PLAT_VER"] = platform.release()
    told.update({each.name: each.value for each in settings.control.setenv if each.is_told(everything=everything)})
    return told


def _formats(settings: Settings) -> Formats:
    """The formats of data. A server that has no frame of its own takes what a client cannot do without."""
    data = settings.data
    migrates = data.comp_lzo is None and data.compress in (None, "migrate")
    framing: Framing = data.comp_lzo or "none"
    if data.compress in ("swap", "stub-v2"):
        framing = data.compress
    return Formats(data.data_ciphers, data.data_ciphers_fallback, data.auth, framing, migrates)


def _requirements(settings: Settings, server: bool) -> Requirements:
    tls = settings.tls
    name, name_type = tls.verify_x509_name or (None, "subject")
    # tvpn's own authority makes certificates for one role only; of a given one only the file knows what to expect.
    own_authority = server and tls.cert is None
    role = tls.remote_cert_tls or ("client" if own_authority else None)
    return Requirements(
        role, tls.remote_cert_ku, tls.remote_cert_eku, name, name_type,
        fingerprints=tuple(each for line in tls.peer_fingerprint for each in line),
        issuer_fingerprints=tuple(each for line in tls.verify_hash for each in line),
        trusts_authority=own_authority or tls.ca is not None,
    )  # fmt: skip


def revocations_of(settings: Settings) -> RevocationFile | None:
    material = settings.tls.crl_verify
    if material is None:
        return None
    path = None if material.origin.startswith("inline ") else Path(material.origin)
    try:
        return RevocationFile(material.text, path)
    except ValueError as error:
        raise ConfigError(f"{material.origin}: {error}", file=settings.source, option="crl-verify") from None


def context_of(settings: Settings, state: State | None) -> SSL.Context:
    tls = settings.tls
    strength = Strength(
        tls.tls_version_min, tls.tls_version_max, tls.tls_cipher, tls.tls_ciphersuites, tls.tls_cert_profile
    )

    def attempt(passphrase: str | None) -> SSL.Context:
        if state is None:
            return build_context(own_credentials(settings, passphrase), strength, tls.verify_client_cert)
        authority, certificate = state.authority.certificate_pem, state.server_certificate_pem
        credentials = Credentials(authority, certificate, state.server_key_pem)
        return build_context(credentials, strength, tls.verify_client_cert)

    try:
        return unlocked(settings, attempt)
    except ValueError as error:
        raise ConfigError(str(error), file=settings.source) from None


def _group_wrapping(settings: Settings, server: bool) -> tuple[Wrapping | None, StaticKey | None]:
    control = settings.control
    if control.tls_auth is not None:
        key = _key(settings, "tls-auth", control.tls_auth, StaticKey.from_text)
        return TLSAuth(key, control.key_direction, settings.data.auth), key
    if control.tls_crypt is not None:
        key = _key(settings, "tls-crypt", control.tls_crypt, StaticKey.from_text)
        return TLSCrypt(key, server), key
    return None, None


def _key(
    settings: Settings, word: str, material: Material, read: Callable[[str], Key], command: str = "openvpn --genkey"
) -> Key:
    try:
        return read(material.text)
    except KeyFileError as error:
        message = f"{material.origin}: {error}; make one with: {command}"
        raise ConfigError(message, file=settings.source, option=word) from None
