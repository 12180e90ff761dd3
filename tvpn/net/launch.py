"""The last step before the program: what it must not have is given up, and the rest is as ``tvpn exec`` found it.

In a user namespace the program gets a further one, in which it is the user it was: it has no capability over the
network it is in, and can neither change a route nor read the device.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from tvpn.net.systemcall import CLONE_NEWUSER, end_with_parent, map_ids, unshare

CANNOT_RUN, NOT_FOUND, FAILED = 126, 127, 125
"""Exit statuses, as those of env(1)."""
#: Signals that wait while a Python starts, which would answer them with a traceback.
HELD_BACK = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
#: What Python does not leave as it finds it.
_CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def first_environment() -> dict[str, str]:
    """The environment that this process was started with: Python changes it when the locale is C."""
    with open("/proc/self/environ", "rb") as file:
        pairs = (each.partition(b"=") for each in file.read().split(b"\0") if b"=" in each)
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _return_to(ids: str) -> None:
    """Be the user outside again: ``uid:gid``."""
    uid, gid = (int(each) for each in ids.split(":"))
    unshare(CLONE_NEWUSER)
    map_ids((uid, 0), (gid, 0))


def _close_the_rest() -> None:
    """The program sees 0, 1 and 2 only."""
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
        if descriptor > 2:
            try:
                os.close(descriptor)
            except OSError:
                continue


def _calm(environment: dict[str, str], command: Sequence[str]) -> None:
    """Signals as they were, and the program in this process's place. Raises OSError."""
    for number in _CHANGED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    os.execvpe(command[0], list(command), environment)


def main(argv: Sequence[str]) -> int:
    """``argv``: uid:gid to be again, or ``-``; the program and its arguments. Returns only when that failed."""
    ids, *command = argv
    environment = first_environment()
    try:
        if ids != "-":
            _return_to(ids)
        end_with_parent(signal.SIGTERM)
        _close_the_rest()
    except OSError as error:
        print(f"tvpn: cannot give up what {command[0]} must not have: {error.strerror}", file=sys.stderr)
        return FAILED
    try:
        _calm(environment, command)
    except FileNotFoundError:
        print(f"tvpn: {command[0]}: not found; check its name and PATH", file=sys.stderr)
        return NOT_FOUND
    except OSError as error:
        reason = (error.strerror or "cannot be run").lower()
        print(f"tvpn: {command[0]}: cannot be run ({reason})", file=sys.stderr)
        return CANNOT_RUN
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
