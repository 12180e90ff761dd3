"""The server's side of a session: verdict, push, exit (protocol: key-exchange.md, push-and-options.md 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tvpn.crypto.certificate import Identity, common_name
from tvpn.crypto.token import Token, TokenState
from tvpn.errors import Drop, PeerError
from tvpn.session.event import Answered, VerdictWanted
from tvpn.session.exchange import KeyExchange, Numbers
from tvpn.session.life import Stage
from tvpn.session.negotiation import Agreement, agree, encode_agreement, negotiates_ciphers
from tvpn.session.peer import Opening, Session, Terms
from tvpn.session.update import updated
from tvpn.wire.challenge import CR_RESPONSE, LONGEST_QUESTION, decode_response, encode_pending
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import LONGEST_CREDENTIAL, KeyExchangeMessage
from tvpn.wire.message import (
    EXIT,
    INFO_PRE,
    PUSH_REQUEST,
    encode_auth_failed,
    encode_halt,
    encode_info,
    encode_push_reply,
    encode_push_update,
    encode_restart,
)
from tvpn.wire.option import Proto, decode_peer_info, peer_protocol

#: A PUSH_REQUEST within this many seconds of a reply is only acked.
PUSH_REPEAT = 30.0
#: Seconds for the first word of TLS.
PATIENCE = 10.0


class ServerSession(Session):
    """One client. After ``VerdictWanted`` the hub calls ``admit`` or ``refuse``."""

    server = True

    def __init__(self, terms: Terms, opening: Opening, now: float, stateless: bool = True) -> None:
        """``stateless``: the resets were exchanged by cookie, so both sides go on with message 1."""
        super().__init__(terms, opening, now, Numbers(1, 1) if stateless else Numbers())
        self.identity: Identity | None = None
        self.username = ""
        self._under_verdict = False
        self._pending_until = 0.0
        self._questioned = False
        self._token: Token | None = None
        self._renew_token_at: float | None = None
        self.peer_info: dict[str, str] = {}
        self._push: list[str] | None = None
        self._push_wanted = False
        self._pushed_at: float | None = None
        if not stateless:
            self._exchange.reset(Opcode.HARD_RESET_SERVER_V2, b"", now)

    def _keyed(self, exchange: KeyExchange, now: float) -> None:
        self._become(self._life.keyed)
        remote = exchange.remote
        if remote is None:
            return
        self._under_verdict = True
        try:
            identity = self._identify(exchange, remote)
            self._hold_fast(identity, remote.username)
            token = self._judge_token(remote, identity)
            if self.agreement is not None:
                # A client that is in may send under its new key at once. It may do so under the old one anyway, so
                # packets under the new one are opened, too, while the verdict takes its time; we seal with it after.
                self._derive(exchange, self.agreement, now)
        except PeerError as error:
            self.refuse(str(error), error.told, now)
            return
        self.identity = identity
        self.username = remote.username
        self.peer_info = decode_peer_info(remote.peer_info)
        wanted = VerdictWanted(exchange.key_id, identity, remote.username, remote.password, self.peer_info, token,
                               bool(identity.issuer) or self.terms.username_as_common_name)  # fmt: skip
        self._events.append(wanted)

    def _identify(self, exchange: KeyExchange, remote: KeyExchangeMessage) -> Identity:
        """Who this is, by certificate, user name or both; raises PeerError."""
        username = remote.username
        if exchange.tls.chain or self.terms.certificate_wanted:
            identity = self._judge(exchange.tls)
        else:
            identity = Identity.of_user(username if username.isprintable() else "")
        if max(len(username.encode()), len(remote.password.encode())) >= LONGEST_CREDENTIAL:
            text = "user name or password is too long"
            raise PeerError(f"{identity.name}: {text}", text)
        if not username.isprintable():
            raise PeerError(f"{identity.name}: the user name has control characters", "malformed user name")
        if not identity.issuer and not (username and remote.password):
            text = "user name and password are missing"
            raise PeerError(f"a client without certificate: {text}", text)
        if self.terms.username_as_common_name and username:
            identity = replace(identity, name=username, user=username)
        return identity

    def _judge_token(self, remote: KeyExchangeMessage, identity: Identity) -> TokenState:
        """What the password is; raises PeerError for a bad token, unless another is to judge that."""
        rules = self.terms.tokens
        if rules is None:
            return TokenState.INITIAL
        state, token = rules.judge(remote.username, remote.password, self.terms.wall())
        if state is TokenState.AUTHENTICATED and token is not None:
            if self._token is not None and token.session_id != self._token.session_id:
                state = TokenState.INVALID
            else:
                self._token = token
        if state is TokenState.EXPIRED and not rules.external:
            raise PeerError(f"{identity.name}: the token has expired", "SESSION: token expired")
        if state is TokenState.INVALID and not rules.external:
            raise PeerError(f"{identity.name}: the token is not one of ours for user {remote.username!r}")
        return state

    def _hold_fast(self, identity: Identity, username: str) -> None:
        """Who came in stays who it is at every renegotiation; raises PeerError."""
        if self.identity is None:
            return
        if identity != self.identity:
            raise PeerError(f"{self.identity.name} came back as {identity.name} in a renegotiation", "identity changed")
        if username != self.username:
            raise PeerError(f"{identity.name} came back as user {username!r}, not {self.username!r}", "user changed")

    def admit(self, push: Sequence[str], peer_id: int, now: float) -> None:
        """The verdict is yes: the first one derives keys and pushes these options, later ones let a key be used."""
        exchange = self._exchange
        if self.stage not in (Stage.JUDGING, Stage.ADMITTED) or exchange.remote is None:
            return
        try:
            token = self._next_token(now)
            if self.agreement is None:
                self.agreement = self._agree(exchange.remote.options, [*push, *token], peer_id)
                self._derive(exchange, self.agreement, now)
            elif token:
                self._send_push(token)
        except PeerError as error:
            self.refuse(str(error), error.told, now)
            return
        self._under_verdict = self._questioned = False
        self._become(self._life.admitted)
        self._latch()
        self._advance(now)

    def _agree(self, options: str, push: Sequence[str], peer_id: int) -> Agreement:
        """What holds from now on, and the push that says so; raises PeerError without a common cipher."""
        agreement = agree(self.peer_info, options, self.terms.formats, peer_id)
        self._push = [*push, *encode_agreement(agreement, negotiates_ciphers(self.peer_info))]
        self._push_wanted |= Proto.REQUEST_PUSH in peer_protocol(self.peer_info)
        return agreement

    def _next_token(self, now: float) -> list[str]:
        """The option that gives the client its next token, if there are tokens."""
        rules = self.terms.tokens
        if rules is None or not self.username:
            return []
        self._token = rules.renew(self._token, self.terms.wall(), self.terms.random)
        self._renew_token_at = now + rules.renewal
        option = f"auth-token {rules.secret.encode(self.username, self._token)}"
        if self._push is not None:
            # Who asks for the push again is not to get a token of long ago.
            self._push = [option if each.startswith("auth-token ") else each for each in self._push]
        return [option]

    def pend(self, method: str, seconds: int, now: float) -> float:
        """While the verdict is out, have the person at the client do something; the seconds that it may take now.
        Raises ValueError for a method that is too long or unprintable.
        """
        if len(method.encode()) + len(INFO_PRE) + 2 > LONGEST_QUESTION or not method.isprintable():
            raise ValueError(f"a question has at most {LONGEST_QUESTION} bytes and no control characters")
        if self._under_verdict:
            has_keyword = Proto.AUTH_PENDING_KEYWORD in peer_protocol(self.peer_info)
            most = self.terms.limits.patience if has_keyword else self.terms.limits.hand_window
            self._pending_until = min(now + seconds, self._exchange.started + most)
            rest = max(int(self._pending_until - now), 1)
            self.send_message(encode_pending(rest if has_keyword else None))
            self.send_message(f"{INFO_PRE},{method}")
            self._questioned = True
        return max(self._pending_until - now, 0.0)

    def _give_up_at(self) -> float:
        if self._under_verdict:
            return max(super()._give_up_at(), self._pending_until)
        # Who has proved an address but says nothing of TLS is not waited for as long as a slow handshake.
        latest = super()._give_up_at()
        return min(latest, self._exchange.started + PATIENCE) if self.silent else latest

    @property
    def silent(self) -> bool:
        """The client has said nothing of TLS yet."""
        return self._exchange.key_id == 0 and not self._exchange.begun

    @property
    def _decided(self) -> bool:
        return super()._decided and not self._under_verdict

    def _time_out(self, now: float) -> None:
        if self._under_verdict and self.stage in (Stage.JUDGING, Stage.ADMITTED):
            reason = f"the verdict did not finish within {self._give_up_at() - self._exchange.started:g} seconds"
            self.refuse(reason, "try again later", now, temporary=True)
        else:
            super()._time_out(now)

    def refuse(self, reason: str, told: str | None, now: float, temporary: bool = False) -> None:
        """The verdict is no: the client reads ``told``, we linger so that it can. ``temporary``: it may try again."""
        if self.stage in (Stage.JUDGING, Stage.ADMITTED):
            if temporary and Proto.AUTH_FAIL_TEMP in peer_protocol(self.peer_info):
                told = f"TEMP:{told or 'try again later'}"
            self.send_message(encode_auth_failed(told))
            self._end(reason, retry=False)
            self._become(self._life.refused, now)

    def dismiss(self, reason: str, now: float, halt: bool = False) -> None:
        """Tell an admitted client that this is the end: it may come back and keep its passwords, or (``halt``) not."""
        if self.stage is Stage.ADMITTED:
            self.send_message(encode_halt(reason) if halt else encode_restart(reason))
        self._end(reason)
        self._become(self._life.left, now)

    def update(self, changes: Sequence[str]) -> bool:
        """Change what was pushed; False for a client that is not in, or that does not understand it."""
        if self.stage is not Stage.ADMITTED or Proto.PUSH_UPDATE not in peer_protocol(self.peer_info):
            return False
        self._push = updated(self._push or (), changes)
        for message in encode_push_update(changes):
            self.send_message(message)
        return True

    def inform(self, text: str) -> bool:
        """Say something to the user of an admitted client; False when it is not in."""
        if self.stage is not Stage.ADMITTED:
            return False
        self.send_message(encode_info(text))
        return True

    def _message(self, text: str, now: float) -> None:
        if text == PUSH_REQUEST:
            self._push_wanted = True
        elif text.startswith(f"{CR_RESPONSE},"):
            self._receive_response(text)
        elif text == EXIT:
            self._end("left")
            self._become(self._life.left, now)

    def _receive_response(self, text: str) -> None:
        """The answer to a question; one nobody has asked for is not listened to."""
        if self._questioned:
            self._questioned = False
            try:
                self._events.append(Answered(decode_response(text)))
            except Drop:
                self._events.append(Answered(""))

    def deadline(self) -> float | None:
        token = self._renew_token_at if self.stage is Stage.ADMITTED else None
        return min((time for time in (super().deadline(), token) if time is not None), default=None)

    def _send_push(self, options: Sequence[str]) -> None:
        for message in encode_push_reply(options):
            self.send_message(message)

    def _advance(self, now: float) -> None:
        if self.stage is not Stage.ADMITTED:
            return
        if self._push_wanted and self._push is not None:
            self._push_wanted = False
            if self._pushed_at is None or now - self._pushed_at >= PUSH_REPEAT:
                self._pushed_at = now
                self._send_push(self._push)
        if self._renew_token_at is not None and now >= self._renew_token_at:
            self._send_push(self._next_token(now))
        if self._chosen is None or self._established:
            self._choose(self._exchange.key_id)

    def describe(self) -> str:
        """A name for the log even before there is an identity: what the certificate claims, verified or not."""
        if self.identity is not None:
            return self.identity.name
        shown = self._exchange.tls.shown_certificate()
        if shown is None:
            return ""
        try:
            return f"(unverified) {common_name(shown)}"
        except PeerError:
            return "(unprintable)"
