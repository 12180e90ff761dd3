"""The exchange of one key id: reset, TLS, key method 2, messages (protocol: reliability.md 5 and 8).

Every key id has its own message numbers and its own TLS session; the session (peer.py) holds the newest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from OpenSSL import SSL

from tvpn.crypto.tls import TLS
from tvpn.errors import Drop, PeerError
from tvpn.session.record import Said
from tvpn.session.reliable import DEDICATED_ACKS, PIGGYBACKED_ACKS, Inbox, Outbox, Outgoing
from tvpn.wire.control import HEADER_SIZE, ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import KeyExchangeMessage
from tvpn.wire.message import decode_messages, encode_message

_ACKS_SIZE = 1 + 4 * PIGGYBACKED_ACKS + 8
_MESSAGE_ID_SIZE = 4


@dataclass(slots=True)
class Numbers:
    """Where the message ids stand: at 1 when the resets were exchanged without state."""

    incoming: int = 0
    outgoing: int = 0


class KeyExchange:
    """One key id's control channel. ``own`` is the key-method-2 message that we will send; before that, and before
    anything is heard, ``approve`` may raise PeerError.
    """

    def __init__(
        self, key_id: int, server: bool, context: SSL.Context, own: KeyExchangeMessage, now: float,
        *, numbers: Numbers | None = None, longest_timeout: float = 1.0,
        approve: Callable[[TLS], object] | None = None,
    ) -> None:  # fmt: skip
        numbers = numbers or Numbers()
        self.key_id = key_id
        self.started = now
        self.own = own
        self.remote: KeyExchangeMessage | None = None
        self.finished = False
        """Once established, an exchange stays so, whatever else is said under it; the session sets it."""
        self.begun = False
        """The peer has begun to speak TLS."""
        self.broken: PeerError | None = None
        """Why nothing more can come; what came before counts."""
        self._met = numbers.incoming > 0
        self.wrapped_key = b""
        self._server = server
        self._tls = TLS(context, server)
        self._inbox: Inbox[ControlPacket] = Inbox(numbers.incoming)
        self._outbox = Outbox(numbers.outgoing, longest_timeout)
        self._approve = approve
        self._spoken = False
        self._pending: list[str] = []
        self._heard: list[Said] = []
        self._uttered: list[Said] = []
        self._told = 0

    # What comes in

    def receive(self, packet: ControlPacket, now: float) -> list[str]:
        """One packet of this key id; the control messages it completes. ``broken`` says that these were the last."""
        self._outbox.acknowledge(packet.acks, now)
        messages: list[str] = []
        if packet.message_id is None or self.broken is not None:
            return messages
        try:
            for ready in self._inbox.accept(packet.message_id, packet):
                self._read(ready, messages, now)
        except PeerError as error:
            self.broken = error
        self.broken = self.broken or self._tls.broken
        return messages

    def _read(self, packet: ControlPacket, messages: list[str], now: float) -> None:
        if packet.message_id == 0 and not self._met:
            self._met = True
            self._outbox.hurry(now)
            return
        if packet.opcode not in (Opcode.CONTROL, Opcode.CONTROL_WKC):
            raise Drop("reset-out-of-place")
        self.begun = self.begun or bool(packet.payload)
        records = self._tls.receive(packet.payload)
        if self._tls.established and self._approve is not None:
            approve, self._approve = self._approve, None
            approve(self._tls)
        for record in records:
            if self.remote is None:
                self.remote = KeyExchangeMessage.decode(record, from_client=self._server)
                self._heard.append(self.remote)
            else:
                said = list(decode_messages(record))
                self._heard += said
                messages += said
        self._speak()

    def _speak(self) -> None:
        """Key method 2: the client begins, the server answers."""
        if not self._spoken and self._tls.established and (self.remote is not None or not self._server):
            self._spoken = True
            self._say(self.own, self.own.encode())
            for text in self._pending:
                self._say(text, encode_message(text))
            self._pending.clear()

    def take_heard(self) -> tuple[Said, ...]:
        """What the peer has said since the last call."""
        self._sort_steps()
        heard = tuple(self._heard)
        self._heard.clear()
        return heard

    def take_uttered(self, packet: ControlPacket) -> tuple[Said, ...]:
        """What we have said since the last call, if this packet is the one that begins to carry it."""
        if not packet.payload or packet.message_id is None or packet.message_id <= self._told:
            return ()
        self._told = packet.message_id
        self._sort_steps()
        uttered = tuple(self._uttered)
        self._uttered.clear()
        return uttered

    def _sort_steps(self) -> None:
        """OpenSSL's words tell what was read and what written; the others are about itself."""
        for step in self._tls.steps:
            if " write " in step:
                self._uttered.append(step)
            elif " read " in step:
                self._heard.append(step)
        self._tls.steps.clear()

    # What goes out

    def _say(self, said: Said, record: bytes) -> None:
        self._sort_steps()
        self._uttered.append(said)
        self._tls.send(record)

    def reset(self, opcode: Opcode, payload: bytes, now: float, trailer: bytes = b"") -> None:
        """Begin, or answer, with a reset."""
        self._outbox.add(opcode, payload, now, trailer)

    def send_message(self, text: str) -> None:
        """One control message, a record of its own; before the key exchange it waits."""
        if self._spoken:
            self._say(text, encode_message(text))
            self.broken = self.broken or self._tls.broken
        else:
            self._pending.append(text)

    def transmit(self, session_id: bytes, remote_id: bytes, room: int, now: float) -> list[tuple[ControlPacket, bytes]]:
        """Packets to wrap and send, each with its trailer. ``room``: what header and body together may take."""
        if self._met:
            self._fill_window(room - HEADER_SIZE - _ACKS_SIZE - _MESSAGE_ID_SIZE, now)
        packets = [(self._packet(out, session_id, remote_id), out.trailer) for out in self._outbox.take_due(now)]
        if self._inbox.owes:
            acks = self._inbox.take_acks(DEDICATED_ACKS)
            packets.append((ControlPacket(Opcode.ACK, self.key_id, session_id, acks, remote_id), b""))
        return packets

    def _fill_window(self, limit: int, now: float) -> None:
        while self._outbox.has_room:
            opcode, trailer = Opcode.CONTROL, b""
            if self.wrapped_key and self._outbox.next_id == 1:
                opcode, trailer = Opcode.CONTROL_WKC, self.wrapped_key
            # A wrapped key may leave no room for TLS: then it goes alone, and TLS follows in the next message.
            data = self._tls.pull(limit - len(trailer)) if limit > len(trailer) else b""
            if not data and not trailer:
                break
            self._outbox.add(opcode, data, now, trailer)

    def _packet(self, out: Outgoing, session_id: bytes, remote_id: bytes) -> ControlPacket:
        acks = self._inbox.take_acks(PIGGYBACKED_ACKS) if remote_id else ()
        remote = remote_id if acks else b""
        return ControlPacket(out.opcode, self.key_id, session_id, acks, remote, out.message_id, out.payload)

    # Where it stands

    @property
    def secured(self) -> bool:
        """TLS is up."""
        return self._tls.established

    @property
    def complete(self) -> bool:
        """Key method 2 went both ways and the peer has acked all we said."""
        return self._spoken and self.remote is not None and self._outbox.empty

    @property
    def settled(self) -> bool:
        return self._outbox.empty

    @property
    def tls(self) -> TLS:
        return self._tls

    def deadline(self) -> float | None:
        return self._outbox.deadline()


def check_reset(packet: ControlPacket) -> None:
    """A reset is the first message of its key id, and nothing else is; raises Drop."""
    is_reset = packet.opcode not in (Opcode.CONTROL, Opcode.CONTROL_WKC, Opcode.ACK)
    if packet.message_id is not None and is_reset != (packet.message_id == 0):
        raise Drop("message-id-of-reset")

