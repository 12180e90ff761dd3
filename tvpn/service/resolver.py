"""Who is told of the name servers that were pushed: systemd-resolved where it runs, else resolv.conf."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.names import Names, NameServer, Place
from tvpn.service.resolvconf import RESOLV_CONF, ResolvConf, name_servers

RESOLVED = Path("/run/systemd/resolve")
_DNSSEC = {"no": "no", "optional": "allow-downgrade", "yes": "yes"}
_TLS = {"plain": "no", "DoT": "yes"}


class Resolver(Protocol):
    """Neither raises: a machine whose names cannot be changed still has its tunnel, and a warning."""

    def set(self, device: str, names: Names) -> None:
        """Names are asked for through this device from now on, in place of what was set before."""

    def renew(self, device: str, names: Names) -> None:
        """Set already; but the machine's network has changed, and somebody else may have written over it."""

    def reset(self, device: str) -> None:
        """As it was before."""


def find_resolver(reactor: Any, resolved: Path = RESOLVED) -> Resolver:
    program = shutil.which("resolvectl")
    if program is not None and resolved.is_dir():
        return ResolvedResolver(reactor, program)
    return FileResolver(ResolvConf())


def own_name_servers(resolved: Path = RESOLVED, resolv_conf: Path = RESOLV_CONF) -> list[IPv4Address | IPv6Address]:
    """Whom the machine asks itself; where that is resolved, whom that asks."""
    return name_servers(resolv_conf) or name_servers(resolved / "resolv.conf")


class FileResolver:
    """By resolv.conf."""

    _log = Logger()

    def __init__(self, file: ResolvConf) -> None:
        self._file = file

    def set(self, device: str, names: Names) -> None:
        try:
            for sentence in self._file.set(names):
                self._log.warn("{sentence}", sentence=sentence)
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))

    def renew(self, device: str, names: Names) -> None:
        try:
            if not self._file.stands:
                self.set(device, names)
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))

    def reset(self, device: str) -> None:
        try:
            self._file.reset()
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))


class ResolvedResolver:
    """By ``resolvectl``, one call after the other, none of which is waited for. What it is told of a device ends with
    that device.
    """

    _log = Logger()

    def __init__(self, reactor: Any, program: str) -> None:
        self._reactor = reactor
        self._program = program
        self._waiting: list[list[str]] = []
        self._running: Deferred[None] | None = None

    def set(self, device: str, names: Names) -> None:
        for server in names.servers:
            if server.transport == "DoH":
                place = server.places[0][0]
                self._log.warn("the name server {place} is left out: systemd-resolved knows no DoH", place=place)
        self._call(device, [["revert", device], *commands(device, names)])

    def renew(self, device: str, names: Names) -> None:
        """What it is told of a device is nobody else's to change."""

    def reset(self, device: str) -> None:
        self._call(device, [["revert", device]])

    def _call(self, device: str, commands: list[list[str]]) -> None:
        # What has not been said yet about this device does not count any more.
        self._waiting = [words for words in self._waiting if words[1] != device] + commands
        if self._running is None:
            self._next()

    def _next(self) -> None:
        self._running = None
        if self._waiting:
            words = self._waiting.pop(0)
            environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
            done = maybeDeferred(
                getProcessOutputAndValue, self._program, words, environment, reactor=self._reactor
            )
            self._running = done.addCallbacks(self._told, self._failed, callbackArgs=(words,), errbackArgs=(words,))
            self._running.addCallback(lambda _: self._next())

    def _told(self, result: tuple[bytes, bytes, int], words: list[str]) -> None:
        _, complaint, status = result
        # A device that is gone has nothing left to revert.
        if status and words[0] != "revert":
            why = complaint.decode(errors="replace").strip().partition("\n")[0] or f"exit status {status}"
            self._complain(words, why)

    def _failed(self, failure: Any, words: list[str]) -> None:
        self._complain(words, "killed by a signal" if isinstance(failure.value, tuple) else failure.getErrorMessage())

    def _complain(self, words: list[str], why: str) -> None:
        self._log.warn("resolvectl {words} failed: {why}", words=" ".join(words), why=why)


def commands(device: str, names: Names) -> Iterator[list[str]]:
    """What resolvectl is told, word by word: of several servers the one that is wanted most."""
    server = next((server for server in names.servers if server.transport != "DoH"), None)
    if server is not None:
        yield ["dns", device, *(_place(place, server) for place in server.places)]
    domains = [*names.search, *(f"~{domain}" for domain in (server.domains if server is not None else ()))]
    # One that knows everything is asked for everything.
    everything = server is not None and not server.domains
    yield ["domain", device, *domains, *(["~."] if everything else [])]
    yield ["default-route", device, "yes" if everything else "no"]
    if server is not None and server.dnssec:
        yield ["dnssec", device, _DNSSEC[server.dnssec]]
    if server is not None and server.transport:
        yield ["dnsovertls", device, _TLS[server.transport]]


def _place(place: Place, server: NameServer) -> str:
    address, port = place
    text = str(address)
    if port is not None:
        text = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    return f"{text}#{server.sni}" if server.sni else text
