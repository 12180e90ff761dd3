"""Static keys and tls-crypt-v2 keys: the secrets that stand in files (protocol: packets.md 6 and 7).

A static key is 256 bytes, two *slots* of 64 bytes cipher key and 64 bytes HMAC key each::

    0         64        128       192       256
    | cipher  | hmac    | cipher  | hmac    |
    `---- keys[0] -----' `---- keys[1] -----'

A tls-crypt-v2 server holds one such half and seals each client's own static key, Kc, into a *wrapped client key*
that the client carries to it::

    WKc = T (32) || AES-256-CTR(Ke, IV = T[0:16], Kc (256) || metadata) || u16 length of all this
    T   = HMAC-SHA256(Ka, u16 length || Kc || metadata)
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tvpn.crypto.counter import CounterMode
from tvpn.crypto.mac import MAC
from tvpn.errors import Drop

Random = Callable[[int], bytes]

STATIC_KEY_SIZE = 256
TAG_SIZE = 32
WKC_MINIMUM = TAG_SIZE + STATIC_KEY_SIZE + 2
WKC_MAXIMUM = 1024
METADATA_TIMESTAMP = 1

_HEADER = "-----BEGIN OpenVPN Static key V1-----"
_FOOTER = "-----END OpenVPN Static key V1-----"


class KeyFileError(ValueError):
    """A key file that is not what it should be; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One direction's half of a static key: 64 bytes cipher key, 64 bytes HMAC key."""

    cipher: memoryview = field(repr=False)
    hmac: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class StaticKey:
    """The 256 bytes of a static key file, and which half seals what one sends."""

    data: bytes | bytearray = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> StaticKey:
        """Read the file format; raises KeyFileError."""
        begin, end = text.find(_HEADER), text.find(_FOOTER)
        if begin < 0 or end < begin:
            raise KeyFileError("no complete 'OpenVPN Static key V1' block")
        digits = re.sub(r"\s+", "", text[begin + len(_HEADER) : end])
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            raise KeyFileError("something other than hexadecimal digits inside the static key") from None
        if len(data) != STATIC_KEY_SIZE:
            raise KeyFileError(f"a static key has 256 bytes, this one has {len(data)}")
        return cls(data)

    @classmethod
    def generate(cls, random: Random) -> StaticKey:
        return cls(random(STATIC_KEY_SIZE))

    @property
    def text(self) -> str:
        """The file format, 16 lines of 32 digits."""
        digits = self.data.hex()
        lines = [digits[at : at + 32] for at in range(0, len(digits), 32)]
        return "\n".join([_HEADER, *lines, _FOOTER, ""])

    def slot(self, number: int) -> Slot:
        """keys[0] or keys[1]."""
        half = memoryview(self.data)[number * 128 : number * 128 + 128]
        return Slot(half[:64], half[64:])

    def slots(self, direction: int | None) -> tuple[Slot, Slot]:
        """(what one sends with, what one receives with) for direction 0, 1, or None: keys[0] both ways."""
        if direction is None:
            return self.slot(0), self.slot(0)
        return self.slot(direction), self.slot(1 - direction)


def encode_pem(name: str, data: bytes | bytearray) -> str:
    body = base64.b64encode(data).decode("ascii")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----", ""])


def decode_pem(name: str, text: str) -> bytes:
    match = re.search(f"-----BEGIN {name}-----(.*?)-----END {name}-----", text, re.DOTALL)
    if match is None:
        raise KeyFileError(f"no complete '{name}' block")
    try:
        return base64.b64decode("".join(match[1].split()), validate=True)
    except binascii.Error:
        raise KeyFileError(f"the '{name}' block is not base64") from None


