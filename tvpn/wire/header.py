"""The first byte of every packet: opcode and key id (protocol: packets.md 2).

::

    bit 7 .. 3  opcode
    bit 2 .. 0  key id      byte = opcode << 3 | key_id
"""

from __future__ import annotations

from enum import IntEnum

SESSION_ID_SIZE = 8
KEY_IDS = 8
NO_SESSION = bytes(SESSION_ID_SIZE)


class Opcode(IntEnum):
    """What a packet is. 1 and 2 (key method 1) and everything above 11 are not spoken here."""

    SOFT_RESET = 3
    CONTROL = 4
    ACK = 5
    DATA_V1 = 6
    HARD_RESET_CLIENT_V2 = 7
    HARD_RESET_SERVER_V2 = 8
    DATA_V2 = 9
    HARD_RESET_CLIENT_V3 = 10
    CONTROL_WKC = 11


#: First bytes that mark a data packet: what net/ tells control from data by.
DATA_FIRST_BYTES = frozenset(opcode << 3 | key_id for opcode in (6, 9) for key_id in range(KEY_IDS))

CLIENT_RESETS = frozenset({Opcode.HARD_RESET_CLIENT_V2, Opcode.HARD_RESET_CLIENT_V3})
CARRIES_WRAPPED_KEY = frozenset({Opcode.HARD_RESET_CLIENT_V3, Opcode.CONTROL_WKC})


def encode_first_byte(opcode: Opcode, key_id: int) -> int:
    return opcode << 3 | key_id


def decode_first_byte(byte: int) -> tuple[Opcode, int]:
    """(opcode, key id); raises ValueError for an opcode that nobody speaks."""
    try:
        return FIRST_BYTES[byte]
    except KeyError:
        raise ValueError(f"no such opcode: {byte >> 3}") from None


#: All that is spoken.
FIRST_BYTES = {opcode << 3 | key_id: (opcode, key_id) for opcode in Opcode for key_id in range(KEY_IDS)}
