"""The door: what happens before a client has proved its address (protocol: reliability.md 6, packets.md 7.1).

Nothing is remembered here. A reset is answered with a cookie; whoever brings the cookie back gets a session. Anything
else is a Drop, and silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tvpn.crypto.replay import Stamp
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey, split_wrapped_key
from tvpn.crypto.wrap import EARLY_NEGOTIATION_START, Envelope, TLSCrypt, Wrapping
from tvpn.errors import Drop
from tvpn.hub.prefix import Buckets, prefix_of
from tvpn.plane.verbs import Endpoint
from tvpn.session.cookie import CookieJar
from tvpn.session.peer import Opening, Terms
from tvpn.session.server import ServerSession
from tvpn.wire.control import (
    HEADER_SIZE,
    RESEND_WRAPPED_KEY,
    ControlPacket,
    decode_header,
    encode_early_negotiation,
)
from tvpn.wire.header import CARRIES_WRAPPED_KEY, CLIENT_RESETS, SESSION_ID_SIZE, Opcode
from tvpn.wire.option import options_string_on_stream

ANSWER_BURST = 64
ANSWERS_PER_SECOND = 2.0
_COOKIE_BEARERS = frozenset({Opcode.CONTROL, Opcode.ACK, Opcode.CONTROL_WKC})


@dataclass(frozen=True, slots=True)
class ControlKeys:
    """How clients may wrap: one group key (or none at all), and keys of their own under the server's.

    ``group`` None with a ``tls_crypt_v2`` key: only the latter. ``force_cookie`` refuses clients that would get state
    on their first packet (2.5 with tls-crypt-v2).
    """

    group: Wrapping | None
    group_key: StaticKey | None = field(default=None, repr=False)
    tls_crypt_v2: TLSCryptV2ServerKey | None = field(default=None, repr=False)
    force_cookie: bool = False


@dataclass(frozen=True, slots=True)
class Knock:
    """A packet of a stranger, authentic as far as its wrapping goes."""

    packet: ControlPacket
    stamp: Stamp | None
    wrapping: Wrapping
    static_key: StaticKey | None


class Door:
    """Answers resets and lets proven clients in."""

    def __init__(self, terms: Terms, keys: ControlKeys, has_room: Callable[[], bool]) -> None:
        """``has_room``: whether a client may get state on its first packet."""
        self._terms = terms
        self._stream_terms = replace(terms, options=options_string_on_stream(terms.options, server=True))
        self._keys = keys
        self._has_room = has_room
        self._cookies = CookieJar(terms.random(32), terms.limits.hand_window)
        self._buckets = Buckets(ANSWER_BURST, ANSWERS_PER_SECOND)

    def receive(self, endpoint: Endpoint, datagram: bytes, now: float, stream: bool = False) -> bytes | ServerSession:
        """The answer to a reset, or the session that this datagram is then to be fed to; raises Drop.

        ``stream``: it came by a TCP connection, which has proved the address.
        """
        opcode, key_id, _ = decode_header(datagram)
        if key_id != 0:
            raise Drop("first-key-id")
        if opcode in CLIENT_RESETS:
            return self._greet(endpoint, self._unwrap(datagram, opcode), now, stream)
        if stream or opcode not in _COOKIE_BEARERS:
            raise Drop("opcode-out-of-place")
        return self._enter(endpoint, self._unwrap(datagram, opcode), now)

    def _unwrap(self, datagram: bytes, opcode: Opcode) -> Knock:
        keys = self._keys
        wrapping, static_key = keys.group, keys.group_key
        if opcode in CARRIES_WRAPPED_KEY:
            if keys.tls_crypt_v2 is None:
                raise Drop("wrapped-key-unwanted")
            datagram, wrapped = split_wrapped_key(datagram)
            static_key, _ = keys.tls_crypt_v2.unwrap(wrapped)
            wrapping = TLSCrypt(static_key, server=True)
        if wrapping is None:
            raise Drop("wrapped-key-missing")
        stamp, body = wrapping.unwrap(datagram)
        return Knock(ControlPacket.decode(datagram[:HEADER_SIZE], body), stamp, wrapping, static_key)

    def _greet(self, endpoint: Endpoint, knock: Knock, now: float, stream: bool = False) -> bytes | ServerSession:
        client_id = knock.packet.session_id
        if knock.packet.acks or knock.packet.message_id != 0:
            raise Drop("reset-malformed")
        if not self._buckets.take(prefix_of(endpoint.address), now):
            raise Drop("reset-rate")
        if stream:
            return self._session(knock, self._terms.random(SESSION_ID_SIZE), client_id, now, stream=True)
        payload = b""
        if knock.packet.opcode is Opcode.HARD_RESET_CLIENT_V3:
            first_id = knock.stamp.packet_id if knock.stamp is not None else 0
            if first_id & EARLY_NEGOTIATION_START != EARLY_NEGOTIATION_START:
                return self._enter_at_once(knock, client_id, now)
            payload = encode_early_negotiation(RESEND_WRAPPED_KEY)
        cookie = self._cookies.bake(endpoint, client_id, now)
        answer = ControlPacket(Opcode.HARD_RESET_SERVER_V2, 0, cookie, (0,), client_id, 0, payload)
        return knock.wrapping.wrap(Stamp(1, int(self._terms.wall())), answer.header, answer.encode_body())

    def _enter(self, endpoint: Endpoint, knock: Knock, now: float) -> ServerSession:
        packet = knock.packet
        client_id, cookie = packet.session_id, packet.remote_session_id
        if not packet.acks or not self._cookies.check(cookie, endpoint, client_id, now):
            raise Drop("cookie-wrong")
        if any(ack > 1 for ack in packet.acks) or (packet.message_id or 0) > 1:
            raise Drop("cookie-late")
        return self._session(knock, cookie, client_id, now, stateless=True)

    def _enter_at_once(self, knock: Knock, client_id: bytes, now: float) -> ServerSession:
        if self._keys.force_cookie or not self._has_room():
            raise Drop("no-early-negotiation")
        session_id = self._terms.random(SESSION_ID_SIZE)
        return self._session(knock, session_id, client_id, now)

    def _session(
        self, knock: Knock, own: bytes, client: bytes, now: float, stateless: bool = False, stream: bool = False
    ) -> ServerSession:
        # A stateless answer has used packet id 1 already.
        envelope = Envelope(knock.wrapping, int(self._terms.wall()), 2 if stateless else 1)
        opening = Opening(own, client, envelope, knock.static_key)
        return ServerSession(self._stream_terms if stream else self._terms, opening, now, stateless)
