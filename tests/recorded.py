"""The recorded packets and keys of genuine daemons (tests/vectors/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "vectors"


def recorded(name: str) -> Any:
    """The parsed content of one file of vectors."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def each_bit_flipped(data: bytes) -> list[bytes]:
    """As many copies as there are bits, each with another bit flipped."""
    copies = []
    for bit in range(len(data) * 8):
        copy = bytearray(data)
        copy[bit // 8] ^= 1 << bit % 8
        copies.append(bytes(copy))
    return copies
