"""Noise from the network: it costs the clients nothing and the log next to nothing."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import skip_unless_possible, two_hosts

DATAGRAMS = 50_000

# Every opcode, every length, and the beginnings of what genuine clients send; from many ports, for about five seconds.
FLOOD = """
import random, socket, sys, time
chance = random.Random(7)
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
genuine = bytes([0x50]) + bytes(range(8)) + chance.randbytes(8 + 4 + 32) + bytes(5) + chance.randbytes(300)
began = time.monotonic()
for number in range(int(sys.argv[1])):
    kind = number % 4
    if kind == 0:
        datagram = chance.randbytes(chance.choice((0, 1, 2, 8, 14, 30, 54, 100, 500, 1400)))
    elif kind == 1:
        datagram = bytes([chance.randrange(32) << 3 | chance.randrange(8)]) + chance.randbytes(chance.randrange(200))
    elif kind == 2:
        datagram = genuine[: chance.randrange(len(genuine))]
    else:
        datagram = bytes([chance.choice((0x38, 0x40, 0x48, 0x50, 0x30))]) + chance.randbytes(53)
    chance.choice(socks).sendto(datagram, ("198.51.100.1", 1194))
    if number % 200 == 199:
        time.sleep(max(0, began + number / 10_000 - time.monotonic()))
print("sent", int(sys.argv[1]))
"""


class GarbageTests(SynchronousTestCase):
    """One host makes noise while another one works."""

    skip = skip_unless_possible("ping")

    def test_flood(self) -> None:
        """D-07: 50,000 random and truncated datagrams: no ping is lost, few lines are logged, new clients get in."""
        with two_hosts() as lab:
            lab.host("other")
            lab.wire("server", ["192.0.2.1/24"], "other", ["192.0.2.2/24"])
            site = Site(lab)
            server = site.serve()
            site.join(site.device("bob", "192.0.2.1"), "other")
            before = server.output
            flood = lab.spawn("client", sys.executable, "-c", FLOOD, str(DATAGRAMS), name="flood")
            self.assertEqual(lab.ping("other", INNER_V4, 100, 0.05), 100, server.output[-3000:])
            flood.wait_for(f"sent {DATAGRAMS}", 30)
            grown = server.output.removeprefix(before)
            self.assertLess(len(grown.splitlines()), 20, grown)
            self.assertRegex(grown, r"198\.51\.100\.2 .*tls-crypt-v2")
            self.assertNotIn("Traceback", server.output)
            site.join(site.device("alice"))
            self.assertEqual(lab.ping("client", INNER_V4), 3, server.output[-3000:])
