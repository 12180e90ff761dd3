"""The first byte of every packet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.wire.header import CONTROL_FIRST_BYTES, DATA_FIRST_BYTES, Opcode, decode_first_byte, encode_first_byte


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
            spoken = byte in DATA_FIRST_BYTES or byte in CONTROL_FIRST_BYTES
            self.assertEqual(spoken, 3 <= byte >> 3 <= 11, hex(byte))
            if spoken:
                self.assertEqual(decode_first_byte(byte)[0] in (6, 9), byte in DATA_FIRST_BYTES)
            else:
                self.assertRaises(ValueError, decode_first_byte, byte)
