"""One peer's session, what both roles share: envelopes, key exchanges, timers, the life (protocol: reliability.md).

A datagram's way: open (which envelope by key id) -> decode -> whose is it -> the key exchange -> messages. Bytes and
``now`` in; ``transmit``, ``deadline`` and ``take_events`` out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from OpenSSL import SSL

from tvpn.crypto.certificate import Identity, Refusal, Requirements, judge
from tvpn.crypto.derive import (
    EXPORTER_DATA_KEYS,
    EXPORTER_DYNAMIC_TLS_CRYPT,
    KEY_MATERIAL_SIZE,
    data_keys,
    dynamic_tls_crypt_key,
    key_material_by_prf,
)
from tvpn.crypto.secret import Secret
from tvpn.crypto.statickey import StaticKey, split_wrapped_key
from tvpn.crypto.tls import TLS
from tvpn.crypto.token import TokenRules
from tvpn.crypto.wrap import Envelope, TLSCrypt
from tvpn.errors import Drop, PeerError
from tvpn.session.allowance import Allowance
from tvpn.session.event import Ended, Event, KeyChosen, KeyRetired, KeysDerived
from tvpn.session.exchange import KeyExchange, Numbers, check_reset
from tvpn.session.life import Core, Stage, make_life
from tvpn.session.negotiation import Agreement, Formats
from tvpn.session.record import KeyedAnew, Sighting, Watch, unwatched
from tvpn.session.renegotiation import SHORTEST_INTERVAL, Limits, next_key_id
from tvpn.wire.control import HEADER_SIZE, ControlPacket, decode_header
from tvpn.wire.header import CARRIES_WRAPPED_KEY, Opcode
from tvpn.wire.keyexchange import PRE_MASTER_SIZE, RANDOM_SIZE, KeyExchangeMessage, KeySource
from tvpn.wire.option import encode_peer_info

#: IP and UDP headers in front of a control packet, the larger of both families.
OUTER_HEADERS = 48
#: Control packets and the messages in them, together: at once and a second. A handshake takes about twenty.
CONTROL_BURST, CONTROL_RATE = 400, 200


@dataclass(frozen=True)
class Terms:
    """What all sessions of a process share. ``wall`` is the time of day; ``random`` gives that many random bytes."""

    context: Callable[[], SSL.Context]
    options: str
    formats: Formats
    wall: Callable[[], float]
    random: Callable[[int], bytes]
    requirements: Requirements = field(default_factory=Requirements)
    refuse_revoked: Refusal | None = None
    peer_info: Mapping[str, str] = field(default_factory=dict)
    username: str = ""
    password: str = field(default="", repr=False)
    certificate_wanted: bool = True
    """Without: a client that shows none is known by its user name."""
    username_as_common_name: bool = False
    tokens: TokenRules | None = None
    limits: Limits = field(default_factory=Limits)
    longest_timeout: float = 1.0
    max_packet_size: int = 1250
    admits: Callable[[str], bool] = lambda option: True
    """Whether a pushed option is taken; raises PeerError where that ends the session."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session begins: the ids of both sides and the wrapping of its first key."""

    session_id: bytes
    remote_id: bytes
    envelope: Envelope
    static_key: StaticKey | None = None


