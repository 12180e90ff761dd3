"""Where a profile goes: a new file of mode 0600, or a pipe; never a terminal, for it holds a private key."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tvpn.errors import TvpnError
from tvpn.pki.keyfile import write_secret


def check(path: Path | None) -> None:
    """Raise TvpnError, before anything is made, where ``deliver`` cannot succeed; None is standard output."""
    if path is not None and os.path.lexists(path):
        raise TvpnError(f"{path} exists already; name another file, or move it away")
    if path is None and _is_terminal():
        raise TvpnError("a profile holds a private key and is not for a terminal; use --output FILE")


def deliver(text: str, path: Path | None) -> None:
    """Write the profile to the last byte; raises TvpnError, and then there is no file."""
    if path is not None:
        write_secret(path, text, overwrite=False)
        return
    # Unbuffered: what fails has to fail here, while the device can still be taken back.
    raw: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    rest = memoryview(text.encode())
    try:
        while rest:
            rest = rest[raw.write(rest) :]
    except OSError as error:
        raise TvpnError(f"cannot write the profile: {error.strerror}; the device was not added") from error
    with suppress(OSError):  # a stream without a descriptor
        mode = os.fstat(sys.stdout.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            click.echo(
                "warning: others may read the file with this profile; --output makes one of 0600", err=True
            )


def _is_terminal() -> bool:
    return sys.stdout.isatty()
