"""The way to a host without the tunnel, in a namespace."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible

PROGRAM = """
import sys
from tvpn.net.way import find_way
for host in sys.argv[2:]:
    way = find_way(host, tuple(filter(None, sys.argv[1].split(","))))
    print(way and (way.gateway, way.source))
"""


class WayTests(SynchronousTestCase):
    """Both families; the tunnel stands in as another wire."""

    skip = skip_unless_possible()

    def setUp(self) -> None:
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.lab.host("here")
        self.lab.host("there")
        self.near = self.lab.wire("here", ["192.0.2.2/24", "2001:db8::2/64"], "there", ["192.0.2.1/24"])[0]
        self.tunnel = self.lab.wire("here", ["10.9.0.2/24", "fd00:9::2/64"], "there", ["10.9.0.1/24"])[0]
        self.route("default", "via", "192.0.2.1")
        self.lab.ip("here", "-6", "route", "add", "default", "via", "2001:db8::1")

    def route(self, *words: str) -> None:
        self.lab.ip("here", "route", "add", *words)

    def ways(self, *hosts: str, tunnels: str = "") -> list[str]:
        return self.lab.run("here", sys.executable, "-c", PROGRAM, tunnels, *hosts).stdout.splitlines()

    def test_plain(self) -> None:
        """By the gateway, or to a neighbour."""
        expected = ["('192.0.2.1', '192.0.2.2')", "('', '192.0.2.2')", "('2001:db8::1', '2001:db8::2')"]
        self.assertEqual(self.ways("198.51.100.7", "192.0.2.9", "2001:db8:7::7"), expected)

    def test_past_the_tunnel(self) -> None:
        """Routes into the tunnel, and what a client of ours made, are no ways; those of others are."""
        for half in ("0.0.0.0/1", "128.0.0.0/1"):
            self.route(half, "dev", self.tunnel)
        self.route("198.51.100.7", "via", "192.0.2.9", "proto", "119")
        self.assertEqual(self.ways("198.51.100.7", tunnels=self.tunnel), ["('192.0.2.1', '192.0.2.2')"])
        self.route("198.51.100.7", "via", "192.0.2.5", "metric", "9")
        self.assertEqual(self.ways("198.51.100.7", tunnels=self.tunnel), ["('192.0.2.5', '192.0.2.2')"])

    def test_best(self) -> None:
        """The narrowest, then the smallest metric; what is dead or forbidden does not count."""
        self.route("198.51.100.0/24", "via", "192.0.2.7", "metric", "50")
        self.route("198.51.100.0/24", "via", "192.0.2.8", "metric", "20")
        self.assertEqual(self.ways("198.51.100.7"), ["('192.0.2.8', '192.0.2.2')"])
        self.route("unreachable", "198.51.100.0/24", "metric", "10")
        self.assertEqual(self.ways("198.51.100.7"), ["('192.0.2.8', '192.0.2.2')"])

    def test_none(self) -> None:
        """With the link down there is no way."""
        self.lab.ip("here", "link", "set", self.near, "down")
        self.assertEqual(self.ways("198.51.100.7", "2001:db8:7::7", tunnels=self.tunnel), ["None", "None"])
