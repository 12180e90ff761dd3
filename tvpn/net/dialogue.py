"""What is said to a proxy before the connection through it stands, whatever kind of proxy it is."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tvpn.errors import TvpnError

#: More of what a proxy says of itself is shown to nobody.
LONGEST_REASON = 100


class ProxyError(TvpnError):
    """The proxy does not let us through. ``wants_login``: it may do so for another user name and password."""

    def __init__(self, message: str, *, wants_login: bool = False) -> None:
        super().__init__(message)
        self.wants_login = wants_login


class ProxyLogin(NamedTuple):
    """User name and password for a proxy; ``str()`` and repr show neither."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "ProxyLogin(...)"


class Dialogue(Protocol):
    """Bytes in, bytes out; it knows no socket and no clock, and keeps a bounded number of bytes."""

    name: str
    """What the proxy is called in a sentence: ``proxy 192.0.2.9:3128``."""
    rest: bytes | None
    """None until the proxy lets us through; then what the other end of the connection has said already."""

    def begin(self) -> bytes:
        """What is said first."""

    def receive(self, data: bytes) -> bytes:
        """What to say to this, in whatever pieces it comes; raises ProxyError where there is nothing left to say."""


def shown(host: str, port: int) -> str:
    """``192.0.2.9:3128`` or ``[2001:db8::9]:3128``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def printable(text: bytes) -> str:
    """Foreign text fit for a sentence."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in text[:LONGEST_REASON])
