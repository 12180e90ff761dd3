"""The words about passwords: tokens, challenges, how often a client may knock."""

from __future__ import annotations

from dataclasses import dataclass

from tvpn.config.given import Given
from tvpn.config.value import number

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
