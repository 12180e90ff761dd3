"""The file of crl-verify: read again when it changes; while it cannot be read, nobody gets in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from tvpn.crypto.revocation import Revocations
from tvpn.errors import PeerError


class RevocationFile:
    """Judges certificate chains by the lists in a file, or by a text when there is no file (inline)."""

    def __init__(self, text: str, path: Path | None) -> None:
        """Raises ValueError when the text holds no list."""
        self._revocations: Revocations | None = Revocations.from_pem(text)
        self._path = path
        self._changed = self._stamp()

    def __call__(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Raises PeerError for a revoked chain, and for all while there is no readable list."""
        if self._stamp() != self._changed:
            self._read()
        if self._revocations is None:
            raise PeerError(f"the revocation list {self._path} cannot be read: nobody is let in", "revocation list")
        self._revocations.judge(chain, now)

    def _stamp(self) -> tuple[int, int, int] | None:
        """Tells one state of the file from another; None when it is not there."""
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        self._changed = self._stamp()
        try:
            self._revocations = Revocations.from_pem(self._path.read_text()) if self._path is not None else None
        except (OSError, ValueError):
            self._revocations = None
