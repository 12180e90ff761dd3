"""How the process ends, seen from outside: a small program that stands in for twistd."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import ROOT, environment

PROGRAM = """
import sys
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import globalLogBeginner, textFileLogObserver
from tvpn.service.ending import end_on_signals, fail

globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)

def stop():
    print("stopping", flush=True)
    return deferLater(reactor, 0.3, print, "stopped", flush=True)

reactor.addSystemEventTrigger("before", "shutdown", stop)
end_on_signals(reactor)
reactor.callWhenRunning(print, "running", flush=True)
{more}
reactor.run()
print("after the reactor", flush=True)
# twistd would now die of a signal that the reactor's own handlers have seen.
assert reactor._exitSignal is None
"""


class EndingTests(SynchronousTestCase):
    """Exit status and order."""

    def start(
        self, more: str = "", nohup: bool = False, terminal: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        before = ["nohup"] if nohup else []
        process = subprocess.Popen(
            [*before, sys.executable, "-c", PROGRAM.format(more=more)], stdout=terminal, stderr=subprocess.STDOUT,
            text=True, cwd=ROOT, env=environment(),
        )  # fmt: skip
        self.addCleanup(process.wait, 10)
        self.addCleanup(process.kill)
        return process

    def assert_quiet_end(self, process: subprocess.Popen[str]) -> None:
        output, _ = process.communicate(timeout=10)
        own = [line for line in output.splitlines() if "Main loop terminated" not in line]
        self.assertEqual((own, process.returncode), (["stopping", "stopped", "after the reactor"], 0))

    def test_signals(self) -> None:
        """SIGTERM and SIGINT stop in order and end with 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start()
            assert_running(process)
            process.send_signal(number)
            self.assert_quiet_end(process)

    def test_early_signal(self) -> None:
        """A signal that comes before the reactor runs, or while it starts to, is not lost and ends no less quietly."""
        now, starting = "os.kill({})", 'reactor.addSystemEventTrigger("during", "startup", os.kill, {})'
        for number, kill in product((signal.SIGTERM, signal.SIGINT), (now, starting)):
            process = self.start("import os; " + kill.format(f"os.getpid(), {number:d}"))
            output, _ = process.communicate(timeout=10)
            own = [line for line in output.splitlines() if "Main loop terminated" not in line]
            self.assertEqual((own, process.returncode), (["running", "stopping", "stopped", "after the reactor"], 0))

    def test_hung_up(self) -> None:
        """SIGHUP is a failure: an end in order, a sentence and 1. Where it is ignored (nohup) it stays so."""
        process = self.start()
        assert_running(process)
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate(timeout=10)
        self.assertIn("SIGHUP came, as it does when a terminal is closed", output)
        self.assertIn("stopping\nstopped\n", output)
        self.assertEqual(process.returncode, 1)
        process = self.start(nohup=True)
        assert_running(process)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        self.assert_quiet_end(process)

    def test_terminal_gone(self) -> None:
        """The same when there is nobody left to write to."""
        person, inner = pty.openpty()
        process = self.start(terminal=inner)
        os.close(inner)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(person, 100)
        self.assertEqual(said, b"running\r\n")
        os.close(person)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(10), 1)

    def test_many_signals(self) -> None:
        """Whoever is impatient and sends more of them changes nothing."""
        process = self.start()
        assert_running(process)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
            time.sleep(0.05)
        self.assert_quiet_end(process)

    def test_fail(self) -> None:
        """A service that cannot go on says one sentence, stops in order and ends with 1."""
        process = self.start("reactor.callLater(0.1, fail, reactor, 'the device {x} is gone')")
        output, _ = process.communicate(timeout=10)
        self.assertEqual(output.count("the device {x} is gone"), 1)
        self.assertIn("stopping\nstopped\n", output)
        self.assertNotIn("Traceback", output)
        self.assertEqual(process.returncode, 1)

    def test_fail_twice(self) -> None:
        """A second failure while stopping is told, too, and changes nothing else."""
        process = self.start("for text in ('one', 'two'): reactor.callLater(0.1, fail, reactor, text)")
        output, _ = process.communicate(timeout=10)
        self.assertEqual(output.count("stopped\n"), 1)
        self.assertNotIn("Traceback", output)
        self.assertEqual(process.returncode, 1)


def assert_running(process: subprocess.Popen[str]) -> None:
    """Wait for the first line: the signals have been taken over by then, or are in the same turn."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if line != "running\n":
        raise AssertionError(line)
