"""Packet scripts: which packets come in, and exactly which go out and when, on a clock of their own.

A script has a line for each happening, in this order, with ``#`` before remarks::

    +20ms  < CONTROL [1..3] acks 0,1 x100
    time since the line before (none: at once) | what happens

    < OPCODE [ids] words     packets come in, all of a line in one batch
    > OPCODE [ids] words     packets go out, these and no others, at this time and no other
    say 3000                 so many bytes of TLS wait to be sent
    admit, refuse, renegotiate   what the hub may do to a session
    stage gone               where the session's life is
    quiet                    nothing; with a time: nothing goes out until then

    acks 1,0   the ack block in this order          key 1          the key id, 0 without the word
    x100       the payload's size                   "EXIT"         the payload is this control message
    keys       the payload is key method 2          junk           the payload is no TLS
    stranger   from another session id              for stranger   the acks are for another session id
    ! reason   dropped for this reason

TLS hides nothing here: what it is given to send goes out as it is, and a payload that comes in is a whole record,
or, made by ``x``, a part of a handshake that tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import Envelope, Unwrapped
from tvpn.errors import Drop, PeerError
from tvpn.session import exchange
from tvpn.session.client import ClientSession
from tvpn.session.life import Stage
from tvpn.session.negotiation import Formats
from tvpn.session.peer import Opening, Session, Terms
from tvpn.session.renegotiation import Limits
from tvpn.session.server import ServerSession
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import KeyExchangeMessage, KeySource
from tvpn.wire.message import decode_messages, encode_message

OWN, PEER, STRANGER = b"ourownid", b"the_peer", b"stranger"
FILLER, JUNK = b".", b"!"
NEVER = Limits(longest=0, shortest=0)
BEGIN = 100_000
"""Milliseconds on the clock when a script begins."""

_LINE = re.compile(r"(?:\+(?P<number>\d+)(?P<unit>ms|s)\s+)?(?P<rest>.+)")
_PACKET = re.compile(
    r"(?P<way>[<>]) (?P<opcode>[A-Z_0-9]+)(?: \[(?P<first>\d+)(?:\.\.(?P<last>\d+))?\])?"
    r"(?: acks (?P<acks>[\d,]+))?(?: key (?P<key>\d))?(?: (?:x(?P<size>\d+)|\"(?P<text>.*)\"|(?P<kind>keys|junk)))?"
    r"(?P<sender> stranger)?(?P<receiver> for stranger)?(?: ! (?P<reason>[a-z-]+))?"
)


class GlassTLS:
    """Stands in for TLS, established by the first word of the peer."""

    def __init__(self, context: object, server: bool) -> None:
        self.established = False
        self.chain: list[object] = []
        self.steps: list[str] = []
        self.version = "TLSv1.3"
        self.broken: PeerError | None = None
        self._waiting = b"" if server else FILLER * 100

    def receive(self, data: bytes) -> list[bytes]:
        if data[:1] == JUNK:
            raise PeerError("no TLS")
        self.established = self.established or bool(data)
        return [data] if data and data[:1] != FILLER else []

    def send(self, record: bytes) -> None:
        self._waiting += record

    def pull(self, limit: int) -> bytes:
        taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return taken


def key_exchange(from_client: bool) -> bytes:
    """What the peer says first inside TLS; as a client it is an old one, without dynamic tls-crypt."""
    source = KeySource(b"1" * 32, b"2" * 32, b"p" * 48 if from_client else b"")
    info = "IV_NCP=2\nIV_PROTO=6\n" if from_client else ""
    return KeyExchangeMessage(source, "V4", peer_info=info).encode()


class Packet:
    """One packet of a line."""

    def __init__(self, words: re.Match[str], message_id: int | None) -> None:
        self.words = words
        self.message_id = message_id

    def incoming(self, from_client: bool) -> bytes:
        """The datagram."""
        words = self.words
        payload = FILLER * int(words["size"] or 0)
        if words["text"] is not None:
            payload = encode_message(words["text"])
        elif words["kind"]:
            payload = key_exchange(from_client) if words["kind"] == "keys" else JUNK
        acks = tuple(int(ack) for ack in words["acks"].split(",")) if words["acks"] else ()
        remote = (STRANGER if words["receiver"] else OWN) if acks else b""
        packet = ControlPacket(
            Opcode[words["opcode"]], int(words["key"] or 0), STRANGER if words["sender"] else PEER, acks, remote,
            self.message_id, payload,
        )  # fmt: skip
        return Unwrapped().wrap(Stamp(0, 0), packet.header, packet.encode_body())

    def expected(self) -> str:
        words = self.words
        text = _shown(words["opcode"], self.message_id, words["acks"], int(words["key"] or 0))
        return text + (f" x{words['size']}" if words["size"] else "") + (
            f' "{words["text"]}"' if words["text"] else ""
        )

    def shown(self, sent: ControlPacket) -> str:
        """A sent packet, as far as the script speaks of it."""
        text = _shown(sent.opcode.name, sent.message_id, ",".join(map(str, sent.acks)), sent.key_id)
        if self.words["size"]:
            text += f" x{len(sent.payload)}"
        if self.words["text"]:
            text += "".join(f' "{message}"' for message in decode_messages(sent.payload))
        return text


def _shown(opcode: str, message_id: int | None, acks: str | None, key_id: int) -> str:
    number = "" if message_id is None else f" [{message_id}]"
    return opcode + number + (f" acks {acks}" if acks else "") + (f" key {key_id}" if key_id else "")


def packets_of(words: re.Match[str]) -> Iterator[Packet]:
    if words["first"] is None:
        yield Packet(words, None)
        return
    for message_id in range(int(words["first"]), int(words["last"] or words["first"]) + 1):
        yield Packet(words, message_id)


class ScriptTestCase(SynchronousTestCase):
    """Plays scripts against a session."""

    def setUp(self) -> None:
        self.patch(exchange, "TLS", GlassTLS)
        self.patch(Session, "_judge", lambda session, tls: Identity("issuer", 1, "alice"))

    def terms(self, limits: Limits = NEVER, longest_timeout: float = 1.0, max_packet_size: int = 1250) -> Terms:
        return Terms(
            context=lambda: None, options="V4", formats=Formats(("AES-256-GCM",)), wall=lambda: 0.0,
            random=lambda size: b"\7" * size, limits=limits, longest_timeout=longest_timeout,
            max_packet_size=max_packet_size,
        )  # type: ignore[arg-type,return-value]  # fmt: skip

    def server(self, script: str, stateless: bool = True, **terms: object) -> None:
        """We are the server; ``stateless``: the resets were exchanged by cookie."""
        opening = Opening(OWN, PEER, Envelope(Unwrapped(), 0))
        self.play(script, ServerSession(self.terms(**terms), opening, BEGIN / 1000, stateless))  # type: ignore[arg-type]

    def client(self, script: str, **terms: object) -> None:
        """We are the client."""
        opening = Opening(OWN, b"", Envelope(Unwrapped(), 0))
        self.play(script, ClientSession(self.terms(**terms), opening, BEGIN / 1000))  # type: ignore[arg-type]

    def play(self, script: str, session: Session) -> None:
        self.session = session
        self.now = BEGIN
        self.sent: list[ControlPacket] = []
        self.transmit()
        for number, line in enumerate(script.splitlines()):
            words = line.partition("#")[0].strip()
            if words:
                self.line = f"line {number}: {words}"
                self.happen(words)
        self.nothing_more()

    def happen(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(self.line)
        if match["number"]:
            self.pass_time(int(match["number"]) * (1000 if match["unit"] == "s" else 1))
        packet = _PACKET.fullmatch(match["rest"])
        if packet is not None and packet["way"] == "<":
            self.come_in(packet)
        elif packet is not None:
            self.go_out(packet)
        else:
            self.act(match["rest"])

    def pass_time(self, milliseconds: int) -> None:
        """Timers go off; only what leaves at the very end of this time is asked for."""
        self.nothing_more()
        until = self.now + milliseconds
        while (due := self.session.deadline()) is not None and round(due * 1000) <= until:
            self.now = max(self.now, round(due * 1000))
            self.session.tick(self.now / 1000)
            self.transmit()
            if self.now < until:
                self.nothing_more()
            elif self.session.deadline() == due:
                break
        self.now = until

    def nothing_more(self) -> None:
        left = [_shown(p.opcode.name, p.message_id, ",".join(map(str, p.acks)), p.key_id) for p in self.sent]
        self.assertEqual(left, [], f"at {self.now - BEGIN} ms, before {self.line}")

    def transmit(self) -> None:
        for datagram in self.session.transmit(self.now / 1000):
            self.sent.append(ControlPacket.decode(datagram[:9], datagram[9:]))

    def come_in(self, words: re.Match[str]) -> None:
        for packet in packets_of(words):
            reason = None
            try:
                self.session.receive(packet.incoming(from_client=self.session.server), self.now / 1000)
            except Drop as drop:
                reason = drop.reason
            self.assertEqual(reason, words["reason"], self.line)
        self.transmit()

    def go_out(self, words: re.Match[str]) -> None:
        for packet in packets_of(words):
            self.assertTrue(self.sent, f"nothing was sent: {self.line}")
            self.assertEqual(packet.shown(self.sent.pop(0)), packet.expected(), self.line)

    def act(self, line: str) -> None:
        word, _, detail = line.partition(" ")
        session = self.session
        if word == "say":
            session._exchange.tls.send(FILLER * int(detail))
        elif word == "admit" and isinstance(session, ServerSession):
            session.admit(["ping 10"], 0, self.now / 1000)
        elif word == "refuse" and isinstance(session, ServerSession):
            session.refuse("revoked", "revoked", self.now / 1000)
        elif word == "renegotiate":
            session.renegotiate(self.now / 1000)
        elif word == "stage":
            self.assertIs(session.stage, Stage(detail), self.line)
        elif word != "quiet":
            raise ValueError(self.line)
        self.transmit()
