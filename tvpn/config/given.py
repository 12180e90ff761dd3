"""One option as it stands in a file, before anybody has judged it, and the files it may name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from tvpn.errors import ConfigError

Parsed = TypeVar("Parsed")


class Content(NamedTuple):
    """A file's text and its permission bits."""

    text: str
    mode: int


Read = Callable[[Path], Content]


def read_file(path: Path) -> Content:
    """Text and permission bits of a file on this machine; raises OSError or UnicodeDecodeError."""
    return Content(path.read_text(encoding="utf-8-sig"), path.stat().st_mode & 0o777)


@dataclass(frozen=True, slots=True)
class Given:
    """A word with its arguments: where it stands, and how it reads the files it names.

    ``section`` is None in OpenVPN's files; ``optional`` words may be unknown (``setenv opt``); arguments and inline
    text stay out of the repr, since they may be secrets. ``block``: the line of the ``<connection>`` that a remote
    stands in, 0 for none; ``beside``: its own words there.
    """

    word: str
    arguments: tuple[str, ...] = field(repr=False)
    file: Path
    line: int
    section: str | None = None
    inline: str | None = field(default=None, repr=False)
    optional: bool = False
    block: int = 0
    beside: tuple[Given, ...] = field(default=(), repr=False)
    read: Read = field(default=read_file, repr=False, compare=False)

    def path(self, text: str) -> Path:
        """The path meant by ``text``, relative to the folder of the configuration file."""
        return self.file.parent / text

    def meaning(self, *arguments: str) -> Given:
        """The same option with other arguments, for parsers that judge a part of it."""
        return replace(self, arguments=arguments)

    def parsed(self, parse: Callable[[Given], Parsed]) -> Parsed:
        """What the parser makes of this option; its ValueError becomes the error of this line."""
        try:
            return parse(self)
        except ValueError as error:
            raise self.error(str(error)) from None

    def error(self, message: str) -> ConfigError:
        """The error that names this option's file, line and word."""
        return ConfigError(message, file=self.file, line=self.line, option=self.word)
