"""Words whose values OpenVPN has in several kinds and tvpn, for now, in one: each refusal says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from tvpn.config.given import Given
from tvpn.config.value import number, one_of, single

SIDE: Callable[[Given], Literal["server", "client"]] = one_of("server", "client")
INSISTENCE: Callable[[Given], Literal["none", "optional", "require"]] = one_of("none", "optional", "require")
_PROFILE: Callable[[Given], Literal["legacy", "preferred", "suiteb"]] = one_of("legacy", "preferred", "suiteb")
Topology = Literal["subnet", "net30", "p2p"]
topology: Callable[[Given], Topology] = one_of("subnet", "net30", "p2p")
DeviceType = Literal["tun", "tap"]
device_type: Callable[[Given], DeviceType] = one_of("tun", "tap")
_FRAME: Callable[[Given], Literal["stub-v2", "migrate"]] = one_of("stub-v2", "migrate")
_NO: Callable[[Given], Literal["no"]] = one_of("no")
_MSSFIX = number(0, 65535, bare=1492)
FORCED: Callable[[Given], Literal["udp", "tcp"]] = one_of("udp", "tcp")
_VERSION: Callable[[Given], Literal["1.2", "1.3"]] = one_of("1.2", "1.3")
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def device(given: Given) -> str:
    """``tun``, ``tap``, ``tun7`` or another interface name of at most 15 letters."""
    name = single(given)
    if _DEVICE.fullmatch(name) is None or name in (".", "..", "null"):
        raise ValueError(f"cannot be {name!r}; write tun or a name of at most 15 letters, digits and -")
    return name


def mode(given: Given) -> str:
    """``server``."""
    if given.arguments == ("p2p",):
        raise ValueError("is OpenVPN's point-to-point mode; delete the line and write client or server")
    return one_of("server")(given)


def no_compression(given: Given) -> Literal["no"]:
    """``no``."""
    if given.arguments and given.arguments[0] in ("yes", "asym"):
        raise ValueError("can only be no, since compression leaks plaintext; write no")
    return _NO(given)


def comp_lzo(given: Given) -> Literal["lzo"]:
    """``no``; ``yes`` and ``adaptive`` are the same, as nothing is ever compressed here."""
    if given.arguments not in ((), ("no",), ("yes",), ("adaptive",)):
        raise ValueError(f"cannot be {' '.join(given.arguments)!r}; write no")
    return "lzo"


def compress(given: Given) -> Literal["swap", "stub-v2", "migrate"]:
    """``stub``, ``stub-v2`` or ``migrate``: frames without compression."""
    if given.arguments in ((), ("stub",)):
        return "swap"
    if given.arguments not in (("stub-v2",), ("migrate",)):
        asked = " ".join(given.arguments)
        raise ValueError(f"cannot be {asked!r}, since nothing is compressed here; write stub or stub-v2 at both ends")
    return _FRAME(given)


def mssfix(given: Given) -> int:
    """A number, OpenVPN's ``mtu`` allowed behind it: whole outer packets are what is meant in any case."""
    if given.arguments[1:] == ("fixed",):
        raise ValueError("cannot be fixed; write how large the outer packets may be, as in mssfix 1400 mtu")
    if given.arguments[1:] == ("mtu",):
        given = given.meaning(given.arguments[0])
    return _MSSFIX(given)


def tls_version_min(given: Given) -> Literal["1.2", "1.3"]:
    """``1.2`` or ``1.3``, OpenVPN's ``or-highest`` allowed behind it; what allows older ones still means 1.2."""
    if len(given.arguments) == 2 and given.arguments[1] == "or-highest":
        given = given.meaning(given.arguments[0])
    if given.arguments in (("1.0",), ("1.1",)):
        return "1.2"
    return tls_version_max(given)


def tls_version_max(given: Given) -> Literal["1.2", "1.3"]:
    """``1.2`` or ``1.3``; older ones are broken and refused (RFC 8996)."""
    if single(given) in ("1.0", "1.1"):
        raise ValueError(f"TLS {given.arguments[0]} is broken and not spoken (RFC 8996); write 1.2")
    return _VERSION(given)


def certificate_profile(given: Given) -> Literal["legacy", "preferred", "suiteb"]:
    """``legacy``, ``preferred`` or ``suiteb``."""
    if given.arguments == ("insecure",):
        raise ValueError("cannot be insecure: certificates signed with MD5 or SHA-1 can be forged; write legacy")
    return _PROFILE(given)
