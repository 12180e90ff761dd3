"""From secrets to data keys (protocol: key-exchange.md 3).

Either the TLS exporter gives the 256 bytes, or OpenVPN's own use of the TLS 1.0 PRF does::

    master = PRF(pre_master, "OpenVPN master secret" | client random1 | server random1, 48)
    key2   = PRF(master, "OpenVPN key expansion" | client random2 | server random2 | client sid | server sid, 256)

The client sends with keys[0], the server with keys[1]: the other way round than tls-crypt.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field

from tvpn.crypto.mac import HMAC_SIZES
from tvpn.crypto.secret import Secret
from tvpn.crypto.statickey import StaticKey
from tvpn.errors import PeerError
from tvpn.wire.keyexchange import KeySource

Bytes = bytes | bytearray | memoryview

KEY_MATERIAL_SIZE = 256
EXPORTER_DATA_KEYS = b"EXPORTER-OpenVPN-datakeys"
EXPORTER_DYNAMIC_TLS_CRYPT = b"EXPORTER-OpenVPN-dynamic-tls-crypt"

AEAD_CIPHERS = ("AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
KEY_SIZES = dict(zip(AEAD_CIPHERS, (16, 24, 32, 32), strict=True)) | {
    "AES-128-CBC": 16, "AES-192-CBC": 24, "AES-256-CBC": 32,
}  # fmt: skip
IMPLICIT_IV_SIZE = 8
EPOCH_SECRET_SIZE = 32


def _p_hash(digest: str, secret: Bytes, seed: bytes, size: int) -> Secret:
    output, a = Secret(size), seed
    room = memoryview(output)
    while room:
        a = hmac.digest(secret, a, digest)
        block = memoryview(Secret.taken(hmac.digest(secret, a + seed, digest)))[: len(room)]
        room[: len(block)] = block
        room = room[len(block) :]
    return output


def tls1_prf(secret: Bytes, seed: bytes, size: int) -> Secret:
    """RFC 2246 section 5: P_MD5 of one half of the secret xor P_SHA1 of the other (they share an odd middle byte)."""
    half, whole = (len(secret) + 1) // 2, memoryview(secret)
    output = _p_hash("md5", whole[:half], seed, size)
    _mix(output, _p_hash("sha1", whole[len(secret) - half :], seed, size))
    return output


def _mix(secret: Secret, other: Bytes) -> None:
    """The secret becomes itself xor the other, of the same length."""
    for at, byte in enumerate(other):
        secret[at] ^= byte


def key_material_by_prf(client: KeySource, server: KeySource, client_id: bytes, server_id: bytes) -> Secret:
    """key2 of both sides' randoms and session ids, 256 bytes."""
    master = tls1_prf(client.pre_master, b"OpenVPN master secret" + client.random1 + server.random1, 48)
    seed = b"OpenVPN key expansion" + client.random2 + server.random2 + client_id + server_id
    return tls1_prf(master, seed, KEY_MATERIAL_SIZE)


@dataclass(frozen=True, slots=True)
class DataKeys:
    """What one key id seals and opens data with, seen from one side.

    The salt is what goes with a key: the implicit IV of an AEAD cipher, the HMAC key of a CBC one (then ``digest`` says
    of which kind). With ``epochs`` the keys are the secrets of the first epoch, 32 bytes, and there is no salt.
    """

    cipher: str
    send_key: Secret = field(repr=False)
    send_salt: Secret = field(repr=False)
    receive_key: Secret = field(repr=False)
    receive_salt: Secret = field(repr=False)
    digest: str | None = None
    epochs: bool = False


def data_keys(
    material: Bytes, cipher: str, server: bool, digest: str | None = None, epochs: bool = False
) -> DataKeys:
    """Cut key2; raises PeerError for a key that is all zero. ``digest`` counts for a CBC cipher only."""
    digest = None if cipher in AEAD_CIPHERS else digest
    size = EPOCH_SECRET_SIZE if epochs else KEY_SIZES[cipher]
    salt_size = 0 if epochs else HMAC_SIZES[digest] if digest else IMPLICIT_IV_SIZE
    halves, view = [], memoryview(material)
    for at in (0, 128):
        key, salt = Secret(view[at : at + size]), Secret(view[at + 64 : at + 64 + salt_size])
        if not any(key):
            raise PeerError("the derived data key is all zero")
        halves.append((key, salt))
    (send, receive) = reversed(halves) if server else halves
    return DataKeys(cipher, *send, *receive, digest, epochs)


def expand_label(secret: Bytes, label: str, size: int) -> Secret:
    """OVPN-Expand-Label of the epoch format: HKDF-Expand-SHA256 without context (data-channel.md 5), of at most one
    block, 32 bytes.
    """
    text = b"ovpn " + label.encode("ascii")
    info = struct.pack("!HB", size, len(text)) + text + b"\0"
    block = Secret.taken(hmac.digest(secret, info + b"\1", "sha256"))
    return Secret(memoryview(block)[:size])


def dynamic_tls_crypt_key(exported: Secret, original: StaticKey | None) -> StaticKey:
    """The key that wraps renegotiations: the exporter's output, mixed with the configured key if there is one."""
    if original is not None:
        _mix(exported, original.data)
    return StaticKey(exported)
