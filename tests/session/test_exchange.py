"""One key id's exchange: two of them talk without envelopes, roles or hubs around them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import CLIENT_CREDENTIALS, SERVER_CREDENTIALS
from tvpn.crypto.tls import TLS, Strength, build_context
from tvpn.errors import Drop, PeerError
from tvpn.session.exchange import KeyExchange, Numbers, check_reset
from tvpn.session.reliable import FIRST_TIMEOUT
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import KeyExchangeMessage, KeySource
from tvpn.wire.message import encode_message

CLIENT_ID, SERVER_ID = b"clientid", b"serverid"
ROOM = 1200


class ExchangeTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.client = self.exchange(server=False)
        self.server = self.exchange(server=True)

    def exchange(self, server: bool, numbers: Numbers | None = None) -> KeyExchange:
        source = KeySource(b"1" * 32, b"2" * 32, b"" if server else b"p" * 48)
        context = build_context(SERVER_CREDENTIALS if server else CLIENT_CREDENTIALS)
        own = KeyExchangeMessage(source, "V4,server" if server else "V4,client")
        return KeyExchange(1, server, context, own, 0.0, numbers=numbers)

    def sent(self, exchange: KeyExchange, now: float = 0.0, room: int = ROOM) -> list[ControlPacket]:
        own, remote = (SERVER_ID, CLIENT_ID) if exchange is self.server else (CLIENT_ID, SERVER_ID)
        return [packet for packet, _ in exchange.transmit(own, remote, room, now)]

    def talk(self, now: float = 0.0, room: int = ROOM) -> list[str]:
        """Carry packets until both are quiet; the messages that either side read."""
        messages: list[str] = []
        busy = True
        while busy:
            busy = False
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                for packet in self.sent(sender, now, room):
                    busy = True
                    messages += receiver.receive(packet, now)
        return messages

    def begin(self) -> None:
        for exchange in (self.client, self.server):
            exchange.reset(Opcode.SOFT_RESET, b"", 0.0)


class ExchangeTests(ExchangeTestCase):
    def test_complete(self) -> None:
        """After resets, TLS and key method 2 both are complete and have read the other's message."""
        self.begin()
        self.assertFalse(self.client.secured or self.client.complete)
        self.talk()
        self.assertTrue(self.client.complete and self.server.complete)
        self.assertEqual((self.client.remote, self.server.remote), (self.server.own, self.client.own))
        self.assertEqual((self.client.deadline(), self.server.deadline()), (None, None))

    def test_small_room(self) -> None:
        """However small the packets, all goes through, and none is larger than it may be."""
        self.begin()
        for room in (154, 1200):
            packets = self.sent(self.client, room=room)
            self.assertTrue(all(9 + len(packet.encode_body()) <= room for packet in packets))
            for packet in packets:
                self.server.receive(packet, 0.0)
        self.talk(room=154)
        self.assertTrue(self.client.complete and self.server.complete)

    def test_messages_wait(self) -> None:
        """What is said before the key exchange is through waits, and comes after it, one message a record."""
        self.begin()
        for text in ("ONE", "TWO"):
            self.client.send_message(text)
        self.assertEqual(self.talk(), ["ONE", "TWO"])
        self.server.send_message("THREE")
        self.assertEqual(self.talk(), ["THREE"])

    def test_nothing_before_the_reset(self) -> None:
        """No TLS is sent before the peer's reset has come."""
        self.client.reset(Opcode.SOFT_RESET, b"", 0.0)
        self.assertEqual([packet.opcode for packet in self.sent(self.client)], [Opcode.SOFT_RESET])
        self.assertEqual(self.sent(self.client), [])

    def test_peer_shows_itself(self) -> None:
        """With the peer's reset all that waits is due at once, though its timer had longer to run."""
        self.client.reset(Opcode.SOFT_RESET, b"", 0.0)
        self.sent(self.client)
        self.client.receive(ControlPacket(Opcode.SOFT_RESET, 1, SERVER_ID, message_id=0), FIRST_TIMEOUT / 2)
        again = self.sent(self.client, FIRST_TIMEOUT / 2)
        self.assertEqual([packet.opcode for packet in again][:2], [Opcode.SOFT_RESET, Opcode.CONTROL])

    def test_stateless_beginning(self) -> None:
        """After a stateless answer both go on with message 1, without any reset."""
        self.server = self.exchange(server=True, numbers=Numbers(1, 1))
        self.client = self.exchange(server=False, numbers=Numbers(1, 1))
        hello = self.sent(self.client)
        self.assertEqual((hello[0].opcode, hello[0].message_id), (Opcode.CONTROL, 1))
        for packet in hello:
            self.server.receive(packet, 0.0)
        self.talk()
        self.assertTrue(self.client.complete and self.server.complete)


