"""A server that is gone, and comes back: how soon our client is there again."""

from __future__ import annotations

import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, Site
from tests.lab import skip_unless_possible, two_hosts

KEEPALIVE = ("keepalive = 1 3",)
LIMIT = 5.0
"""Seconds from a server that listens to a client that is connected."""


class ReturnTests(SynchronousTestCase):
    """By UDP and by TCP."""

    PAUSE = 6.0
    skip = skip_unless_possible("ping")

    def returns(self, protocol: str) -> float:
        """Seconds from the server's return to the client's."""
        with two_hosts() as lab:
            site = Site(lab, (f"listen = {protocol}:1194",), KEEPALIVE)
            server = site.serve()
            client = site.join(site.device("alice"))
            server.stop(signal.SIGKILL)
            time.sleep(self.PAUSE)
            site.serve()
            listening = time.monotonic()
            said = client.wait_for(CONNECTED, 20, count=2)
            taken = time.monotonic() - listening
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 3), 2, said)
            self.assertNotIn("Traceback", said)
            return taken

    def test_udp(self) -> None:
        """F-14: killed, and back after a while with its port closed in between: the client is back in five seconds."""
        taken = self.returns("udp")
        self.assertLessEqual(taken, LIMIT, f"connected {taken:.2f} s after the server listened again")

    def test_tcp(self) -> None:
        """The same by TCP, where each call is refused at once."""
        taken = self.returns("tcp")
        self.assertLessEqual(taken, LIMIT, f"connected {taken:.2f} s after the server listened again")
