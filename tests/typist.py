"""A person at a terminal: ``python -m tests.typist ANSWER... -- COMMAND...`` types an answer at each prompt.

The command has a terminal of its own; what it shows there, and what is echoed, goes to standard output.
"""

from __future__ import annotations

import os
import pty
import signal
import sys


def main() -> int:
    """The exit status of the command."""
    at = sys.argv.index("--")
    answers, command = sys.argv[1:at], sys.argv[at + 1 :]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    while True:
        try:
            shown = os.read(terminal, 4096)
        except OSError:
            break
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
        if answers and shown.endswith(b": "):
            os.write(terminal, answers.pop(0).encode() + b"\n")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
