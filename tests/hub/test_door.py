"""The door: nobody gets state who has not proved his address, and silence for the rest."""

from __future__ import annotations

import os
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import STATIC_KEY, V2_KEY, Options, World
from tvpn.crypto.replay import Stamp
from tvpn.crypto.statickey import StaticKey
from tvpn.crypto.wrap import EARLY_NEGOTIATION_START, TLSCrypt, Unwrapped
from tvpn.errors import Drop
from tvpn.hub.door import ANSWER_BURST, ControlKeys, Door
from tvpn.plane.verbs import Endpoint
from tvpn.session.server import ServerSession
from tvpn.wire.control import ControlPacket, decode_early_negotiation
from tvpn.wire.header import Opcode

CLIENT = b"clientid"
PLACE = Endpoint("wire", ("192.0.2.1", 40000))
GROUP = TLSCrypt(STATIC_KEY, server=False)
TERMS = World(Options()).terms(True, Options().server_credentials)
#: How long a cookie's time slot is; it is good in three of them.
SLOT = (TERMS.limits.hand_window + 1) / 2


def wrapped(packet: ControlPacket, wrapping: Unwrapped | TLSCrypt | None = None, packet_id: int = 1) -> bytes:
    return (wrapping or Unwrapped()).wrap(Stamp(packet_id, 1), packet.header, packet.encode_body())


def reset(**changed: object) -> ControlPacket:
    fields = {"opcode": Opcode.HARD_RESET_CLIENT_V2, "key_id": 0, "session_id": CLIENT, "message_id": 0, **changed}
    return ControlPacket(**fields)  # type: ignore[arg-type]


def door(keys: ControlKeys | None = None, has_room: bool = True) -> Door:
    return Door(TERMS, keys or ControlKeys(Unwrapped()), lambda: has_room)


class DoorTests(SynchronousTestCase):
    def refusal(self, of: Door, datagram: bytes, place: Endpoint = PLACE, now: float = 0.0) -> str:
        error = self.assertRaises(Drop, of.receive, place, datagram, now)
        return error.reason

    def greeted(self, of: Door, now: float = 0.0) -> bytes:
        """The cookie that a reset is answered with."""
        answer = of.receive(PLACE, wrapped(reset()), now)
        self.assertIsInstance(answer, bytes)
        packet = ControlPacket.decode(answer[:9], answer[9:])
        self.assertEqual((packet.opcode, packet.key_id), (Opcode.HARD_RESET_SERVER_V2, 0))
        self.assertEqual((packet.acks, packet.remote_session_id, packet.message_id), ((0,), CLIENT, 0))
        return packet.session_id


class CookieTests(DoorTests):
    def test_same_answer(self) -> None:
        """The same reset gets the same answer: nothing is remembered."""
        of = door()
        self.assertEqual({self.greeted(of) for _ in range(5)}, {self.greeted(of)})

    def test_proven_client(self) -> None:
        """An ack or the first message with the cookie makes a session whose id is the cookie."""
        for opcode, more in ((Opcode.ACK, {}), (Opcode.CONTROL, {"message_id": 1, "payload": b"hello"})):
            of = door()
            cookie = self.greeted(of)
            packet = ControlPacket(opcode, 0, CLIENT, (0,), cookie, **more)
            session = of.receive(PLACE, wrapped(packet), 1.0)
            self.assertIsInstance(session, ServerSession)
            self.assertEqual((session.session_id, session.remote_id), (cookie, CLIENT))

    def test_negative_twins(self) -> None:
        """S-01: the right cookie opens; each single thing wrong with it is silence, and the right one still opens."""
        of = door()
        cookie = self.greeted(of)
        right = ControlPacket(Opcode.CONTROL, 0, CLIENT, (0,), cookie, 1, b"hello")
        ack = ControlPacket(Opcode.ACK, 0, CLIENT, (0,), cookie)
        other_port = PLACE._replace(address=("192.0.2.1", 40001))
        other_host = PLACE._replace(address=("192.0.2.2", 40000))
        table = [
            (right, other_port, 1.0, "cookie-wrong"),
            (right, other_host, 1.0, "cookie-wrong"),
            (right, PLACE, 3 * SLOT, "cookie-wrong"),
            (ack, other_port, 1.0, "cookie-wrong"),
            (ack, other_host, 1.0, "cookie-wrong"),
            (ack, PLACE, 3 * SLOT, "cookie-wrong"),
            (replace(right, opcode=Opcode.CONTROL_WKC), PLACE, 1.0, "wrapped-key-unwanted"),
            (replace(right, opcode=Opcode.SOFT_RESET), PLACE, 1.0, "opcode-out-of-place"),
            (replace(ack, session_id=b"clienti!"), PLACE, 1.0, "cookie-wrong"),
            (replace(ack, acks=(2,)), PLACE, 1.0, "cookie-late"),
            (ControlPacket(Opcode.CONTROL, 0, b"clienti!", (0,), cookie, 1), PLACE, 1.0, "cookie-wrong"),
            (ControlPacket(Opcode.CONTROL, 0, CLIENT, (0,), cookie[:7] + b"!", 1), PLACE, 1.0, "cookie-wrong"),
            (ControlPacket(Opcode.ACK, 0, CLIENT, (0,), bytes(8)), PLACE, 1.0, "cookie-wrong"),
            (ControlPacket(Opcode.CONTROL, 0, CLIENT, (), b"", 1), PLACE, 1.0, "cookie-wrong"),
            (ControlPacket(Opcode.CONTROL, 0, CLIENT, (2,), cookie, 1), PLACE, 1.0, "cookie-late"),
            (ControlPacket(Opcode.CONTROL, 0, CLIENT, (0,), cookie, 2), PLACE, 1.0, "cookie-late"),
            (ControlPacket(Opcode.CONTROL, 1, CLIENT, (0,), cookie, 1), PLACE, 1.0, "first-key-id"),
        ]
        for packet, place, now, reason in table:
            self.assertEqual(self.refusal(of, wrapped(packet), place, now), reason, str(packet))
        for packet in (right, ack):
            self.assertIsInstance(of.receive(PLACE, wrapped(packet), 3 * SLOT - 0.01), ServerSession)


