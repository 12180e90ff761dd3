"""Control messages: NUL-terminated text inside TLS (reliability.md 9, push-and-options.md 1, key-exchange.md 8).

One message a record. Options travel as ``PUSH_REPLY,option,option,…``, in several messages when they are many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tvpn.errors import Drop

PUSH_REQUEST = "PUSH_REQUEST"
PUSH_REPLY = "PUSH_REPLY"
PUSH_UPDATE = "PUSH_UPDATE"
AUTH_FAILED = "AUTH_FAILED"
RESTART = "RESTART"
HALT = "HALT"
EXIT = "EXIT"
INFO, INFO_PRE = "INFO", "INFO_PRE"

LONGEST_OPTION = 255
LONGEST_INFO = 900
#: Stock closes a part as soon as it would reach this many bytes, so that a 1024-byte buffer always suffices.
REPLY_PART_SIZE, UPDATE_PART_SIZE = 940, 928
#: A server may ask for so many seconds of patience at most.
LONGEST_WAIT = 600
_TEMPORARY = re.compile(r"TEMP(?:\[([^\]]*)\])?:?(.*)", re.DOTALL)
_MORE, _LAST = ",push-continuation 2", ",push-continuation 1"


def encode_message(text: str) -> bytes:
    return text.encode("utf-8") + b"\0"


def decode_messages(record: bytes) -> Iterator[str]:
    """The messages of one TLS record: cut at each NUL, unterminated or unprintable ones left out."""
    *complete, _ = record.split(b"\0")
    for raw in complete:
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        if text and text.isprintable():
            yield text


def encode_push_reply(options: Iterable[str]) -> list[str]:
    """As many PUSH_REPLY messages as these options need, none longer than stock's buffer."""
    return _encode_push(PUSH_REPLY, options, REPLY_PART_SIZE)


def encode_push_update(changes: Iterable[str]) -> list[str]:
    """The same for changes to what was pushed, each ``option``, ``-word`` or with a ``?`` before the word."""
    return _encode_push(PUSH_UPDATE, changes, UPDATE_PART_SIZE)


def _encode_push(word: str, options: Iterable[str], part_size: int) -> list[str]:
    parts, current = [], word
    for option in options:
        if "," in option or len(option.encode()) > LONGEST_OPTION:
            raise ValueError(f"this option cannot be pushed (a comma, or longer than {LONGEST_OPTION} bytes): {option}")
        if len(current.encode()) + len(option.encode()) >= part_size:
            parts.append(current + _MORE)
            current = word
        current += "," + option
    return [*parts, current + _LAST if parts else current]


class PushReply:
    """Collects the parts of a PUSH_REPLY or PUSH_UPDATE; ``add`` answers the options once the last part is in."""

    MOST_BYTES = 65536

    def __init__(self) -> None:
        self._options: list[str] = []
        self._size = 0

    def add(self, message: str) -> list[str] | None:
        """One more part: all options when it was the last one, else None; raises Drop for an endless push."""
        self._size += len(message)
        if self._size > self.MOST_BYTES:
            raise Drop("push-too-large")
        more = False
        for option in message.split(",")[1:]:
            if option.startswith("push-continuation "):
                more = option.split()[1:] == ["2"]
            elif option.strip():
                self._options.append(option.strip())
        if more:
            return None
        options, self._options, self._size = self._options, [], 0
        return options


def encode_auth_failed(reason: str | None) -> str:
    return AUTH_FAILED if not reason else f"{AUTH_FAILED},{reason}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an AUTH_FAILED says. ``wait``: seconds before a temporary one may change, at most ten minutes.
    ``advance``: another server, or this one again, is to be asked; None where it does not say.
    """

    reason: str
    temporary: bool = False
    wait: int = 0
    advance: bool | None = None


def decode_auth_failed(message: str) -> Refusal:
    reason = message.partition(",")[2]
    found = _TEMPORARY.fullmatch(reason)
    if found is None:
        return Refusal(reason or "no reason given")
    flags = found[1] or ""
    wait = re.search(r"\bbackoff (\d+)", flags, re.ASCII)
    # Nobody waits for longer than a number of nine digits says.
    seconds = min(int(wait[1][:9]), LONGEST_WAIT) if wait else 0
    where = re.search(r"\badvance (no|remote|addr)\b", flags)
    return Refusal(found[2] or "try again later", True, seconds, None if where is None else where[1] != "no")


def encode_restart(reason: str = "") -> str:
    """``[P]`` lets clients keep their passwords: this is not their fault."""
    return f"{RESTART},[P]:{reason}"


def decode_restart(message: str) -> tuple[str, bool]:
    """(reason, whether another server is to be called: ``[N]``) of a RESTART."""
    found = re.fullmatch(r"(?:\[([A-Z]*)\]:?)?(.*)", message.partition(",")[2], re.DOTALL)
    return (found[2], "N" in (found[1] or "")) if found else ("", False)


def encode_halt(reason: str = "") -> str:
    """The client is not to come back by itself."""
    return f"{HALT},{reason}" if reason else HALT


def encode_info(text: str) -> str:
    """Something for the user; raises ValueError for what is no single line."""
    if not text.isprintable() or len(text.encode()) > LONGEST_INFO:
        raise ValueError(f"this cannot be said (control characters, or longer than {LONGEST_INFO} bytes): {text!r}")
    return f"{INFO},{text}"
