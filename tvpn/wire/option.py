"""The two self-descriptions of a peer: the options string and peer info (protocol: key-exchange.md 4 and 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntFlag

_PEER_INFO_NAME = re.compile(r"(IV|UV)_[A-Za-z0-9_]{1,60}")
_PEER_INFO_UNFIT = re.compile(r"[^\x21-\x7e]|[$(`]")
MOST_PEER_INFO = 50
LONGEST_PEER_INFO_LINE = 255
LONGEST_PEER_INFO = 4096


class Proto(IntFlag):
    """The bits of ``IV_PROTO``: what a client can do."""

    DATA_V2 = 1 << 1
    REQUEST_PUSH = 1 << 2
    TLS_KEY_EXPORT = 1 << 3
    AUTH_PENDING_KEYWORD = 1 << 4
    NCP_P2P = 1 << 5
    DNS_OPTION = 1 << 6
    CC_EXIT_NOTIFY = 1 << 7
    AUTH_FAIL_TEMP = 1 << 8
    DYN_TLS_CRYPT = 1 << 9
    DATA_EPOCH = 1 << 10
    DNS_OPTION_V2 = 1 << 11
    PUSH_UPDATE = 1 << 12


def encode_peer_info(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def decode_peer_info(text: str) -> dict[str, str]:
    """``IV_`` and ``UV_`` variables only, at most 50 within the first 4096 characters; values are freed of white space
    and of what a shell would heed.
    """
    values: dict[str, str] = {}
    if len(text) > LONGEST_PEER_INFO:
        # A line that is cut says something else than it was to say.
        text = text[:LONGEST_PEER_INFO].rpartition("\n")[0]
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if not equals or len(line) > LONGEST_PEER_INFO_LINE or not _PEER_INFO_NAME.fullmatch(name):
            continue
        if len(values) < MOST_PEER_INFO:
            values[name] = _PEER_INFO_UNFIT.sub("_", value)
    return values


def peer_protocol(peer_info: Mapping[str, str]) -> Proto:
    """What ``IV_PROTO`` says; nothing when it is absent or no number."""
    text = peer_info.get("IV_PROTO", "0")
    return Proto(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else Proto(0)


_OVERHEAD, _TAP_OVERHEAD = 41, 73
"""What 2.6 adds to tun-mtu: the historic sum, and 32 bytes for the header of a frame."""


def encode_options_string(
    server: bool, cipher: str | None, auth: str, tun_mtu: int, frames: bool = False, tap: bool = False
) -> str:
    """What stock daemons compare and log a warning about; a plausible one keeps their logs quiet.

    link-mtu is the historic sum for BF-CBC and SHA1 that 2.6 still sends. ``frames``: packets stand in frames of
    compression, which a server that has none may do for our sake. ``tap``: the packets are Ethernet frames, whose
    header counts as part of the link only.
    """
    link_mtu = tun_mtu + (_TAP_OVERHEAD if tap else _OVERHEAD)
    items = ["V4", f"dev-type {'tap' if tap else 'tun'}", f"link-mtu {link_mtu}", f"tun-mtu {tun_mtu}", "proto UDPv4"]
    if frames:
        items.append("comp-lzo")
    if cipher:
        items.append(f"cipher {cipher}")
    items += [f"auth {auth}", "keysize 128", "key-method 2", "tls-server" if server else "tls-client"]
    return ",".join(items)


def options_string_on_stream(options: str, server: bool) -> str:
    """The same options string for a TCP connection: its own protocol names, two bytes more a packet."""
    link_mtu = options_string_value(options, "link-mtu") or "0"
    longer = options.replace(f"link-mtu {link_mtu}", f"link-mtu {int(link_mtu) + 2}")
    return longer.replace("proto UDPv4", f"proto TCPv4_{'SERVER' if server else 'CLIENT'}")


def options_string_value(options: str, word: str) -> str | None:
    """The value of one item of an options string, as in ``cipher AES-256-GCM``."""
    for item in options.split(","):
        name, _, value = item.strip().partition(" ")
        if name == word:
            return value
    return None


def cipher_list(text: str) -> tuple[str, ...]:
    """A colon list of cipher names, upper case, empty ones left out."""
    return tuple(name.upper() for name in text.split(":") if name)


def join_ciphers(names: Iterable[str]) -> str:
    return ":".join(names)
