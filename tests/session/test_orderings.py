"""Every opcode after every other: sessions stay inside the table of their lives (S-03)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product

from tests.session.script import FILLER, OWN, PEER, ScriptTestCase, key_exchange
from tests.session.test_script import ADMITTED
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import Unwrapped
from tvpn.errors import Drop
from tvpn.session.life import Stage
from tvpn.session.peer import Session
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
