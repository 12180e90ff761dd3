"""The three wrappings of control packets, and none (protocol: packets.md 5 and 8).

::

    none       header (9) | body
    tls-auth   header (9) | hmac (N) | packet id (4) | time (4) | body
               HMAC over packet id | time | header | body
    tls-crypt  header (9) | packet id (4) | time (4) | tag (32) | AES-256-CTR(body)
               tag = HMAC-SHA256(Ka, header | packet id | time | body), IV = tag[0:16]

A ``Wrapping`` is a key and does not change; an ``Envelope`` counts, one for each peer and wrapping.
"""

from __future__ import annotations

import hmac
import struct
from typing import Protocol

from tvpn.crypto.counter import CounterMode
from tvpn.crypto.mac import HMAC_SIZES, MAC
from tvpn.crypto.replay import Stamp, StampWindow
from tvpn.crypto.statickey import StaticKey
from tvpn.errors import Drop
from tvpn.wire.control import HEADER_SIZE

TAG_SIZE = 32
STAMP_SIZE = 8
LAST_PACKET_ID = 0xFFFFFFFF
#: A tls-crypt-v2 client that can negotiate early begins to count here (packets.md 7.1).
EARLY_NEGOTIATION_START = 0x0F000000

_STAMP = struct.Struct("!LL")


class Wrapping(Protocol):
    """A key for control packets, in both directions; ``name`` is OpenVPN's word for it."""

    name: str

    @property
    def overhead(self) -> int:
        """Bytes that wrapping adds to header and body."""

    def wrap(self, stamp: Stamp, header: bytes, body: bytes) -> bytes:
        """The datagram of this header and body."""

    def unwrap(self, datagram: bytes) -> tuple[Stamp | None, bytes]:
        """(stamp, body) of an authentic datagram, stamp None where there is none; raises Drop."""


class Unwrapped:
    """No wrapping: nothing hidden, nothing signed, nothing counted."""

    name, overhead = "none", 0

    def wrap(self, stamp: Stamp, header: bytes, body: bytes) -> bytes:
        return header + body

    def unwrap(self, datagram: bytes) -> tuple[None, bytes]:
        return None, datagram[HEADER_SIZE:]


class TLSAuth:
    """Signs with the HMAC half of a static key; ``direction`` None means the same half both ways."""

    name = "tls-auth"

    def __init__(self, key: StaticKey, direction: int | None, digest: str) -> None:
        send, receive = key.slots(direction)
        self._size = HMAC_SIZES[digest]
        self._send, self._receive = MAC(send.hmac[: self._size], digest), MAC(receive.hmac[: self._size], digest)
        self.overhead = self._size + STAMP_SIZE

    def wrap(self, stamp: Stamp, header: bytes, body: bytes) -> bytes:
        packed = _STAMP.pack(*stamp)
        return header + self._send.sign(packed + header + body) + packed + body

    def unwrap(self, datagram: bytes) -> tuple[Stamp, bytes]:
        at = HEADER_SIZE + self._size
        if len(datagram) < at + STAMP_SIZE:
            raise Drop("tls-auth-short")
        header, tag, signed = datagram[:HEADER_SIZE], datagram[HEADER_SIZE:at], datagram[at:]
        if not hmac.compare_digest(tag, self._receive.sign(signed[:STAMP_SIZE] + header + signed[STAMP_SIZE:])):
            raise Drop("tls-auth-forged")
        return Stamp(*_STAMP.unpack_from(signed)), signed[STAMP_SIZE:]


class TLSCrypt:
    """Signs and encrypts with both halves of a static key: the server is direction 0, the client direction 1."""

    name, overhead = "tls-crypt", STAMP_SIZE + TAG_SIZE

    def __init__(self, key: StaticKey, server: bool) -> None:
        send, receive = key.slots(0 if server else 1)
        self._send_cipher, self._send_mac = CounterMode(send.cipher[:32]), MAC(send.hmac[:32], "SHA256")
        self._receive_cipher, self._receive_mac = CounterMode(receive.cipher[:32]), MAC(receive.hmac[:32], "SHA256")

    def wrap(self, stamp: Stamp, header: bytes, body: bytes) -> bytes:
        head = header + _STAMP.pack(*stamp)
        tag = self._send_mac.sign(head + body)
        return head + tag + self._send_cipher.crypt(tag, body)

    def unwrap(self, datagram: bytes) -> tuple[Stamp, bytes]:
        at = HEADER_SIZE + STAMP_SIZE
        if len(datagram) < at + TAG_SIZE:
            raise Drop("tls-crypt-short")
        head, tag = datagram[:at], datagram[at : at + TAG_SIZE]
        body = self._receive_cipher.crypt(tag, datagram[at + TAG_SIZE :])
        if not hmac.compare_digest(tag, self._receive_mac.sign(head + body)):
            raise Drop("tls-crypt-forged")
        return Stamp(*_STAMP.unpack_from(head, HEADER_SIZE)), body


class Envelope:
    """A wrapping in use with one peer: every packet sent gets a fresh id, every id is received once."""

    def __init__(self, wrapping: Wrapping, net_time: int, first_id: int = 1) -> None:
        self.wrapping = wrapping
        self._next = Stamp(first_id, net_time)
        self._seen = StampWindow()

    def seal(self, header: bytes, body: bytes) -> bytes:
        stamp = self._next
        if stamp.packet_id == LAST_PACKET_ID:
            self._next = Stamp(1, stamp.net_time + 1)
        else:
            self._next = Stamp(stamp.packet_id + 1, stamp.net_time)
        return self.wrapping.wrap(stamp, header, body)

    def open(self, datagram: bytes) -> bytes:
        """The body of an authentic datagram that was not seen before; raises Drop."""
        stamp, body = self.wrapping.unwrap(datagram)
        if stamp is not None and not self._seen.accept(stamp):
            raise Drop("control-replayed")
        return body
