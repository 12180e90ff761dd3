"""Control packets: reliable messages and their acknowledgements (protocol: packets.md 4 and 5).

In the clear stands only the header; the *body* is what tls-auth signs and tls-crypt encrypts::

    header   op_key (1) | own session id (8)
    body     n (1) | ack id (4) * n | the receiver's session id (8), if n > 0 | message id (4) | payload

An ACK has neither message id nor payload.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tvpn.errors import Drop
from tvpn.wire.header import FIRST_BYTES, NO_SESSION, SESSION_ID_SIZE, Opcode, encode_first_byte

HEADER_SIZE = 1 + SESSION_ID_SIZE
MOST_ACKS = 8
LARGEST_PAYLOAD = 2048


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """One control packet, unwrapped. ``message_id`` is None only in an ACK."""

    opcode: Opcode
    key_id: int
    session_id: bytes
    acks: tuple[int, ...] = ()
    remote_session_id: bytes = b""
    message_id: int | None = None
    payload: bytes = b""

    @property
    def header(self) -> bytes:
        return bytes([encode_first_byte(self.opcode, self.key_id)]) + self.session_id

    def encode_body(self) -> bytes:
        count = len(self.acks)
        body = struct.pack(f"!B{count}L", count, *self.acks)
        if count:
            body += self.remote_session_id
        if self.message_id is not None:
            body += struct.pack("!L", self.message_id) + self.payload
        return body

    @classmethod
    def decode(cls, header: bytes, body: bytes) -> ControlPacket:
        """The packet of this header and unwrapped body; raises Drop when it is malformed in any way."""
        opcode, key_id, session_id = decode_header(header)
        count = body[0] if body else MOST_ACKS + 1
        if count > MOST_ACKS or len(body) < 1 + 4 * count:
            raise Drop("control-malformed")
        acks = struct.unpack_from(f"!{count}L", body, 1)
        at = 1 + 4 * count
        remote = b""
        if count:
            remote = body[at : at + SESSION_ID_SIZE]
            at += SESSION_ID_SIZE
        if opcode is Opcode.ACK:
            if not count or len(body) != at:
                raise Drop("control-malformed")
            return cls(opcode, key_id, session_id, acks, remote)
        if not at + 4 <= len(body) <= at + 4 + LARGEST_PAYLOAD:
            raise Drop("control-malformed")
        message_id: int = struct.unpack_from("!L", body, at)[0]
        return cls(opcode, key_id, session_id, acks, remote, message_id, body[at + 4 :])


def decode_header(datagram: bytes) -> tuple[Opcode, int, bytes]:
    """(opcode, key id, the sender's session id) of a control packet; raises Drop."""
    if len(datagram) < HEADER_SIZE:
        raise Drop("control-short")
    spoken = FIRST_BYTES.get(datagram[0])
    if spoken is None:
        raise Drop("opcode-unknown")
    session_id = datagram[1:HEADER_SIZE]
    if session_id == NO_SESSION:
        raise Drop("session-id-zero")
    return *spoken, session_id


EARLY_NEGOTIATION_FLAGS = 1
RESEND_WRAPPED_KEY = 1


def encode_early_negotiation(flags: int) -> bytes:
    """The payload of a stateless server reset: ``u16 type | u16 length | value`` (packets.md 7.1)."""
    return struct.pack("!HHH", EARLY_NEGOTIATION_FLAGS, 2, flags)


def decode_early_negotiation(payload: bytes) -> int:
    """The flags a server's reset announces, 0 without any; unknown types are skipped; raises Drop."""
    flags = at = 0
    while at < len(payload):
        if len(payload) - at < 4:
            raise Drop("early-negotiation-malformed")
        kind, length = struct.unpack_from("!HH", payload, at)
        value = payload[at + 4 : at + 4 + length]
        if len(value) != length or (kind == EARLY_NEGOTIATION_FLAGS and length != 2):
            raise Drop("early-negotiation-malformed")
        if kind == EARLY_NEGOTIATION_FLAGS:
            flags = int.from_bytes(value, "big")
        at += 4 + length
    return flags