class Session:
    """What server and client sessions have in common."""

    server: bool

    def __init__(self, terms: Terms, opening: Opening, now: float, numbers: Numbers | None = None) -> None:
        self.terms = terms
        self.session_id = opening.session_id
        self.remote_id = opening.remote_id
        self.agreement: Agreement | None = None
        self.watch: Watch = unwatched
        self._envelope = opening.envelope
        self._static_key = opening.static_key
        self._dynamic: Envelope | None = None
        self._core = Core()
        self._life = make_life(self._core)
        self.stage = self._life.stage()
        self._events: list[Event] = []
        self._chosen: int | None = None
        self._derived: int | None = None
        self._retire: tuple[float, int] | None = None
        self._renegotiate_at: float | None = None
        self._allowance = Allowance(CONTROL_BURST, CONTROL_RATE, now)
        self._exchange = self._new_exchange(0, now, numbers)

    def _new_exchange(self, key_id: int, now: float, numbers: Numbers | None = None) -> KeyExchange:
        terms = self.terms
        pre_master = b"" if self.server else terms.random(PRE_MASTER_SIZE)
        source = KeySource(terms.random(RANDOM_SIZE), terms.random(RANDOM_SIZE), pre_master)
        peer_info = encode_peer_info(terms.peer_info)
        own = KeyExchangeMessage(source, terms.options, self._username(), self._password(), peer_info)
        return KeyExchange(
            key_id, self.server, terms.context(), own, now, numbers=numbers, longest_timeout=terms.longest_timeout,
            approve=None if self.server else self._judge,
        )  # fmt: skip

    def _username(self) -> str:
        """Who we say we are, at each key exchange anew."""
        return self.terms.username

    def _password(self) -> str:
        """What goes beside the username, at each key exchange anew."""
        return self.terms.password

    # What comes in

    def receive(self, datagram: bytes, now: float) -> None:
        """One control datagram from the peer's address; raises Drop unless it is authentic and ours."""
        size = len(datagram)
        opcode, key_id, session_id = decode_header(datagram)
        if opcode in CARRIES_WRAPPED_KEY:
            datagram, _ = split_wrapped_key(datagram)
        if self.remote_id and session_id != self.remote_id:
            raise Drop("session-id-foreign")
        body = self._envelope_of(key_id).open(datagram)
        # Not acked it comes again, later: whoever says too much at once slows itself down, and nothing is lost.
        if self._allowance.is_spent(now):
            raise Drop("control-rate")
        self._allowance.spend(1)
        packet = ControlPacket.decode(datagram[:HEADER_SIZE], body)
        check_reset(packet)
        if packet.acks and packet.remote_session_id != self.session_id:
            raise Drop("session-id-foreign")
        if opcode is Opcode.SOFT_RESET and key_id != self._exchange.key_id:
            self._follow_soft_reset(key_id, now)
        if key_id != self._exchange.key_id:
            raise Drop("key-id-out-of-sync")
        self._feed(packet, size, now)

    def _envelope_of(self, key_id: int) -> Envelope:
        return self._dynamic if key_id and self._dynamic else self._envelope

    def _wrapping_of(self, key_id: int) -> str:
        envelope = self._envelope_of(key_id)
        return f"dynamic {envelope.wrapping.name}" if envelope is self._dynamic else envelope.wrapping.name

    def _feed(self, packet: ControlPacket, size: int, now: float) -> None:
        exchange = self._exchange
        before = exchange.remote
        messages = exchange.receive(packet, now)
        self.watch(Sighting(now, False, size, packet, self._wrapping_of(packet.key_id), exchange.take_heard()))
        self._allowance.spend(len(messages))
        if before is None and exchange.remote is not None:
            self._keyed(exchange, now)
        for text in messages:
            if self.stage in (Stage.JUDGING, Stage.ADMITTED):
                self._message(text, now)
        if exchange.broken is not None:
            self._fail(exchange.broken, now)
            return
        self._latch()
        self._advance(now)

    def _judge(self, tls: TLS) -> Identity:
        """Who the peer is, by its certificate; raises PeerError. A client asks before it says its password."""
        terms = self.terms
        return judge(tls.chain, terms.requirements, terms.wall(), terms.refuse_revoked)

    def _keyed(self, exchange: KeyExchange, now: float) -> None:
        """The peer's key-method-2 message has come."""
        raise NotImplementedError

    def _message(self, text: str, now: float) -> None:
        """A control message has come."""
        raise NotImplementedError

    def _fail(self, error: PeerError, now: float) -> None:
        """The peer did something that ends the session; a TLS alert may still be sent."""
        self._end(str(error))
        self._become(self._life.refused, now)

    def _become(self, happening: Callable[..., None], *details: float) -> None:
        """One input of the life; the stage it leads to is asked for far more often than it changes."""
        happening(*details)
        self.stage = self._life.stage()

    def _end(self, reason: str, retry: bool = True, advance: bool | None = None) -> None:
        if self.stage not in (Stage.LINGERING, Stage.GONE):
            self._events.append(Ended(reason, retry, advance=advance))

    # Keys

    def _derive(self, exchange: KeyExchange, agreement: Agreement, now: float) -> None:
        """Data keys of a finished key exchange, and with the first one the key that wraps later ones."""
        if agreement.exporter:
            material = exchange.tls.export(EXPORTER_DATA_KEYS, KEY_MATERIAL_SIZE)
        else:
            material = self._material_by_prf(exchange)
        keys = data_keys(material, agreement.cipher, self.server, agreement.digest, agreement.epochs)
        if agreement.dynamic_tls_crypt and self._dynamic is None:
            exported = exchange.tls.export(EXPORTER_DYNAMIC_TLS_CRYPT, KEY_MATERIAL_SIZE)
            key = dynamic_tls_crypt_key(exported, self._static_key)
            self._dynamic = Envelope(TLSCrypt(key, self.server), int(self.terms.wall()))
        self._derived = exchange.key_id
        lottery = int.from_bytes(self.terms.random(4), "big")
        self._renegotiate_at = self.terms.limits.due(now, lottery)
        self.watch(KeyedAnew(now, exchange.key_id, keys, agreement.exporter, exchange.tls.version))
        self._events.append(KeysDerived(exchange.key_id, keys))

    def _material_by_prf(self, exchange: KeyExchange) -> Secret:
        if exchange.remote is None:
            raise PeerError("data keys were wanted before the key exchange")
        own, remote = exchange.own.source, exchange.remote.source
        if self.server:
            return key_material_by_prf(remote, own, self.remote_id, self.session_id)
        return key_material_by_prf(own, remote, self.session_id, self.remote_id)

    def _choose(self, key_id: int) -> None:
        if self._chosen != key_id:
            self._chosen = key_id
            self._events.append(KeyChosen(key_id))

    # Renegotiation

    def renegotiate(self, now: float) -> None:
        """Begin the next key with a soft reset, or as soon as the one under way is done."""
        if self._established and self.stage is Stage.ADMITTED:
            self._begin_next_key(now)
        else:
            self._renegotiate_at = now + SHORTEST_INTERVAL

    @property
    def _decided(self) -> bool:
        """The newest key is derived, and nobody's word about it is outstanding."""
        return self._derived == self._exchange.key_id

    @property
    def _established(self) -> bool:
        """The newest key was decided, and all that was said for it acked, once."""
        return self._exchange.finished

    def _latch(self) -> None:
        if self._decided and self._exchange.complete:
            self._exchange.finished = True

    def _follow_soft_reset(self, key_id: int, now: float) -> None:
        # The verdict may be out while all is acked: a key is the newest one only once it is decided.
        if self.stage is not Stage.ADMITTED or not self._decided:
            raise Drop("soft-reset-too-early")
        if key_id != next_key_id(self._exchange.key_id) or now - self._exchange.started < SHORTEST_INTERVAL:
            raise Drop("soft-reset-out-of-place")
        self._begin_next_key(now)

    def _begin_next_key(self, now: float) -> None:
        old = self._exchange.key_id
        self._choose(old)
        self._retire = (now + self.terms.limits.transition, old)
        self._renegotiate_at = None
        self._exchange = self._new_exchange(next_key_id(old), now)
        self._exchange.reset(Opcode.SOFT_RESET, b"", now)

    # What goes out

    def send_message(self, text: str) -> None:
        """One control message under the newest key's TLS session."""
        self._exchange.send_message(text)
        if self._exchange.broken is not None and self.stage is not Stage.LINGERING:
            self._end(str(self._exchange.broken))
            self._become(self._life.broke)

    def transmit(self, now: float) -> list[bytes]:
        """The datagrams to send now."""
        if self.stage is Stage.GONE:
            return []
        exchange = self._exchange
        envelope = self._envelope_of(exchange.key_id)
        room = self.terms.max_packet_size - OUTER_HEADERS - envelope.wrapping.overhead
        datagrams = []
        for packet, trailer in exchange.transmit(self.session_id, self.remote_id, room, now):
            datagram = envelope.seal(packet.header, packet.encode_body()) + trailer
            wrapping, said = self._wrapping_of(packet.key_id), exchange.take_uttered(packet)
            self.watch(Sighting(now, True, len(datagram), packet, wrapping, said))
            datagrams.append(datagram)
        return datagrams

    def take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    # Time

    def deadline(self) -> float | None:
        """When ``tick`` is due next, in monotonic seconds."""
        if self.stage is Stage.GONE:
            return None
        times = [self._exchange.deadline(), self._renegotiate_at, self._retire and self._retire[0]]
        if self.stage is Stage.LINGERING:
            times = [self._exchange.deadline(), self._core.linger_until]
        elif not self._established:
            times.append(self._give_up_at())
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due by now."""
        if self.stage is Stage.LINGERING:
            if now >= self._core.linger_until:
                self._become(self._life.lingered)
            return
        self._latch()
        if not self._established and now >= self._give_up_at():
            self._time_out(now)
            return
        if self._retire is not None and now >= self._retire[0]:
            self._retire_old_key(now)
        if self._renegotiate_at is not None and now >= self._renegotiate_at:
            self.renegotiate(now)
        self._advance(now)

    def _give_up_at(self) -> float:
        """When an exchange that is not done by then ends the session."""
        return self._exchange.started + self.terms.limits.hand_window

    def _retire_old_key(self, now: float) -> None:
        """The transition is over: the newest key takes its place, or the old one stays until there is a newer."""
        if self._retire is None:
            return
        old = self._retire[1]
        if self._chosen == old and (self._derived in (None, old) or not self._decided):
            self._retire = (now + SHORTEST_INTERVAL, old)
            return
        if self._chosen == old and self._derived is not None:
            self._choose(self._derived)
        self._events.append(KeyRetired(old))
        self._retire = None

    def _advance(self, now: float) -> None:
        """After each stimulus: choose the newest key when it is time to."""
        raise NotImplementedError

    def _time_out(self, now: float) -> None:
        what = "the key exchange" if self._exchange.secured else "the TLS handshake"
        if self._exchange.complete:
            what = "the verdict" if self.server else "the server's push"
        self._end(f"{what} did not finish within {self._give_up_at() - self._exchange.started:g} seconds")
        self._become(self._life.broke)

    @property
    def settled(self) -> bool:
        """Everything we said under the newest key is acked."""
        return self._exchange.settled

    def close(self) -> None:
        """Forget the peer without a word."""
        self._become(self._life.broke)
