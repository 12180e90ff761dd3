"""What a ``<connection>`` has of its own beside its remote: keys of the control channel, mssfix and fragment."""

from __future__ import annotations

from typing import Any

from tvpn.config import value
from tvpn.config.address import Own
from tvpn.config.block import VARIABLE, WRAPPINGS
from tvpn.config.draft import Draft
from tvpn.config.given import Given
from tvpn.config.table import Data, Tunnel, find

OUTER = 28
"""Bytes of outer headers, which mssfix counts and fragment does not."""


def own_of(made: Draft, remote: Given) -> Own | None:
    """None for a remote that has nothing of its own; raises ConfigError."""
    words = {given.word: given for given in remote.beside if given.word in VARIABLE}
    if not words:
        return None
    own = [words[name] for name in WRAPPINGS if name in words]
    if len(own) > 1:
        raise own[1].error(f"cannot stand beside {own[0].word}; keep one of the two")
    if "tls-auth" in words and made.values["data"].get("auth") == "none":
        raise words["tls-auth"].error("signs with auth, which is none; write auth SHA256")
    control = made.values["control"]
    # A key of its own stands in for whatever wrapping there is outside.
    keys = {name: None if own else control.get(name.replace("-", "_")) for name in WRAPPINGS}
    direction = control.get("key_direction", control.get("tls_auth_direction"))
    if "key-direction" in words:
        direction = _read(words["key-direction"])
    for given in own:
        keys[given.word] = key = _read(given)
        made.warn_if_exposed(given, key)
        said = given.parsed(value.second_direction) if given.word == "tls-auth" else None
        direction = direction if said is None else said
    fragment = _read(words["fragment"]) if "fragment" in words else made.values["data"].get("fragment", Data.fragment)
    usual = made.values["tunnel"].get("mssfix", fragment + OUTER if fragment else Tunnel.mssfix)
    mssfix = _read(words["mssfix"]) if "mssfix" in words else usual
    return Own(keys["tls-auth"], keys["tls-crypt"], keys["tls-crypt-v2"], direction, fragment, mssfix)


def _read(given: Given) -> Any:
    return given.parsed(find(given.word, None)[0].option.parse)
