"""Key method 2: what both sides say first inside TLS (protocol: key-exchange.md 2).

::

    0 (4) | 2 (1) | pre_master (48, client only) | random1 (32) | random2 (32)
    | options string | username | password | peer info        each: u16 length with its NUL | bytes | NUL
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tvpn.errors import PeerError

KEY_METHOD = 2
PRE_MASTER_SIZE = 48
RANDOM_SIZE = 32
LONGEST_OPTIONS = 512
LONGEST_CREDENTIAL = 128


@dataclass(frozen=True, slots=True)
class KeySource:
    """The randomness one side brings; only the client brings a pre_master."""

    random1: bytes = field(repr=False)
    random2: bytes = field(repr=False)
    pre_master: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class KeyExchangeMessage:
    """One key-method-2 message; absent strings are empty."""

    source: KeySource
    options: str
    username: str = ""
    password: str = field(default="", repr=False)
    peer_info: str = ""

    def encode(self) -> bytes:
        head = struct.pack("!LB", 0, KEY_METHOD)
        source = self.source.pre_master + self.source.random1 + self.source.random2
        strings = (self.options, self.username, self.password, self.peer_info)
        return head + source + b"".join(map(_encode_string, strings))

    @classmethod
    def decode(cls, data: bytes, from_client: bool) -> KeyExchangeMessage:
        """Read a message; raises PeerError when it is malformed. Who judges it looks at LONGEST_CREDENTIAL."""
        if len(data) < 5 or data[:4] != bytes(4) or data[4] & 0x0F != KEY_METHOD:
            raise PeerError("the peer does not speak key method 2")
        at, pre_master = 5, b""
        if from_client:
            pre_master, at = data[5 : 5 + PRE_MASTER_SIZE], 5 + PRE_MASTER_SIZE
        if len(data) < at + 2 * RANDOM_SIZE + 2:
            raise PeerError("the peer's key-method-2 message is cut short")
        source = KeySource(data[at : at + RANDOM_SIZE], data[at + RANDOM_SIZE : at + 2 * RANDOM_SIZE], pre_master)
        strings = _decode_strings(data, at + 2 * RANDOM_SIZE)
        options, username, password, peer_info = strings
        if len(options) >= LONGEST_OPTIONS:
            raise PeerError("the peer's options string is longer than 511 bytes")
        return cls(source, options, username, password, peer_info)


def _encode_string(text: str) -> bytes:
    if not text:
        return b"\0\0"
    data = text.encode("utf-8") + b"\0"
    return struct.pack("!H", len(data)) + data


def _decode_strings(data: bytes, at: int) -> list[str]:
    """Four strings from offset ``at`` on; missing ones at the end are empty, a cut one is an error."""
    strings: list[str] = []
    while len(strings) < 4 and len(data) - at >= 2:
        length: int = struct.unpack_from("!H", data, at)[0]
        value = data[at + 2 : at + 2 + length]
        if len(value) != length:
            raise PeerError("a string of the peer's key-method-2 message runs past its end")
        strings.append(value.split(b"\0", 1)[0].decode("utf-8", "replace"))
        at += 2 + length
    return strings + [""] * (4 - len(strings))
