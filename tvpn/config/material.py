"""What an option reads from a file or from an inline block: certificates and keys, and paths that must exist."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tvpn.config.given import Given


@dataclass(frozen=True, slots=True)
class Material:
    """The text of a certificate or key and where it came from; the repr never shows the text.

    ``origin`` is a path or ``inline <ca>``; ``mode`` are the file's permission bits, None for inline text.
    """

    text: str = field(repr=False)
    origin: str
    mode: int | None = field(default=None, compare=False)


def material(given: Given) -> Material:
    """The inline text, or the file's; raises ValueError where it cannot be read."""
    if given.inline is not None:
        if not given.inline.strip():
            raise ValueError(f"has an empty block; put the text between <{given.word}> and </{given.word}>")
        return Material(given.inline, f"inline <{given.word}>")
    path = existing(given)
    try:
        content = given.read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path} ({_reason(error)}); check the path and its permissions") from None
    if not content.text.strip():
        raise ValueError(f"reads {path}, which is empty; put the PEM text there")
    return Material(content.text, str(path), content.mode)


def material_or_path(given: Given) -> Material | Path:
    """The inline text, or the path of a file that is no text."""
    return material(given) if given.inline is not None else present(given)


def passphrase(given: Given) -> Material | None:
    """The file with a passphrase, None where it is to be asked for."""
    return material(given) if given.arguments or given.inline is not None else None


def path(given: Given) -> Path:
    """A path, relative to the configuration file, that need not exist yet."""
    if len(given.arguments) != 1 or not given.arguments[0]:
        raise ValueError("takes one path; quote it if it has blanks")
    return given.path(given.arguments[0])


def folder(given: Given) -> Path:
    """A folder that may be made later; a file in its place is an error."""
    found = path(given)
    if os.path.exists(found) and not os.path.isdir(found):
        raise ValueError(f"names {found}, which is no folder; name a folder (it is made at the first start)")
    return found


def existing(given: Given) -> Path:
    """The path of an ordinary file; raises ValueError where it is a folder or missing."""
    found = path(given)
    # os.path, since Path raises where a folder above may not be entered; reading then tells why.
    if os.path.isdir(found):
        raise ValueError(f"names {found}, which is a folder; name a file in it")
    return found


def present(given: Given) -> Path:
    """A file that is there and is no folder."""
    found = existing(given)
    if not os.path.exists(found):
        raise ValueError(f"names {found}, which does not exist; make it or correct the path")
    return found


def present_folder(given: Given) -> Path:
    """A folder that is there."""
    found = path(given)
    if not os.path.isdir(found):
        raise ValueError(f"names {found}, which is no folder; make it or correct the path")
    return found


def ignored_file(given: Given) -> str:
    """The name of a file that is never read, such as ``dh``."""
    if given.inline is not None:
        return "inline"
    return str(path(given)) if given.arguments != ("none",) else "none"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return (error.strerror or "unreadable").lower()
    return "not a text file"
