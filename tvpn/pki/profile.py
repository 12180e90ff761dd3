"""Profiles: one .ovpn file with all that a device needs, for OpenVPN 2.5 and later, OpenVPN Connect, tvpn.

Connect refuses a profile with words that only a server may push (ping, topology, route-gateway, ...): what
the server pushes is therefore never written here (protocol: pitfalls.md D).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from tvpn.errors import TvpnError

# The default of OpenVPN 2.6 and of Connect; who has these needs no line about them.
DEFAULT_CIPHERS = ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305")

_BLOCK = re.compile(r"-----BEGIN ([^\n]+?)-----\s*\n(.*?)-----END \1-----", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253})?")
_FAMILIES = {0: "", 4: "4", 6: "6"}


class Remote(Protocol):
    """Where the server is; ``family`` 0 leaves the choice between IPv4 and IPv6 to the device."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def family(self) -> int: ...
    @property
    def protocol(self) -> str: ...


def profile(
    *,
    ca_pem: str,
    certificate_pem: str,
    key_pem: str,
    remotes: Sequence[Remote],
    tls_crypt_v2_pem: str | None = None,
    tls_crypt_text: str | None = None,
    tls_auth_text: str | None = None,
    key_direction: int | None = None,
    auth: str | None = None,
    data_ciphers: Sequence[str] = DEFAULT_CIPHERS,
    comment: Iterable[str] = (),
    is_tap: bool = False,
) -> str:
    """The .ovpn's text; ``key_direction`` is the device's; raises TvpnError for what is no PEM or no host."""
    if not remotes:
        raise TvpnError("a profile without the server's address is of no use; use --remote HOST or set 'advertise'")
    lines = [f"# {printable}" for text in comment for printable in _printable(text)]
    lines += ["client", f"dev {'tap' if is_tap else 'tun'}"]
    lines += [_remote_line(remote) for remote in remotes]
    lines += ["resolv-retry infinite", "nobind", "persist-tun", "remote-cert-tls server"]
    if tuple(data_ciphers) != DEFAULT_CIPHERS:
        lines.append(f"data-ciphers {':'.join(data_ciphers)}")
    if auth is not None:
        lines.append(f"auth {auth}")
    lines.append("verb 3")
    if tls_auth_text is not None and key_direction is not None:
        lines.append(f"key-direction {key_direction}")
    blocks = {
        "ca": ca_pem,
        "cert": certificate_pem,
        "key": key_pem,
        "tls-crypt-v2": tls_crypt_v2_pem,
        "tls-crypt": tls_crypt_text,
        "tls-auth": tls_auth_text,
    }
    lines += [_inline(word, text) for word, text in blocks.items() if text is not None]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> list[str]:
    # A line break that slipped in would turn the rest of a comment into an option.
    return ["".join(c if c.isprintable() else "?" for c in line) for line in text.splitlines()]


def _remote_line(remote: Remote) -> str:
    if not (_HOST.fullmatch(remote.host) or _is_address(remote.host)):
        raise TvpnError(f"{remote.host!r} is no host name and no address; name the server as HOST[:PORT]")
    return f"remote {remote.host} {remote.port} {remote.protocol}{_FAMILIES[remote.family]}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone names an interface of this machine, which the device does not have


def _inline(word: str, text: str) -> str:
    """``<word>`` with only the PEM blocks of a text: no comments, no blank lines, no carriage returns."""
    lines = [f"<{word}>"]
    for match in _BLOCK.finditer(text.replace("\r\n", "\n")):
        body = [line.strip() for line in match[2].splitlines() if line.strip()]
        lines += [f"-----BEGIN {match[1]}-----", *body, f"-----END {match[1]}-----"]
    if len(lines) == 1:
        raise TvpnError(f"no complete PEM block for <{word}>; look at the file that '{word}' names")
    return "\n".join([*lines, f"</{word}>"])
