"""Sealing and opening of data packets in bursts (protocol: data-channel.md 3).

::

    V1   op_key (1)             | packet id (4) | tag (16) | ciphertext      AD = packet id
    V2   op_key (1) | peer (3)  | packet id (4) | tag (16) | ciphertext      AD = op_key | peer | packet id
    nonce = packet id (4) | implicit IV (8)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from tvpn.errors import Drop
from tvpn.wire.data import PACKET_ID_SIZE, TAG_SIZE, V2_HEADER_SIZE

#: From here on a renegotiation is overdue; at the last id sending stops, since an id must never be used twice.
NEARLY_SPENT = 0xFF000000
LAST_PACKET_ID = 0xFFFFFFFF

_PACKET_ID = struct.Struct("!L")


def _aead(cipher: str, key: bytes) -> AESGCM | ChaCha20Poly1305:
    return ChaCha20Poly1305(key) if cipher == "CHACHA20-POLY1305" else AESGCM(key)


class Sealer:
    """One direction's sealing key; ids count up from 1 and never repeat."""

    __slots__ = ("_encrypt", "_implicit_iv", "next_id")

    def __init__(self, cipher: str, key: bytes, implicit_iv: bytes) -> None:
        self._encrypt = _aead(cipher, key).encrypt
        self._implicit_iv = implicit_iv
        self.next_id = 1

    def seal(self, header: bytes, packets: Sequence[bytes]) -> bytes:
        """One buffer with a sealed datagram for each packet, one behind the other; raises Drop when ids run out."""
        first = self.next_id
        if first + len(packets) > LAST_PACKET_ID:
            raise Drop("packet-ids-spent")
        self.next_id = first + len(packets)
        encrypt, implicit_iv, pack = self._encrypt, self._implicit_iv, _PACKET_ID.pack
        authenticates_header = len(header) == V2_HEADER_SIZE
        parts: list[bytes] = []
        for number, packet in enumerate(packets, first):
            packet_id = pack(number)
            head = header + packet_id
            sealed = encrypt(packet_id + implicit_iv, packet, head if authenticates_header else packet_id)
            parts += (head, sealed[-TAG_SIZE:], sealed[:-TAG_SIZE])
        return b"".join(parts)


class Opener:
    """One direction's opening key. Replay is not its business."""

    __slots__ = ("_decrypt", "_implicit_iv")

    def __init__(self, cipher: str, key: bytes, implicit_iv: bytes) -> None:
        self._decrypt = _aead(cipher, key).decrypt
        self._implicit_iv = implicit_iv

    def open(self, datagram: bytes, header_size: int) -> tuple[int, bytes]:
        """(packet id, plaintext) of one datagram; raises Drop."""
        at = header_size + PACKET_ID_SIZE
        body = at + TAG_SIZE
        if len(datagram) <= body:
            raise Drop("data-short")
        packet_id = datagram[header_size:at]
        head = datagram[:at] if header_size == V2_HEADER_SIZE else packet_id
        try:
            plain = self._decrypt(packet_id + self._implicit_iv, datagram[body:] + datagram[at:body], head)
        except InvalidTag:
            raise Drop("data-forged") from None
        return int.from_bytes(packet_id, "big"), plain


#: What sealing adds to a packet, for each header size.
OVERHEAD = {1: 1 + PACKET_ID_SIZE + TAG_SIZE, V2_HEADER_SIZE: V2_HEADER_SIZE + PACKET_ID_SIZE + TAG_SIZE}
