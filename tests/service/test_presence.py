"""A client that runs, and how it is found and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import TvpnError
from tvpn.service import presence
from tvpn.service.presence import Presence, end_all

CLIENT = """
import signal, sys, time
from twisted.internet import reactor
from tvpn.service.presence import Presence
signal.signal(signal.SIGTERM, {ending})
own = Presence(reactor)
own.announce()
print("here", flush=True)
time.sleep(30)
"""
GOES, STAYS = "lambda *_: sys.exit(0)", "signal.SIG_IGN"


class PresenceTests(SynchronousTestCase):
    """Real processes, of which only ours are in the list of sockets that is looked at."""

    def client(self, ending: str) -> subprocess.Popen[str]:
        """A process that says it is a client."""
        words = [sys.executable, "-c", CLIENT.replace("{ending}", ending)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "here\n")
        return process

    def sockets(self, *pids: int) -> Path:
        """As /proc/net/unix would list them."""
        path = Path(self.mktemp())
        path.write_text("".join(f"0000: 00000002 0 00010000 0001 01 777 @tvpn-client/{pid}\n" for pid in pids))
        return path

    def test_ended(self) -> None:
        """Each one that runs is asked to end, and has ended; a name without a process is passed over."""
        one, two = self.client(GOES), self.client(GOES)
        self.assertIn(f"@tvpn-client/{one.pid}", Path("/proc/self/net/unix").read_text())
        ended = end_all(self.sockets(one.pid, two.pid, 4194305))
        self.assertEqual(sorted(ended), sorted((one.pid, two.pid)))
        self.assertEqual((one.wait(1), two.wait(1)), (0, 0))
        self.assertEqual(end_all(self.sockets(one.pid)), [])

    def test_stubborn(self) -> None:
        """One that does not end is a sentence with its process."""
        client = self.client(STAYS)
        with mock.patch.object(presence, "PATIENCE", 0.2):
            error = self.assertRaises(TvpnError, end_all, self.sockets(client.pid))
        self.assertIn(f"(process {client.pid}) does not end; end it with: kill -9 {client.pid}", str(error))

    def taken(self, number: int) -> None:
        """So many names, listened at by somebody who takes nobody in and has no room for more."""
        for count in range(number):
            name = f"\0tvpn-client/1{os.getpid()}{count:03}"
            listener, guest = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            self.addCleanup(guest.close)
            listener.bind(name)
            listener.listen(0)
            guest.connect(name)

    def test_crowd(self) -> None:
        """Whoever takes many names and answers at none hides no client, and holds nobody up for long."""
        self.taken(50)
        client = self.client(GOES)
        began = time.monotonic()
        self.assertIn(client.pid, presence.clients())
        self.assertLess(time.monotonic() - began, 5)

    def test_asked_often(self) -> None:
        """A client can be asked who it is as often as one likes, all at once or one after the other."""
        reactor = MemoryReactorClock()
        own = Presence(reactor)
        own.announce()
        self.addCleanup(own.withdraw)
        [reader] = reactor.getReaders()
        for _ in range(3):
            for _ in range(100):
                self.assertEqual(presence.clients(self.sockets(os.getpid())), [os.getpid()])
            for _ in range(3):
                reader.doRead()
        own.withdraw()
        self.assertEqual(reactor.getReaders(), [])

    def test_stranger(self) -> None:
        """Whoever else has taken the name is left alone."""
        client = self.client(GOES)
        with mock.patch.object(presence.os, "geteuid", return_value=54321), \
                mock.patch.object(presence, "_CREDENTIALS") as credentials:  # fmt: skip
            credentials.size = 12
            credentials.unpack.return_value = (client.pid, 12345, 12345)
            self.assertEqual(end_all(self.sockets(client.pid)), [])
        self.assertIsNone(client.poll())

    def test_withdrawn(self) -> None:
        """Announced twice is once; withdrawn is gone; a name that is taken is no error."""
        own, other = Presence(MemoryReactorClock()), Presence(MemoryReactorClock())
        for _ in range(2):
            own.announce()
            other.announce()
        self.assertIsNone(other._socket)
        name = f"@tvpn-client/{os.getpid()}\n"
        self.assertEqual(Path("/proc/self/net/unix").read_text().count(name), 1)
        for each in (own, own, other):
            each.withdraw()
        self.assertEqual(Path("/proc/self/net/unix").read_text().count(name), 0)
