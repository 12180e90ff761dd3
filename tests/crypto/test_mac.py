"""HMAC, made ready once."""

from __future__ import annotations

import hmac
import os

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.mac import HMAC_SIZES, MAC


class MACTests(SynchronousTestCase):
    def test_sign(self) -> None:
        """Every message is signed as by itself, under each digest, whatever the key lies in."""
        for digest, size in HMAC_SIZES.items():
            key = os.urandom(size)
            for lying in (key, bytearray(key), memoryview(key)):
                mac = MAC(lying, digest)
                self.assertEqual(mac.size, size)
                for message in (b"", b"one", os.urandom(1500), b"one"):
                    self.assertEqual(mac.sign(message), hmac.digest(key, message, digest))
