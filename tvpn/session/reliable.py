"""The reliable layer of one key id: numbers, acks, a window, retransmission (protocol: reliability.md 1-4).

Arithmetic, not a machine: the two halves know nothing of what the messages are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from tvpn.wire.header import Opcode

# The protocol's numbers, as stock peers keep them.
SEND_WINDOW = 6
RECEIVE_WINDOW = 12
PIGGYBACKED_ACKS = 4
DEDICATED_ACKS = 8
ACKS_FOR_FAST_RETRANSMIT = 3

# Ours: stock begins with 2 s and doubles for ever, and so gives up one handshake in twenty at 30 % loss.
FIRST_TIMEOUT = 1.0

_MODULUS = 1 << 32

Item = TypeVar("Item")


@dataclass(slots=True)
class Outgoing:
    """A message that waits for its ack. ``trailer`` follows the wrapped packet (a wrapped client key)."""

    message_id: int
    opcode: Opcode
    payload: bytes
    trailer: bytes
    due: float
    timeout: float
    overtaken: int = 0


class Outbox:
    """What was said and is not acked yet, at most six messages."""

    def __init__(self, first_id: int, longest_timeout: float) -> None:
        self._next_id = first_id
        self._longest = max(longest_timeout, FIRST_TIMEOUT)
        self._waiting: list[Outgoing] = []

    @property
    def next_id(self) -> int:
        return self._next_id

    @property
    def empty(self) -> bool:
        return not self._waiting

    @property
    def has_room(self) -> bool:
        return not self._waiting or (self._next_id - self._waiting[0].message_id) % _MODULUS < SEND_WINDOW

    def add(self, opcode: Opcode, payload: bytes, now: float, trailer: bytes = b"") -> None:
        """One more message, due at once."""
        self._waiting.append(Outgoing(self._next_id, opcode, payload, trailer, now, FIRST_TIMEOUT))
        self._next_id = (self._next_id + 1) % _MODULUS

    def acknowledge(self, acks: tuple[int, ...], now: float) -> None:
        """Forget what is acked; what three later ones have overtaken is due at once. Unknown acks are harmless."""
        known = {waiting.message_id for waiting in self._waiting}.intersection(acks)
        if not known:
            return
        self._waiting = [waiting for waiting in self._waiting if waiting.message_id not in known]
        for waiting in self._waiting:
            waiting.overtaken += sum((ack - waiting.message_id) % _MODULUS < SEND_WINDOW for ack in known)
            if waiting.overtaken >= ACKS_FOR_FAST_RETRANSMIT:
                waiting.overtaken = 0
                waiting.due = now

    def hurry(self, now: float) -> None:
        """The peer has just shown itself: whatever waits is due at once."""
        for waiting in self._waiting:
            waiting.due, waiting.timeout = now, FIRST_TIMEOUT

    def take_due(self, now: float) -> list[Outgoing]:
        """What is to be sent now, for the first time or again."""
        due = [waiting for waiting in self._waiting if waiting.due <= now]
        for waiting in due:
            waiting.due = now + waiting.timeout
            waiting.timeout = min(waiting.timeout * 2, self._longest)
        return due

    def deadline(self) -> float | None:
        return min((waiting.due for waiting in self._waiting), default=None)


class Inbox(Generic[Item]):
    """What has come, put in order, and the acks that are owed for it."""

    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._early: dict[int, Item] = {}
        self._owed: list[int] = []
        self._recent: list[int] = []

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def accept(self, message_id: int, item: Item) -> list[Item]:
        """The items that are now in order. A duplicate is acked again; what is too far ahead is not even acked."""
        ahead = (message_id - self._next_id) % _MODULUS
        duplicate = ahead >= _MODULUS // 2 or message_id in self._early
        if not duplicate and ahead >= RECEIVE_WINDOW:
            return []
        if message_id not in self._owed and len(self._owed) < DEDICATED_ACKS:
            self._owed.append(message_id)
        if duplicate:
            return []
        self._early[message_id] = item
        ready = []
        while self._next_id in self._early:
            ready.append(self._early.pop(self._next_id))
            self._next_id = (self._next_id + 1) % _MODULUS
        return ready

    def take_acks(self, most: int) -> tuple[int, ...]:
        """The acks that go into the next packet: the owed ones, and what place is left repeats the newest."""
        taken, self._owed = self._owed[:most], self._owed[most:]
        repeated = [ack for ack in self._recent if ack not in taken][: most - len(taken)]
        self._recent = (taken[::-1] + [ack for ack in self._recent if ack not in taken])[:DEDICATED_ACKS]
        return (*taken, *repeated)
