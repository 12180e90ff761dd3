"""HMAC, by OpenVPN's names of digests (RFC 2104)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.hmac import HMAC

#: Digest -> how long its HMAC is, and how long OpenVPN makes the key.
HMAC_SIZES = {"SHA1": 20, "SHA256": 32, "SHA384": 48, "SHA512": 64}
_HASHES = {"SHA1": SHA1(), "SHA256": SHA256(), "SHA384": SHA384(), "SHA512": SHA512()}


class MAC:
    """Signs under one key. It is made ready once, since that costs more than signing a message does."""

    __slots__ = ("_ready", "size")

    def __init__(self, key: bytes | bytearray | memoryview, digest: str) -> None:
        self._ready = HMAC(key, _HASHES[digest])
        self.size = HMAC_SIZES[digest]

    def sign(self, message: bytes) -> bytes:
        signing = self._ready.copy()
        signing.update(message)
        return signing.finalize()
