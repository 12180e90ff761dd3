"""Another way to the server: routes that move, addresses that change, links that fail (F-18)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, Site
from tests.lab import Lab, Program, skip_unless_possible

#: The server's address is on no wire.
SERVER = "192.0.2.1"
HURRY = 4.0
"""Seconds until packets pass again."""


class Crossroads:
    """A client with two wires to a server that stands behind both of them."""

    def __init__(self, lab: Lab, protocol: str = "udp", keepalive: str = "10 60", push: tuple[str, ...] = ()) -> None:
        self.lab = lab
        lab.host("server")
        lab.host("client")
        self.first = lab.wire("server", ["198.51.100.1/24"], "client", ["198.51.100.2/24"])[1]
        self.second = lab.wire("server", ["203.0.113.1/24"], "client", ["203.0.113.2/24"])[1]
        lab.ip("server", "addr", "add", f"{SERVER}/32", "dev", "lo")
        self.lead("198.51.100.1")
        self.site = Site(lab, (f"listen = {protocol}:1194",), (f"keepalive = {keepalive}",), push=push)
        self.server = self.site.serve()
        self.client = self.site.join(self.site.device("alice", SERVER))

    def lead(self, gateway: str) -> None:
        self.lab.ip("client", "route", "replace", "default", "via", gateway)

    def seconds(self) -> float:
        """Until a ping is answered."""
        began = time.monotonic()
        while time.monotonic() - began < 20:
            if self.lab.ping("client", INNER_V4, 1):
                return time.monotonic() - began
        return 99.0


def processor_seconds(program: Program) -> float:
    """What this process has used so far."""
    fields = Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class RoadTests(SynchronousTestCase):
    """A session is kept where it can be, and made anew at once where not."""

    skip = skip_unless_possible("ping")

    def test_route_moves(self) -> None:
        """The default route goes to the other wire: the server follows, the session stays."""
        for push in ((), ("redirect-gateway def1",)):
            with Lab() as lab:
                here = Crossroads(lab, push=push)
                here.lead("203.0.113.1")
                lab.ip("client", "link", "set", here.first, "down")
                taken = here.seconds()
                self.assertLessEqual(taken, HURRY, here.client.output)
                self.assertNotIn("disconnected", here.client.output)
                here.server.wait_for(r"moved to 203\.0\.113\.2", 5)

    def test_by_tcp(self) -> None:
        """A TCP connection cannot follow: there is another one at once."""
        with Lab() as lab:
            here = Crossroads(lab, "tcp")
            here.lead("203.0.113.1")
            here.client.wait_for(CONNECTED, HURRY, count=2)
            self.assertIn("disconnected: the way to the server has changed", here.client.output)
            self.assertLessEqual(here.seconds(), HURRY)

    def test_address_changes(self) -> None:
        """Another address on the same wire: the next packet comes from there."""
        with Lab() as lab:
            here = Crossroads(lab)
            lab.ip("client", "addr", "add", "198.51.100.3/24", "dev", here.first)
            lab.ip("client", "addr", "del", "198.51.100.2/24", "dev", here.first)
            lab.ip("client", "addr", "replace", "198.51.100.3/24", "dev", here.first)
            here.lead("198.51.100.1")
            self.assertLessEqual(here.seconds(), HURRY, here.client.output)
            here.server.wait_for(r"moved to 198\.51\.100\.3", 5)

    def test_link(self) -> None:
        """The only link goes down for a moment: nothing spins, nothing ends, and packets pass as soon as it is up."""
        with Lab() as lab:
            here = Crossroads(lab, push=("redirect-gateway def1",))
            lab.ip("client", "link", "set", here.second, "down")
            lab.ip("client", "link", "set", here.first, "down")
            here.client.wait_for("the way to the server is gone", 3)
            before = processor_seconds(here.client)
            time.sleep(2)
            self.assertLess(processor_seconds(here.client) - before, 0.2)
            lab.ip("client", "link", "set", here.first, "up")
            here.lead("198.51.100.1")
            self.assertLessEqual(here.seconds(), HURRY, here.client.output)
            self.assertNotIn("disconnected", here.client.output)

    def test_no_way_back(self) -> None:
        """A server that is not heard from the new way is called again, well before the keepalive would notice."""
        with Lab() as lab:
            here = Crossroads(lab)
            here.server.stop(signal.SIGKILL)
            here.lead("203.0.113.1")
            here.client.wait_for("disconnected: the way to the server has changed", 5)
            here.site.serve()
            here.client.wait_for(CONNECTED, 8, count=2)
            self.assertLessEqual(here.seconds(), HURRY)
