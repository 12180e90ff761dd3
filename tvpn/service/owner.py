"""Which process something belongs to, so that what a killed one has left can be told from what a living one needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its id, which others get in their turn, and when it was started, in ticks since the machine was."""

    pid: int
    started: int

    @property
    def lives(self) -> bool:
        return started(self.pid) == self.started


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(pid, started(pid) or 0)


def started(pid: int) -> int | None:
    """When the process was started; None if it is no more (proc(5): field 22; field 2 may hold anything)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        state, *fields = stat.rpartition(b")")[2].split()
        return None if state in (b"Z", b"X") else int(fields[18])
    except (OSError, ValueError, IndexError):
        return None


def network_namespace() -> str:
    """The name of the network namespace we are in: routes belong to one, and mean nothing in another."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return ""
