"""The manhole: a Python prompt inside the running service, by SSH with a key. Off unless it is configured.

Whoever gets in is the process: so keys only, and loopback or a unix socket of mode 0600 only, unless told twice.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from ipaddress import ip_address
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
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.pki.keyfile import read_secret, write_secret

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
    from twisted.internet.error import ProcessTerminated
    from twisted.python.failure import Failure

    return Failure(ProcessTerminated(status))


class Prompt(MultiService):
    """Listens before the reactor runs; a failure ends the process with 1 and a sentence."""

    name = "manhole"

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            sys.stderr.write(f"tvpn: [manhole] {error}\n")
            raise SystemExit(1) from None


def check_listen(listen: str, exposed: bool) -> None:
    """Raises TvpnError for an endpoint that others could reach, unless ``exposed`` says so a second time."""
    kind, options = _parse_endpoint(listen)
    if kind == "unix":
        if options.get("mode", "") not in ("600", "0600"):
            raise TvpnError(f"[manhole] listen = {listen}: a unix socket needs mode=600 (unix:PATH:mode=600)")
        return
    if exposed:
        return
    interface = options.get("interface", "")
    if kind not in ("tcp", "tcp4", "tcp6") or not interface or not _is_loopback(interface):
        raise TvpnError(
            f"[manhole] listen = {listen}: others could reach this prompt; add interface=127.0.0.1, "
            "use unix:PATH:mode=600, or say expose = yes if that is what you want"
        )


def _parse_endpoint(listen: str) -> tuple[str, dict[str, str]]:
    """(kind, options) of ``kind:argument:option=value``, a backslash before a colon that separates nothing."""
    kind, *parts = re.split(r"(?<!\\):", listen)
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    return kind, {name: value.replace("\\:", ":") for name, value in options.items()}


def _is_loopback(interface: str) -> bool:
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"


def load_host_key(path: Path) -> keys.Key:
    """The SSH host key, made at first use (ed25519, mode 0600)."""
    if not path.exists():
        private = ed25519.Ed25519PrivateKey.generate()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        write_secret(path, text)
    key: keys.Key = keys.Key.fromString(read_secret(path).encode())
    return key


def build_manhole(
    reactor: Any, listen: str, authorized_keys: Path, exposed: bool, folder: Path, namespace: Mapping[str, object]
) -> IService:
    """The service that listens; raises TvpnError for what is not safe or not there."""
    check_listen(listen, exposed)
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
