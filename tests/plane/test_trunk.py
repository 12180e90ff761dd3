"""VLANs at the device's side, as data-channel.md 16 has them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.test_ethernet import frame
from tvpn.plane.trunk import Accept, Trunk

PLAIN, PRIORITY = frame(b"\x88\xb5", b"x"), frame(b"\x88\xb5", b"x", b"\x60\0")
IN_1, IN_7 = (frame(b"\x88\xb5", b"x", bytes([0, vlan])) for vlan in (1, 7))
URGENT_7 = frame(b"\x88\xb5", b"x", b"\x60\7")


class TrunkTests(SynchronousTestCase):
    def test_from_the_device(self) -> None:
        """A tag is the VLAN and is taken off; without one it is the device's own VLAN, as far as either is taken."""
        table: list[tuple[Accept, bytes, tuple[int, bytes] | None]] = [
            ("all", PLAIN, (1, PLAIN)), ("all", PRIORITY, (1, PRIORITY)), ("all", IN_7, (7, PLAIN)),
            ("all", IN_1, (1, PLAIN)), ("all", URGENT_7, (7, PLAIN)), ("tagged", PLAIN, None),
            ("tagged", PRIORITY, None), ("tagged", IN_7, (7, PLAIN)), ("tagged", IN_1, (1, PLAIN)),
            ("untagged", PLAIN, (1, PLAIN)), ("untagged", PRIORITY, (1, PRIORITY)), ("untagged", IN_7, None),
            ("untagged", IN_1, None),
        ]  # fmt: skip
        for accept, given, entered in table:
            self.assertEqual(Trunk(accept).enter(given), entered, f"{accept} {given.hex()}")
        self.assertEqual(Trunk(vlan=7).enter(PLAIN), (7, PLAIN))

    def test_to_the_device(self) -> None:
        """With a tag of the peer's VLAN always, never, or only where it is not the device's own; priorities stay."""
        table: list[tuple[Accept, int, bytes, bytes | None]] = [
            ("tagged", 1, PLAIN, IN_1), ("tagged", 7, PLAIN, IN_7), ("tagged", 7, PRIORITY, URGENT_7),
            ("untagged", 1, PLAIN, PLAIN), ("untagged", 7, PLAIN, None), ("untagged", 1, PRIORITY, PRIORITY),
            ("all", 1, PLAIN, PLAIN), ("all", 7, PLAIN, IN_7), ("all", 7, PRIORITY, URGENT_7),
            ("all", 1, PRIORITY, PRIORITY),
        ]  # fmt: skip
        for accept, vlan, given, left in table:
            self.assertEqual(Trunk(accept).leave(vlan, given), left, f"{accept} {vlan} {given.hex()}")
