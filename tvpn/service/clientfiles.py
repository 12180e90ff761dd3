"""The folder of ``client-config-dir``: which file is a client's, and what it says.

A name comes from outside. So it is the name of a file only where it is made of a few harmless letters; any other has
the file named by its SHA-256, and no file outside of the folder is ever opened, not even by a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

from tvpn.config.clientfile import Addressing, ClientConfig, parse
from tvpn.errors import TvpnError
from tvpn.hub.rules import Verdict

DEFAULT = "DEFAULT"
LARGEST = 65536
# Shorter than a SHA-256: no name can pose as the hash of another.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}")
_NOT_A_FILE = "is no ordinary file; put a file there or delete it"
_OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def file_name(name: str) -> str:
    """The file of a client of this name: the name itself, or its SHA-256 in hexadecimal."""
    if _HARMLESS.fullmatch(name) and name != DEFAULT:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


class ClientFiles:
    """Read anew for every client that comes in. ``exclusive``: who has no file of its own is refused."""

    def __init__(self, folder: Path, exclusive: bool, addressing: Addressing) -> None:
        self._folder = folder
        self._exclusive = exclusive
        self._addressing = addressing

    def grant(self, verdict: Verdict, name: str) -> Verdict:
        """A yes with what the client's file adds; a no when the file says so, is missing or does not read."""
        try:
            config = self.find(name)
        except TvpnError as error:
            return Verdict(False, f"{name}: {error}", "the server's file for you is wrong", temporary=True)
        if config is None:
            reason = f"{name}: there is no file {self._folder / file_name(name)}, and ccd-exclusive wants one"
            return Verdict(False, reason, "unknown client")
        if config.disabled:
            return Verdict(False, f"{name}: disabled in {self._folder}", "this client is disabled")
        return replace(verdict, config=config)

    def find(self, name: str) -> ClientConfig | None:
        """What a client of this name gets (one without a name what DEFAULT says); None when only those with a file of
        their own come in and it has none.

        Raises TvpnError for a file that does not read.
        """
        own = file_name(name)
        text = self._read(own) if name else None
        if text is None and self._exclusive:
            return None
        if text is None:
            own, text = DEFAULT, self._read(DEFAULT)
        return ClientConfig() if text is None else parse(text, self._folder / own, self._addressing)

    def _read(self, name: str) -> str | None:
        """The text of one file of the folder, None when there is none; raises TvpnError."""
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                descriptor = os.open(name, _OPENING, dir_fd=folder)
            except FileNotFoundError:
                return None
            finally:
                os.close(folder)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise TvpnError(f"{self._folder / name}: {_NOT_A_FILE}")
                content = file.read(LARGEST + 1)
        except OSError as error:
            reason = _NOT_A_FILE if error.errno in (errno.ELOOP, errno.EISDIR) else f"cannot be read: {error.strerror}"
            raise TvpnError(f"{self._folder / name}: {reason}") from None
        if len(content) > LARGEST:
            raise TvpnError(f"{self._folder / name}: is larger than {LARGEST} bytes; shorten it")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise TvpnError(f"{self._folder / name}: is not UTF-8 text; write it anew") from None
