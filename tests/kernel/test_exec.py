"""``tvpn exec`` with a server of ours: at a terminal, and when one of its processes is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.enclosed import ORACLE, Client, open_oracle, three_hosts
from tests.kernel.scene import Site
from tests.lab import BIN, Program, skip_unless_possible

# It asks for a Ctrl-C, and its status says how often it got one.
PRESSED = """
import signal, sys, time
times = 0
def count(number, frame):
    global times
    times += 1
signal.signal(signal.SIGINT, count)
print("press: ", end="", flush=True)
until = time.monotonic() + 2
while time.monotonic() < until:
    time.sleep(0.1)
sys.exit(40 + times)
"""


@contextlib.contextmanager
def scene() -> Iterator[Client]:
    with three_hosts() as lab:
        site = Site(lab, push=("route 203.0.113.0 255.255.255.0", f"dhcp-option DNS {ORACLE}"))
        site.serve()
        yield Client(lab, site.device("office"), open_oracle(lab))


class TerminalTests(SynchronousTestCase):
    """Somebody types."""

    skip = skip_unless_possible("nft")

    def typed(self, client: Client, answer: str, argv: list[str]) -> Program:
        return client.lab.spawn(
            "client", str(BIN / "python"), "-m", "tests.typist", answer, "--", *argv, name="typist"
        )  # fmt: skip

    def test_interrupt(self) -> None:
        """Ctrl-C is the program's: it gets it once, and tvpn lives on until the program has ended."""
        with scene() as client:
            program = self.typed(client, "\x03", client.argv(str(BIN / "python"), "-c", PRESSED))
            program.process.wait(30)
            self.assertEqual(program.process.returncode, 41, program.output)
            self.assertNotIn("Traceback", program.output)

    def test_shell(self) -> None:
        """Without a program it is the user's shell, and its status is that of the shell."""
        with scene() as client:
            argv = ["env", "SHELL=/bin/sh", "PS1=go: ", *client.argv()]
            program = self.typed(client, "exit 4", argv)
            program.process.wait(30)
            self.assertEqual(program.process.returncode, 4, program.output)


class KilledTests(SynchronousTestCase):
    """One of its processes ends by force."""

    skip = skip_unless_possible("nft")

    def test_keeper(self) -> None:
        """When the keeper of the namespace is killed, the program gets SIGTERM, and tvpn says so and ends with 125."""
        script = "trap 'echo asked to end; exit' TERM; echo keeper $PPID.; while :; do sleep 0.1; done"
        with scene() as client:
            program = client.spawn("sh", "-c", script)
            keeper = int(program.wait_for(r"keeper \d+\.").split()[1].rstrip("."))
            self.assertIn("tvpn.net.keeper", Path(f"/proc/{keeper}/cmdline").read_text())
            os.kill(keeper, signal.SIGKILL)
            self.assertEqual(program.process.wait(15), 125, program.output)
            until = time.monotonic() + 5
            while "asked to end" not in program.output:
                self.assertLess(time.monotonic(), until, program.output)
                time.sleep(0.1)
            self.assertIn("tvpn: the process that kept the namespace is gone, and the program with", program.output)


class PushedTests(SynchronousTestCase):
    """What the server says counts in there."""

    skip = skip_unless_possible("nft")

    def test_names(self) -> None:
        """Names are asked of the server that was pushed, not of the machine's own."""
        with scene() as client:
            client.lab.resolv_conf("client").write_text("nameserver 198.51.100.9\n")
            seen = client.witness()
            self.assertEqual(seen["resolv.conf"], f"# by tvpn exec\nnameserver {ORACLE}\n")
            self.assertEqual(seen["visit"]["host"], ORACLE)
            self.assertEqual(client.counted("stray"), 0)

    def test_untouched(self) -> None:
        """Standard input, folder, umask, environment and signals are the caller's, without Python's own changes."""
        with scene() as client:
            script = "cd /tmp && umask 027 && echo typed | LC_ALL= LANG= MARKER=here \"$@\""
            told = "cat; pwd; umask; echo $MARKER; env; grep SigIgn /proc/self/status"
            program, *rest = client.argv("sh", "-c", told)
            done = client.lab.run("client", "sh", "-c", script, "sh", program, *rest)
            *given, marker = done.stdout.splitlines()[:4]
            others = done.stdout.splitlines()[4:]
            self.assertEqual((given, marker), (["typed", "/tmp", "0027"], "here"))
            self.assertIn("TVPN_PROFILE=office", others)
            self.assertNotIn("LC_CTYPE=C.UTF-8", others)
            # The C library ignores two signals of its own in whatever it starts.
            self.assertEqual(int(others[-1].split()[1], 16) & ~(3 << 31), 0)
