"""A session as a sequence chart: the client on the left, the server on the right, a line for each control packet.

Below each packet stands what is in it and why. Secrets stay out of it: passwords and tokens always, keys unless they
are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from tvpn.crypto.derive import DataKeys
from tvpn.service.narrator import clean
from tvpn.session.record import KeyedAnew, Record, Said, Sighting
from tvpn.wire.challenge import CR_RESPONSE, Challenge
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import KeyExchangeMessage
from tvpn.wire.message import AUTH_FAILED

_WIDTH = 68
_HEAD = f"{'ms':>9}  {'client':<{_WIDTH}}server"
_PACKETS = {
    Opcode.HARD_RESET_CLIENT_V2: "the client knocks: its session id, nothing else",
    Opcode.HARD_RESET_CLIENT_V3: "the client knocks; its wrapped key, which only the server can open, follows in clear",
    Opcode.HARD_RESET_SERVER_V2: "the server answers with a session id of its own; whoever acks it has this address",
    Opcode.SOFT_RESET: "a new key id begins, inside the old session: TLS starts again",
    Opcode.CONTROL_WKC: "the wrapped key comes again, since the server has kept nothing of the reset",
}
_WRAPPINGS = {
    "none": "control packets are not wrapped: anybody could send some, and see who the certificates are about",
    "tls-auth": "control packets are signed: HMAC under the group's static key (tls-auth); silence for all others",
    "tls-crypt": "control packets are wrapped: AES-256-CTR and HMAC-SHA256 under the static key (tls-crypt)",
    "dynamic tls-crypt": "wrapped under a key that both ends have exported from TLS: only these two know it",
}
_HANDSHAKE = {
    "client hello": ("ClientHello", "versions, ciphers and key shares on offer; not yet encrypted by TLS"),
    "server hello": ("ServerHello", "one of each chosen; with TLS 1.3 all that follows is encrypted"),
    "encrypted extensions": ("EncryptedExtensions", "the rest of the choice"),
    "certificate request": ("CertificateRequest", "the server wants to know who the client is"),
    "certificate": ("Certificate", "X.509: who this end is, signed by an authority that the other trusts"),
    "certificate verify": ("CertificateVerify", "signed with the private key of that certificate"),
    "key exchange": ("KeyExchange", "the share of the Diffie-Hellman secret"),
    "server done": ("ServerHelloDone", "the client's turn"),
    "change cipher spec": ("ChangeCipherSpec", "from here on encrypted"),
    "finished": ("Finished", "a checksum of the whole handshake: nobody has tampered with it"),
    "session ticket": ("NewSessionTicket", "of no use here: OpenVPN resumes no sessions"),
}
_MESSAGES = {
    "PUSH_REQUEST": "the client asks for its configuration",
    "PUSH_REPLY": "the configuration: addresses, routes, cipher",
    "PUSH_UPDATE": "changes to what was pushed",
    "AUTH_FAILED": "the server lets the client not in",
    "AUTH_PENDING": "the verdict takes a while",
    "EXIT": "goodbye",
    "RESTART": "the server goes, and may come back",
    "HALT": "the server wants the client to stay away",
}


class Transcript:
    """``note`` takes what a session shows; every line is kept, and handed to ``tell`` at once.

    ``is_server``: it is the server's session that is watched. ``show_keys``: keys whole, not as fingerprints.
    """

    def __init__(
        self, tell: Callable[[str], object] = lambda line: None, *, is_server: bool = False, show_keys: bool = False
    ) -> None:
        self.lines: list[str] = []
        self._tell = tell
        self._is_server = is_server
        self._show_keys = show_keys
        self._began: float | None = None
        self._seen: set[tuple[bool, int, int]] = set()
        self._told: set[tuple[bool, int, Said]] = set()
        self._wrapping = ""

    def note(self, record: Record) -> None:
        """One thing more."""
        if isinstance(record, Sighting):
            self._note_packet(record)
        else:
            self._note_keys(record)

    def say(self, text: str, at: float | None = None) -> None:
        """A sentence between the lines, with its time if it has one."""
        self._add(f"{self._clock(at)}  * {clean(text)}")

    def data(self, at: float, sent: bool, size: int, text: str, remark: str) -> None:
        """A data packet of so many bytes on the wire."""
        self._arrow(at, sent, f"DATA {text}", size)
        self._remark(remark)

    @property
    def markdown(self) -> str:
        """The same for a page."""
        return "\n".join(["```text", *self.lines, "```", ""])

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__
    """At a prompt it is its own picture."""

    # Packets

    def _note_packet(self, sighting: Sighting) -> None:
        packet = sighting.packet
        number = "" if packet.message_id is None else f" id {packet.message_id}"
        acks = f", acks {','.join(map(str, packet.acks))}" if packet.acks else ""
        key = f", key id {packet.key_id}" if packet.key_id else ""
        again = ""
        if packet.message_id is not None:
            which = (sighting.sent, packet.key_id, packet.message_id)
            again = ", again (no ack came in time)" if which in self._seen else ""
            self._seen.add(which)
        self._arrow(
            sighting.at, sighting.sent, f"{packet.opcode.name}{number}{key}{acks}{again}", sighting.size
        )
        if again:
            return
        if sighting.wrapping != self._wrapping:
            self._wrapping = sighting.wrapping
            self._remark(_WRAPPINGS[sighting.wrapping])
        if packet.opcode in _PACKETS:
            self._remark(_PACKETS[packet.opcode])
        for line in self._described(sighting):
            self._remark(line)

    def _described(self, sighting: Sighting) -> Iterator[str]:
        lines: list[str] = []
        for said in sighting.said:
            # OpenSSL says twice where it is when it waits there.
            which = (sighting.sent, sighting.packet.key_id, said)
            if which not in self._told:
                lines += _lines_of(said)
            if isinstance(said, str) and _is_step(said):
                self._told.add(which)
        if not lines and not sighting.said and sighting.packet.payload and sighting.packet.opcode is Opcode.CONTROL:
            yield "a part of what the next packet completes" if not sighting.sent else "the rest of the packet before"
        yield from lines

    def _arrow(self, at: float, sent: bool, text: str, size: int) -> None:
        to_the_right = sent is not self._is_server
        body = f" {text} ".ljust(_WIDTH - 12, "─") + f" {size:>4} B "
        arrow = f"──{body}─►│" if to_the_right else f"◄─{body}──│"
        self._add(f"{self._clock(at)}  │{arrow}")

    def _remark(self, text: str) -> None:
        self._add(f"{'':>9}  │     {clean(text)}")

    def _clock(self, at: float | None) -> str:
        if at is None:
            return f"{'':>9}"
        if self._began is None:
            self._began = at
            self._add(_HEAD)
        return f"{(at - self._began) * 1000:9.1f}"

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self._tell(line)

    # Keys

    def _note_keys(self, record: KeyedAnew) -> None:
        how = "TLS's exporter (RFC 5705)" if record.exporter else "OpenVPN's PRF over the randoms of key method 2"
        self.say(f"{record.tls} is up; data keys of key id {record.key_id} by {how}: {record.keys.cipher}", record.at)
        for direction, key, salt in self._directions(record.keys):
            shown = f"key {key}" + (f", implicit IV or HMAC key {salt}" if salt else "")
            self._remark(f"{direction}: {shown}")

    def _directions(self, keys: DataKeys) -> Iterator[tuple[str, str, str]]:
        own, other = ("server", "client") if self._is_server else ("client", "server")
        yield f"{own} to {other}", self._shown(keys.send_key), self._shown(keys.send_salt)
        yield f"{other} to {own}", self._shown(keys.receive_key), self._shown(keys.receive_salt)

    def _shown(self, key: bytes | bytearray) -> str:
        if not key:
            return ""
        if self._show_keys:
            return bytes(key).hex()
        return f"of {len(key) * 8} bits, fingerprint {hashlib.sha256(key).hexdigest()[:16]}"


def _lines_of(said: Said) -> Iterator[str]:
    """What a person may read of it."""
    if isinstance(said, KeyExchangeMessage):
        yield from _key_method_2(said)
    elif _is_step(said):
        yield from _handshake(said)
    else:
        yield from _message(said)


def _is_step(said: str) -> bool:
    """It is OpenSSL that says so."""
    return said.startswith(("SSLv3/TLS ", "TLSv1"))


def _handshake(step: str) -> Iterator[str]:
    """OpenSSL tells where its state machine is: ``SSLv3/TLS read server certificate verify``."""
    words = step.partition(" read ")[2] or step.partition(" write ")[2]
    for known in sorted(_HANDSHAKE, key=len, reverse=True):
        if words.endswith(known):
            name, why = _HANDSHAKE[known]
            yield f"TLS {name}: {why}"
            return
    yield f"TLS {words}"


def _key_method_2(message: KeyExchangeMessage) -> Iterator[str]:
    secret = "a pre-master secret and two randoms" if message.source.pre_master else "two randoms"
    yield f"key method 2, inside TLS: {secret}, and what this end expects: {message.options or 'nothing'}"
    if message.username:
        yield f"user name {message.username} and a password (not shown)"
    if message.peer_info:
        yield f"peer info: {' '.join(message.peer_info.split())}"


def _message(text: str) -> Iterator[str]:
    word, _, rest = text.partition(",")
    why = _MESSAGES.get(word)
    yield f"{word}: {why}" if why else word
    if word == CR_RESPONSE:
        return
    question = Challenge.decode_refusal(rest) if word == AUTH_FAILED else None
    if question is not None:
        # Its state would let others answer it.
        yield f"  a question: {question.text}"
        return
    for option in filter(str.strip, rest.split(",")):
        name = option.split()[0].strip("\"'").lstrip("-?")
        yield f"  {name} (not shown)" if name == "auth-token" else f"  {option}"
