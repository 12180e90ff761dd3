"""The server's side of a session: verdict, push, exit (protocol: key-exchange.md, push-and-options.md 1)."""

from __future__ import annotations

from collections.abc import Sequence

from tvpn.crypto.certificate import Identity, common_name
from tvpn.errors import PeerError
from tvpn.session.event import VerdictWanted
from tvpn.session.exchange import KeyExchange, Numbers
from tvpn.session.life import Stage
from tvpn.session.negotiation import agree, encode_agreement, negotiates_ciphers
from tvpn.session.peer import Opening, Session, Terms
from tvpn.wire.header import Opcode
from tvpn.wire.message import (
    EXIT,
    PUSH_REQUEST,
    encode_auth_failed,
    encode_push_reply,
    encode_restart,
)
from tvpn.wire.option import Proto, decode_peer_info, peer_protocol

#: A PUSH_REQUEST within this many seconds of a reply is only acked.
PUSH_REPEAT = 30.0


class ServerSession(Session):
    """One client. After ``VerdictWanted`` the hub calls ``admit`` or ``refuse``."""

    server = True

    def __init__(self, terms: Terms, opening: Opening, now: float, stateless: bool = True) -> None:
        """``stateless``: the resets were exchanged by cookie, so both sides go on with message 1."""
        super().__init__(terms, opening, now, Numbers(1, 1) if stateless else Numbers())
        self.identity: Identity | None = None
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
        try:
            identity = self._judge(exchange)
            if self.identity is not None and identity != self.identity:
                raise PeerError(f"{self.identity.name} came back as {identity.name} in a renegotiation")
        except PeerError as error:
            self.refuse(str(error), error.told, now)
            return
        self.identity = identity
        self.peer_info = decode_peer_info(remote.peer_info)
        wanted = VerdictWanted(exchange.key_id, identity, remote.username, remote.password, self.peer_info)
        self._events.append(wanted)

    def admit(self, push: Sequence[str], peer_id: int, now: float) -> None:
        """The verdict is yes: derive keys, and with the first one push these options."""
        exchange = self._exchange
        if self.stage not in (Stage.JUDGING, Stage.ADMITTED) or exchange.remote is None:
            return
        try:
            if self.agreement is None:
                terms = self.terms
                options = exchange.remote.options
                self.agreement = agree(
                    self.peer_info, options, terms.data_ciphers, terms.fallback_cipher, peer_id
                )
                negotiated = encode_agreement(self.agreement, negotiates_ciphers(self.peer_info))
                self._push = [*push, *negotiated]
                self._push_wanted |= Proto.REQUEST_PUSH in peer_protocol(self.peer_info)
            self._derive(exchange, self.agreement, now)
        except PeerError as error:
            self.refuse(str(error), error.told, now)
            return
        self._become(self._life.admitted)
        self._advance(now)

    def refuse(self, reason: str, told: str | None, now: float) -> None:
        """The verdict is no: the client reads ``told``, we linger so that it can."""
        if self.stage in (Stage.JUDGING, Stage.ADMITTED):
            self.send_message(encode_auth_failed(told))
            self._end(reason, retry=False)
            self._become(self._life.refused, now)

    def restart(self, reason: str, now: float) -> None:
        """Tell an admitted client that we go away and that it may keep its passwords."""
        if self.stage is Stage.ADMITTED:
            self.send_message(encode_restart(reason))
            self._end(reason)
        self._become(self._life.left, now)

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
