"""The client's side of a session: reset, pull, and what the server says later (protocol: push-and-options.md)."""

from __future__ import annotations

from dataclasses import replace

from tvpn.crypto.certificate import Identity
from tvpn.crypto.statickey import TLSCryptV2ClientKey
from tvpn.crypto.tls import TLS
from tvpn.errors import Drop, PeerError
from tvpn.session.event import (
    Ended,
    Informed,
    PageWanted,
    Pushed,
    Questioned,
    Reached,
    Step,
    TokenGiven,
    TokenRefused,
    Updated,
)
from tvpn.session.exchange import KeyExchange
from tvpn.session.life import Stage
from tvpn.session.negotiation import decode_agreement
from tvpn.session.peer import Opening, Session, Terms
from tvpn.session.update import updated
from tvpn.wire.challenge import AUTH_PENDING, Challenge, decode_base64, decode_page, decode_pending, encode_response
from tvpn.wire.control import RESEND_WRAPPED_KEY, ControlPacket, decode_early_negotiation
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import LONGEST_CREDENTIAL
from tvpn.wire.message import (
    AUTH_FAILED,
    EXIT,
    HALT,
    INFO,
    INFO_PRE,
    PUSH_REPLY,
    PUSH_REQUEST,
    PUSH_UPDATE,
    RESTART,
    PushReply,
    decode_auth_failed,
    decode_restart,
)

FIRST_PULL = 1.0
PULL_INTERVAL = 5.0