class ResetTests(DoorTests):
    def test_malformed(self) -> None:
        """A reset with acks, another message id, another key id, or no session id at all is silence."""
        table = [
            (reset(acks=(0,), remote_session_id=b"somebody"), "reset-malformed"),
            (reset(message_id=1), "reset-malformed"),
            (reset(key_id=1), "first-key-id"),
            (reset(session_id=bytes(8)), "session-id-zero"),
            (reset(opcode=Opcode.HARD_RESET_SERVER_V2), "opcode-out-of-place"),
            (reset(opcode=Opcode.SOFT_RESET), "opcode-out-of-place"),
            (reset(opcode=Opcode.DATA_V2), "opcode-out-of-place"),
            (reset(opcode=Opcode.HARD_RESET_CLIENT_V3), "wrapped-key-unwanted"),
        ]
        for packet, reason in table:
            self.assertEqual(self.refusal(door(), wrapped(packet)), reason, str(packet))
        for datagram in (b"", b"\x38", wrapped(reset())[:9], wrapped(reset())[:13]):
            self.refusal(door(), datagram)

    def test_wrong_key(self) -> None:
        """Without the group's key there is no answer (no amplification), with it there is."""
        of = door(ControlKeys(TLSCrypt(STATIC_KEY, server=True), STATIC_KEY))
        stranger = TLSCrypt(StaticKey.generate(os.urandom), server=False)
        self.assertEqual(self.refusal(of, wrapped(reset())), "tls-crypt-short")
        self.assertEqual(self.refusal(of, wrapped(reset(), stranger)), "tls-crypt-forged")
        self.assertIsInstance(of.receive(PLACE, wrapped(reset(), GROUP), 0.0), bytes)

    def test_rate(self) -> None:
        """A prefix gets 64 answers at once and then two a second; another prefix is served all the while."""
        of = door()
        neighbours = [PLACE._replace(address=(f"192.0.2.{number}", number)) for number in range(1, ANSWER_BURST + 1)]
        for place in neighbours:
            of.receive(place, wrapped(reset()), 0.0)
        self.assertEqual(self.refusal(of, wrapped(reset())), "reset-rate")
        elsewhere = PLACE._replace(address=("198.51.100.1", 1))
        self.assertIsInstance(of.receive(elsewhere, wrapped(reset()), 0.0), bytes)
        for _ in range(2):
            of.receive(PLACE, wrapped(reset()), 1.0)
        self.assertEqual(self.refusal(of, wrapped(reset()), now=1.0), "reset-rate")


