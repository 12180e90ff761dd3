"""Sealing and opening with CBC and HMAC, for peers that know no AEAD cipher (protocol: data-channel.md 4).

::

    header (1 or 4) | HMAC of all behind it | IV (16) | ciphertext of: packet id (4) | packet | PKCS #7 padding

The header is not authenticated. The HMAC is checked before anything is decrypted.

One context of the cipher serves for all packets, since making one costs more than a packet does: in CBC, whatever block
precedes the plaintext comes out as the block that the plaintext is chained to. So a leading block that never repeats
comes out as the IV, unpredictable without the key (NIST SP 800-38A, appendix C, method 1); and when opening, the block
that the IV itself decrypts to is left out.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tvpn.crypto.mac import MAC
from tvpn.crypto.seal import LAST_PACKET_ID, NEARLY_SPENT
from tvpn.errors import Drop
from tvpn.wire.data import PACKET_ID_SIZE

BLOCK = 16
_PACKET_ID = struct.Struct("!L")
_PADDINGS = [bytes([size]) * size for size in range(BLOCK + 1)]


class CBCSealer:
    """One direction's sealing keys."""

    __slots__ = ("_encrypt", "_mac", "sent")

    def __init__(self, key: bytes | bytearray, mac_key: bytes | bytearray, digest: str) -> None:
        self._encrypt = Cipher(AES(key), CBC(bytes(BLOCK))).encryptor().update
        self._mac = MAC(mac_key, digest)
        self.sent = 0

    @property
    def is_nearly_spent(self) -> bool:
        return self.sent >= NEARLY_SPENT

    def overhead(self, header: bytes, size: int) -> int:
        return len(header) + self._mac.size + BLOCK + PACKET_ID_SIZE + _padding(size)

    def seal(self, header: bytes, packets: Sequence[bytes]) -> bytes:
        if self.sent + len(packets) >= LAST_PACKET_ID:
            raise Drop("packet-ids-spent")
        plain: list[bytes] = []
        for number, packet in enumerate(packets, self.sent + 1):
            packet_id = _PACKET_ID.pack(number)
            plain += (packet_id, bytes(BLOCK - PACKET_ID_SIZE), packet_id, packet, _PADDINGS[_padding(len(packet))])
        self.sent += len(packets)
        sealed = self._encrypt(b"".join(plain))
        sign, at = self._mac.sign, 0
        parts: list[bytes] = []
        for packet in packets:
            end = at + BLOCK + PACKET_ID_SIZE + len(packet) + _padding(len(packet))
            body = sealed[at:end]
            parts += (header, sign(body), body)
            at = end
        return b"".join(parts)


class CBCOpener:
    """One direction's opening keys."""

    __slots__ = ("_decrypt", "_mac", "failed")

    def __init__(self, key: bytes | bytearray, mac_key: bytes | bytearray, digest: str) -> None:
        self._decrypt = Cipher(AES(key), CBC(bytes(BLOCK))).decryptor().update
        self._mac = MAC(mac_key, digest)
        self.failed = 0

    def open(self, datagram: bytes, header_size: int) -> tuple[int, bytes]:
        at = header_size + self._mac.size
        body = datagram[at:]
        if len(body) < 2 * BLOCK or len(body) % BLOCK:
            raise Drop("data-short")
        if not hmac.compare_digest(self._mac.sign(body), datagram[header_size:at]):
            self.failed += 1
            raise Drop("data-forged")
        plain = self._decrypt(body)
        padding = plain[-1]
        if not 0 < padding <= BLOCK or not plain.endswith(_PADDINGS[padding]):
            raise Drop("data-padding")
        packet = plain[BLOCK + PACKET_ID_SIZE : -padding]
        if not packet:
            raise Drop("data-short")
        return int.from_bytes(plain[BLOCK : BLOCK + PACKET_ID_SIZE], "big"), packet


def _padding(size: int) -> int:
    """How many bytes of padding follow a packet of this size, 1 to 16."""
    return BLOCK - (size + PACKET_ID_SIZE) % BLOCK
