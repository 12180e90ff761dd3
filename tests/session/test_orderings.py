"""Every opcode after every other: sessions stay inside the table of their lives (S-03)."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator
from itertools import product

from tests.session.script import FILLER, OWN, PEER, ScriptTestCase, key_exchange
from tests.session.test_script import ADMITTED
from tvpn.crypto.certificate import Identity
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import Envelope, Unwrapped
from tvpn.errors import Drop
from tvpn.session.client import ClientSession
from tvpn.session.life import Stage
from tvpn.session.peer import Opening, Session
from tvpn.session.reliable import SEND_WINDOW
from tvpn.session.renegotiation import Limits, next_key_id
from tvpn.session.server import ServerSession
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode

OPCODES = range(12)
NUMBERED = frozenset({3, 4, 7, 8, 10, 11})
RESETS = frozenset({3, 7, 8, 10})
#: Where each stage may lead by what a peer sends.
TABLE = {
    Stage.OPENING: {Stage.OPENING, Stage.JUDGING, Stage.LINGERING, Stage.GONE},
    Stage.JUDGING: {Stage.JUDGING, Stage.LINGERING, Stage.GONE},
    Stage.ADMITTED: {Stage.ADMITTED, Stage.LINGERING, Stage.GONE},
    Stage.LINGERING: {Stage.LINGERING, Stage.GONE},
    Stage.GONE: {Stage.GONE},
}
#: A trailer that has the shape of a wrapped key.
WRAPPED_KEY = bytes(288) + struct.pack("!H", 290)
EXIT, KEYS = b"EXIT\0", key_exchange(from_client=True)


def orderings() -> Iterator[tuple[int, ...]]:
    """All of two and all of three."""
    yield from product(OPCODES, repeat=2)
    yield from product(OPCODES, repeat=3)


class OrderingTests(ScriptTestCase):
    def packet(self, opcode: int, session: Session, payload: bytes) -> bytes:
        """A packet of this opcode as the session could expect it now: key id, numbers and acks are right."""
        exchange = session._exchange
        key_id = exchange.key_id + (opcode == Opcode.SOFT_RESET)
        body = struct.pack("!BL", 1, 0) + OWN
        if opcode in NUMBERED:
            body += struct.pack("!L", 0 if opcode in RESETS else exchange._inbox._next_id)
            body += b"" if opcode in RESETS else payload
        trailer = WRAPPED_KEY if opcode in (10, 11) else b""
        return Unwrapped().wrap(Stamp(0, 0), bytes([opcode << 3 | key_id]) + PEER, body) + trailer

    def check(self, script: str, payload: bytes, stateless: bool = True) -> set[Stage]:
        """Play the script, then each ordering; the stages that are reached."""
        reached = set()
        for ordering in orderings():
            self.server(script, stateless)
            session = self.session
            for opcode in ordering:
                before = session.stage
                try:
                    session.receive(self.packet(opcode, session, payload), self.now / 1000 + 2)
                except Drop as drop:
                    self.assertTrue(drop.reason)
                session.transmit(self.now / 1000 + 2)
                self.assertIn(session.stage, TABLE[before], f"{ordering}")
                reached.add(session.stage)
            self.patient_end(session, ordering)
        return reached

    def patient_end(self, session: Session, ordering: tuple[int, ...]) -> None:
        """Whatever has happened, a session that is not admitted comes to its end by itself, in a bounded time."""
        now, ticks = self.now / 1000 + 2, 0
        while session.stage is not Stage.ADMITTED and (due := session.deadline()) is not None:
            now, ticks = max(now, due), ticks + 1
            session.tick(now)
            session.transmit(now)
            self.assertTrue(now < self.now / 1000 + 70 and ticks < 200, f"{ordering}")
        self.assertIn(session.stage, (Stage.ADMITTED, Stage.GONE), f"{ordering}")

    def test_fresh(self) -> None:
        """S-03: a session just begun, by cookie or with state, is opened by parts of a handshake to nothing more."""
        self.assertEqual(self.check("quiet", FILLER * 50), {Stage.OPENING})
        self.assertEqual(self.check("> HARD_RESET_SERVER_V2 [0]", FILLER * 50, stateless=False), {Stage.OPENING})

    def test_fresh_with_keys(self) -> None:
        """S-03: a key exchange leads to the verdict, and never past it."""
        self.assertEqual(self.check("quiet", KEYS), {Stage.OPENING, Stage.JUDGING})

    def test_fresh_with_junk(self) -> None:
        """S-03: what is no TLS leads to the end, and nowhere else."""
        self.assertEqual(self.check("quiet", b"!"), {Stage.OPENING, Stage.LINGERING})

    def test_established(self) -> None:
        """S-03: an admitted client stays so, whatever the order of its packets; only its EXIT is the end."""
        for payload in (b"", FILLER * 50, KEYS):
            self.assertEqual(self.check(ADMITTED, payload), {Stage.ADMITTED}, payload[:1])
        self.assertEqual(self.check(ADMITTED, EXIT), {Stage.ADMITTED, Stage.LINGERING})


class Walk:
    """A session of either role, at the mercy of dice: its peer, its hub and its clock do what they like."""

    def __init__(self, case: ScriptTestCase, dice: random.Random) -> None:
        self.case, self.dice = case, dice
        self.session = self.begin()
        self.session._judge = lambda _: Identity("issuer", 1, "alice")  # type: ignore[method-assign]
        self.now = 100.0

    def begin(self) -> Session:
        limits = Limits(longest=self.dice.choice((0, 3, 30)), shortest=self.dice.choice((0, 3)), hand_window=10)
        terms = self.case.terms(limits, max_packet_size=self.dice.choice((154, 1250)))
        if self.dice.random() < 0.5:
            return ClientSession(terms, Opening(OWN, b"", Envelope(Unwrapped(), 0)), 100.0)
        return ServerSession(terms, Opening(OWN, PEER, Envelope(Unwrapped(), 0)), 100.0, self.dice.random() < 0.7)

    def near(self, expected: int) -> int:
        """The number that is expected, one beside it, or any."""
        beside = expected + self.dice.randrange(-2, 14)
        return self.dice.choice((expected, expected, expected, beside, self.dice.getrandbits(32))) % 2**32

    def packet(self) -> bytes:
        dice, exchange = self.dice, self.session._exchange
        opcode = dice.choice((3, 4, 4, 4, 4, 4, 5, 5, 5, 7, 8, 8, 10, 11))
        key_id = dice.choice((exchange.key_id, exchange.key_id, next_key_id(exchange.key_id), dice.randrange(8)))
        if opcode != Opcode.SOFT_RESET and dice.random() < 0.8:
            key_id = exchange.key_id
        acks = [self.near(max(exchange._outbox.next_id - 1, 0)) for _ in range(dice.randrange(1, 9))]
        body = struct.pack(f"!B{len(acks)}L", len(acks), *acks) + (OWN if dice.random() < 0.95 else PEER)
        if dice.random() < 0.2:
            body = b"\0"
        if opcode in NUMBERED:
            number = 0 if opcode in RESETS and dice.random() < 0.9 else self.near(exchange._inbox._next_id)
            push = b"PUSH_REPLY,cipher AES-256-GCM,peer-id 3\0"
            body += struct.pack("!L", number) + dice.choice(
                (b"", FILLER * 40, FILLER * 40, key_exchange(self.session.server), push, push, b"PUSH_REQUEST\0",
                 dice.randbytes(30))
            )  # fmt: skip
            if dice.random() < 0.02:
                body += dice.choice((b"EXIT\0", b"AUTH_FAILED\0", b"!", b"\0\0\0\0\2"))
        trailer = WRAPPED_KEY if opcode in (10, 11) else b""
        return bytes([opcode << 3 | key_id]) + PEER + body + trailer

    def act(self) -> None:
        session, dice, now = self.session, self.dice, self.now
        kind = dice.randrange(20)
        if kind < 12:
            with contextlib.suppress(Drop):
                session.receive(self.packet(), now)
        elif kind < 16:
            self.now += dice.choice((0.0, 0.01, 0.5, 1.0, 5.0))
            session.tick(self.now)
        elif kind == 16:
            session.renegotiate(now)
        elif kind == 17:
            session.send_message(dice.choice(("INFO,hello", "x" * 3000)))
        elif isinstance(session, ServerSession):
            if kind == 18 or dice.random() < 0.8:
                session.admit(["ping 10"], 0, now)
            else:
                dice.choice((lambda: session.refuse("no", "no", now), lambda: session.dismiss("bye", now)))()
        elif isinstance(session, ClientSession) and kind == 18:
            session.opened(dice.randrange(8))

    def check_sent(self) -> None:
        """What goes out is well-formed, fits, and is no more than the protocol allows."""
        session, case = self.session, self.case
        sent = [ControlPacket.decode(datagram[:9], datagram[9:]) for datagram in session.transmit(self.now)]
        for packet in sent:
            case.assertLessEqual(9 + len(packet.encode_body()), session.terms.max_packet_size - 48)
            case.assertLessEqual(len(packet.acks), 8 if packet.opcode is Opcode.ACK else 4)
            case.assertEqual(packet.key_id, session._exchange.key_id)
        case.assertLessEqual(sum(packet.message_id is not None for packet in sent), SEND_WINDOW)
        case.assertTrue(session.stage is not Stage.GONE or not sent)

    def go(self, steps: int) -> set[tuple[Stage, int]]:
        """Which stages it was in, under which key ids."""
        reached = set()
        for _ in range(steps):
            before = self.session.stage
            self.act()
            self.check_sent()
            self.session.take_events()
            self.case.assertIn(self.session.stage, WAYS[before])
            reached.add((self.session.stage, self.session._exchange.key_id))
        return reached


#: Where each stage may lead when the hub, too, has its say.
WAYS = {**TABLE, Stage.JUDGING: set(Stage) - {Stage.OPENING}, Stage.OPENING: set(Stage)}


class WalkTestCase(ScriptTestCase):
    def walks(self, number: int) -> set[tuple[Stage, int]]:
        """So many sessions of a hundred steps; the stages and key ids that were reached."""
        reached = set()
        for seed in range(number):
            try:
                reached |= Walk(self, random.Random(seed)).go(100)
            except Exception as error:
                error.add_note(f"seed {seed}")
                raise
        return reached


class WalkTests(WalkTestCase):
    def test_walks(self) -> None:
        """S-03: a thousand sessions whose peer, hub and clock throw dice: nothing is raised, nothing unfit is sent."""
        reached = self.walks(1000)
        self.assertEqual({stage for stage, _ in reached}, set(Stage))
        self.assertIn((Stage.ADMITTED, 1), reached)
