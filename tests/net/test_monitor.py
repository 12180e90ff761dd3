"""News of the network from the kernel: one call for each burst, overflow is news too."""

from __future__ import annotations

import errno
import sys
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tvpn.net.monitor import MOST_READS, SETTLE, Monitor

PROGRAM = """
import subprocess, sys
from twisted.internet import reactor
from tvpn.net.monitor import Monitor
monitor = Monitor(reactor, lambda: print("changed", flush=True))
monitor.start()
for number, words in enumerate(sys.argv[1:]):
    reactor.callLater(0.1 + number * 0.6, lambda words=words: [subprocess.run(["ip", *word.split()]) for word in
                                                               words.split(",")])
reactor.callLater(0.3 + len(sys.argv[1:]) * 0.6, reactor.stop)
reactor.run()
"""


class MonitorTests(SynchronousTestCase):
    """With a socket that says what the test wants."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.changes = 0
        self.monitor = Monitor(self.reactor, self.changed)
        self.monitor._log = mock.Mock()
        self.socket = self.monitor._socket = mock.Mock()

    def changed(self) -> None:
        self.changes += 1

    def test_burst(self) -> None:
        """Many messages within a moment are one piece of news, told when they have settled."""
        for _ in range(5):
            self.socket.recv.side_effect = [b"news", b"news", BlockingIOError()]
            self.monitor.doRead()
        self.assertEqual(self.changes, 0)
        self.reactor.advance(SETTLE)
        self.assertEqual(self.changes, 1)
        self.reactor.advance(10)
        self.assertEqual(self.changes, 1)

    def test_overflow(self) -> None:
        """More than there was room for is news."""
        self.socket.recv.side_effect = OSError(errno.ENOBUFS, "No buffer space available")
        self.monitor.doRead()
        self.reactor.advance(SETTLE)
        self.assertEqual(self.changes, 1)

    def test_endless(self) -> None:
        """A turn of the reactor ends, however much there is."""
        self.socket.recv.side_effect = None
        self.monitor.doRead()
        self.assertEqual(self.socket.recv.call_count, MOST_READS)

    def test_broken(self) -> None:
        """A socket that fails is told once and read no more; whoever is told and fails stops nothing."""
        self.socket.recv.side_effect = [b"news", BlockingIOError()]
        self.monitor._changed = mock.Mock(side_effect=ZeroDivisionError)
        self.monitor.doRead()
        self.reactor.advance(SETTLE)
        self.monitor._log.failure.assert_called_once()
        self.socket.recv.side_effect = OSError(errno.EBADF, "Bad file descriptor")
        self.monitor.doRead()
        self.monitor._log.warn.assert_called_once()
        self.assertEqual(self.monitor.fileno(), -1)


class KernelTests(SynchronousTestCase):
    skip = skip_unless_possible()

    def test_news(self) -> None:
        """Links, addresses and routes of both families are news, each burst once; silence is none."""
        with Lab() as lab:
            lab.host("here")
            said = lab.run(
                "here", sys.executable, "-c", PROGRAM,
                "addr add 192.0.2.2/32 dev lo,addr add 192.0.2.3/32 dev lo", "addr add 2001:db8::2/128 dev lo",
                "route add 198.51.100.0/24 dev lo", "-6 route add 2001:db8:1::/64 dev lo", "link set lo down",
                "-br link",
            ).stdout  # fmt: skip
            self.assertEqual(said.count("changed"), 5, said)
