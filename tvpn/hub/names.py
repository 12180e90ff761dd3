"""Name servers and search domains as a server pushes them (protocol: push-and-options.md 2 and 3).

Nothing gets in here that is not an address or a name of letters, digits, hyphens and underscores (RFC 1123): what comes
out may be written into a file or handed to a program as it is (CVE-2025-10680 was a domain with a shell command in it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain
from typing import TypeVar

MOST_SERVERS, MOST_ADDRESSES, MOST_DOMAINS = 8, 8, 64
LONGEST_NAME = 253
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_PRIORITY = re.compile(r"-?[0-9]{1,3}")
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?")
_PLACES = re.compile(r"[0-9A-Fa-f:.]+")
Place = tuple[IPv4Address | IPv6Address, int | None]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class NameServer:
    """One ``dns server``: up to eight (address, port or None) that know the same, for these domains alone if there are
    any; ``dnssec``, ``transport`` and ``sni`` in OpenVPN's words, empty where nothing was said.
    """

    places: tuple[Place, ...] = ()
    domains: tuple[str, ...] = ()
    dnssec: str = ""
    transport: str = ""
    sni: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """Who is asked for names, the server that is wanted most first, and where short names are looked for."""

    servers: tuple[NameServer, ...] = ()
    search: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.servers or self.search)


def host_address(text: str) -> IPv4Address | IPv6Address:
    """An address that a host elsewhere can have; ValueError for others, and for one with a scope (``%eth0``)."""
    if not _PLACES.fullmatch(text):
        raise ValueError("not an address")
    address = ip_address(text)
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local:
        raise ValueError("not an address of a host elsewhere")
    if address == IPv4Address("255.255.255.255"):
        raise ValueError("not an address of one host")
    return address


def domain_name(text: str) -> str:
    """The name, a dot at its end removed; ValueError where it is none."""
    name = text.removesuffix(".")
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError("not a name")
    return name


NO_NAMES = Names()


@dataclass(slots=True)
class NamesDraft:
    """Names while their options are read, one at a time; each method raises ValueError for what cannot be."""

    _servers: dict[int, NameServer] = field(default_factory=dict)
    _options: dict[int, list[str]] = field(default_factory=dict)
    _search: list[str] = field(default_factory=list)
    _old_places: list[Place] = field(default_factory=list)
    _old_search: list[str] = field(default_factory=list)

    def dns(self, values: Sequence[str], option: str) -> None:
        """The words after ``dns``; ``option``: the whole of it, to name it by."""
        if values[0] == "search-domains":
            _extend(self._search, [domain_name(value) for value in values[1:]], MOST_DOMAINS)
            return
        if values[0] != "server" or not _PRIORITY.fullmatch(values[1]) or not -128 <= int(values[1]) <= 127:
            raise ValueError("no such dns option")
        number = int(values[1])
        if number not in self._servers and len(self._servers) >= MOST_SERVERS:
            raise ValueError("too many name servers")
        self._servers[number] = _with_word(self._servers.get(number, NameServer()), values[2], values[3:])
        self._options.setdefault(number, []).append(option)

    def dhcp(self, values: Sequence[str]) -> None:
        """The words after ``dhcp-option``: the older way to say it."""
        [kind, value] = values
        if kind in ("DNS", "DNS6"):
            _extend(self._old_places, [(host_address(value), None)], MOST_ADDRESSES)
        elif kind in ("DOMAIN", "ADAPTER_DOMAIN_SUFFIX", "DOMAIN-SEARCH"):
            _extend(self._old_search, [domain_name(value)], MOST_DOMAINS)
        else:
            raise ValueError("nothing to do with names")

    def finish(self) -> tuple[Names, list[str]]:
        """The names, and the options that lead nowhere: of servers whose address nobody has said. Where there is a
        ``dns server``, nobody looks at the older options, which are there for older clients.
        """
        whole = sorted(number for number, server in self._servers.items() if server.places)
        lost = chain.from_iterable(self._options[number] for number in self._servers if number not in whole)
        if whole:
            return Names(tuple(self._servers[number] for number in whole), tuple(self._search)), [*lost]
        old = (NameServer(tuple(self._old_places)),) if self._old_places else ()
        search = dict.fromkeys([*self._search, *self._old_search])
        return Names(old, tuple(search)), [*lost]


def _with_word(server: NameServer, word: str, values: Sequence[str]) -> NameServer:
    if not values:
        raise ValueError("says nothing")
    if word == "address":
        places = [*server.places]
        _extend(places, [_place(value) for value in values], MOST_ADDRESSES)
        return replace(server, places=tuple(places))
    if word == "resolve-domains":
        domains = [*server.domains]
        _extend(domains, [domain_name(value) for value in values], MOST_DOMAINS)
        return replace(server, domains=tuple(domains))
    [value] = values
    if word == "dnssec" and value in ("no", "optional", "yes"):
        return replace(server, dnssec=value)
    if word == "transport" and value in ("plain", "DoT", "DoH"):
        return replace(server, transport=value)
    if word == "sni":
        return replace(server, sni=domain_name(value))
    raise ValueError("no such word of a dns server")


def _place(text: str) -> Place:
    """``192.0.2.53``, ``192.0.2.53:53``, ``2001:db8::53``, ``[2001:db8::53]:53``."""
    match = _WITH_PORT.fullmatch(text)
    if match is None:
        return host_address(text), None
    if match[3] is not None and not 1 <= int(match[3]) <= 65535:
        raise ValueError("not a port")
    return host_address(match[1] or match[2]), None if match[3] is None else int(match[3])


def _extend(items: list[Item], more: Sequence[Item], most: int) -> None:
    """Add what is not there yet, all of it or nothing."""
    new = [item for item in dict.fromkeys(more) if item not in items]
    if not more or len(items) + len(new) > most:
        raise ValueError("nothing, or too many")
    items.extend(new)
