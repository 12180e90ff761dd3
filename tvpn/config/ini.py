"""The ini reader: sections, ``word = value``, further values on indented lines, and a line number for everything.

configparser knows no line numbers, lower-cases words and interpolates ``%``; hence a reader of our own. ``[push]`` is
different: each of its lines is one option in OpenVPN's text.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from tvpn.config import word
from tvpn.config.given import Given, Read
from tvpn.config.table import RESERVED, SECTIONS
from tvpn.errors import ConfigError

_HEADER = re.compile(r"\[([^\]\s]+)\]\s*(?:[#;].*)?")


def is_header(line: str) -> bool:
    """Whether a line is exactly ``[section]``."""
    return _HEADER.fullmatch(line.strip()) is not None


def read(text: str, file: Path, read_file: Read) -> list[Given]:
    """Every value of the file as a ``Given``; raises ConfigError with the line for whatever does not read."""
    found: list[Given] = []
    section, open_word, open_line, values = "", "", 0, 1
    for line, raw in enumerate(text.split("\n"), 1):
        content = raw.strip()
        if not content or content[0] in "#;":
            continue
        indented = raw[0] in " \t"
        if not indented or section == "push" or is_header(content):
            _must_have_value(file, open_line, open_word, values)
            open_word, values = "", 1
        if content[0] == "[" and not (indented and open_word):
            section = _section(content, file, line)
            continue
        if not section:
            raise ConfigError("stands before the first section; begin with [tvpn]", file=file, line=line)
        if section == "push":
            found.append(Given("push", (_words(content, file, line, "push", joined=True)), file, line, "push"))
            continue
        value = content
        if not indented:
            open_word, value = _word_and_value(content, file, line)
            open_line, values = line, 0
        elif not open_word:
            raise ConfigError("is indented, but belongs to no word; remove the blanks", file=file, line=line)
        arguments = _words(value, file, line, open_word)
        if arguments:
            values += 1
            found.append(Given(open_word, arguments, file, line, section, read=read_file))
    _must_have_value(file, open_line, open_word, values)
    return found


def _section(content: str, file: Path, line: int) -> str:
    header = _HEADER.fullmatch(content)
    if header is None:
        raise ConfigError(f"is no section: {content}; write [name] and nothing else", file=file, line=line)
    name = header[1]
    if name in RESERVED:
        raise ConfigError(f"section [{name}] arrives in a later release; remove it", file=file, line=line)
    if name not in SECTIONS:
        near = difflib.get_close_matches(name, SECTIONS, n=1, cutoff=0.5)
        known = f"the nearest is [{near[0]}]" if near else f"there are {', '.join(f'[{each}]' for each in SECTIONS)}"
        raise ConfigError(f"there is no section [{name}]; {known}", file=file, line=line)
    return name


def _word_and_value(content: str, file: Path, line: int) -> tuple[str, str]:
    name, sign, value = content.partition("=")
    name = name.strip()
    if not sign or not name or len(name.split()) != 1:
        name = content.split()[0]
        raise ConfigError("needs `word = value` (for a switch: yes or no)", file=file, line=line, option=name)
    return name, value


def _words(value: str, file: Path, line: int, option: str, *, joined: bool = False) -> tuple[str, ...]:
    """The words of a value, or one argument that holds them all."""
    try:
        found = word.split(value, literal_backslash=not joined)
    except ValueError as error:
        raise ConfigError(str(error), file=file, line=line, option=option) from None
    return (word.join(found),) if joined else found


def _must_have_value(file: Path, line: int, option: str, values: int) -> None:
    if not values:
        raise ConfigError("has no value; write one or delete the line", file=file, line=line, option=option)
