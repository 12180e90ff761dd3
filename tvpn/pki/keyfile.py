"""Files that are there whole or not at all, and secret ones that nobody else could read at any instant."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from tvpn.errors import TvpnError


def write_secret(path: Path, data: str | bytes, mode: int = 0o600, *, overwrite: bool = True) -> None:
    """Write a file by way of a temporary one beside it; raises TvpnError, and then nothing has changed.

    With ``overwrite`` false an existing file (or link) of this name is an error, too.
    """
    content = data.encode() if isinstance(data, str) else data
    reserved = False
    try:
        if not overwrite:
            # The name is taken first: a rename replaces, and hard links (the other way) are not everywhere.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            reserved = True
        _replace(path, content, mode)
    except BaseException as error:
        if reserved:
            with suppress(OSError):
                os.unlink(path)
        if isinstance(error, FileExistsError):
            raise TvpnError(f"{path} exists already; name another file, or move it away") from error
        if isinstance(error, OSError):
            raise TvpnError(
                f"cannot write {path}: {error.strerror}; look at its folder, owner and disk"
            ) from error
        raise


def read_secret(path: Path) -> str:
    """The text of a secret file; raises TvpnError if it cannot be read, or if others than its owner can."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise TvpnError(f"{path} holds a secret and others may read it; do: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise TvpnError(f"cannot read {path}: {error.strerror}; look at its folder and owner") from error
    except UnicodeDecodeError as error:
        raise TvpnError(f"{path} is not a text file; restore it from a backup") from error


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}")
    # Never wider than 0600 while it is made; the mode that is wanted comes by fchmod, whatever the umask.
    file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(file, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
