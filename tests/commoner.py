"""Become an ordinary user and run a program: ``python tests/commoner.py OPTIONS -- PROGRAM ARGUMENTS…``, as root.

In a mount namespace of its own the paths to the interpreter and to the checkout can be walked by everybody, wherever
they lie. Options: ``tun``: everybody may open /dev/net/tun, as on most machines, and else only root may; ``root``: root
stays root; ``confined``: no further user namespace may be made.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tvpn.net.launch import first_environment
from tvpn.net.systemcall import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    PR_SET_DUMPABLE,
    map_ids,
    mount,
    unshare,
)

USER = 65534
TUN = "/dev/net/tun"


def reveal(path: Path, below: dict[Path, int]) -> None:
    """Folders above ``path`` that only their owner may walk through become ones that lead there and nowhere else."""
    parts = path.resolve().parts
    for depth in range(1, len(parts)):
        folder, following = Path(*parts[:depth]), parts[depth]
        if folder not in below:
            if folder.stat().st_mode & stat.S_IXOTH:
                continue
            below[folder] = os.open(folder, os.O_PATH)
            mount("tmpfs", str(folder), "tmpfs", data="mode=755")
        place = folder / following
        if not place.exists():
            place.mkdir()
            mount(f"/proc/self/fd/{below[folder]}/{following}", str(place), flags=MS_BIND | MS_REC)


def offer_tun(mode: int) -> None:
    """A device node that everybody, or only root, may open."""
    with tempfile.TemporaryDirectory() as folder:
        node = f"{folder}/tun"
        os.mknod(node, stat.S_IFCHR, os.makedev(10, 200))
        os.chmod(node, mode)
        mount(node, TUN, flags=MS_BIND)
        # The node lives on where it was mounted.
        os.unlink(node)


def confine() -> None:
    """From here on this user makes no namespace (in a user namespace of its own, so that the machine does not mind)."""
    # The change of user has made the files of /proc/self root's.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
    unshare(CLONE_NEWUSER)
    map_ids((USER, USER), (USER, USER))
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def main(argv: list[str]) -> None:
    options, program = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    environment = first_environment()
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    offer_tun(0o666 if "tun" in options else 0o600)
    below: dict[Path, int] = {}
    for path in (Path(sys.base_prefix), Path(sys.prefix), Path(__file__).parent):
        reveal(path, below)
    if "root" not in options:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    if "confined" in options:
        confine()
    os.execvpe(program[0], program, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
