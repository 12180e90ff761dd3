"""The reader of OpenVPN's own files: words by line, inline blocks, ``<connection>`` and the words about words.

Source: OpenVPN's manual, "INLINE FILE SUPPORT" and ``--connection``; ``setenv opt``, ``ignore-unknown-option`` and
``setenv FORWARD_COMPATIBLE 1`` mean what they mean there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from tvpn.config import word
from tvpn.config.block import connections
from tvpn.config.given import Given, Read
from tvpn.errors import ConfigError

_BLOCK = re.compile(r"<([a-z0-9-]+)>")
_BLOCKS = (
    "ca", "cert", "key", "dh", "extra-certs", "pkcs12", "crl-verify", "tls-auth", "tls-crypt", "tls-crypt-v2",
    "secret", "auth-user-pass", "http-proxy-user-pass", "auth-gen-token-secret", "peer-fingerprint", "verify-hash",
    "connection",
)  # fmt: skip
_INLINE = "[inline]"


def read(text: str, file: Path, read_file: Read) -> list[Given]:
    """Every word of the file as a ``Given``; raises ConfigError with the line for whatever does not read."""
    found = _lines(text.split("\n"), file, read_file, 0)
    return connections(_inlined(_tolerant(found)), _block_lines)


def _block_lines(block: Given) -> list[Given]:
    lines = (block.inline or "").split("\n")
    return _inlined(_tolerant(_lines(lines, block.file, block.read, block.line)))


def _lines(lines: list[str], file: Path, read_file: Read, before: int) -> list[Given]:
    """The words of some lines; a block becomes one ``Given`` with its text; ``before`` lines stand above these."""
    found: list[Given] = []
    at = 0
    while at < len(lines):
        line, at = before + at + 1, at + 1
        try:
            words = word.split(lines[at - 1])
        except ValueError as error:
            name = lines[at - 1].split()[0]
            raise ConfigError(str(error), file=file, line=line, option=name) from None
        if not words:
            continue
        name = words[0].removeprefix("--")
        block = _BLOCK.fullmatch(name) if len(words) == 1 else None
        if block is None:
            found.append(Given(name, words[1:], file, line, read=read_file))
            continue
        end = _end(lines, at, block[1], file, line)
        inline = "\n".join(lines[at:end]) + "\n"
        found.append(Given(block[1], (), file, line, inline=inline, read=read_file))
        at = end + 1
    return found


def _end(lines: list[str], at: int, name: str, file: Path, line: int) -> int:
    """Where the block that began above ``at`` is closed."""
    if name not in _BLOCKS:
        raise ConfigError("is no block that OpenVPN knows; remove it", file=file, line=line, option=f"<{name}>")
    for end in range(at, len(lines)):
        if lines[end].lstrip().startswith(f"</{name}>"):
            return end
    raise ConfigError(f"is never closed; add a line </{name}>", file=file, line=line, option=f"<{name}>")


def _tolerant(givens: list[Given]) -> list[Given]:
    """``setenv opt`` taken off; words marked optional that the file allows to be unknown."""
    found: list[Given] = []
    allowed: set[str] = set()
    everything = False
    for given in givens:
        if given.word == "ignore-unknown-option":
            allowed.update(given.arguments)
        elif given.word == "setenv" and given.arguments[:2] == ("FORWARD_COMPATIBLE", "1"):
            everything = True
        elif given.word == "setenv" and given.arguments[:1] == ("opt",) and len(given.arguments) > 1:
            found.append(replace(given, word=given.arguments[1], arguments=given.arguments[2:], optional=True))
        else:
            found.append(replace(given, optional=everything or given.word in allowed))
    return found


def _inlined(givens: list[Given]) -> list[Given]:
    """Older files write ``tls-auth [inline] 1`` and a block: the two are one option."""
    tails = {given.word: given for given in givens if given.arguments[:1] == (_INLINE,)}
    blocks = {given.word for given in givens if given.inline is not None}
    found: list[Given] = []
    for given in givens:
        if given.word in tails and given.inline is not None:
            given = replace(given, arguments=("", *tails[given.word].arguments[1:]))
        elif given.arguments[:1] == (_INLINE,):
            if given.word not in blocks:
                raise given.error(f"says [inline], but there is no block; add <{given.word}>...</{given.word}>")
            continue
        found.append(given)
    return found
