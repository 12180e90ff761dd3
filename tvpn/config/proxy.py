"""The words about proxies: ``http-proxy`` and ``socks-proxy`` with the user name and password for them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from tvpn.config.address import Proxy, host, port
from tvpn.config.given import Given
from tvpn.config.material import material

SOCKS_PORT = 1080
#: What may stand where the file with user name and password does: they are asked for then.
_ASKED = ("auto", "auto-nct", "stdin")
_METHODS = ("none", "basic")
_FIELD_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class HTTPOption(NamedTuple):
    """What is said to an HTTP proxy beside the request: a version, or header fields."""

    version: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def http(given: Given) -> Proxy:
    """``HOST PORT [FILE|auto|auto-nct|stdin] [none|basic]``."""
    if not 2 <= len(given.arguments) <= 4:
        raise ValueError("takes a host, a port and perhaps a file; write for example: proxy.example.org 3128")
    if given.arguments[3:] and given.arguments[3].lower() not in _METHODS:
        method = given.arguments[3]
        raise ValueError(f"cannot log in by {method}, which gives the password away; write basic or delete the word")
    return _proxy(given, "http", given.arguments[1], given.arguments[2:3])


def socks(given: Given) -> Proxy:
    """``HOST [PORT [FILE|stdin]]``, the port 1080 if absent."""
    if not 1 <= len(given.arguments) <= 3:
        raise ValueError("takes a host, a port and perhaps a file; write for example: 127.0.0.1 1080")
    where = given.arguments[1] if len(given.arguments) > 1 else str(SOCKS_PORT)
    return _proxy(given, "socks", where, given.arguments[2:3])


def http_option(given: Given) -> HTTPOption:
    """``VERSION 1.0|1.1``, ``AGENT TEXT``, ``CUSTOM-HEADER NAME VALUE`` or ``CUSTOM-HEADER "NAME: VALUE"``."""
    match given.arguments:
        case ("VERSION", "1.0" | "1.1" as version):
            return HTTPOption(version)
        case ("AGENT", value):
            name = "User-Agent"
        case ("CUSTOM-HEADER", name, value):
            pass
        case ("CUSTOM-HEADER", line):
            name, _, value = line.partition(":")
        case _:
            raise ValueError("takes VERSION 1.0 or 1.1, AGENT TEXT, or CUSTOM-HEADER NAME VALUE; correct or delete it")
    if _FIELD_NAME.fullmatch(name) is None or not value.isascii() or not value.isprintable():
        raise ValueError("can have letters, digits and dashes in a name and printable ASCII as a value; correct it")
    return HTTPOption(headers=((name, value.strip()),))


def _proxy(given: Given, kind: Literal["http", "socks"], where: str, login: tuple[str, ...]) -> Proxy:
    name = host(given.arguments[0])
    number = port(given.meaning(where))
    asked = bool(login) and login[0] in _ASKED
    credentials = material(given.meaning(*login)) if login and not asked else None
    return Proxy(kind, name, number, credentials, asked)
