"""How a field of a section becomes an option: parser, default and meaning stand in one line of the section.

A field is named as its word with ``-`` written ``_``. The static type of ``option(...)`` is what its parser returns
(or the default's), so ``settings.tunnel.server`` is checked by mypy although the table is data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from tvpn.config.given import Given

Value = TypeVar("Value")
Default = TypeVar("Default")
_KEY = "tvpn.option"


@dataclass(frozen=True, slots=True)
class Option:
    """What the table knows of a field apart from its name."""

    parse: Callable[[Given], Any]
    meaning: str
    word: str | None
    aliases: tuple[str, ...] = ()
    ini: bool = True
    openvpn: bool = True
    repeats: bool = False
    aspect: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the option table: (section, word) is its key."""

    section: str
    field: str
    word: str
    default: object
    option: Option


def option(
    parse: Callable[[Given], Value],
    default: Default,
    meaning: str,
    *,
    word: str | None = None,
    aliases: tuple[str, ...] = (),
    ini: bool = True,
    openvpn: bool = True,
) -> Value | Default:
    """A word with one value; ``parse`` raises ValueError with a sentence that says what to write instead."""
    about = Option(parse, meaning, word, aliases, ini, openvpn)
    return cast("Value | Default", dataclasses.field(default=default, metadata={_KEY: about}))


def options(
    parse: Callable[[Given], Value],
    meaning: str,
    *,
    word: str | None = None,
    aliases: tuple[str, ...] = (),
    openvpn: bool = True,
) -> tuple[Value, ...]:
    """A word that may be given several times; the values keep the order of the file."""
    about = Option(parse, meaning, word, aliases, openvpn=openvpn, repeats=True)
    return cast("tuple[Value, ...]", dataclasses.field(default=(), metadata={_KEY: about}))


def aspect(word: str, parse: Callable[[Given], Value], default: Default) -> Value | Default:
    """A second field read from another field's word, such as the direction behind ``tls-auth FILE``."""
    about = Option(parse, "", word, aspect=True)
    return cast("Value | Default", dataclasses.field(default=default, metadata={_KEY: about}))


def entries(section: str, shape: type[Any]) -> list[Entry]:
    """The table lines of one section dataclass, in the order of its fields."""
    found = []
    for each in dataclasses.fields(shape):
        about = cast(Option, each.metadata[_KEY])
        word = about.word or each.name.replace("_", "-")
        found.append(Entry(section, each.name, word, each.default, about))
    return found
