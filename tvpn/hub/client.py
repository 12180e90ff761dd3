"""The client role: one session, one plane peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tvpn.config.address import Own
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ClientKey
from tvpn.crypto.wrap import EARLY_NEGOTIATION_START, Envelope, TLSCrypt, Wrapping
from tvpn.errors import Drop
from tvpn.hub.event import Advanced, Announced, ChallengeAsked, Changed, Connected, Disconnected, HubEvent, PageAsked
from tvpn.hub.pull import EVERYTHING, PullRules
from tvpn.hub.pushed import Tunnel, read_pushed
from tvpn.hub.rules import inner_mss
from tvpn.hub.stay import Limits, Stay
from tvpn.plane.verbs import Endpoint, Gone, NearlySpent, Opened, PeerExit, PeerSpec, Plane, PlaneEvent
from tvpn.session.client import ClientSession
from tvpn.session.event import (
    Ended,
    Event,
    Informed,
    KeyChosen,
    KeyRetired,
    KeysDerived,
    PageWanted,
    Pushed,
    Questioned,
    Reached,
    TokenGiven,
    TokenRefused,
    Updated,
)
from tvpn.session.life import Stage
from tvpn.session.peer import Opening, Terms
from tvpn.session.record import Watch, unwatched
from tvpn.wire.header import NO_SESSION, SESSION_ID_SIZE
from tvpn.wire.message import INFO
from tvpn.wire.option import options_string_on_stream

SERVER = 0
"""The plane's number for the one peer we have."""


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """How our control packets are wrapped; with a tls-crypt-v2 key the other two are not looked at."""

    wrapping: Wrapping
    static_key: StaticKey | None = field(default=None, repr=False)
    tls_crypt_v2: TLSCryptV2ClientKey | None = field(default=None, repr=False)

    def envelope(self, wall: float) -> tuple[Envelope, StaticKey | None]:
        """A fresh envelope, and the key that dynamic tls-crypt is mixed with."""
        if self.tls_crypt_v2 is None:
            return Envelope(self.wrapping, int(wall)), self.static_key
        wrapping = TLSCrypt(self.tls_crypt_v2.key, server=False)
        return Envelope(wrapping, int(wall), EARLY_NEGOTIATION_START + 1), self.tls_crypt_v2.key


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from one connection to the next: how control packets are wrapped, and sizes of datagrams."""

    keys: ClientKeys
    fragment: int
    mssfix: int


class ClientHub:
    """Our connection to one server after the other."""

    def __init__(
        self, terms: Terms, keys: ClientKeys, plane: Plane, *, spec: PeerSpec, mssfix: int,
        rules: PullRules = EVERYTHING, variants: Mapping[Own, Variant] = MappingProxyType({}),
        limits: Limits | None = None, is_tap: bool = False,
    ) -> None:  # fmt: skip
        """``spec`` and ``limits``: what holds where the server pushes nothing else; ``rules``: what is taken of what it
        pushes; ``variants``: the connections that have something of their own; ``is_tap``: frames are carried.
        """
        self.drops: dict[str, int] = {}
        self.session: ClientSession | None = None
        self.endpoint: Endpoint | None = None
        # What a filter keeps out, the session does not see either: a token, a cipher.
        self._terms = replace(terms, admits=rules.admits)
        self.watch: Watch = unwatched
        """Sees what every session shows."""
        self._plane = plane
        self._rules = rules
        self._spec = spec
        self._stream = False
        self._overhead = 0
        self._token: TokenGiven | None = None
        self._limits = limits or Limits()
        self._stay: Stay | None = None
        self._silence_ends = False
        self._variants = variants
        self._usual = self._variant = Variant(keys, spec.fragment, mssfix)
        self._is_tap = is_tap
        self._events: list[HubEvent] = []

    def connect(
        self, endpoint: Endpoint, now: float, stream: bool = False, credentials: tuple[str, str] | None = None,
        own: Own | None = None, overhead: int = 0,
    ) -> None:  # fmt: skip
        """Begin a session with the server at this endpoint; ``stream``: on a TCP connection; ``credentials``: user
        name and password of this connection alone; ``own``: what else this connection has for itself; ``overhead``:
        bytes that the link adds to each datagram.
        """
        self._variant = self._usual if own is None else self._variants[own]
        self._forget()
        session_id = self._terms.random(SESSION_ID_SIZE)
        while session_id == NO_SESSION:
            session_id = self._terms.random(SESSION_ID_SIZE)
        envelope, static_key = self._variant.keys.envelope(self._terms.wall())
        opening = Opening(session_id, b"", envelope, static_key)
        self.endpoint = endpoint
        self._stream = stream
        self._overhead = overhead
        terms = self._terms
        if credentials is not None:
            terms = replace(terms, username=credentials[0], password=credentials[1])
        if stream:
            terms = replace(terms, options=options_string_on_stream(terms.options, server=False))
        self.session = ClientSession(terms, opening, now, self._variant.keys.tls_crypt_v2, self._token)
        self.session.watch = self.watch

    def disconnected(self, now: float) -> None:
        """The TCP connection is over."""
        if self.session is not None and self.session.stage not in (Stage.LINGERING, Stage.GONE):
            self.lose("the connection was closed")

    # What comes in

    def receive(self, endpoint: Endpoint, datagram: bytes, now: float) -> bool:
        """One control datagram; whatever is wrong with it ends here. Whether something may have to be sent or told."""
        session = self.session
        try:
            if session is None or self.endpoint is None or endpoint.address[:2] != self.endpoint.address[:2]:
                raise Drop("wrong-address")
            session.receive(datagram, now)
            self._plane.heard(SERVER, now)
        except Drop as drop:
            self.drops[drop.reason] = self.drops.get(drop.reason, 0) + 1
        self._follow(now)
        return True

    def observe(self, event: PlaneEvent, now: float) -> None:
        """What the plane has noticed."""
        session = self.session
        if session is None:
            return
        if isinstance(event, Opened):
            session.opened(event.key_id)
        elif isinstance(event, NearlySpent):
            session.renegotiate(now)
        elif isinstance(event, Gone):
            self.lose(event.reason, silent=not event.broken, retry=event.broken or not self._silence_ends)
        elif isinstance(event, PeerExit):
            self.lose("the server said goodbye")
        self._follow(now)

    def lose(
        self, reason: str, *, silent: bool = False, retry: bool = True, advance: bool | None = None
    ) -> None:
        """Give the session up, without a word; the rest as in Disconnected."""
        if self.session is not None:
            self.session.close()
        self.session = None
        self._forget()
        self._events.append(Disconnected(reason, retry, advance=advance, silent=silent))

    def _forget(self) -> None:
        self._stay = None
        self._plane.remove(SERVER)

    @property
    def unanswered(self) -> bool:
        """The server has not said a word yet."""
        return self.session is not None and not self.session.remote_id

    # On the road

    @property
    def can_be_followed(self) -> bool:
        """The server knows us by our peer id, wherever our packets come from."""
        agreement = self.session.agreement if self.session is not None else None
        return agreement is not None and agreement.peer_id is not None and not self._stream

    def probe(self, now: float) -> None:
        """Make the server say something: by the ping it follows us to where we are now, and what is said on the
        control channel it acks, whatever it makes of it.
        """
        if self.session is not None and self.session.stage is Stage.ADMITTED:
            self._plane.ping(SERVER, now)
            self.session.send_message(f"{INFO},are you there?")

    @property
    def probed(self) -> bool:
        """The server has answered to all we said."""
        return self.session is not None and self.session.settled

    def _follow(self, now: float) -> None:
        if self.session is not None:
            for event in self.session.take_events():
                self._carry_out(event, now)

    def _carry_out(self, event: Event, now: float) -> None:
        if isinstance(event, Pushed):
            tunnel = read_pushed(self._rules.apply(event.options), self._is_tap)
            self._open_plane(tunnel, now)
            self._limit(tunnel, now)
            self._events.append(Connected(tunnel))
        elif isinstance(event, Updated):
            tunnel = read_pushed(self._rules.apply(event.options), self._is_tap)
            self._plane.retime(SERVER, *self._timers(tunnel), now)
            self._limit(tunnel, now)
            self._events.append(Changed(tunnel))
        elif isinstance(event, Reached):
            self._events.append(Advanced(event.step))
        elif isinstance(event, Informed):
            self._events.append(Announced(event.text))
        elif isinstance(event, KeysDerived):
            self._plane.install(SERVER, event.key_id, event.keys)
        elif isinstance(event, KeyChosen):
            self._plane.use(SERVER, event.key_id)
        elif isinstance(event, KeyRetired):
            self._plane.retire(SERVER, event.key_id)
        elif isinstance(event, TokenGiven):
            self._token = event
        elif isinstance(event, TokenRefused):
            self._token = None
        elif isinstance(event, Questioned):
            self._events.append(ChallengeAsked(event.challenge))
        elif isinstance(event, PageWanted):
            self._events.append(PageAsked(event.url))
        elif isinstance(event, Ended):
            self._forget()
            self._events.append(
                Disconnected(
                    event.reason, event.retry, event.wait, event.challenge, event.refused, advance=event.advance,
                    silent=self.unanswered,
                )
            )  # fmt: skip

    def _timers(self, tunnel: Tunnel) -> tuple[int, int]:
        """(ping, timeout): what the server pushed, or our own."""
        ping, timeout = tunnel.ping, tunnel.ping_restart
        return self._spec.ping if ping is None else ping, self._spec.timeout if timeout is None else timeout

    def _limit(self, tunnel: Tunnel, now: float) -> None:
        own = self._limits
        self._silence_ends = own.silence_ends if tunnel.ping_exits is None else tunnel.ping_exits
        inactive, session = tunnel.inactive or own.inactive, tunnel.session_timeout
        limits = Limits(inactive, own.session if session is None else session)
        if self._stay is None:
            self._stay = Stay(limits, now)
        else:
            self._stay.change(limits, now)

    def _open_plane(self, tunnel: Tunnel, now: float) -> None:
        agreement = self.session.agreement if self.session is not None else None
        if self.endpoint is None or agreement is None:
            return
        ping, timeout = self._timers(tunnel)
        spec = replace(
            self._spec,
            is_server=True,
            wire_peer_id=agreement.peer_id,
            framing=agreement.framing,
            fragment=0 if self._stream else self._variant.fragment,
            ping=ping,
            timeout=timeout,
            is_stream=self._stream,
        )
        mss = inner_mss(self._variant.mssfix, self.endpoint, spec, agreement, self._overhead, self._is_tap)
        spec = replace(spec, mss=mss)
        self._plane.add(SERVER, self.endpoint, spec, now)

    # What goes out

    def transmit(self, now: float) -> list[tuple[Endpoint, bytes]]:
        if self.session is None or self.endpoint is None:
            return []
        datagrams = self.session.transmit(now)
        if datagrams:
            self._plane.said(SERVER, now)
        return [(self.endpoint, datagram) for datagram in datagrams]

    def take_events(self) -> list[HubEvent]:
        events, self._events = self._events, []
        return events

    def deadline(self) -> float | None:
        times = [each.deadline() for each in (self.session, self._stay) if each is not None]
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        if self.session is not None:
            self.session.tick(now)
            self._follow(now)
            if self.session.stage is Stage.GONE:
                self.session = None
        if self._stay is not None:
            counters = self._plane.counters(SERVER)
            reason = self._stay.over(counters.received_bytes + counters.sent_bytes, now)
            if reason is not None:
                self._finish(reason, now)

    def _finish(self, reason: str, now: float) -> None:
        """As agreed, this is the end; the server hears of it."""
        self.stop(reason, now)
        self._forget()
        if self.session is not None:
            self.session.take_events()
        self._events.append(Disconnected(reason, retry=False, agreed=True))

    def answer(self, text: str) -> None:
        """Answer the server's question."""
        if self.session is not None:
            self.session.answer(text)

    @property
    def has_token(self) -> bool:
        """The server has given us something to show instead of the password."""
        return self._token is not None

    @property
    def is_connected(self) -> bool:
        """The server has let us in, and has not gone."""
        return self.session is not None and self.session.stage is Stage.ADMITTED

    def stop(self, reason: str, now: float) -> None:
        """Say goodbye, on the control channel or on the data channel."""
        if self.session is not None and not self.session.leave(now):
            self._plane.farewell(SERVER)
