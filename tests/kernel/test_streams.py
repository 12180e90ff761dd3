"""Many TCP connections that come to nothing: they cost little, and the others nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import BIN, Lab, Program, skip_unless_possible, two_hosts

CONNECTIONS = 2000
SITES = 30
DESCRIPTORS = 100

# Connections from these addresses in turn; every second one says a byte now and again. Ends by itself.
CROWD = """
import resource, socket, sys, time
number, seconds, *addresses = int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
resource.setrlimit(resource.RLIMIT_NOFILE, (number + 50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
socks = []
for at in range(number):
    sock = socket.socket()
    sock.settimeout(2)
    sock.bind((addresses[at % len(addresses)], 0))
    try:
        sock.connect(("198.51.100.1", 1194))
    except OSError:
        continue
    sock.setblocking(False)
    socks.append(sock)
print("connected", len(socks), flush=True)
until = time.monotonic() + seconds
said = 0.0
while time.monotonic() < until:
    for at, sock in enumerate(socks):
        try:
            if at % 2 and time.monotonic() - said > 10:
                sock.send(b"\\0")
        except OSError:
            pass
    said = said if time.monotonic() - said <= 10 else time.monotonic()
    time.sleep(0.1)
open_still = 0
for sock in socks:
    try:
        sock.recv(1)
    except BlockingIOError:
        open_still += 1
    except OSError:
        pass
print("open still:", open_still, flush=True)
"""
# One connection a time, each timed until it is closed by the other side or half a second has passed.
CALLER = """
import socket, time
slowest = 0.0
for _ in range(8):
    began = time.monotonic()
    with socket.create_connection(("192.0.2.1", 1194), 5) as sock:
        sock.settimeout(0.5)
        try:
            sock.recv(1)
        except TimeoutError:
            pass
        except OSError:
            pass
    slowest = max(slowest, time.monotonic() - began)
    time.sleep(0.1)
print(f"slowest {slowest:.2f}")
"""


class CrowdTests(SynchronousTestCase):
    """One neighbour with very many connections, another with work to do."""

    skip = skip_unless_possible("ping", "prlimit")

    @contextlib.contextmanager
    def _scene(self) -> Iterator[tuple[Lab, Site]]:
        with two_hosts() as lab:
            lab.host("other")
            lab.wire("server", ["192.0.2.1/24"], "other", ["192.0.2.2/24"])
            yield lab, Site(lab, transport=("listen =", "    udp:1194", "    tcp:1194"))

    def _descriptors(self, server: Program) -> int:
        return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

    def _wait_for_descriptors(self, server: Program, count: int) -> None:
        """The kernel has accepted the crowd before the server has."""
        end = time.monotonic() + 3
        while self._descriptors(server) < count:
            self.assertLess(time.monotonic(), end, server.output[-3000:])
            time.sleep(0.05)

    def test_two_thousand(self) -> None:
        """D-13: of 2,000 connections from one address that say nothing or a byte in ten seconds, ten wait, and none of
        them for longer than ten seconds; from elsewhere one is heard at once, joins by TCP and pings meanwhile.
        """
        with self._scene() as (lab, site):
            server = site.serve()
            profile = site.device("bob", "192.0.2.1")
            profile.write_text(profile.read_text().replace(" udp", " tcp"))
            before = self._descriptors(server)
            words = (sys.executable, "-c", CROWD, str(CONNECTIONS), "11", "198.51.100.2")
            caller = lab.spawn("other", sys.executable, "-c", CALLER, name="caller")
            crowd = lab.spawn("client", *words, name="crowd")
            crowd.wait_for(f"connected {CONNECTIONS}", 9)
            time.sleep(1)
            # Ten, and the caller's.
            self.assertLessEqual(self._descriptors(server), before + 10 + 1)
            site.join(profile, "other")
            self.assertEqual(lab.ping("other", INNER_V4, 50, 0.05), 50, server.output[-3000:])
            self.assertLess(float(caller.wait_for("slowest", 30).split()[1]), 1.0)
            self.assertRegex(server.output, r"bob joined from 192\.0\.2\.2")
            crowd.wait_for("open still: 0", 30)
            self.assertLess(len(server.output.splitlines()), 60, server.output)
            self.assertNotIn("Traceback", server.output)

    def test_no_descriptors_left(self) -> None:
        """D-13: when descriptors run out, connections are still taken (and closed) within a second, a client that has
        joined goes on, and ten seconds later the next one joins.
        """
        with self._scene() as (lab, site):
            addresses = [f"203.0.{number}.2" for number in range(SITES)]
            for address in addresses:
                lab.ip("client", "addr", "add", f"{address}/32", "dev", "lo")
            lab.ip("server", "route", "add", "203.0.0.0/16", "via", "198.51.100.2")
            words = (str(BIN / "twistd"), "-n", "--pidfile=", "tvpn", "--config", str(site.config()))
            # The lower limit is ours to raise, the upper one is not.
            limit = ("prlimit", f"--nofile={DESCRIPTORS // 2}:{DESCRIPTORS}")
            server = lab.spawn("server", *limit, *words, name="tvpn-server")
            server.wait_for("listening on")
            site.join(site.device("alice"))
            crowd = lab.spawn("client", sys.executable, "-c", CROWD, str(10 * SITES), "4", *addresses, name="crowd")
            crowd.wait_for(f"connected {10 * SITES}", 20)
            self._wait_for_descriptors(server, DESCRIPTORS - 5)
            caller = lab.spawn("other", sys.executable, "-c", CALLER, name="caller")
            self.assertEqual(lab.ping("client", INNER_V4, 30, 0.05), 30, server.output[-3000:])
            self.assertLess(float(caller.wait_for("slowest", 30).split()[1]), 1.0)
            crowd.wait_for("open still", 20)
            time.sleep(1)
            bob = site.device("bob", "192.0.2.1")
            bob.write_text(bob.read_text().replace(" udp", " tcp"))
            site.join(bob, "other")
            self.assertEqual(lab.ping("other", INNER_V4), 3)
            self.assertNotIn("Traceback", server.output)
