"""The state folder: what the first start makes, and every later one finds.

::

    ca.key  ca.crt            the authority
    server.key  server.crt    the server's own certificate, renewed under the same key
    tls-crypt-v2.key          under which the devices' wrapping keys are sealed
    auth-token.key            which signs tokens; made by the first start with auth-gen-token
    tvpn.sqlite               devices, leases, settings (tvpn.store)
    lock                      held while files are made: a starting server and ``tvpn device add`` may meet

A key is written before its certificate, so that a crash leaves a key without certificate, for which the next
start makes one, and never a pair that does not fit.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from tvpn.crypto.statickey import KeyFileError, TLSCryptV2ServerKey
from tvpn.crypto.token import TokenSecret
from tvpn.errors import TvpnError
from tvpn.pki.authority import (
    Authority,
    Random,
    belongs,
    certificate_text,
    key_text,
    load_certificate,
    load_key,
    new_key,
)
from tvpn.pki.keyfile import read_secret, write_secret
from tvpn.store.database import connect

AUTHORITY_KEY, AUTHORITY_CERTIFICATE = "ca.key", "ca.crt"
SERVER_KEY, SERVER_CERTIFICATE = "server.key", "server.crt"
TLS_CRYPT_V2_KEY = "tls-crypt-v2.key"
TOKEN_SECRET = "auth-token.key"
DATABASE = "tvpn.sqlite"
LOCK = "lock"

SERVER_NAME = "tvpn-server"
RENEWAL = timedelta(days=60)  # a server's certificate with less than this left is renewed

_T = TypeVar("_T")


class State:
    """An opened state folder; ``made`` names the files that this opening had to make."""

    def __init__(self, folder: Path, now: datetime, random: Random) -> None:
        self.folder = folder
        self.database_path = folder / DATABASE
        self.made: list[str] = []
        with _locked(folder):
            self.authority = self._open_authority(now, random)
            self._server_key = self._open_server_key()
            self._server_certificate = self._open_server_certificate(now)
            self.tls_crypt_v2 = self._open_tls_crypt_v2(random)
            self._open_database()

    def open_token_secret(self, random: Random = os.urandom) -> TokenSecret:
        """What signs tokens, made when it is missing; raises TvpnError."""
        path = self.folder / TOKEN_SECRET
        with _locked(self.folder):
            if path.exists():
                return _named(path, lambda: TokenSecret.from_pem(read_secret(path)))
            secret = TokenSecret.generate(random)
            self._make(path, secret.pem, 0o600)
            return secret

    @classmethod
    def open(cls, folder: Path, now: datetime, random: Random = os.urandom) -> State:
        """Find the files, or make those that are missing; raises TvpnError, whose text names the file."""
        return cls(folder, now, random)

    @property
    def server_certificate_pem(self) -> str:
        return certificate_text(self._server_certificate)

    @property
    def server_key_pem(self) -> str:
        return key_text(self._server_key)

    def renew_server_certificate_if_due(self, now: datetime) -> bool:
        """With less than 60 days left make a new one; returns whether ``server_certificate_pem`` changed."""
        # At the end of the CA's life a new certificate would end no later than the old one.
        end = self._server_certificate.not_valid_after_utc
        if end - now >= RENEWAL or end >= self.authority.certificate.not_valid_after_utc:
            return False
        with _locked(self.folder):
            self._server_certificate = self._issue_server_certificate(now)
        return True

    def _open_authority(self, now: datetime, random: Random) -> Authority:
        key_path, path = self.folder / AUTHORITY_KEY, self.folder / AUTHORITY_CERTIFICATE
        if path.exists():
            if not key_path.exists():
                raise TvpnError(f"{key_path} is missing, but {path} is there; restore both from one backup")
            pem = _read(path)
            return _named(path, lambda: Authority.load(pem, read_secret(key_path), random))
        key = _named(key_path, lambda: load_key(read_secret(key_path))) if key_path.exists() else None
        authority = Authority.create(now, random, key)
        if key is None:
            self._make(key_path, authority.key_pem, 0o600)
        self._make(path, authority.certificate_pem, 0o644)
        return authority

    def _open_server_key(self) -> ec.EllipticCurvePrivateKey:
        path, certificate_path = self.folder / SERVER_KEY, self.folder / SERVER_CERTIFICATE
        if path.exists():
            return _named(path, lambda: load_key(read_secret(path)))
        if certificate_path.exists():
            raise TvpnError(
                f"{path} is missing; restore it, or remove {certificate_path}, too, and both are made anew"
            )
        key = new_key()
        self._make(path, key_text(key), 0o600)
        return key

    def _open_server_certificate(self, now: datetime) -> x509.Certificate:
        path = self.folder / SERVER_CERTIFICATE
        if not path.exists():
            certificate = self._issue_server_certificate(now)
            self.made.append(SERVER_CERTIFICATE)
            return certificate
        pem = _read(path)
        certificate = _named(path, lambda: load_certificate(pem))
        remedy = f"remove {path} and {SERVER_KEY} beside it, and both are made anew"
        if not belongs(self._server_key, certificate):
            raise TvpnError(f"{path} and {SERVER_KEY} do not belong together; {remedy}")
        try:
            certificate.verify_directly_issued_by(self.authority.certificate)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise TvpnError(
                f"{path} was not issued by {AUTHORITY_CERTIFICATE} beside it; {remedy}"
            ) from error
        return certificate

    def _issue_server_certificate(self, now: datetime) -> x509.Certificate:
        issued = self.authority.issue_server(SERVER_NAME, now, self._server_key)
        write_secret(self.folder / SERVER_CERTIFICATE, issued.certificate_pem, 0o644)
        return issued.certificate

    def _open_tls_crypt_v2(self, random: Random) -> TLSCryptV2ServerKey:
        path = self.folder / TLS_CRYPT_V2_KEY
        if path.exists():
            return _named(path, lambda: TLSCryptV2ServerKey.from_pem(read_secret(path)))
        key = TLSCryptV2ServerKey.generate(random)
        self._make(path, key.pem, 0o600)
        return key

    def _open_database(self) -> None:
        missing = not self.database_path.exists()
        connect(self.database_path).close()
        if missing:
            self.made.append(DATABASE)

    def _make(self, path: Path, text: str, mode: int) -> None:
        write_secret(path, text, mode)
        self.made.append(path.name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise TvpnError(
            f"cannot use the state folder {folder}: {error.strerror}; look at its owner or name another"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise TvpnError(f"cannot read {path}: {error.strerror}; look at its folder and owner") from error
    except UnicodeDecodeError as error:
        raise TvpnError(f"{path} is not a text file; restore it from a backup") from error


def _named(path: Path, load: Callable[[], _T]) -> _T:
    try:
        return load()
    except KeyFileError as error:
        raise TvpnError(f"{path}: {error}; restore it from a backup") from error
    except TvpnError as error:
        text = str(error)
        raise TvpnError(text if str(path.parent) in text else f"{path}: {text}") from error
