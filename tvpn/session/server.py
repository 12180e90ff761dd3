"""The server's side of a session: verdict, push, exit (protocol: key-exchange.md, push-and-options.md 1)."""

from __future__ import annotations

from collections.abc import Sequence

from tvpn.crypto.certificate import Identity, common_name
from tvpn.errors import PeerError
from tvpn.session.event import VerdictWanted
from tvpn.session.exchange import KeyExchange, Numbers
from tvpn.session.life import Stage
from tvpn.session.negotiation import Agreement, agree, encode_agreement, negotiates_ciphers
from tvpn.session.peer import Opening, Session, Terms
from tvpn.session.update import updated
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import LONGEST_CREDENTIAL
from tvpn.wire.message import (
    EXIT,
    PUSH_REQUEST,
    encode_auth_failed,
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
            identity = self._judge(exchange)
            if max(len(remote.username.encode()), len(remote.password.encode())) >= LONGEST_CREDENTIAL:
                text = "user name or password is too long"
                raise PeerError(f"{identity.name}: {text}", text)
            self._hold_fast(identity, remote.username)
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
        wanted = VerdictWanted(exchange.key_id, identity, remote.username, remote.password, self.peer_info)
        self._events.append(wanted)

    def _hold_fast(self, identity: Identity, username: str) -> None:
        """Who came in stays who it is at every renegotiation; raises PeerError."""
        if not username.isprintable():
            raise PeerError(f"{identity.name}: the user name has control characters", "malformed user name")
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
            if self.agreement is None:
                self.agreement = self._agree(exchange.remote.options, push, peer_id)
                self._derive(exchange, self.agreement, now)
        except PeerError as error:
            self.refuse(str(error), error.told, now)
            return
        self._under_verdict = False
        self._become(self._life.admitted)
        self._latch()
        self._advance(now)

    def _agree(self, options: str, push: Sequence[str], peer_id: int) -> Agreement:
        """What holds from now on, and the push that says so; raises PeerError without a common cipher."""
        terms = self.terms
        agreement = agree(self.peer_info, options, terms.data_ciphers, terms.fallback_cipher, peer_id)
        self._push = [*push, *encode_agreement(agreement, negotiates_ciphers(self.peer_info))]
        self._push_wanted |= Proto.REQUEST_PUSH in peer_protocol(self.peer_info)
        return agreement

    def _give_up_at(self) -> float:
        # Who has proved an address but says nothing of TLS is not waited for as long as a slow handshake.
        silent = self._exchange.key_id == 0 and not self._exchange.begun
        return min(super()._give_up_at(), self._exchange.started + PATIENCE) if silent else super()._give_up_at()

    @property
    def _decided(self) -> bool:
        return super()._decided and not self._under_verdict

    def refuse(self, reason: str, told: str | None, now: float, temporary: bool = False) -> None:
        """The verdict is no: the client reads ``told``, we linger so that it can. ``temporary``: it may try again."""
        if self.stage in (Stage.JUDGING, Stage.ADMITTED):
            if temporary and Proto.AUTH_FAIL_TEMP in peer_protocol(self.peer_info):
                told = f"TEMP:{told or 'try again later'}"
            self.send_message(encode_auth_failed(told))
            self._end(reason, retry=False)
            self._become(self._life.refused, now)

    def restart(self, reason: str, now: float) -> None:
        """Tell an admitted client that we go away and that it may keep its passwords."""
        if self.stage is Stage.ADMITTED:
            self.send_message(encode_restart(reason))
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
        elif text == EXIT:
            self._end("left")
            self._become(self._life.left, now)

    def _advance(self, now: float) -> None:
        if self.stage is not Stage.ADMITTED:
            return
        if self._push_wanted and self._push is not None:
            self._push_wanted = False
            if self._pushed_at is None or now - self._pushed_at >= PUSH_REPEAT:
                self._pushed_at = now
                for message in encode_push_reply(self._push):
                    self.send_message(message)
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