class OwnKeyTests(DoorTests):
    def setUp(self) -> None:
        self.key = V2_KEY.issue(os.urandom, 1)
        self.wrapping = TLSCrypt(self.key.key, server=False)
        self.packet = reset(opcode=Opcode.HARD_RESET_CLIENT_V3)

    def test_early(self) -> None:
        """A client that can negotiate early is asked to send its key again, and gets state only with the cookie."""
        of = door(ControlKeys(None, None, V2_KEY))
        datagram = wrapped(self.packet, self.wrapping, EARLY_NEGOTIATION_START + 1) + self.key.wrapped
        answer = of.receive(PLACE, datagram, 0.0)
        self.assertIsInstance(answer, bytes)
        packet = ControlPacket.decode(answer[:9], self.wrapping.unwrap(answer)[1])
        self.assertEqual(decode_early_negotiation(packet.payload), 1)
        reply = ControlPacket(Opcode.CONTROL_WKC, 0, CLIENT, (0,), packet.session_id, 1, b"hello")
        body = wrapped(reply, self.wrapping, EARLY_NEGOTIATION_START + 2)
        self.assertEqual(self.refusal(of, body), "wrapped-key-length")
        self.assertIsInstance(of.receive(PLACE, body + self.key.wrapped, 0.0), ServerSession)

    def test_negative_twins(self) -> None:
        """S-01: a first message with a genuine wrapped key opens by its cookie alone: each single thing wrong with that
        is silence, and the right one still opens.
        """
        of = door(ControlKeys(None, None, V2_KEY))
        datagram = wrapped(self.packet, self.wrapping, EARLY_NEGOTIATION_START + 1) + self.key.wrapped
        answer = of.receive(PLACE, datagram, 0.0)
        cookie = ControlPacket.decode(answer[:9], self.wrapping.unwrap(answer)[1]).session_id
        right = ControlPacket(Opcode.CONTROL_WKC, 0, CLIENT, (0,), cookie, 1, b"hello")
        table = [
            (right, PLACE._replace(address=("192.0.2.1", 40001)), 1.0, "cookie-wrong"),
            (right, PLACE._replace(address=("192.0.2.2", 40000)), 1.0, "cookie-wrong"),
            (right, PLACE, 3 * SLOT, "cookie-wrong"),
            (replace(right, session_id=b"clienti!"), PLACE, 1.0, "cookie-wrong"),
            (replace(right, remote_session_id=cookie[:7] + bytes([cookie[7] ^ 1])), PLACE, 1.0, "cookie-wrong"),
            (replace(right, acks=(), remote_session_id=b""), PLACE, 1.0, "cookie-wrong"),
            (replace(right, acks=(2,)), PLACE, 1.0, "cookie-late"),
            (replace(right, message_id=2), PLACE, 1.0, "cookie-late"),
            (replace(right, key_id=1), PLACE, 1.0, "first-key-id"),
        ]
        for number, (packet, place, now, reason) in enumerate(table):
            datagram = wrapped(packet, self.wrapping, EARLY_NEGOTIATION_START + 2 + number) + self.key.wrapped
            self.assertEqual(self.refusal(of, datagram, place, now), reason, str(packet))
        datagram = wrapped(right, self.wrapping, EARLY_NEGOTIATION_START + 99) + self.key.wrapped
        self.assertIsInstance(of.receive(PLACE, datagram, 3 * SLOT - 0.01), ServerSession)

    def test_old_style(self) -> None:
        """An older client gets its session at once, while there is room and unless force-cookie forbids it."""
        datagram = wrapped(self.packet, self.wrapping) + self.key.wrapped
        keys, strict = ControlKeys(None, None, V2_KEY), ControlKeys(None, None, V2_KEY, force_cookie=True)
        session = door(keys).receive(PLACE, datagram, 0.0)
        self.assertIsInstance(session, ServerSession)
        self.assertEqual(session.remote_id, CLIENT)
        self.assertEqual(self.refusal(door(keys, has_room=False), datagram), "no-early-negotiation")
        self.assertEqual(self.refusal(door(strict), datagram), "no-early-negotiation")

    def test_foreign_key(self) -> None:
        """A key of another server, a changed one, or none at all is silence."""
        of = door(ControlKeys(None, None, V2_KEY))
        body = wrapped(self.packet, self.wrapping)
        forged = bytes([self.key.wrapped[0] ^ 1]) + self.key.wrapped[1:]
        self.assertEqual(self.refusal(of, body + forged), "wrapped-key-forged")
        self.assertEqual(self.refusal(of, body), "wrapped-key-length")
        self.assertEqual(self.refusal(of, wrapped(reset())), "wrapped-key-missing")
        other = V2_KEY.issue(os.urandom, 1)
        self.assertEqual(self.refusal(of, body + other.wrapped), "tls-crypt-forged")


class StatelessTests(SynchronousTestCase):
    def test_resets_leave_nothing(self) -> None:
        """Ten thousand resets from everywhere leave no member behind."""
        world = World(Options())
        for number in range(1, 10_001):
            place = (f"10.{number >> 8}.{number & 255}.1", 1000 + number)
            world.server.receive(place, wrapped(reset(session_id=number.to_bytes(8, "big"))))
        self.assertEqual(len(world.trace), 10_000)
        self.assertEqual(len(world.server.hub.roster), 0)
        self.assertIsNone(world.server.hub.deadline())
