"""What a server may push: the words, and the checks that keep a client from meeting a broken line.

A comma can never be part of a pushed option, since the reply is split at commas; an option has at most 255 bytes.
Source: OpenVPN's push list (options allowed by OPT_P_PULL_MODE and its family).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from tvpn.config import address, kind, value, word
from tvpn.config.given import Given

MAX_BYTES = 255
#: What a client may write into its own file as if the server had pushed it, beside routes.
OWN_LINES = (
    "redirect-gateway", "redirect-private", "route-gateway", "route-metric", "block-ipv6", "dhcp-option", "dns",
)  # fmt: skip
_FLAGS = ("local", "autolocal", "def1", "bypass-dhcp", "bypass-dns", "block-local", "ipv6", "!ipv4")
_OURS = "tvpn pushes that by itself; remove the line"
_NEVER = {
    **dict.fromkeys(
        ("ifconfig", "ifconfig-ipv6", "peer-id", "cipher", "auth-token", "auth-token-user", "protocol-flags",
         "key-derivation", "push-continuation", "tun-mtu"),
        _OURS,
    ),
    "push": "write the pushed option itself, without the word push",
    "comp-lzo": "the server does that by itself; delete this line, and write compress = migrate, or comp-lzo = no, in "
    "[data] (OpenVPN: without =)",
    "compress": "the server does that by itself; delete this line, and write compress = migrate, or the frame that "
    "clients use, in [data] (OpenVPN: without =)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Syntax:
    """How many arguments a pushed word takes, an example, and a check of them if there is one."""

    least: int
    most: int
    example: str
    check: Callable[[Given], object] | None = None


@dataclass(frozen=True, slots=True)
class PullFilter:
    """What happens to a pushed option whose text starts so."""

    action: Literal["accept", "ignore", "reject"]
    text: str


def _redirect(given: Given) -> None:
    for flag in given.arguments:
        if flag not in _FLAGS:
            raise ValueError(f"has no flag {flag!r}; the flags are {', '.join(_FLAGS)}")


def _dhcp(given: Given) -> None:
    kind, *rest = given.arguments
    if kind in ("DNS", "DNS6", "WINS", "NTP", "NBDD"):
        try:
            ip_address(" ".join(rest))
        except ValueError:
            raise ValueError(f"{kind} takes one address; write dhcp-option {kind} 192.0.2.53") from None


_ACTION: Callable[[Given], Literal["accept", "ignore", "reject"]] = value.one_of("accept", "ignore", "reject")
_second = value.number(0, 2**31 - 1)
SYNTAX: dict[str, Syntax] = {
    "topology": Syntax(1, 1, "topology subnet", kind.topology),
    "tun-ipv6": Syntax(0, 0, "tun-ipv6"),
    "route": Syntax(1, 4, "route 192.0.2.0 255.255.255.0", address.route),
    "route-ipv6": Syntax(1, 3, "route-ipv6 2001:db8::/64", address.route_ipv6),
    "route-gateway": Syntax(1, 1, "route-gateway 10.87.0.1"),
    "route-metric": Syntax(1, 1, "route-metric 100", _second),
    "route-delay": Syntax(0, 2, "route-delay 2"),
    "redirect-gateway": Syntax(0, 8, "redirect-gateway def1 ipv6", _redirect),
    "redirect-private": Syntax(0, 8, "redirect-private def1", _redirect),
    "block-ipv6": Syntax(0, 0, "block-ipv6"),
    "dhcp-option": Syntax(1, 3, "dhcp-option DNS 1.1.1.1", _dhcp),
    "dns": Syntax(2, 15, "dns server 0 address 1.1.1.1"),
    "block-outside-dns": Syntax(0, 0, "block-outside-dns"),
    "register-dns": Syntax(0, 0, "register-dns"),
    "ping": Syntax(1, 1, "ping 10", _second),
    "ping-restart": Syntax(1, 1, "ping-restart 60", _second),
    "ping-exit": Syntax(1, 1, "ping-exit 60", _second),
    "ping-timer-rem": Syntax(0, 0, "ping-timer-rem"),
    "inactive": Syntax(1, 2, "inactive 3600"),
    "session-timeout": Syntax(1, 1, "session-timeout 86400", _second),
    "explicit-exit-notify": Syntax(0, 1, "explicit-exit-notify 1"),
    "sndbuf": Syntax(1, 1, "sndbuf 393216", _second),
    "rcvbuf": Syntax(1, 1, "rcvbuf 393216", _second),
    "socket-flags": Syntax(1, 1, "socket-flags TCP_NODELAY"),
    "persist-tun": Syntax(0, 0, "persist-tun"),
    "persist-key": Syntax(0, 0, "persist-key"),
    "shaper": Syntax(1, 1, "shaper 1000000", value.number(100, 100_000_000)),
    "setenv-safe": Syntax(1, 2, "setenv-safe NAME value"),
    "setenv": Syntax(1, 15, "setenv opt block-outside-dns"),
    "echo": Syntax(0, 15, "echo text"),
    "parameter": Syntax(0, 15, "parameter text"),
    "verb": Syntax(1, 1, "verb 3", value.number(0, 11)),
    "mute": Syntax(1, 1, "mute 20", _second),
    "client-nat": Syntax(4, 4, "client-nat snat 10.0.0.0 255.255.255.0 10.1.0.0"),
    "ip-win32": Syntax(1, 3, "ip-win32 dynamic"),
    "route-method": Syntax(1, 1, "route-method exe"),
    "tap-sleep": Syntax(1, 1, "tap-sleep 1"),
    "dhcp-renew": Syntax(0, 0, "dhcp-renew"),
    "dhcp-release": Syntax(0, 0, "dhcp-release"),
    "show-net-up": Syntax(0, 0, "show-net-up"),
}


def line(given: Given) -> str:
    """One pushed option in OpenVPN's text, checked; a route in CIDR becomes address and mask."""
    text = value.text(given)
    if not text.isprintable():
        raise ValueError("has a control character; remove it")
    if "," in text:
        raise ValueError("has a comma, which pushing cannot carry; write several lines")
    words = word.split(text)
    if not words:
        raise ValueError("is empty; write an option such as: dhcp-option DNS 1.1.1.1")
    return _checked(given, text, words, f"{words[0]} ")


