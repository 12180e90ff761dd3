"""AES in counter mode under one context."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.counter import CounterMode

KEY = bytes(range(32))
TAGS = st.binary(min_size=16, max_size=32)


class CounterModeTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(st.tuples(TAGS, st.binary(max_size=100)), min_size=1, max_size=5))
    def test_messages_are_apart(self, messages: list[tuple[bytes, bytes]]) -> None:
        """What went before leaves no trace: each message is as under a cipher of its own."""
        reused = CounterMode(KEY)
        for tag, data in messages:
            alone = Cipher(AES(KEY), CTR(tag[:16])).encryptor().update(data)
            self.assertEqual(reused.crypt(tag, data), alone)
            self.assertEqual(reused.crypt(tag, alone), data)
