"""The profiles in ``tests/profiles``, written in the shape of what is found in the wild, with papers put in.

``@CA@`` and the like stand for certificates and keys, which are made anew for each run.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_certificate

from tests.certificates import Signer
from tests.papers import Issuer
from tvpn.crypto.statickey import StaticKey, TLSCryptV2ServerKey

FOLDER = Path(__file__).parent / "profiles"
PASSPHRASE = "open sesame"
SIGNER = Signer(now=datetime.now(UTC))


@cache
def papers() -> dict[str, str]:
    """What stands in for the marks."""
    own = SIGNER.issue("alice")
    issuer = Issuer()
    return {
        "CA": own.ca.strip(),
        "CERT": own.certificate.strip(),
        "KEY": own.key.strip(),
        "STATIC": StaticKey.generate(os.urandom).text.strip(),
        "V2": TLSCryptV2ServerKey.generate(os.urandom).issue(os.urandom, 0).pem.strip(),
        "CRL": issuer.revoke().strip(),
    }


def locked_key(key: str, passphrase: str = PASSPHRASE) -> str:
    """The same private key, which takes this passphrase to open."""
    form = BestAvailableEncryption(passphrase.encode())
    opened = load_pem_private_key(key.encode(), None)
    return opened.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form).decode()


def bundle(ca: str, certificate: str, key: str, passphrase: str = "") -> bytes:
    """All three in PKCS #12."""
    form = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return serialize_key_and_certificates(
        b"alice", load_pem_private_key(key.encode(), None), load_pem_x509_certificate(certificate.encode()),  # type: ignore[arg-type]
        [load_pem_x509_certificate(ca.encode())], form,
    )  # fmt: skip


def in_base64(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def unpack(name: str, folder: Path) -> Path:
    """The profile of that name, and the files that profiles name, written into this folder."""
    made = papers()
    text = (FOLDER / f"{name}.ovpn").read_bytes().decode()
    for mark, paper in made.items():
        text = text.replace(f"@{mark}@", paper)
    files = {
        f"{name}.ovpn": text.encode(),
        "ca.crt": made["CA"].encode(),
        "own.crt": made["CERT"].encode(),
        "own.key": made["KEY"].encode(),
        "locked.key": locked_key(made["KEY"]).encode(),
        "askpass.txt": PASSPHRASE.encode(),
        "office-tls.key": made["STATIC"].encode(),
        "office-alice.p12": bundle(made["CA"], made["CERT"], made["KEY"]),
        "auth.txt": b"alice\nwell hidden\n",
    }
    for file, data in files.items():
        (folder / file).write_bytes(data)
        (folder / file).chmod(0o600)
    return folder / f"{name}.ovpn"
