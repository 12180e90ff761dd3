"""AES-256 in counter mode, a fresh counter for every message, as in tls-crypt (protocol: packets.md 6 and 7)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

NONCE_SIZE = 16


class CounterMode:
    """One key of 32 bytes; encrypts and decrypts, which is the same."""

    __slots__ = ("_context",)

    def __init__(self, key: bytes | memoryview) -> None:
        # Making a context costs seven times what using one costs, and a flood wants one used for every packet.
        self._context = Cipher(AES(key), CTR(bytes(NONCE_SIZE))).encryptor()

    def crypt(self, tag: bytes, data: bytes | bytearray) -> bytes:
        """``data`` under the counter that begins at the first 16 bytes of ``tag``."""
        self._context.reset_nonce(tag[:NONCE_SIZE])
        return self._context.update(data)
