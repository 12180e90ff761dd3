"""Parsers of single values: a number, a choice, yes or no, a cipher list.

Each takes a ``Given`` and returns the value, or raises ValueError with a sentence that ends in the remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from tvpn.config.given import Given

Parsed = TypeVar("Parsed")
Letter = TypeVar("Letter", bound=str)

AEAD = ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305")
DATA_CIPHERS = (*AEAD, "AES-192-GCM", "AES-256-CBC", "AES-192-CBC", "AES-128-CBC")
_OLD_CIPHERS = frozenset(
    f"{family}-{bits}-{mode}"
    for family in ("AES", "CAMELLIA", "ARIA")
    for bits in (128, 192, 256)
    for mode in ("CBC", "CFB", "OFB", "GCM")
) | {"BF-CBC", "DES-CBC", "DES-EDE3-CBC", "CAST5-CBC", "SEED-CBC", "SM4-CBC"}
_DIGESTS = ("SHA1", "SHA256", "SHA384", "SHA512")


def single(given: Given) -> str:
    """The only argument."""
    if len(given.arguments) != 1:
        raise ValueError(f"takes one value, {len(given.arguments)} are here; leave one (quote it if it has blanks)")
    return given.arguments[0]


def text(given: Given) -> str:
    """Any one non-empty word."""
    value = single(given)
    if not value:
        raise ValueError("is empty; write a value or delete the line")
    return value


def flag(given: Given) -> bool:
    """Yes or no; in OpenVPN's files the bare word is yes."""
    if not given.arguments and given.section is None:
        return True
    if given.arguments == ("yes",):
        return True
    if given.arguments == ("no",):
        return False
    raise ValueError("is a switch; write yes or no")


def number(lowest: int, highest: int, *, bare: int | None = None) -> Callable[[Given], int]:
    """A decimal number within bounds; ``bare`` is its value where the word stands alone."""

    def parse(given: Given) -> int:
        if bare is not None and not given.arguments:
            return bare
        return _number(single(given), lowest, highest)

    return parse


def seconds_or_infinite(given: Given) -> int | None:
    """A number of seconds, None for ``infinite``."""
    return None if given.arguments == ("infinite",) else _number(single(given), 0, 2**31 - 1)


def second_number(lowest: int, highest: int) -> Callable[[Given], int | None]:
    """The second of one or two numbers, None where it is not written."""

    def parse(given: Given) -> int | None:
        return None if len(given.arguments) < 2 else _number(given.arguments[1], lowest, highest)

    return parse


def first(parse: Callable[[Given], Parsed], limit: int = 2) -> Callable[[Given], Parsed]:
    """``parse`` on the first argument, for words whose further arguments (at most ``limit`` in all) are aspects."""

    def parse_first(given: Given) -> Parsed:
        if len(given.arguments) > limit:
            raise ValueError(f"takes at most {limit} values; remove {given.arguments[limit]!r}")
        return parse(given.meaning(*given.arguments[:1]))

    return parse_first


def pair(lowest: int, highest: int, *, second: int | None = None) -> Callable[[Given], tuple[int, int]]:
    """Two numbers within bounds; ``second`` stands in where only the first is written."""

    def parse(given: Given) -> tuple[int, int]:
        if second is not None and len(given.arguments) == 1:
            return _number(given.arguments[0], lowest, highest), second
        if len(given.arguments) != 2:
            raise ValueError("takes two numbers; write for example: 10 60")
        left, right = (_number(each, lowest, highest) for each in given.arguments)
        return left, right

    return parse


def one_of(*allowed: Letter) -> Callable[[Given], Letter]:
    """One of a few words."""

    def parse(given: Given) -> Letter:
        value = single(given)
        for each in allowed:
            if value == each:
                return each
        raise ValueError(f"cannot be {value!r}; write {_either(allowed)}")

    return parse


def digest(given: Given) -> str:
    """The name of an HMAC digest in capitals, or ``none``."""
    value = single(given)
    if value.lower() == "none":
        return "none"
    name = value.upper().replace("SHA-", "SHA")
    if name not in _DIGESTS:
        raise ValueError(f"has no digest {value!r}; write {_either(_DIGESTS)}")
    return name


def cipher(given: Given) -> str:
    """The name of any cipher OpenVPN peers may name, in capitals; ``none`` is refused."""
    name = single(given).upper()
    if name == "NONE":
        raise ValueError("cannot be none: tvpn never sends data in clear; write AES-256-GCM")
    if name not in AEAD and name not in _OLD_CIPHERS:
        raise ValueError(f"has no cipher {name!r}; write {_either(AEAD)}")
    return name


def cipher_list(given: Given) -> tuple[str, ...]:
    """Ciphers for data, best first: ``NAME:?OPTIONAL:DEFAULT``; optional unknown ones are left out."""
    found: list[str] = []
    for each in single(given).upper().split(":"):
        name = each.removeprefix("?")
        if name not in (*DATA_CIPHERS, "DEFAULT") and each == name:
            raise ValueError(f"cannot use {name!r}; the ciphers for data are {_either(DATA_CIPHERS)}")
        for known in AEAD if name == "DEFAULT" else (name,):
            if known in DATA_CIPHERS and known not in found:
                found.append(known)
    if not found:
        raise ValueError(f"leaves no cipher at all; write {_either(AEAD)}")
    return tuple(found)


def key_direction(given: Given) -> Literal[0, 1]:
    """0 or 1, as in OpenVPN."""
    value = single(given)
    if value not in ("0", "1"):
        raise ValueError(f"cannot be {value!r}; write 0 (usual on a server) or 1 (usual on a client)")
    return 1 if value == "1" else 0


def second_direction(given: Given) -> Literal[0, 1] | None:
    """The direction behind ``tls-auth FILE``, None where it is not written."""
    return None if len(given.arguments) < 2 else key_direction(given.meaning(given.arguments[1]))


def second_cookie(given: Given) -> bool:
    """Whether ``tls-crypt-v2 FILE`` is followed by ``force-cookie``."""
    value = given.arguments[1] if len(given.arguments) > 1 else "allow-noncookie"
    if value not in ("force-cookie", "allow-noncookie"):
        raise ValueError(f"cannot end in {value!r}; write force-cookie or allow-noncookie")
    return value == "force-cookie"


def _number(value: str, lowest: int, highest: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 13 and lowest <= int(value) <= highest):
        raise ValueError(f"cannot be {value!r}; write a number from {lowest} to {highest}")
    return int(value)


def _either(allowed: tuple[str, ...]) -> str:
    return allowed[0] if len(allowed) == 1 else f"{', '.join(allowed[:-1])} or {allowed[-1]}"