@dataclass(frozen=True, slots=True)
class TLSCryptV2ClientKey:
    """What a client file holds: its own static key Kc, and Kc wrapped for the server."""

    NAME = "OpenVPN tls-crypt-v2 client key"

    key: StaticKey
    wrapped: bytes = field(repr=False)

    @classmethod
    def from_pem(cls, text: str) -> TLSCryptV2ClientKey:
        data = decode_pem(cls.NAME, text)
        wrapped = data[STATIC_KEY_SIZE:]
        if not WKC_MINIMUM <= len(wrapped) <= WKC_MAXIMUM or wrapped[-2:] != struct.pack("!H", len(wrapped)):
            raise KeyFileError("the wrapped part of this tls-crypt-v2 client key has a wrong length")
        return cls(StaticKey(data[:STATIC_KEY_SIZE]), wrapped)

    @property
    def pem(self) -> str:
        return encode_pem(self.NAME, self.key.data + self.wrapped)


@dataclass(frozen=True, slots=True)
class TLSCryptV2ServerKey:
    """The server's half key, under which every client's key is sealed."""

    NAME = "OpenVPN tls-crypt-v2 server key"
    SIZE = 128

    data: bytes = field(repr=False)
    _cipher: CounterMode = field(init=False, repr=False, compare=False)
    _mac: MAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cipher", CounterMode(self.data[:32]))
        object.__setattr__(self, "_mac", MAC(self.data[64:96], "SHA256"))

    @classmethod
    def from_pem(cls, text: str) -> TLSCryptV2ServerKey:
        data = decode_pem(cls.NAME, text)
        if len(data) != cls.SIZE:
            raise KeyFileError(f"a tls-crypt-v2 server key has {cls.SIZE} bytes, this one has {len(data)}")
        return cls(data)

    @classmethod
    def generate(cls, random: Random) -> TLSCryptV2ServerKey:
        return cls(random(cls.SIZE))

    @property
    def pem(self) -> str:
        return encode_pem(self.NAME, self.data)

    def issue(self, random: Random, now: int) -> TLSCryptV2ClientKey:
        """A new client key, its metadata the time of making (seconds since 1970)."""
        key = StaticKey.generate(random)
        return TLSCryptV2ClientKey(key, self.wrap(key, struct.pack("!BQ", METADATA_TIMESTAMP, now)))

    def wrap(self, key: StaticKey, metadata: bytes) -> bytes:
        """WKc for this client key and metadata (type byte first, at most 734 bytes)."""
        length = struct.pack("!H", TAG_SIZE + STATIC_KEY_SIZE + len(metadata) + 2)
        tag = self._mac.sign(length + key.data + metadata)
        return tag + self._cipher.crypt(tag, key.data + metadata) + length

    def unwrap(self, wrapped: bytes) -> tuple[StaticKey, bytes]:
        """(Kc, metadata) out of a WKc; raises Drop: such a packet gets no answer at all."""
        if not WKC_MINIMUM <= len(wrapped) <= WKC_MAXIMUM or wrapped[-2:] != struct.pack("!H", len(wrapped)):
            raise Drop("wrapped-key-length")
        tag, length = wrapped[:TAG_SIZE], wrapped[-2:]
        plain = self._cipher.crypt(tag, wrapped[TAG_SIZE:-2])
        if not hmac.compare_digest(tag, self._mac.sign(length + plain)):
            raise Drop("wrapped-key-forged")
        return StaticKey(plain[:STATIC_KEY_SIZE]), plain[STATIC_KEY_SIZE:]


def split_wrapped_key(datagram: bytes) -> tuple[bytes, bytes]:
    """(the packet proper, WKc) of a datagram that ends in a wrapped key; raises Drop before any HMAC is spent."""
    if len(datagram) < WKC_MINIMUM:
        raise Drop("wrapped-key-length")
    length: int = struct.unpack_from("!H", datagram, len(datagram) - 2)[0]
    if not WKC_MINIMUM <= length <= min(WKC_MAXIMUM, len(datagram)):
        raise Drop("wrapped-key-length")
    return datagram[:-length], datagram[-length:]
