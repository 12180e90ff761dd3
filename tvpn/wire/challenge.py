"""Questions to the person at the client (protocol: key-exchange.md 8.3 and 8.4).

A *static* challenge stands in the client's own file, its answer travels beside the password. A *dynamic* one comes
with the refusal of a password, and its answer is the password of the next connection. A *pending* one is asked, and
answered, on the control channel while the verdict waits.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from tvpn.errors import Drop

#: The longest message a client has a buffer for, NUL included.
LONGEST_QUESTION = 1024
AUTH_PENDING = "AUTH_PENDING"
CR_RESPONSE = "CR_RESPONSE"
_STATIC, _DYNAMIC, _TEXT, _PAGES = "SCRV1", "CRV1", "CR_TEXT", ("WEB_AUTH", "OPEN_URL")


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands in a password field: the password, the response to a challenge, the state that a dynamic one had."""

    password: str = field(default="", repr=False)
    response: str = field(default="", repr=False)
    state: str = ""

    @classmethod
    def decode(cls, text: str) -> Answer:
        """Whatever is no well-formed answer to a challenge is a password."""
        kind, *parts = text.split(":")
        if kind == _STATIC and len(parts) == 2:
            password, response = (decode_base64(part) for part in parts)
            if password is not None and response is not None:
                return cls(password, response)
        if kind == _DYNAMIC and len(parts) >= 4 and not parts[0] and parts[1] and not parts[2]:
            return cls("", ":".join(parts[3:]), parts[1])
        return cls(text)

    def encode(self) -> str:
        """The password field; ``state`` makes it the answer to a dynamic challenge."""
        if self.state:
            return f"{_DYNAMIC}::{self.state}::{self.response}"
        return f"{_STATIC}:{_encode_base64(self.password)}:{_encode_base64(self.response)}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question. ``echo``: what is typed may be seen; ``state`` and ``username`` come back with a dynamic answer."""

    text: str
    echo: bool = False
    wants_response: bool = True
    state: str = field(default="", repr=False)
    username: str = ""

    @property
    def _flags(self) -> str:
        return ",".join(flag for flag, is_set in (("R", self.wants_response), ("E", self.echo)) if is_set)

    def encode_refusal(self) -> str:
        """The reason of an AUTH_FAILED that asks a dynamic challenge; ValueError for a state that cannot travel."""
        if not self.state or ":" in self.state or not self.state.isprintable():
            raise ValueError("the state of a challenge is a printable text without colons")
        return f"{_DYNAMIC}:{self._flags}:{self.state}:{_encode_base64(self.username)}:{self.text}"

    @classmethod
    def decode_refusal(cls, reason: str) -> Challenge | None:
        """The dynamic challenge in the reason of an AUTH_FAILED, None when there is none."""
        parts = reason.split(":", 4)
        if len(parts) != 5 or parts[0] != _DYNAMIC or not parts[2]:
            return None
        username = decode_base64(parts[3])
        if username is None:
            return None
        flags = parts[1].split(",")
        return cls(parts[4], "E" in flags, "R" in flags, parts[2], username)

    def encode_question(self) -> str:
        """The method of a pending question."""
        return f"{_TEXT}:{self._flags}:{self.text}"

    @classmethod
    def decode_question(cls, method: str) -> Challenge | None:
        """The pending question of an INFO_PRE, None when it is something else."""
        parts = method.split(":", 2)
        if len(parts) != 3 or parts[0] != _TEXT:
            return None
        flags = parts[1].split(",")
        return cls(parts[2], "E" in flags, "R" in flags)


def encode_page(url: str) -> str:
    """The method that has the person open a page."""
    return f"{_PAGES[0]}::{url}"


def decode_page(method: str) -> str | None:
    """The address that an INFO_PRE wants opened, None when it is something else."""
    kind, _, rest = method.partition(":")
    if kind not in _PAGES:
        return None
    return rest.partition(":")[2] if kind == _PAGES[0] else rest


def encode_pending(seconds: int | None) -> str:
    """``seconds`` None: the client does not understand the keyword."""
    return AUTH_PENDING if seconds is None else f"{AUTH_PENDING},timeout {seconds}"


def decode_pending(message: str) -> int | None:
    """The seconds of an AUTH_PENDING, None when it says none."""
    for option in message.split(",")[1:]:
        word, _, number = option.strip().partition(" ")
        if word == "timeout" and number.isascii() and number.isdigit() and len(number) < 8:
            return int(number)
    return None


def encode_response(text: str) -> str:
    return f"{CR_RESPONSE},{_encode_base64(text)}"


def decode_response(message: str) -> str:
    """The text of a CR_RESPONSE; raises Drop when it is not base64 of printable UTF-8."""
    text = decode_base64(message.partition(",")[2])
    if text is None:
        raise Drop("challenge-response-malformed")
    return text


def _encode_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def decode_base64(text: str) -> str | None:
    """None unless it is base64 of UTF-8 without control characters."""
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if not decoded or decoded.isprintable() else None
