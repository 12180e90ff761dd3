"""Who is asked for names in a mount namespace of its own: a resolv.conf that can be written anew, and no daemon of the
machine outside that would ask past the tunnel.

The files lie in memory and over the machine's own; nobody else sees them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tvpn.net.systemcall import MNT_DETACH, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, unmount

RESOLV_CONF, NSSWITCH = "/etc/resolv.conf", "/etc/nsswitch.conf"
#: Sockets of daemons that answer for the C library.
DAEMONS = ("/run/nscd", "/run/systemd/resolve", "/run/avahi-daemon")
HOSTS = "hosts: files dns"
MOST_SERVERS = 3
_HARMLESS = MS_NOSUID | MS_NODEV | MS_NOEXEC


class NameFiles:
    """Lays its files over the machine's; to be made in a private mount namespace. Raises OSError."""

    def __init__(self) -> None:
        hidden = [folder for folder in DAEMONS if os.path.isdir(folder)]
        for folder in hidden:
            mount("tmpfs", folder, "tmpfs", _HARMLESS, "mode=755")
        self._resolv_conf = -1
        # Any folder will do: it is seen again as soon as the files stand where they belong.
        mount("tmpfs", "/tmp", "tmpfs", _HARMLESS, "mode=755")
        try:
            target = _target(RESOLV_CONF, hidden)
            if target is not None:
                self._resolv_conf = _lay_over(target, "")
            target = _target(NSSWITCH, hidden)
            if target is not None:
                os.close(_lay_over(target, _files_and_dns(Path(target).read_text())))
        finally:
            unmount("/tmp", MNT_DETACH)

    def write(self, servers: Sequence[str], domains: Sequence[str]) -> None:
        """These are asked from now on."""
        if self._resolv_conf < 0:
            return
        lines = [f"nameserver {server}" for server in servers[:MOST_SERVERS]]
        lines += [f"search {' '.join(domains)}"] if domains else []
        text = "".join(f"{line}\n" for line in ["# by tvpn exec", *lines]).encode()
        os.pwrite(self._resolv_conf, text, 0)
        os.ftruncate(self._resolv_conf, len(text))


def _target(path: str, hidden: Sequence[str]) -> str | None:
    """The file to lay something over, where the links lead; made where only its daemon's folder hid it."""
    target = os.path.realpath(path)
    if not os.path.exists(target):
        if not any(target.startswith(f"{folder}/") for folder in hidden):
            return None
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    return target


def _lay_over(target: str, text: str) -> int:
    """A file with this text in the place of another; its descriptor."""
    path = f"/tmp/{os.path.basename(target)}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    os.fchmod(descriptor, 0o644)
    os.write(descriptor, text.encode())
    mount(path, target, flags=MS_BIND)
    return descriptor


def _files_and_dns(text: str) -> str:
    """An nsswitch.conf that asks for hosts in files and by DNS, and for the rest as before."""
    kept = [line for line in text.splitlines() if line.split(":")[0].strip() != "hosts"]
    return "".join(f"{line}\n" for line in [*kept, HOSTS])