def own_line(given: Given) -> str:
    """The same for a client's own file, where the option stands as a word by itself; in an ini file yes is nothing."""
    words = (given.word, *given.arguments)
    if given.section is not None and given.arguments == ("yes",):
        words = (given.word,)
    text = word.join(words)
    if not text.isprintable():
        raise ValueError("has a control character; remove it")
    return _checked(given, text, words, "")


def pull_filter(given: Given) -> PullFilter:
    """``accept|ignore|reject TEXT``."""
    if len(given.arguments) != 2 or given.arguments[0] not in ("accept", "ignore", "reject"):
        raise ValueError('takes accept, ignore or reject, and the start of an option; write: ignore "dhcp-option"')
    action: Literal["accept", "ignore", "reject"] = _ACTION(given.meaning(given.arguments[0]))
    return PullFilter(action, given.arguments[1])


def _checked(given: Given, text: str, words: tuple[str, ...], subject: str) -> str:
    """The text of an option with these words; ``subject`` begins the sentence about what is wrong."""
    name, *rest = words
    if name in _NEVER:
        raise ValueError(f"{name}: {_NEVER[name]}")
    if name not in SYNTAX:
        raise ValueError(f"{name!r} is not pushable; `tvpn options` lists what is")
    shape = SYNTAX[name]
    if rest[:1] == ["="] or not shape.least <= len(rest) <= shape.most:
        raise ValueError(f"{subject}does not read so; write it without =, for example: {shape.example}")
    if shape.check is not None:
        try:
            shape.check(given.meaning(*rest))
        except ValueError as error:
            raise ValueError(f"{subject}{error}") from None
    if name == "route" and "/" in rest[0]:
        network = address.ipv4_network(rest[0])
        text = word.join((name, str(network.network_address), str(network.netmask), *rest[1:]))
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"has {len(text.encode())} bytes, the limit is {MAX_BYTES}; shorten it")
    return text


def check_topology(option: str, topology: kind.Topology) -> None:
    """Raises ValueError where a pushed option contradicts the server's topology."""
    name, *rest = option.split()
    if name == "topology" and rest != [topology]:
        raise ValueError(f"contradicts the server's topology {topology}; remove the line, tvpn pushes the right one")
