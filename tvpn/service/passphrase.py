"""Own certificate and key as the settings name them, and the passphrase that opens the key."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tvpn.config import Settings
from tvpn.config.material import Material
from tvpn.crypto.bundle import open_bundle
from tvpn.crypto.tls import Credentials, LockedKey
from tvpn.errors import ConfigError
from tvpn.net.person import Unanswered, ask_now

ATTEMPTS = 3
Opened = TypeVar("Opened")


def own_credentials(settings: Settings, passphrase: str | None) -> Credentials:
    """What the file says of certificate, key and CAs; raises ValueError with a sentence, LockedKey among them."""
    tls = settings.tls
    ca = "" if tls.ca is None else tls.ca.text
    extra = "" if tls.extra_certs is None else f"\n{tls.extra_certs.text}"
    if tls.pkcs12 is not None:
        bundle = open_bundle(_bundle_bytes(tls.pkcs12), passphrase)
        # With a ca of its own, what else the bundle holds is the way to it.
        way = bundle.ca if ca else ""
        return Credentials(ca or bundle.ca, bundle.certificate + way + extra, bundle.key)
    if tls.cert is None or tls.key is None:
        return Credentials(ca, "", "")
    return Credentials(ca, tls.cert.text + extra, tls.key.text, passphrase)


def unlocked(settings: Settings, attempt: Callable[[str | None], Opened]) -> Opened:
    """What ``attempt`` makes with the passphrase: none, askpass's, or one that is asked for, three times at most.

    Before the reactor runs, since it waits for the answer. Raises ConfigError, and whatever else ``attempt`` raises.
    """
    said = settings.tls.askpass
    try:
        return attempt(None if said is None else said.text.split("\n", 1)[0].strip("\r"))
    except LockedKey as error:
        if said is not None:
            raise ConfigError(f"{error}; correct {said.origin}", file=settings.source, option="askpass") from None
    for _ in range(ATTEMPTS):
        try:
            return attempt(ask_now(f"Passphrase of {_locked_file(settings)}"))
        except LockedKey:
            continue
        except Unanswered as error:
            word = "key" if settings.tls.pkcs12 is None else "pkcs12"
            message = f"is locked by a passphrase: {error} (askpass FILE)"
            raise ConfigError(message, file=settings.source, option=word) from None
    message = f"no passphrase in {ATTEMPTS} opens {_locked_file(settings)}; start again with the right one"
    raise ConfigError(message, file=settings.source)


def _locked_file(settings: Settings) -> str:
    locked = settings.tls.pkcs12 or settings.tls.key
    return locked.origin if isinstance(locked, Material) else str(locked)


def _bundle_bytes(said: Material | Path) -> bytes:
    if isinstance(said, Material):
        try:
            return base64.b64decode("".join(said.text.split()), validate=True)
        except ValueError:
            raise ValueError("pkcs12: is not in base64, as it must be in a block") from None
    try:
        return said.read_bytes()
    except OSError as error:
        raise ValueError(f"pkcs12: cannot read {said} ({(error.strerror or 'unreadable').lower()})") from None
