"""PUSH_UPDATE: pushed options that change while the connection lasts (OpenVPN 2.7; protocol: push-and-options.md 5.1).

``route …`` replaces all routes there were, further ones of the same update add to it; ``-route`` takes them all away;
what has a ``?`` in front may be skipped. Whatever else cannot change without a new connection.
"""

from __future__ import annotations

from collections.abc import Iterable

from tvpn.errors import PeerError

UPDATABLE = frozenset(
    {"ifconfig", "ifconfig-ipv6", "topology", "tun-mtu", "route", "route-ipv6", "route-gateway", "route-metric",
     "redirect-gateway", "redirect-private", "block-ipv6", "dns", "dhcp-option", "block-outside-dns", "keepalive"}
)  # fmt: skip


def updated(options: Iterable[str], changes: Iterable[str]) -> list[str]:
    """The pushed options once these changes are made; raises PeerError for a change that takes a new connection."""
    result = [*options]
    replaced: set[str] = set()
    for change in changes:
        removal = change.startswith("-")
        text = change.removeprefix("-").removeprefix("?").strip()
        word = text.partition(" ")[0]
        if word not in UPDATABLE or (removal and word != text):
            if change.removeprefix("-").startswith("?"):
                continue
            raise PeerError(f"the update {change!r} takes a new connection")
        if removal or word not in replaced:
            result = [option for option in result if option.partition(" ")[0] not in _replaces(word)]
        if removal:
            replaced.discard(word)
        else:
            replaced.add(word)
            result += _meaning(text)
    return result


def _replaces(word: str) -> tuple[str, ...]:
    return ("ping", "ping-restart") if word == "keepalive" else (word,)


def _meaning(text: str) -> list[str]:
    """The options that an updated one stands for: ``keepalive`` is written as what a server makes of it."""
    word, *values = text.split()
    if word == "keepalive" and len(values) == 2:
        return [f"ping {values[0]}", f"ping-restart {values[1]}"]
    return [text]
