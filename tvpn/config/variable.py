"""``setenv``: the few names that mean something without scripts (protocol: push-and-options.md 8)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tvpn.config.given import Given

#: Told to a server in any case, as stock tells them.
ALWAYS_TOLD = frozenset({"IV_GUI_VER", "IV_SSO"})
_TOLD = re.compile(r"UV_[A-Za-z0-9_]+|IV_PLAT_VER")
#: Words of OpenVPN Connect about the profile itself: whether a certificate is needed, which the file shows anyway.
_UNDERSTOOD = frozenset({"CLIENT_CERT", "PUSH_PEER_INFO"})
LONGEST_VALUE = 512


@dataclass(frozen=True, slots=True)
class Variable:
    """A name and what it is set to, as the file has it."""

    name: str
    value: str = ""

    @property
    def has_effect(self) -> bool:
        return self.is_told(everything=True) or self.name in _UNDERSTOOD

    def is_told(self, *, everything: bool) -> bool:
        """Whether a server hears of it; ``everything``: the client says push-peer-info."""
        return self.name in ALWAYS_TOLD or (everything and _TOLD.fullmatch(self.name) is not None)


def variable(given: Given) -> Variable:
    """``NAME [VALUE]``; a value that is told must be one line of text."""
    if not 1 <= len(given.arguments) <= 2:
        raise ValueError("takes a name and a value; write for example: UV_DEVICE laptop (quote a value with blanks)")
    found = Variable(*given.arguments)
    if found.is_told(everything=True) and not (found.value.isprintable() and len(found.value) <= LONGEST_VALUE):
        raise ValueError(f"has a value that cannot be told to a server; write at most {LONGEST_VALUE} letters")
    return found
