"""The file of crl-verify."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import NOW
from tests.crypto.test_revocation import SIGNER, chain_of, revocation_list
from tvpn.errors import PeerError
from tvpn.pki.revocation import RevocationFile


class RevocationFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.alice = chain_of(SIGNER.issue("alice"))
        self.path.write_text(revocation_list())
        self.file = RevocationFile(self.path.read_text(), self.path)

    def test_read_again(self) -> None:
        """X-07: a list that was replaced counts from the next handshake on."""
        self.file(self.alice, NOW)
        self._replace(revocation_list(self.alice[0].serial_number))
        self.assertRaises(PeerError, self.file, self.alice, NOW)
        self._replace(revocation_list())
        self.file(self.alice, NOW)

    def test_fails_closed(self) -> None:
        """A file that is gone or garbage lets nobody in, until it is right again."""
        self._replace("garbage")
        self.assertRaises(PeerError, self.file, self.alice, NOW)
        self.path.unlink()
        error = self.assertRaises(PeerError, self.file, self.alice, NOW)
        self.assertIn("cannot be read: nobody is let in", str(error))
        self._replace(revocation_list())
        self.file(self.alice, NOW)

    def test_inline(self) -> None:
        """Without a file the text counts for good."""
        judge = RevocationFile(revocation_list(self.alice[0].serial_number), None)
        self.assertRaises(PeerError, judge, self.alice, NOW)
        self.assertRaises(ValueError, RevocationFile, "garbage", None)

    def _replace(self, text: str) -> None:
        other = self.path.with_suffix(".new")
        other.write_text(text)
        other.replace(self.path)
