"""What the other end's certificate must show: names, usages, fingerprints, and that it is not revoked."""

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
_MAKE_ONE = "`openssl x509 -fingerprint -sha256 -noout -in CERTIFICATE` says it"


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


_SIZES = {"SHA1": 20, "SHA256": 32}


def fingerprints(given: Given) -> tuple[bytes, ...]:
    """SHA-256 of certificates: one behind the word, or a block with one in each line."""
    if given.inline is None and len(given.arguments) != 1:
        raise ValueError("takes one fingerprint; write the word once for each, or a block with one in each line")
    return _hashes(given, "SHA256")


def issuer_fingerprints(given: Given) -> tuple[bytes, ...]:
    """``HASH [SHA1|SHA256]``, SHA1 if nothing is said; a block has SHA-256, one in each line."""
    if given.inline is not None:
        return _hashes(given, "SHA256")
    if not 1 <= len(given.arguments) <= 2:
        raise ValueError("takes a hash and its kind; write for example: AA:BB:... SHA256")
    algorithm = given.arguments[1] if len(given.arguments) == 2 else "SHA1"
    if algorithm not in _SIZES:
        raise ValueError(f"has no kind {algorithm!r}; write SHA256 or SHA1 behind the hash")
    return _hashes(given, algorithm)


def _hashes(given: Given, algorithm: str) -> tuple[bytes, ...]:
    lines = given.arguments[:1] if given.inline is None else given.inline.splitlines()
    texts = [line.strip() for line in lines if line.strip() and line.strip()[0] not in "#;"]
    if not texts:
        raise ValueError(f"has no hash in it; {_MAKE_ONE}")
    size = _SIZES[algorithm]
    for text in texts:
        if re.fullmatch(rf"[0-9A-Fa-f]{{2}}(:[0-9A-Fa-f]{{2}}){{{size - 1}}}", text) is None:
            raise ValueError(f"is no {algorithm} of a certificate, which are {size} bytes as AA:BB:...; {_MAKE_ONE}")
    return tuple(bytes.fromhex(text.replace(":", "")) for text in texts)


def revocation_list(given: Given) -> Material:
    """A file of revocation lists; OpenVPN's folder of serial numbers is not read."""
    if given.arguments[1:] == ("dir",):
        raise ValueError("reads no folder of serial numbers; name a file with the CA's revocation list (PEM)")
    return material(given)