class ClientSession(Session):
    """One connection to a server, begun by the constructor."""

    server = False

    def __init__(
        self, terms: Terms, opening: Opening, now: float, key: TLSCryptV2ClientKey | None = None,
        token: TokenGiven | None = None,
    ) -> None:  # fmt: skip
        self._token = token
        super().__init__(terms, opening, now)
        self._key = key
        self._push = PushReply()
        self._update = PushReply()
        self._pushed: list[str] = []
        self._pull_at: float | None = None
        self._switch_at: float | None = None
        self._pending_until = 0.0
        self._server_options = ""
        if key is None:
            self._exchange.reset(Opcode.HARD_RESET_CLIENT_V2, b"", now)
        else:
            self._exchange.reset(Opcode.HARD_RESET_CLIENT_V3, b"", now, key.wrapped)

    def _username(self) -> str:
        return self._token.username if self._token and self._token.username else self.terms.username

    def _password(self) -> str:
        return self._token.token if self._token else self.terms.password

    def _feed(self, packet: ControlPacket, size: int, now: float) -> None:
        if not self.remote_id:
            self._meet(packet)
        super()._feed(packet, size, now)

    def _meet(self, packet: ControlPacket) -> None:
        """The server's id is learnt from the reset that acks ours."""
        if packet.opcode is not Opcode.HARD_RESET_SERVER_V2 or 0 not in packet.acks:
            raise Drop("no-server-reset")
        flags = decode_early_negotiation(packet.payload)
        if flags & RESEND_WRAPPED_KEY and self._key is not None:
            self._exchange.wrapped_key = self._key.wrapped
        self.remote_id = packet.session_id
        self._events.append(Reached(Step.ANSWERED))

    def _judge(self, tls: TLS) -> Identity:
        identity = super()._judge(tls)
        if self.agreement is None:
            self._events.append(Reached(Step.SECURED))
        return identity

    def _keyed(self, exchange: KeyExchange, now: float) -> None:
        self._become(self._life.keyed)
        try:
            if self.agreement is not None:
                self._derive(exchange, self.agreement, now)
        except PeerError as error:
            self._fail(error, now)
            return
        if self.agreement is None:
            self._events.append(Reached(Step.KEYED))
            self._server_options = exchange.remote.options if exchange.remote else ""
            self._pull_at = now + FIRST_PULL
        else:
            self._switch_at = now + self.terms.limits.deferral

    def _message(self, text: str, now: float) -> None:
        word = text.split(",", 1)[0]
        if word == PUSH_REPLY:
            self._receive_push(text, now)
        elif word == AUTH_FAILED:
            self._refused(text, now)
        elif word == AUTH_PENDING:
            seconds = decode_pending(text) or self.terms.limits.hand_window
            self._pending_until = min(now + seconds, self._exchange.started + self.terms.limits.patience)
        elif word == PUSH_UPDATE:
            self._receive_update(text, now)
        elif word in (INFO, INFO_PRE):
            self._receive_information(text.partition(",")[2])
        elif word in (RESTART, HALT, EXIT):
            self._dismissed(word, text, now)

    def _dismissed(self, word: str, text: str, now: float) -> None:
        """The server ends it, and may want us back, or at another server."""
        detail, advance = decode_restart(text) if word == RESTART else (text.partition(",")[2], False)
        reason = f"the server said {word}" + (f": {detail}" if detail else "")
        self._end(reason, retry=word != HALT, advance=advance or None)
        self._become(self._life.left, now)

    def _refused(self, text: str, now: float) -> None:
        refusal = decode_auth_failed(text)
        challenge = Challenge.decode_refusal(refusal.reason)
        if self._token:
            self._events.append(TokenRefused())
        asked = challenge.text if challenge is not None else refusal.reason
        retry = refusal.temporary or (bool(self._token) and challenge is None)
        self._events.append(
            Ended(f"the server refused us: {asked}", retry, refusal.wait, challenge, True, refusal.advance)
        )
        self._become(self._life.left, now)

    def _receive_information(self, text: str) -> None:
        """Something for the person at the client: to answer, to open while the verdict is out, or just to read."""
        challenge, page = Challenge.decode_question(text), decode_page(text)
        if challenge is not None:
            self._events.append(Questioned(challenge))
        elif page is not None:
            self._events.append(PageWanted(page))
        else:
            self._events.append(Informed(text))

    def answer(self, text: str) -> None:
        """The answer to a question."""
        self.send_message(encode_response(text))

    def _give_up_at(self) -> float:
        return max(super()._give_up_at(), self._pending_until)

    def _receive_push(self, text: str, now: float) -> None:
        options = self._push.add(text)
        if options is None:
            return
        try:
            options = [option for option in options if self.terms.admits(option)]
            self._keep_token(options)
            if self.agreement is not None:
                return
            self.agreement = decode_agreement(options, self._server_options, self.terms.formats)
            self._pull_at = None
            self._pushed = options
            self._events.append(Pushed(tuple(options)))
            self._derive(self._exchange, self.agreement, now)
        except PeerError as error:
            self._fail(error, now)
            return
        self._become(self._life.admitted)
        self._choose(self._exchange.key_id)

    def _receive_update(self, text: str, now: float) -> None:
        """Changes to what was pushed, whole once the last part is in; what takes a new connection ends this one."""
        changes = self._update.add(text)
        if changes is None or self.agreement is None:
            return
        try:
            admitted = [change for change in changes if self.terms.admits(change.removeprefix("-").removeprefix("?"))]
            self._pushed = updated(self._pushed, admitted)
        except PeerError as error:
            self._fail(error, now)
            return
        self._events.append(Updated(tuple(self._pushed)))

    def _keep_token(self, options: list[str]) -> None:
        """A token may come with the push, and a fresh one, for the same user, at any time after a renegotiation."""
        token, username = "", self._token.username if self._token else ""
        for option in options:
            word, _, value = option.partition(" ")
            if word == "auth-token" and 0 < len(value) < LONGEST_CREDENTIAL:
                token = value
            elif word == "auth-token-user":
                given = decode_base64(value) or ""
                username = given if 0 < len(given.encode()) < LONGEST_CREDENTIAL else username
        if token:
            # From now on the token is shown, at new keys, too.
            self.terms = replace(self.terms, password="")
            self._token = TokenGiven(token, username)
            self._events.append(self._token)

    def leave(self, now: float) -> bool:
        """Say goodbye where the server understands it; False: the plane has to say it (OCC exit)."""
        told = self.stage is Stage.ADMITTED and self.agreement is not None and self.agreement.exit_message
        if told:
            self.send_message(EXIT)
        self._end("left")
        self._become(self._life.left, now)
        return told

    def opened(self, key_id: int) -> None:
        """Data came under this key: the server uses it, so do we."""
        if key_id == self._derived:
            self._choose(key_id)
            self._switch_at = None

    def deadline(self) -> float | None:
        times = [super().deadline(), self._pull_at, self._switch_at]
        if self.stage in (Stage.LINGERING, Stage.GONE):
            return times[0]
        return min((time for time in times if time is not None), default=None)

    def _advance(self, now: float) -> None:
        if self._pull_at is not None and now >= self._pull_at and self.stage is Stage.JUDGING:
            self.send_message(PUSH_REQUEST)
            self._pull_at = now + PULL_INTERVAL
        if self._switch_at is not None and now >= self._switch_at and self._derived is not None:
            self._choose(self._derived)
            self._switch_at = None
