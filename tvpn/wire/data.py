"""Data packets: the headers and the magic payloads (protocol: data-channel.md 1, 3 and 10).

::

    V1   op_key (1)                 | packet id (4) | tag (16) | ciphertext
    V2   op_key (1) | peer id (3)   | packet id (4) | tag (16) | ciphertext
"""

from __future__ import annotations

from typing import Literal

from tvpn.wire.header import Opcode, encode_first_byte

#: How packets stand in frames of compression that compresses nothing (data-channel.md 9): ``lzo`` is comp-lzo no,
#: ``swap`` compress stub, ``stub-v2`` compress stub-v2.
Framing = Literal["none", "lzo", "swap", "stub-v2"]

NO_PEER_ID = 0xFFFFFF
PACKET_ID_SIZE = 4
TAG_SIZE = 16
V1_HEADER_SIZE = 1
V2_HEADER_SIZE = 4

#: The whole plaintext of a keepalive.
PING = bytes.fromhex("2a187bf3641eb4cb07ed2d0a981fc748")

#: In front of what two daemons say to each other beside the tunnel's packets.
OCC_MAGIC = bytes.fromhex("287f346bd4ef7a812d56b8d3afc5459c")
OCC_EXIT = OCC_MAGIC + b"\x06"


def encode_header(key_id: int, peer_id: int | None) -> bytes:
    """V2 with a peer id, V1 without."""
    if peer_id is None:
        return bytes([encode_first_byte(Opcode.DATA_V1, key_id)])
    return (encode_first_byte(Opcode.DATA_V2, key_id) << 24 | peer_id).to_bytes(V2_HEADER_SIZE, "big")
