"""What a client is doing, for whoever watches it: the log, a terminal, a program that reads JSON.

Beside these its watchers hear every hub event.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvpn.hub.event import HubEvent


@dataclass(frozen=True, slots=True)
class Calling:
    """The server at this address is called; ``host`` is the name that the file has for it. With a ``proxy``, such as
    ``proxy 192.0.2.9:3128``, the address is the proxy's.
    """

    host: str
    address: str
    protocol: str
    port: int
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class CallFailed:
    """This remote could not be called."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something of this machine stands in the way of every call."""

    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next call comes after so many seconds."""

    seconds: float


Progress = HubEvent | Calling | CallFailed | Blocked | Waiting
