"""Servers by name: names that do not exist, name servers that say nothing, addresses that lead nowhere (F-23)."""

from __future__ import annotations

import re
import signal
import sys
import time
from datetime import datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, SERVER_V4, Site
from tests.lab import Lab, skip_unless_possible, two_hosts

DEAD_V4, DEAD_V6 = "198.51.100.77", "2001:db8:1::77"
NEXT = 5.0
"""Seconds until the next address or remote is tried."""


def answer_names(lab: Lab, *names: str) -> None:
    """The client's own name server, with these names."""
    lab.resolv_conf("client").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    lab.spawn("client", sys.executable, "-m", "tests.kernel.names", *names).wait_for("answering")


def times(said: str) -> list[float]:
    """When each call was begun, or could not be, and when one succeeded: seconds of the day."""
    lines = re.findall(r"^(\S+) .*(?:connecting to|cannot find|connected: device)", said, re.MULTILINE)
    return [datetime.fromisoformat(f"{stamp[:-5]}+00:00").timestamp() for stamp in lines]


class NamesTests(SynchronousTestCase):
    """Whatever is wrong with one name, the next is tried soon."""

    skip = skip_unless_possible("ping")

    def test_next(self) -> None:
        """F-23: a name that does not exist, one that nobody answers for, and one whose first addresses are dead: within
        five seconds the next is called each time, until one answers.
        """
        with two_hosts() as lab:
            site = Site(lab)
            site.serve()
            answer_names(lab, "silent.example=", f"three.example={DEAD_V4},{SERVER_V4},{DEAD_V6}")
            remotes = "".join(f"remote {name}.example 1194 udp\n" for name in ("none", "silent", "three"))
            rest = [line for line in site.device("alice").read_text().splitlines() if not line.startswith("remote ")]
            began = time.time()
            client = lab.twistd("client", lab.write("names.ovpn", remotes + "\n".join(rest)))
            said = client.wait_for(CONNECTED, 30)
            gaps = [later - sooner for sooner, later in zip(times(said), times(said)[1:], strict=False)]
            # The log tells whole seconds.
            self.assertLessEqual(max(gaps), NEXT + 1, said)
            self.assertLessEqual(time.time() - began, 4 * NEXT, said)
            self.assertIn("cannot find the address of none.example", said)
            self.assertIn("cannot find the address of silent.example: no name server has answered", said)
            self.assertNotIn("Traceback", said)
            began = time.monotonic()
            self.assertEqual(client.stop(), 0)
            self.assertLess(time.monotonic() - began, 3, "a lookup that still waits keeps the process")

    def test_behind_the_tunnel(self) -> None:
        """With everything in the tunnel, its name servers too, the server that returns is found where it was."""
        with two_hosts() as lab:
            push = ("redirect-gateway def1", "dhcp-option DNS 10.87.0.1")
            site = Site(lab, tunnel=("keepalive = 1 3",), push=push)
            server = site.serve()
            answer_names(lab, f"vpn.example={SERVER_V4}")
            client = site.join(site.device("alice", "vpn.example"))
            server.stop(signal.SIGKILL)
            client.wait_for("nothing heard for 3 seconds")
            site.serve()
            began = time.monotonic()
            said = client.wait_for(CONNECTED, 15, count=2)
            taken = time.monotonic() - began
            self.assertLessEqual(taken, 5, f"connected {taken:.2f} s after the server listened again\n{said}")
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 3), 2)
