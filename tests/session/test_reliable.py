"""The reliable layer: packet tables for windows, acks and retransmission (docs/protocol/reliability.md 1 to 4)."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.session.reliable import (
    DEDICATED_ACKS,
    FIRST_TIMEOUT,
    PIGGYBACKED_ACKS,
    RECEIVE_WINDOW,
    SEND_WINDOW,
    Inbox,
    Outbox,
)
from tvpn.wire.header import Opcode


def outbox(messages: int = 0, first_id: int = 0, longest: float = 4.0) -> Outbox:
    """With this many messages, all sent once at time 0."""
    box = Outbox(first_id, longest)
    for number in range(messages):
        box.add(Opcode.CONTROL, b"%d" % number, 0.0)
    box.take_due(0.0)
    return box


def sent(box: Outbox, now: float) -> list[int]:
    return [out.message_id for out in box.take_due(now)]


class SendWindowTests(SynchronousTestCase):
    def test_six_at_once(self) -> None:
        """There is room for six unacked messages, counted from the lowest one."""
        box = Outbox(0, 2.0)
        for number in range(SEND_WINDOW):
            self.assertTrue(box.has_room)
            box.add(Opcode.CONTROL, b"%d" % number, 0.0)
        self.assertFalse(box.has_room)
        box.acknowledge((5,), 0.0)
        self.assertFalse(box.has_room)
        box.acknowledge((0,), 0.0)
        self.assertTrue(box.has_room)

    def test_acks_are_not_cumulative(self) -> None:
        """Each message is forgotten by its own ack only; repeated and unknown acks are harmless."""
        box = outbox(4)
        box.acknowledge((2, 2, 77, 0xFFFFFFFF), 0.0)
        self.assertEqual(sent(box, 100.0), [0, 1, 3])
        box.acknowledge((0, 1, 3), 0.0)
        self.assertTrue(box.empty)
        self.assertIsNone(box.deadline())

    def test_ids_wrap(self) -> None:
        """After the last id comes 0, and the window counts over the edge."""
        box = outbox(SEND_WINDOW, first_id=0xFFFFFFFD)
        self.assertFalse(box.has_room)
        self.assertEqual(sent(box, 9.0), [0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF, 0, 1, 2])
        box.acknowledge((0xFFFFFFFD,), 9.0)
        self.assertTrue(box.has_room)

    def test_retransmission_is_the_same(self) -> None:
        """What is sent again keeps opcode, id, payload and trailer."""
        box = Outbox(7, 2.0)
        box.add(Opcode.HARD_RESET_CLIENT_V3, b"payload", 0.0, b"trailer")
        for now in (0.0, 1.0, 3.0):
            [out] = box.take_due(now)
            self.assertEqual((out.opcode, out.message_id), (Opcode.HARD_RESET_CLIENT_V3, 7))
            self.assertEqual((out.payload, out.trailer), (b"payload", b"trailer"))


class TimerTests(SynchronousTestCase):
    def test_backoff_is_capped(self) -> None:
        """The time between two transmissions doubles from the first one on and stays at the cap."""
        for longest, gaps in ((4.0, [1, 2, 4, 4, 4]), (1.0, [1, 1, 1]), (0.1, [1, 1]), (3.0, [1, 2, 3, 3])):
            box = outbox(1, longest=longest)
            now, seen = 0.0, []
            for _ in gaps:
                deadline = box.deadline()
                if deadline is None:
                    self.fail("a message waits without a deadline")
                self.assertEqual(sent(box, deadline - 0.001), [])
                self.assertEqual(sent(box, deadline), [0])
                seen.append(deadline - now)
                now = deadline
            self.assertEqual(seen, gaps, f"longest {longest}")

    def test_fast_retransmission(self) -> None:
        """Three acks of later messages make an earlier one due at once; two do not; acks of earlier ones never."""
        box = outbox(6)
        box.acknowledge((1,), 0.1)
        box.acknowledge((2,), 0.1)
        self.assertEqual(sent(box, 0.1), [])
        box.acknowledge((4,), 0.1)
        self.assertEqual(sent(box, 0.1), [0])
        box.acknowledge((5,), 0.2)
        self.assertEqual(sent(box, 0.2), [])
        box.acknowledge((0,), 0.2)
        self.assertEqual(sent(box, 0.2), [])

    def test_repeated_acks_are_no_hint(self) -> None:
        """The same ack three times, in one block or in several, does not speed anything up."""
        box = outbox(3)
        for _ in range(5):
            box.acknowledge((2, 2, 2), 0.1)
        self.assertEqual(sent(box, 0.1), [])

    def test_hurry(self) -> None:
        """When the peer has just shown itself everything that waits is due, with the first timeout again."""
        box = outbox(2)
        sent(box, 1.0)
        sent(box, 3.0)
        box.hurry(3.5)
        self.assertEqual(sent(box, 3.5), [0, 1])
        self.assertEqual(box.deadline(), 3.5 + FIRST_TIMEOUT)


class ReceiveTests(SynchronousTestCase):
    def test_order(self) -> None:
        """Whatever the order of arrival, items come out in order and once."""
        inbox: Inbox[int] = Inbox(0)
        arrivals = [(1, []), (0, [0, 1]), (0, []), (4, []), (2, [2]), (4, []), (3, [3, 4]), (1, [])]
        for message_id, ready in arrivals:
            self.assertEqual(inbox.accept(message_id, message_id), ready)

    def test_window(self) -> None:
        """Twelve from the next expected on are kept; the thirteenth is neither kept nor acked."""
        inbox: Inbox[int] = Inbox(0)
        self.assertEqual(inbox.accept(RECEIVE_WINDOW, 0), [])
        self.assertFalse(inbox.owes)
        self.assertEqual(inbox.accept(RECEIVE_WINDOW - 1, 0), [])
        self.assertEqual(inbox.take_acks(8), (RECEIVE_WINDOW - 1,))
        inbox.accept(0, 0)
        self.assertEqual(inbox.accept(RECEIVE_WINDOW, 0), [])
        self.assertEqual(inbox.take_acks(2), (0, RECEIVE_WINDOW))

    def test_duplicates_are_acked_again(self) -> None:
        """A duplicate, delivered or still waiting, gives nothing but its ack."""
        inbox: Inbox[int] = Inbox(0)
        for message_id in (0, 1, 3):
            inbox.accept(message_id, message_id)
        inbox.take_acks(8)
        for message_id in (0, 3):
            self.assertFalse(inbox.owes)
            self.assertEqual(inbox.accept(message_id, 99), [])
            self.assertTrue(inbox.owes)
            self.assertEqual(inbox.take_acks(1), (message_id,))

    def test_over_the_edge(self) -> None:
        """Ids wrap: 0 follows the last one, and what lies behind is a duplicate."""
        inbox: Inbox[int] = Inbox(0xFFFFFFFE)
        self.assertEqual(inbox.accept(0, 0), [])
        self.assertEqual(inbox.accept(0xFFFFFFFE, 1), [1])
        self.assertEqual(inbox.accept(0xFFFFFFFF, 2), [2, 0])
        self.assertEqual(inbox.accept(0xFFFFFFFD, 3), [])
        self.assertEqual(inbox.accept(1, 4), [4])

    def test_eight_are_remembered(self) -> None:
        """At most eight acks are owed; further ids have to be sent again by the peer."""
        inbox: Inbox[int] = Inbox(0)
        for message_id in range(10):
            inbox.accept(message_id, message_id)
        self.assertEqual(inbox.take_acks(DEDICATED_ACKS), tuple(range(8)))
        self.assertFalse(inbox.owes)


class AckBlockTests(SynchronousTestCase):
    def test_newest_first(self) -> None:
        """Free places repeat the newest acks, as a genuine 2.6 client does: [0], [1,0], [2,1,0], and so on to four."""
        inbox: Inbox[int] = Inbox(0)
        blocks = []
        for message_id in range(6):
            inbox.accept(message_id, message_id)
            blocks.append(inbox.take_acks(PIGGYBACKED_ACKS))
        self.assertEqual(blocks, [(0,), (1, 0), (2, 1, 0), (3, 2, 1, 0), (4, 3, 2, 1), (5, 4, 3, 2)])
        self.assertEqual(inbox.take_acks(DEDICATED_ACKS), (5, 4, 3, 2, 1, 0))

    def test_owed_ones_first(self) -> None:
        """Owed acks go in the order of arrival, before repeated ones; what finds no place stays owed."""
        inbox: Inbox[int] = Inbox(0)
        for message_id in (2, 0, 1, 4, 3, 5):
            inbox.accept(message_id, message_id)
        self.assertEqual(inbox.take_acks(PIGGYBACKED_ACKS), (2, 0, 1, 4))
        self.assertTrue(inbox.owes)
        self.assertEqual(inbox.take_acks(PIGGYBACKED_ACKS)[:2], (3, 5))
        self.assertFalse(inbox.owes)

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), max_size=60))
    def test_blocks_are_fit_to_send(self, steps: list[tuple[int, int]]) -> None:
        """No block is longer than asked for, repeats an id, or acks what never came."""
        inbox: Inbox[int] = Inbox(0)
        seen = set()
        for message_id, most in steps:
            inbox.accept(message_id, message_id)
            seen.add(message_id)
            block = inbox.take_acks(most)
            self.assertLessEqual(len(block), most)
            self.assertEqual(len(set(block)), len(block))
            self.assertLessEqual(set(block), seen)


class LossyWireTests(SynchronousTestCase):
    def test_everything_arrives(self) -> None:
        """F-01: at 40 % loss both ways 100 messages arrive, each once and in order (20 seeds)."""
        for seed in range(20):
            dice = random.Random(seed)
            box, inbox = Outbox(0xFFFFFFC0, 2.0), Inbox[bytes](0xFFFFFFC0)
            received: list[bytes] = []
            now, number = 0.0, 0
            while (number < 100 or not box.empty) and now < 1000:
                while box.has_room and number < 100:
                    box.add(Opcode.CONTROL, b"%d" % number, now)
                    number += 1
                for out in box.take_due(now):
                    if dice.random() > 0.4:
                        received += inbox.accept(out.message_id, out.payload)
                if inbox.owes:
                    acks = inbox.take_acks(DEDICATED_ACKS)
                    if dice.random() > 0.4:
                        box.acknowledge(acks, now)
                now += 0.25
            self.assertEqual(received, [b"%d" % at for at in range(100)], f"seed {seed}")
