"""What Python 3.11 has no name for: system calls of namespaces, mounts and processes, by ctypes.

Each raises OSError as those of ``os`` do.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4

_library = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones (unshare(2)); with CLONE_NEWUSER only without threads."""
    _check(_library.unshare(flags), "unshare")


def map_ids(uid: tuple[int, int], gid: tuple[int, int]) -> None:
    """One user and one group of a new user namespace: (in there, outside)."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{gid[0]} {gid[1]} 1")
    Path("/proc/self/uid_map").write_text(f"{uid[0]} {uid[1]} 1")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); ``kind`` is that of the file system."""
    done = _library.mount(
        source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _check(done, target)


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_library.umount2(os.fsencode(target), flags), target)


def end_with_parent(number: int) -> None:
    """This process gets the signal when the one that started it ends (prctl(2), PR_SET_PDEATHSIG)."""
    _check(_library.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(number)), "prctl")


def hide_memory() -> None:
    """No other process of this user may look into this one, and no core is written (prctl(2), PR_SET_DUMPABLE)."""
    _check(_library.prctl(PR_SET_DUMPABLE, ctypes.c_ulong(0)), "prctl")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
