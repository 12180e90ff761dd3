"""What outlasts a client that is killed: its routes past the tunnel, written down before they are made.

One JSON file a client in $RUNTIME_DIRECTORY or /run/tvpn, for nobody else to write. Routes into the device vanish with
it, and resolv.conf says itself what was there before (service/resolvconf.py).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import count
from pathlib import Path
from typing import Any

from tvpn.errors import TvpnError
from tvpn.hub.paths import Entry, Hop
from tvpn.service.owner import Owner, network_namespace, this_process

FOLDER = Path("/run/tvpn")
LONGEST = 1 << 20
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Record:
    """One journal: whose, in which network namespace, and the routes to take back."""

    name: str
    owner: Owner
    namespace: str
    entries: tuple[Entry, ...]


class Journal:
    """The journal of one client; the file is there as long as there is something to undo."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or journal_folder()
        self._name = f"client-{os.getpid()}-{next(_numbers)}.json"
        self._written: tuple[Entry, ...] = ()

    def write(self, entries: Iterable[Entry]) -> None:
        """These are to be undone, no others any more. Raises TvpnError."""
        entries = tuple(entries)
        if entries == self._written:
            return
        try:
            with _opened(self._folder, make=True) as folder:
                if entries:
                    self._replace(folder, _encode(entries))
                else:
                    forget(folder, self._name)
        except OSError as error:
            raise TvpnError(
                f"cannot write down in {self._folder} what to undo after a crash: {error.strerror}; "
                "make that folder writable for tvpn, or name another one in RUNTIME_DIRECTORY"
            ) from None
        self._written = entries

    def _replace(self, folder: int, text: str) -> None:
        fresh = f".{self._name}"
        forget(folder, fresh)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(fresh, flags, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._name, src_dir_fd=folder, dst_dir_fd=folder)


def journal_folder() -> Path:
    """Where systemd says, which may name several; else our own."""
    named = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else FOLDER


def left_behind(folder: Path) -> list[Record]:
    """The journals of processes that are no more, of this network namespace. Files that are none are passed over."""
    records = []
    with suppress(OSError), _opened(folder) as descriptor:
        for name in sorted(os.listdir(descriptor)):
            if name.endswith(".json"):
                with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                    records.append(_read(descriptor, name))
    return [record for record in records if not record.owner.lives and record.namespace == network_namespace()]


def forget_record(folder: Path, record: Record) -> None:
    with suppress(OSError), _opened(folder) as descriptor:
        forget(descriptor, record.name)


def forget(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def _opened(folder: Path, make: bool = False) -> Iterator[int]:
    """The folder's descriptor; raises OSError for one that others may write to."""
    if make:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(1, "others may write to it")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(folder: int, name: str) -> Record:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        content = json.loads(file.read(LONGEST))
    owner = Owner(int(content["pid"]), int(content["started"]))
    entries = tuple(_decode(entry) for entry in content["routes"])
    return Record(name, owner, str(content["namespace"]), entries)


def _encode(entries: tuple[Entry, ...]) -> str:
    owner = this_process()
    routes = [
        {
            "network": str(entry.network), "device": entry.hop.device, "metric": entry.metric,
            "gateway": None if entry.hop.gateway is None else str(entry.hop.gateway),
        }
        for entry in entries
    ]  # fmt: skip
    content = {"pid": owner.pid, "started": owner.started, "namespace": network_namespace(), "routes": routes}
    return json.dumps(content, indent=1) + "\n"


def _decode(entry: Any) -> Entry:
    gateway, device, metric = entry["gateway"], entry["device"], entry["metric"]
    hop = Hop(None if device is None else int(device), None if gateway is None else ip_address(gateway))
    return Entry(ip_network(entry["network"]), hop, None if metric is None else int(metric))
