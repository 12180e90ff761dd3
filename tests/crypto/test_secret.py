"""Secrets that overwrite themselves; what is really left in memory is looked at in tests/whole/test_wipe.py."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.secret import Secret


class SecretTests(SynchronousTestCase):
    def test_let_go(self) -> None:
        """C-11: a secret overwrites itself at its end, and a view of it keeps it until then."""
        secret = Secret(b"0123456789")
        view = memoryview(secret)[2:5]
        del secret
        self.assertEqual(bytes(view), b"234")
        view.obj.__del__()
        self.assertEqual(bytes(view), bytes(3))

    def test_taken(self) -> None:
        """C-11: bytes that were taken over are zero; one byte and none, which all of Python shares, stay the same."""
        for text in (b"", b"x", b"01", bytes(range(256))):
            handed_out = bytes(bytearray(text))
            self.assertEqual(Secret.taken(handed_out), text)
            self.assertEqual(handed_out, bytes(len(text)) if len(text) > 1 else text)

    def test_never_shown(self) -> None:
        """Its text says how long it is, and no more."""
        for text in (repr(Secret(b"0123")), str(Secret(b"0123")), f"{Secret(b'0123')}"):
            self.assertEqual(text, "<Secret of 4 bytes>")
