"""What the other end's certificate must show: the values of verify-x509-name, remote-cert-ku, remote-cert-eku."""

from __future__ import annotations

import re
from typing import Literal

from tvpn.config.given import Given
from tvpn.config.material import Material, material

NameType = Literal["subject", "name", "name-prefix"]
_NAME_TYPES: dict[str, NameType] = {"subject": "subject", "name": "name", "name-prefix": "name-prefix"}
#: OpenSSL's names of what a certificate may be for, and RFC 5280's.
_EXTENDED_USAGES = {
    "TLS Web Server Authentication": "1.3.6.1.5.5.7.3.1", "serverAuth": "1.3.6.1.5.5.7.3.1",
    "TLS Web Client Authentication": "1.3.6.1.5.5.7.3.2", "clientAuth": "1.3.6.1.5.5.7.3.2",
    "Code Signing": "1.3.6.1.5.5.7.3.3", "codeSigning": "1.3.6.1.5.5.7.3.3",
    "E-mail Protection": "1.3.6.1.5.5.7.3.4", "emailProtection": "1.3.6.1.5.5.7.3.4",
}  # fmt: skip


def x509_name(given: Given) -> tuple[str, NameType]:
    """``NAME [subject|name|name-prefix]``; without a type the whole subject is compared."""
    if not 1 <= len(given.arguments) <= 2 or not given.arguments[0]:
        raise ValueError("takes a name and a type; write for example: vpn.example.org name")
    kind = given.arguments[1] if len(given.arguments) == 2 else "subject"
    if kind not in _NAME_TYPES:
        raise ValueError(f"cannot compare {kind!r}; write subject, name or name-prefix behind the name")
    return given.arguments[0], _NAME_TYPES[kind]


def key_usages(given: Given) -> tuple[int, ...]:
    """Hexadecimal masks, such as ``a0 88``: one of them must be wholly contained."""
    if not given.arguments or not all(re.fullmatch(r"[0-9A-Fa-f]{1,2}", each) for each in given.arguments):
        raise ValueError("takes hexadecimal masks; write for example: a0 88, or use remote-cert-tls")
    return tuple(int(each, 16) for each in given.arguments)


def extended_usage(given: Given) -> str:
    """A dotted OID, or OpenSSL's name for one; the OID comes back."""
    name = " ".join(given.arguments)
    if name in _EXTENDED_USAGES:
        return _EXTENDED_USAGES[name]
    if re.fullmatch(r"[0-2](\.[0-9]+)+", name) is None:
        known = ", ".join(key for key in _EXTENDED_USAGES if " " in key)
        raise ValueError(f"does not know {name!r}; write a dotted OID, or one of: {known}")
    return name


def revocation_list(given: Given) -> Material:
    """A file of revocation lists; OpenVPN's folder of serial numbers is not read."""
    if given.arguments[1:] == ("dir",):
        raise ValueError("reads no folder of serial numbers; name a file with the CA's revocation list (PEM)")
    return material(given)
