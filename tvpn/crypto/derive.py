"""From secrets to data keys (protocol: key-exchange.md 3).

Either the TLS exporter gives the 256 bytes, or OpenVPN's own use of the TLS 1.0 PRF does::

    master = PRF(pre_master, "OpenVPN master secret" | client random1 | server random1, 48)
    key2   = PRF(master, "OpenVPN key expansion" | client random2 | server random2 | client sid | server sid, 256)

The client sends with keys[0], the server with keys[1]: the other way round than tls-crypt.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from tvpn.crypto.statickey import StaticKey
from tvpn.errors import PeerError
from tvpn.wire.keyexchange import KeySource

KEY_MATERIAL_SIZE = 256
EXPORTER_DATA_KEYS = b"EXPORTER-OpenVPN-datakeys"
EXPORTER_DYNAMIC_TLS_CRYPT = b"EXPORTER-OpenVPN-dynamic-tls-crypt"

KEY_SIZES = {"AES-128-GCM": 16, "AES-192-GCM": 24, "AES-256-GCM": 32, "CHACHA20-POLY1305": 32}
IMPLICIT_IV_SIZE = 8


def _p_hash(digest: str, secret: bytes, seed: bytes, size: int) -> bytes:
    output, a = b"", seed
    while len(output) < size:
        a = hmac.digest(secret, a, digest)
        output += hmac.digest(secret, a + seed, digest)
    return output[:size]


def tls1_prf(secret: bytes, seed: bytes, size: int) -> bytes:
    """RFC 2246 section 5: P_MD5 of one half of the secret xor P_SHA1 of the other (they share an odd middle byte)."""
    half = (len(secret) + 1) // 2
    md5 = _p_hash("md5", secret[:half], seed, size)
    sha1 = _p_hash("sha1", secret[len(secret) - half :], seed, size)
    return bytes(a ^ b for a, b in zip(md5, sha1, strict=True))


def key_material_by_prf(client: KeySource, server: KeySource, client_id: bytes, server_id: bytes) -> bytes:
    """key2 of both sides' randoms and session ids, 256 bytes."""
    master = tls1_prf(client.pre_master, b"OpenVPN master secret" + client.random1 + server.random1, 48)
    seed = b"OpenVPN key expansion" + client.random2 + server.random2 + client_id + server_id
    return tls1_prf(master, seed, KEY_MATERIAL_SIZE)


@dataclass(frozen=True, slots=True)
class DataKeys:
    """What one key id seals and opens data with, seen from one side."""

    cipher: str
    send_key: bytes = field(repr=False)
    send_iv: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    receive_iv: bytes = field(repr=False)


def data_keys(material: bytes, cipher: str, server: bool) -> DataKeys:
    """Cut key2 for an AEAD cipher; raises PeerError for a key that is all zero."""
    size = KEY_SIZES[cipher]
    halves = []
    for at in (0, 128):
        key, implicit_iv = material[at : at + size], material[at + 64 : at + 64 + IMPLICIT_IV_SIZE]
        if not any(key):
            raise PeerError("the derived data key is all zero")
        halves.append((key, implicit_iv))
    (send, receive) = reversed(halves) if server else halves
    return DataKeys(cipher, *send, *receive)


def dynamic_tls_crypt_key(exported: bytes, original: StaticKey | None) -> StaticKey:
    """The key that wraps renegotiations: the exporter's output, mixed with the configured key if there is one."""
    return StaticKey(exported) ^ (original.data if original else bytes(KEY_MATERIAL_SIZE))
