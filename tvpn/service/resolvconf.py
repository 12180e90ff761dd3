"""resolv.conf, where nobody manages it better: replaced while the tunnel stands, then put back.

What was there before stands in comments of the new file itself, so that it survives whatever happens to us: a kill, a
full /run, a power failure. The first line says whose it is; a file without that line is somebody else's and stays.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from tvpn.errors import TvpnError
from tvpn.hub.names import Names, NameServer
from tvpn.service.owner import Owner, this_process

RESOLV_CONF = Path("/etc/resolv.conf")
LONGEST = 1 << 16
DNS_PORT = 53
_FIRST_LINE = "# Made by tvpn, process {pid} started at {started}, which puts back what was here (in the #| lines)."
_OURS = re.compile(rb"# Made by tvpn, process ([0-9]{1,10}) started at ([0-9]{1,20}),")
_KEPT = b"#| "


@dataclass(frozen=True, slots=True)
class Saved:
    """What stands at a path: a file, a symbolic link, or nothing (both empty)."""

    content: bytes | None = None
    link: str | None = None
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)


class ResolvConf:
    """One such file. Every failure is a TvpnError that names it."""

    def __init__(self, path: Path = RESOLV_CONF) -> None:
        self._path = path
        self._owner = this_process()

    def set(self, names: Names) -> list[str]:
        """Ask these, in the way that such a file can say; sentences about what it cannot."""
        found = read(self._path)
        before = original(found) if self._owner == owner_of(found) else found
        lines, unsaid = _lines(names, self._text(before))
        if lines:
            first = _FIRST_LINE.format(pid=self._owner.pid, started=self._owner.started)
            text = "\n".join([first, *_kept(before), *lines, ""])
            self._write(Saved(text.encode(), None, before.mode, before.owner))
        else:
            self.reset()
        return unsaid

    @property
    def stands(self) -> bool:
        """Whether it is what we made of it."""
        return self._owner == owner_of(read(self._path))

    def _text(self, before: Saved) -> bytes:
        if before.link is None:
            return before.content or b""
        try:
            return (self._path.parent / before.link).read_bytes()[:LONGEST]
        except OSError:
            return b""

    def reset(self) -> None:
        """What was there before, if nobody has changed it since."""
        found = read(self._path)
        if self._owner == owner_of(found):
            self._write(_alive(original(found)))

    def repair(self) -> Owner | None:
        """The same for a process that is no more; whose it was, None if there was nothing to do."""
        found = read(self._path)
        owner = owner_of(found)
        if owner is None or owner.lives:
            return None
        self._write(_alive(found))
        return owner

    def _write(self, wanted: Saved) -> None:
        try:
            if wanted.link is None and wanted.content is None:
                self._path.unlink(missing_ok=True)
            else:
                self._replace(wanted)
        except OSError as error:
            raise TvpnError(f"cannot write {self._path}: {error.strerror}; names are looked up as before") from None

    def _replace(self, wanted: Saved) -> None:
        """At once, so that nobody reads half of it; where it is a mount of its own, in place."""
        fresh = self._path.with_name(f".{self._path.name}.tvpn-{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        try:
            if wanted.link is not None:
                fresh.symlink_to(wanted.link)
            else:
                _fill(fresh, os.O_CREAT | os.O_EXCL, wanted)
            fresh.replace(self._path)
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            if wanted.link is not None:
                raise
            _fill(self._path, os.O_TRUNC, wanted)


def read(path: Path) -> Saved:
    """What stands there now; raises TvpnError for what is no small file."""
    try:
        if path.is_symlink():
            return Saved(link=os.readlink(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(descriptor)
    except FileNotFoundError:
        return Saved()
    except OSError as error:
        raise TvpnError(f"cannot read {path}: {error.strerror}; names are looked up as before") from None
    try:
        content = os.read(descriptor, LONGEST + 1) if stat.S_ISREG(found.st_mode) else None
    finally:
        os.close(descriptor)
    if content is None or len(content) > LONGEST:
        raise TvpnError(f"{path} is no file of at most {LONGEST} bytes; names are looked up as before")
    return Saved(content, None, stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid))


def owner_of(found: Saved) -> Owner | None:
    """Whose file it is, None if not ours."""
    match = _OURS.match(found.content or b"")
    return None if match is None else Owner(int(match[1]), int(match[2]))


def original(found: Saved) -> Saved:
    """What a file of ours stands in for."""
    lines = (found.content or b"").split(b"\n")
    kept = b"".join(line.removeprefix(_KEPT) for line in lines if line.startswith(_KEPT))
    try:
        said = json.loads(base64.b64decode(kept, validate=True))
        content = None if said["content"] is None else str(said["content"]).encode("latin-1")
        link = None if said["link"] is None else str(said["link"])
        uid, gid = said["owner"]
        return Saved(content, link, stat.S_IMODE(int(said["mode"])), (int(uid), int(gid)))
    except (ValueError, KeyError, TypeError):
        raise TvpnError("resolv.conf is one that tvpn made, and was changed; write your own name servers") from None


def name_servers(path: Path = RESOLV_CONF) -> list[IPv4Address | IPv6Address]:
    """The name servers that a file names, loopback and what cannot be read left out."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        with suppress(ValueError, IndexError):
            word, address, *_ = line.split()
            if word == "nameserver" and not ip_address(address).is_loopback and "%" not in address:
                found.append(ip_address(address))
    return found


