"""OpenVPN's words: one line of text <-> the words it holds.

White space separates words; ``#`` or ``;`` at the start of a word opens a comment. Quotes count at the start of a
word only: ``'...'`` is literal, ``"..."`` knows the escapes ``\\\\``, ``\\"`` and backslash-blank, which hold outside
of quotes too. Source: OpenVPN's ``parse_line`` (options_parse.c).
"""

from __future__ import annotations

MAX_WORDS = 16
_BLANKS = " \t\r\n\v\f"
_ESCAPABLE = '\\"' + _BLANKS


def split(line: str, *, literal_backslash: bool = False) -> tuple[str, ...]:
    """The words of one line, comment removed; ``literal_backslash`` (ini values) lets a bare backslash stand.

    Raises ValueError with a sentence for an open quote, a wrong escape or more than 16 words.
    """
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at] in _BLANKS:
            at += 1
        elif line[at] in "#;":
            break
        else:
            word, at = _word(line, at, literal_backslash)
            words.append(word)
    if len(words) > MAX_WORDS:
        raise ValueError(f"has {len(words)} words; OpenVPN's limit is {MAX_WORDS}, use several lines")
    return tuple(words)


def join(words: tuple[str, ...]) -> str:
    """One line that ``split`` turns into these words again; a word is quoted only where it must be."""
    return " ".join(_quoted(word) for word in words)


def _word(line: str, at: int, literal_backslash: bool) -> tuple[str, int]:
    """The word that starts at ``at`` and the place behind it."""
    if line[at] == "'":
        end = line.find("'", at + 1)
        if end < 0:
            raise ValueError("has a single quote that is never closed; close it")
        return line[at + 1 : end], end + 1
    quoted = line[at] == '"'
    at += quoted
    letters: list[str] = []
    while at < len(line):
        letter = line[at]
        if quoted and letter == '"':
            return "".join(letters), at + 1
        if not quoted and letter in _BLANKS:
            break
        if letter == "\\" and (quoted or not literal_backslash):
            at += 1
            if at == len(line) or line[at] not in _ESCAPABLE:
                raise ValueError("has a backslash before an ordinary letter; write \\\\ or use 'single quotes'")
            letter = line[at]
        letters.append(letter)
        at += 1
    if quoted:
        raise ValueError("has a double quote that is never closed; close it")
    return "".join(letters), at


def _quoted(word: str) -> str:
    if word and word[0] not in "'\"#;" and not any(letter in _ESCAPABLE for letter in word):
        return word
    if "'" not in word:
        return f"'{word}'"
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
