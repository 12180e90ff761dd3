"""The first byte of every packet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.header import DATA_FIRST_BYTES, Opcode, decode_first_byte, encode_first_byte


class FirstByteTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """Every opcode with every key id survives, and no two share a byte."""
        seen = set()
        for opcode in Opcode:
            for key_id in range(8):
                byte = encode_first_byte(opcode, key_id)
                self.assertEqual(decode_first_byte(byte), (opcode, key_id))
                seen.add(byte)
        self.assertEqual(len(seen), len(Opcode) * 8)

    def test_every_byte(self) -> None:
        """A byte is data, control or a ValueError: key method 1 and unknown opcodes belong to nobody."""
        for byte in range(256):
            if 3 <= byte >> 3 <= 11:
                self.assertEqual(decode_first_byte(byte)[0] in (6, 9), byte in DATA_FIRST_BYTES)
            else:
                self.assertNotIn(byte, DATA_FIRST_BYTES)
                self.assertRaises(ValueError, decode_first_byte, byte)
