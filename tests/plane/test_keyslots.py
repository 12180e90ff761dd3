"""A peer's two keys."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.derive import data_keys
from tvpn.crypto.seal import MOST_BYTES, NEARLY_SPENT
from tvpn.plane.keyslots import KeySlot, KeySlots
from tvpn.plane.verbs import PeerSpec

KEYS = data_keys(bytes(range(256)), "AES-256-GCM", server=True)


def slot(key_id: int, spec: PeerSpec | None = None) -> KeySlot:
    return KeySlot(key_id, KEYS, spec or PeerSpec())


class KeySlotsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.slots = KeySlots()

    def present(self) -> list[int]:
        return [key_id for key_id in range(8) if self.slots.get(key_id) is not None]

    def test_two_at_most(self) -> None:
        """The newest and the one before it are kept, whatever is used for sending."""
        for key_id in range(8):
            self.slots.install(slot(key_id))
            self.assertEqual(self.present(), [at for at in range(8) if key_id - 1 <= at <= key_id])

    def test_sending_one_stays(self) -> None:
        """Of two old keys the one in use for sending stays."""
        self.slots.install(slot(0))
        self.slots.use(0)
        self.slots.install(slot(1))
        self.slots.install(slot(2))
        self.assertEqual(self.present(), [0, 2])
        self.assertEqual(self.slots.sending.key_id, 0)

    def test_installed_is_not_used(self) -> None:
        """A new key is sealed with only once it is said so; an unknown one never."""
        self.slots.install(slot(0))
        self.assertIsNone(self.slots.sending)
        self.slots.use(5)
        self.assertIsNone(self.slots.sending)
        self.slots.use(0)
        self.slots.use(5)
        self.assertEqual(self.slots.sending.key_id, 0)

    def test_retired(self) -> None:
        """A retired key neither opens nor seals; retiring an unknown one is nothing."""
        self.slots.install(slot(0))
        self.slots.use(0)
        self.slots.retire(3)
        self.slots.retire(0)
        self.assertEqual((self.present(), self.slots.sending), ([], None))

    def test_same_id_again(self) -> None:
        """A key id that comes round again replaces its former key."""
        first, second = slot(1), slot(1)
        self.slots.install(first)
        self.slots.install(second)
        self.assertIs(self.slots.get(1), second)


class SpentTests(SynchronousTestCase):
    def test_limits(self) -> None:
        """C-06: a key is spent beyond its bytes or packets, without limits near the end of the ids or of its cipher."""
        table = [
            (PeerSpec(), MOST_BYTES, NEARLY_SPENT, False),
            (PeerSpec(), MOST_BYTES + 1, 1, True),
            (PeerSpec(most_bytes=MOST_BYTES * 2), MOST_BYTES + 1, 1, True),
            (PeerSpec(), 0, NEARLY_SPENT + 1, True),
            (PeerSpec(most_bytes=1000), 1000, 1, False),
            (PeerSpec(most_bytes=1000), 1001, 1, True),
            (PeerSpec(most_packets=10), 0, 10, False),
            (PeerSpec(most_packets=10), 0, 11, True),
            (PeerSpec(most_packets=NEARLY_SPENT * 2), 0, NEARLY_SPENT + 1, True),
        ]
        for spec, carried, next_id, spent in table:
            key = slot(0, spec)
            key.carried, key.sealer.sent = carried, next_id - 1
            self.assertIs(key.spent, spent, str(spec))
