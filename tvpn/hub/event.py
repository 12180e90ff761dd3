"""What a hub tells the service above the line."""

from __future__ import annotations

from dataclasses import dataclass, field

from tvpn.hub.pushed import Tunnel
from tvpn.plane.verbs import Endpoint
from tvpn.session.event import Step, VerdictWanted
from tvpn.wire.challenge import Challenge


@dataclass(frozen=True, slots=True)
class VerdictRequest:
    """Answer with ``hub.verdict(member, …)``; a verdict that comes too late changes nothing."""

    member: int
    endpoint: Endpoint
    wanted: VerdictWanted


@dataclass(frozen=True, slots=True)
class ResponseGiven:
    """A client whose verdict is out has answered the question it was asked."""

    member: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Joined:
    """A client is admitted and data may flow."""

    member: int
    name: str
    endpoint: Endpoint
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leased:
    """This identity has this place in the address pool; to be remembered over restarts."""

    identity: str
    index: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A client speaks from elsewhere now."""

    member: int
    name: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Left:
    """A client is gone, or (``joined`` false) never came in; ``name`` may be a claim, or empty."""

    member: int
    name: str
    endpoint: Endpoint
    joined: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """Packets were dropped at the door: told once for each class and source prefix in ten seconds."""

    reason: str
    endpoint: Endpoint
    number: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """This TCP connection is of no more use: close it."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Advanced:
    """Our client's connection has come one step further."""

    step: Step


@dataclass(frozen=True, slots=True)
class Connected:
    """Our client is admitted and has been told this."""

    tunnel: Tunnel


@dataclass(frozen=True, slots=True)
class ChallengeAsked:
    """The server asks the person at our client, and its verdict waits for ``hub.answer``."""

    challenge: Challenge


@dataclass(frozen=True, slots=True)
class PageAsked:
    """The server waits until the person at our client has been to this page."""

    url: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The server has changed what it told our client: this is the tunnel now."""

    tunnel: Tunnel


@dataclass(frozen=True, slots=True)
class Announced:
    """The server has something to say to our user."""

    text: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Our client's session is over; ``retry``: trying again makes sense, after ``wait`` seconds at least.
    ``challenge``: with its answer as the password; ``refused``: the server does not take who we say we are.
    ``advance``: whether another server is to be called, None where the one we had did not say. ``silent``: nothing was
    heard of it. ``agreed``: this is how it was to end.
    """

    reason: str
    retry: bool
    wait: int = 0
    challenge: Challenge | None = None
    refused: bool = False
    advance: bool | None = None
    silent: bool = False
    agreed: bool = False


HubEvent = (
    VerdictRequest | ResponseGiven | Joined | Leased | Moved | Left | Complaint | HangUp
    | Advanced | Connected | Changed | Announced | ChallengeAsked | PageAsked | Disconnected
)
