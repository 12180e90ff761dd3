"""Where devices find the server, as one writes it on a command line: HOST, HOST:PORT, [IPV6], [IPV6]:PORT."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tvpn.config.address import Listen, Remote
from tvpn.errors import TvpnError

_BRACKETS = re.compile(r"\[([^\[\]]+)\](?::([0-9]{1,5}))?")
_PLAIN = re.compile(r"([^:\[\]]+)(?::([0-9]{1,5}))?")


def parse(text: str) -> Remote:
    """Read one ``--remote``, port 0 where none is said; raises TvpnError. The host is looked at by the profile."""
    match = _BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is not None:
        host, port = match[1], None if match[2] is None else int(match[2])
    elif text.count(":") > 1 and "[" not in text:
        host, port = text, None  # an IPv6 address without brackets can have no port
    else:
        raise TvpnError(f"--remote {text}: write HOST, HOST:PORT or [IPV6]:PORT")
    if port is not None and not 1 <= port <= 65535:
        raise TvpnError(f"--remote {text}: {port} is no port; add one from 1 to 65535, as in HOST:1194")
    return Remote(host, port or 0)


def at_listeners(remotes: Sequence[Remote], listeners: Sequence[Listen]) -> list[Remote]:
    """Each remote at every transport the server listens at; one that names a port, at the transport of that port."""
    places = list(dict.fromkeys((listen.protocol, listen.port) for listen in listeners))
    found: list[Remote] = []
    for remote in remotes:
        named = [(protocol, port) for protocol, port in places if port == remote.port]
        # A port that nobody listens at here is forwarded from elsewhere, to the first listener one would think.
        elsewhere = [(places[0][0], remote.port)]
        for protocol, port in places if not remote.port else named or elsewhere:
            found.append(replace(remote, protocol=protocol, port=port))
    return found
