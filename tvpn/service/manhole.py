"""The manhole: a Python prompt inside the running service, by SSH with a key. Off unless it is configured.

Whoever gets in is the process: so keys only, and loopback or a unix socket of mode 0600 only, unless told twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.application import strports
from twisted.application.service import IService, MultiService
from twisted.conch import manhole, manhole_ssh
from twisted.conch.checkers import IAuthorizedKeysDB, SSHPublicKeyChecker, readAuthorizedKeyFile
from twisted.conch.insults import insults
from twisted.conch.ssh import keys
from twisted.cred.portal import Portal
from twisted.internet.error import CannotListenError, ProcessTerminated
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.pki.keyfile import read_secret, write_secret
from tvpn.service.ending import Refused

HOST_KEY = "manhole-host.key"


@implementer(IAuthorizedKeysDB)
class AuthorizedKeys:
    """An authorized_keys file, read again at each login."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def getAuthorizedKeys(self, user: bytes) -> list[keys.Key]:
        with self._path.open("rb") as file:
            return list(readAuthorizedKeyFile(file))


class Session(manhole_ssh.TerminalSession):
    """A terminal that stands a resized window, an end of input and a command, too."""

    def windowChanged(self, size: tuple[int, int, int, int]) -> None:
        """The prompt wraps by itself."""

    def eofReceived(self) -> None:
        """The connection's end follows."""

    def execCommand(self, protocol: Any, command: bytes) -> None:
        protocol.errReceived(b"There is a prompt here and no command: ssh without one.\n")
        protocol.processEnded(_ended(1))


def _ended(status: int) -> Any:
    return Failure(ProcessTerminated(status))


class Prompt(MultiService):
    """Listens before the reactor runs; a failure ends the process with 1 and a sentence."""

    name = "manhole"

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            raise Refused(f"[manhole] {error}") from None


def load_host_key(path: Path) -> keys.Key:
    """The SSH host key, made at first use (ed25519, mode 0600)."""
    if not path.exists():
        private = ed25519.Ed25519PrivateKey.generate()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        write_secret(path, text)
    key: keys.Key = keys.Key.fromString(read_secret(path).encode())
    return key


def build_manhole(
    reactor: Any, listen: str, authorized_keys: Path, folder: Path, namespace: Mapping[str, object]
) -> IService:
    """The service that listens; raises TvpnError for what is not there. Who may reach it, the settings have judged."""
    if not os.access(authorized_keys, os.R_OK):
        raise TvpnError(f"[manhole] authorized-keys = {authorized_keys}: cannot be read; put your public key there")
    realm: Any = manhole_ssh.TerminalRealm()
    realm.sessionFactory = Session
    realm.chainedProtocolFactory = lambda: insults.ServerProtocol(manhole.ColoredManhole, dict(namespace))
    factory: Any = manhole_ssh.ConchFactory(Portal(realm, [SSHPublicKeyChecker(AuthorizedKeys(authorized_keys))]))
    host_key = load_host_key(folder / HOST_KEY)
    factory.publicKeys = {host_key.sshType(): host_key}
    factory.privateKeys = {host_key.sshType(): host_key}
    try:
        listener = strports.service(listen, factory, reactor)
    except (ValueError, TypeError) as error:
        raise TvpnError(f"[manhole] listen = {listen}: not an endpoint ({error})") from None
    prompt = Prompt()
    listener.setServiceParent(prompt)
    return prompt
