"""What a session shows to whoever watches it: each control packet as it went over the wire, and what was said in it.

Observers hold what they are shown for secret: what is said holds passwords, and keys are keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tvpn.crypto.derive import DataKeys
from tvpn.wire.control import ControlPacket
from tvpn.wire.keyexchange import KeyExchangeMessage

Said = str | KeyExchangeMessage
"""A step of TLS's handshake in OpenSSL's words, a control message, or key method 2."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One control packet. ``size``: bytes of its datagram; ``wrapping``: none, tls-auth, tls-crypt or dynamic
    tls-crypt; ``said``: what was completed by it (received) or what it begins to carry (sent).
    """

    at: float
    sent: bool
    size: int
    packet: ControlPacket
    wrapping: str
    said: tuple[Said, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class KeyedAnew:
    """Data keys were derived; ``exporter``: by TLS's exporter, not by the PRF of OpenVPN."""

    at: float
    key_id: int
    keys: DataKeys
    exporter: bool
    tls: str


Record = Sighting | KeyedAnew
Watch = Callable[[Record], None]


def unwatched(record: Record) -> None:
    """Nobody looks."""
