"""What a session tells its hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tvpn.crypto.certificate import Identity
from tvpn.crypto.derive import DataKeys
from tvpn.crypto.token import TokenState
from tvpn.wire.challenge import Challenge


class Step(Enum):
    """How far a client's first key exchange has come."""

    ANSWERED = "the server has answered"
    SECURED = "TLS is up"
    KEYED = "the data keys are agreed"


@dataclass(frozen=True, slots=True)
class Reached:
    """A connection has come one step further."""

    step: Step


@dataclass(frozen=True, slots=True)
class VerdictWanted:
    """A client has shown who it is, at the first key or at a renegotiated one: may it come in, may it stay?"""

    key_id: int
    identity: Identity
    username: str
    password: str = field(repr=False)
    peer_info: Mapping[str, str]
    token: TokenState = TokenState.INITIAL
    """What the password is if it is a token of ours."""
    certified: bool = True
    """The name is the certificate's, or a user name that counts as much; not just what somebody says."""

    @property
    def common_name(self) -> str:
        """What counts as OpenVPN's common name, empty without."""
        return self.identity.name if self.certified else ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The client has answered the question that its verdict waits for."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeysDerived:
    """Data keys for this key id may be installed: packets under it may be opened."""

    key_id: int
    keys: DataKeys


@dataclass(frozen=True, slots=True)
class KeyChosen:
    """What is sent from now on is sealed under this key id."""

    key_id: int


@dataclass(frozen=True, slots=True)
class KeyRetired:
    """The transition is over: the key of this id may go."""

    key_id: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """The server's options, whole: the client is admitted. A token may be among them."""

    options: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Updated:
    """The server has changed what it pushed: the options as they are now, whole."""

    options: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Informed:
    """The server has something to say to the user."""

    text: str


@dataclass(frozen=True, slots=True)
class TokenGiven:
    """The server has given the client a token; it stands in for the password from now on. ``username``: for whom it
    is, where that is another name than the client's own.
    """

    token: str = field(repr=False)
    username: str = ""


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The server takes the token no longer: the password has to be shown again."""


@dataclass(frozen=True, slots=True)
class Questioned:
    """The server asks the person at the client, whose verdict waits for the ``answer``."""

    challenge: Challenge


@dataclass(frozen=True, slots=True)
class PageWanted:
    """The server waits until the person at the client has been to this page."""

    url: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session carries data no longer. It may still linger to retransmit its last words. ``wait``: who tries again
    waits at least so many seconds; ``challenge``: the next connection's password has to answer it; ``refused``: the
    server does not take who we say we are; ``advance``: it wants us to call another one (or to stay with it, False).
    """

    reason: str
    retry: bool = True
    wait: int = 0
    challenge: Challenge | None = None
    refused: bool = False
    advance: bool | None = None


Event = (
    VerdictWanted | Answered | KeysDerived | KeyChosen | KeyRetired | Pushed | Updated | Informed | TokenGiven
    | TokenRefused | Questioned | PageWanted | Reached | Ended
)