def plain_servers(names: Names) -> list[IPv4Address | IPv6Address]:
    """The addresses that a resolv.conf can name: of the server that is wanted most, for all domains if there is one."""
    return [address for server in _chosen(names) for address, port in server.places if port in (None, DNS_PORT)]


def _chosen(names: Names) -> list[NameServer]:
    """At most one: others know other names, or the same ones less well."""
    usable = [server for server in names.servers if not _wants_more(server)]
    general = [server for server in usable if not server.domains]
    return (general or usable)[:1]


def _alive(found: Saved) -> Saved:
    """Whatever it stands in for, as long as that is of a process that is no more."""
    owner = owner_of(found)
    return found if owner is None or owner.lives else _alive(original(found))


def _kept(before: Saved) -> list[str]:
    content = None if before.content is None else before.content.decode("latin-1")
    said = json.dumps({"content": content, "link": before.link, "mode": before.mode, "owner": before.owner})
    return [_KEPT.decode() + line for line in textwrap.wrap(base64.b64encode(said.encode()).decode(), 76)]


def _fill(path: Path, flags: int, wanted: Saved) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted.content or b"")
        file.flush()
        with suppress(PermissionError):
            os.fchown(descriptor, *wanted.owner)
        os.fchmod(descriptor, wanted.mode)
        os.fsync(descriptor)


def _lines(names: Names, before: bytes) -> tuple[list[str], list[str]]:
    """The lines that say it, and sentences about what has no words here."""
    chosen = _chosen(names)
    unsaid = [
        f"the name server {server.places[0][0]} is left out: resolv.conf has no words for {reason}"
        for server in names.servers
        if server not in chosen and (reason := _wants_more(server) or (", ".join(server.domains) and "split DNS"))
    ]
    lines = [f"nameserver {address}" for address in plain_servers(names)]
    if not names.servers:
        old = before.decode(errors="replace").splitlines()
        lines = [line for line in old if not line.startswith(("search", "domain", "#"))]
    return lines + ([f"search {' '.join(names.search)}"] if names.search else []), unsaid


def _wants_more(server: NameServer) -> str:
    """What resolv.conf cannot say of a server, empty where it can."""
    if server.transport in ("DoT", "DoH"):
        return server.transport
    if server.dnssec == "yes":
        return "DNSSEC"
    if all(port not in (None, DNS_PORT) for _, port in server.places):
        return "a port of its own"
    return ""
