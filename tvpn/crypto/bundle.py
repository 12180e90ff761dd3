"""PKCS #12: certificate, key and CAs in one file (RFC 7292)."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from tvpn.crypto.tls import Credentials, LockedKey


def open_bundle(data: bytes, passphrase: str | None) -> Credentials:
    """What is in the file; its further certificates are the CAs. Raises LockedKey where the passphrase does not open
    it, None standing for none, and ValueError with a sentence for what is no such file.
    """
    try:
        bundle = load_pkcs12(data, None if passphrase is None else passphrase.encode())
    except UnsupportedAlgorithm:
        raise ValueError("pkcs12: is locked with a cipher that is broken; export it again with AES-256") from None
    except ValueError as error:
        # The library tells the two apart by its words alone.
        if "Invalid password" not in str(error):
            raise ValueError("pkcs12: is no PKCS #12 file; in a block it stands in base64") from None
        raise LockedKey("pkcs12", passphrase is not None) from None
    if bundle.cert is None or bundle.key is None:
        raise ValueError("pkcs12: holds no certificate with its key; export it again with both")
    key = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = bundle.cert.certificate.public_bytes(Encoding.PEM).decode()
    others = [each.certificate.public_bytes(Encoding.PEM).decode() for each in bundle.additional_certs]
    return Credentials("".join(others), own, key)
