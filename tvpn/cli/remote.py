"""Where devices find the server, as one writes it on a command line: HOST, HOST:PORT, [IPV6], [IPV6]:PORT."""

from __future__ import annotations

import re

from tvpn.config.address import Remote
from tvpn.errors import TvpnError

_BRACKETS = re.compile(r"\[([^\[\]]+)\](?::([0-9]{1,5}))?")
_PLAIN = re.compile(r"([^:\[\]]+)(?::([0-9]{1,5}))?")


def parse(text: str, default_port: int) -> Remote:
    """Read one ``--remote``; raises TvpnError. The host itself is looked at where the profile is written."""
    match = _BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is not None:
        host, port = match[1], default_port if match[2] is None else int(match[2])
    elif text.count(":") > 1 and "[" not in text:
        host, port = text, default_port  # an IPv6 address without brackets can have no port
    else:
        raise TvpnError(f"--remote {text}: write HOST, HOST:PORT or [IPV6]:PORT")
    if not 1 <= port <= 65535:
        raise TvpnError(f"--remote {text}: {port} is no port; add one from 1 to 65535, as in HOST:1194")
    return Remote(host, port)
