"""Sealing and opening of data packets in bursts, AEAD ciphers (protocol: data-channel.md 3).

::

    V1   op_key (1)             | packet id (4) | tag (16) | ciphertext      AD = packet id
    V2   op_key (1) | peer (3)  | packet id (4) | tag (16) | ciphertext      AD = op_key | peer | packet id
    nonce = packet id (4) | implicit IV (8)

The other formats, ``cbc`` and ``epoch``, have the same two faces.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tvpn.errors import Drop
from tvpn.wire.data import PACKET_ID_SIZE, TAG_SIZE, V2_HEADER_SIZE

#: From here on a renegotiation is overdue; at the last id sending stops, since an id must never be used twice.
NEARLY_SPENT = 0xFF000000
LAST_PACKET_ID = 0xFFFFFFFF
#: What AES-GCM may carry under one key before another is due, in bytes: 7/8 of 2^36 blocks, less two for each packet.
MOST_BYTES = 16 * ((7 << 33) - (2 << 32))
#: And where it carries no more: before 2^36 blocks and packets, with room for the burst that gets there.
LAST_BYTES = 16 * ((1 << 36) - (3 << 32))
#: So many packets may fail to open under one key before another is asked for, and before nothing is opened any more.
MANY_FAILURES, MOST_FAILURES = 1 << 35, 1 << 36

_PACKET_ID = struct.Struct("!L")


class Sealer(Protocol):
    """One direction's sealing key; ids count up from 1 and never repeat."""

    sent: int
    """Packets sealed under it."""

    @property
    def is_nearly_spent(self) -> bool:
        """It is time for another key."""

    def overhead(self, header: bytes, size: int) -> int:
        """What sealing adds to a packet of this size."""

    def seal(self, header: bytes, packets: Sequence[bytes]) -> bytes:
        """One buffer with a sealed datagram for each packet, one behind the other; raises Drop when ids run out."""


class Opener(Protocol):
    """One direction's opening key. Replay is not its business."""

    failed: int
    """Packets that did not open."""

    def open(self, datagram: bytes, header_size: int) -> tuple[int, bytes]:
        """(packet id, plaintext) of one datagram; raises Drop."""


def aead(cipher: str, key: bytes | bytearray) -> AESGCM | ChaCha20Poly1305:
    return ChaCha20Poly1305(key) if cipher == "CHACHA20-POLY1305" else AESGCM(key)


class AEADSealer:
    """One direction's sealing key of an AEAD cipher."""

    __slots__ = ("_encrypt", "_implicit_iv", "sent")

    def __init__(self, cipher: str, key: bytes | bytearray, implicit_iv: bytes | bytearray) -> None:
        self._encrypt = aead(cipher, key).encrypt
        self._implicit_iv = bytes(implicit_iv)
        self.sent = 0

    @property
    def is_nearly_spent(self) -> bool:
        return self.sent >= NEARLY_SPENT

    def overhead(self, header: bytes, size: int) -> int:
        return len(header) + PACKET_ID_SIZE + TAG_SIZE

    def seal(self, header: bytes, packets: Sequence[bytes]) -> bytes:
        first = self.sent + 1
        if self.sent + len(packets) >= LAST_PACKET_ID:
            raise Drop("packet-ids-spent")
        self.sent += len(packets)
        encrypt, implicit_iv, pack = self._encrypt, self._implicit_iv, _PACKET_ID.pack
        authenticates_header = len(header) == V2_HEADER_SIZE
        parts: list[bytes] = []
        for number, packet in enumerate(packets, first):
            packet_id = pack(number)
            head = header + packet_id
            sealed = encrypt(packet_id + implicit_iv, packet, head if authenticates_header else packet_id)
            parts += (head, sealed[-TAG_SIZE:], sealed[:-TAG_SIZE])
        return b"".join(parts)


class AEADOpener:
    """One direction's opening key of an AEAD cipher."""

    __slots__ = ("_decrypt", "_implicit_iv", "failed")

    def __init__(self, cipher: str, key: bytes | bytearray, implicit_iv: bytes | bytearray) -> None:
        self._decrypt = aead(cipher, key).decrypt
        self._implicit_iv = bytes(implicit_iv)
        self.failed = 0

    def open(self, datagram: bytes, header_size: int) -> tuple[int, bytes]:
        at = header_size + PACKET_ID_SIZE
        body = at + TAG_SIZE
        if len(datagram) <= body:
            raise Drop("data-short")
        packet_id = datagram[header_size:at]
        head = datagram[:at] if header_size == V2_HEADER_SIZE else packet_id
        try:
            plain = self._decrypt(packet_id + self._implicit_iv, datagram[body:] + datagram[at:body], head)
        except InvalidTag:
            self.failed += 1
            raise Drop("data-forged") from None
        return int.from_bytes(packet_id, "big"), plain
