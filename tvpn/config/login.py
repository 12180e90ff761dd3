"""The words about passwords: tokens, challenges, how often a client may knock."""

from __future__ import annotations

from dataclasses import dataclass, field

from tvpn.config.given import Given
from tvpn.config.material import material
from tvpn.config.value import number
from tvpn.wire.keyexchange import LONGEST_CREDENTIAL

_TIME = number(0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """How long a token is good in all (0: for ever) and unless renewed (None: as long as a key), in seconds;
    ``external``: the policy judges tokens, too.
    """

    lifetime: int = 0
    renewal: int | None = None
    external: bool = False


@dataclass(frozen=True, slots=True)
class UserPass:
    """User name and password of a client; what is None is asked for. ``mode``: a file's permission bits."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    origin: str = ""
    mode: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StaticChallenge:
    """A question that is asked with every password. ``appended``: its answer is a tail of the password."""

    text: str
    echo: bool
    appended: bool


def token_times(given: Given) -> TokenTimes:
    """``[LIFETIME [RENEWAL]] [external-auth]``."""
    numbers, external = given.arguments, False
    if numbers[-1:] == ("external-auth",):
        numbers, external = numbers[:-1], True
    if len(numbers) > 2:
        raise ValueError(f"takes LIFETIME [RENEWAL] [external-auth]; remove {numbers[2]!r}")
    times = [_TIME(given.meaning(each)) for each in numbers]
    if len(times) == 2 and times[1] < 1:
        raise ValueError("has a renewal of no time; write seconds, or leave it out for that of reneg-sec")
    return TokenTimes(times[0] if times else 0, times[1] if len(times) == 2 else None, external)


def static_challenge(given: Given) -> StaticChallenge:
    """``TEXT ECHO [scrv1|concat]``; ECHO is 0 or 1."""
    if len(given.arguments) not in (2, 3) or given.arguments[1] not in ("0", "1"):
        raise ValueError('takes TEXT ECHO [FORMAT]; write for example: "Code of your token" 1')
    text, echo, *form = given.arguments
    if form and form[0] not in ("scrv1", "concat"):
        raise ValueError(f"has no format {form[0]!r}; write scrv1 or concat")
    if not text or not text.isprintable():
        raise ValueError("needs a question that can be shown; write one line of text")
    return StaticChallenge(text, echo == "1", form == ["concat"])


def user_pass(given: Given) -> UserPass:
    """``[FILE]`` or a block: user name and password, a line each; without a file both are asked for."""
    if given.inline is None and not given.arguments:
        return UserPass()
    found = material(given)
    username, password, *_ = (*(line.strip("\r") for line in found.text.split("\n")), "")
    if not username:
        raise ValueError("needs the user name in its first line; add it, or leave the file out to be asked")
    if any(len(line.encode()) >= LONGEST_CREDENTIAL for line in (username, password)):
        most = LONGEST_CREDENTIAL - 1
        raise ValueError(f"has a user name or password longer than {most} bytes, which no server takes; shorten it")
    return UserPass(username, password or None, found.origin, found.mode)