class ApprovalTests(ExchangeTestCase):
    """A client looks at the server's certificate before it says a password or hears a word."""

    def exchange(self, server: bool, numbers: Numbers | None = None) -> KeyExchange:
        exchange = super().exchange(server, numbers)
        context = build_context(SERVER_CREDENTIALS if server else CLIENT_CREDENTIALS, Strength(maximum="1.2"))
        self.asked: list[TLS] = []
        approve = None if server else self.approve
        return KeyExchange(1, server, context, exchange.own, 0.0, numbers=numbers, approve=approve)

    def approve(self, tls: TLS) -> None:
        self.asked.append(tls)
        if self.refusal is not None:
            raise self.refusal

    def impatient(self) -> list[str]:
        """Talk to a server that says all it has to say as soon as TLS is up; what the client makes of it."""
        self.begin()
        messages: list[str] = []
        for _ in range(10):
            early = not self.server.secured
            for packet in self.sent(self.client):
                self.server.receive(packet, 0.0)
            if early and self.server.secured:
                self.server.tls.send(self.server.own.encode())
                self.server.tls.send(encode_message("PUSH_REPLY,route 0.0.0.0 0.0.0.0"))
            for packet in self.sent(self.server):
                messages += self.client.receive(packet, 0.0)
        return messages

    def test_refused(self) -> None:
        """After a refusal the server has read nothing and nothing of the server's counts, however early it speaks."""
        self.refusal: PeerError | None = PeerError("not you")
        self.assertEqual(self.impatient(), [])
        self.assertEqual((self.client.broken, self.client.remote, self.server.remote), (self.refusal, None, None))
        self.assertEqual(self.asked, [self.client.tls])

    def test_approved(self) -> None:
        """Else all goes on, and it was asked once."""
        self.refusal = None
        self.assertIn("PUSH_REPLY,route 0.0.0.0 0.0.0.0", self.impatient())
        self.assertEqual((self.client.remote, self.server.remote), (self.server.own, self.client.own))
        self.assertEqual(self.asked, [self.client.tls])


class OutOfPlaceTests(ExchangeTestCase):
    def test_reset_in_the_middle(self) -> None:
        """A reset with a later number is dropped where it is read."""
        self.begin()
        self.talk()
        number = 0
        with self.assertRaises(Drop):
            for number in range(20):
                self.server.receive(ControlPacket(Opcode.SOFT_RESET, 1, CLIENT_ID, message_id=number), 0.0)
        self.assertGreater(number, 0)

    def test_payload_that_is_no_tls(self) -> None:
        """W-11: a first message that is no TLS ends the exchange, and is acked all the same."""
        for payload in (b"x", b"GET / HTTP/1.0\r\n\r\n", bytes(2048)):
            self.setUp()
            self.server.receive(ControlPacket(Opcode.SOFT_RESET, 1, CLIENT_ID, message_id=0), 0.0)
            packet = ControlPacket(Opcode.CONTROL, 1, CLIENT_ID, message_id=1, payload=payload)
            if payload == b"x":
                self.assertEqual(self.server.receive(packet, 0.0), [])
            else:
                self.assertEqual(self.server.receive(packet, 0.0), [])
                self.assertIsInstance(self.server.broken, PeerError)
            self.assertIn(1, self.sent(self.server)[-1].acks)

    def test_numbers_of_resets(self) -> None:
        """Exactly resets have number 0; acks have none."""
        table = [
            (ControlPacket(Opcode.SOFT_RESET, 1, CLIENT_ID, message_id=0), True),
            (ControlPacket(Opcode.CONTROL, 1, CLIENT_ID, message_id=1), True),
            (ControlPacket(Opcode.CONTROL_WKC, 0, CLIENT_ID, message_id=1), True),
            (ControlPacket(Opcode.ACK, 1, CLIENT_ID, (0,), SERVER_ID), True),
            (ControlPacket(Opcode.SOFT_RESET, 1, CLIENT_ID, message_id=1), False),
            (ControlPacket(Opcode.CONTROL, 1, CLIENT_ID, message_id=0), False),
            (ControlPacket(Opcode.CONTROL_WKC, 0, CLIENT_ID, message_id=0), False),
        ]
        for packet, fits in table:
            if fits:
                check_reset(packet)
            else:
                self.assertRaises(Drop, check_reset, packet)
