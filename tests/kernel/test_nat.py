"""NAT towards a third host that knows no way back, and the port-shadow attack on it."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site, tables
from tests.lab import Lab, Program, skip_unless_possible, two_hosts

THIRD_V4, THIRD_V6 = "203.0.113.2", "2001:db8:3::2"
ROUTES = ("route 203.0.113.0 255.255.255.0", "route-ipv6 2001:db8:3::/64")

# The third host: it prints where a datagram came from, then sends a reset to the server's port from the same socket.
THIRD = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 5000))
print("ready", flush=True)
datagram, source = sock.recvfrom(2000)
print("from", *source, flush=True)
sock.sendto(bytes([0x38]) + bytes(range(60)), ("203.0.113.1", 1194))
print("sent", flush=True)
"""

# The attacker in the VPN: it takes the server's port number as its own, and listens.
SHADOW = """
import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.87.0.2", 1194))
sock.sendto(b"shadow", ("203.0.113.2", 5000))
sock.settimeout(2)
try:
    print("heard", *sock.recvfrom(2000)[1])
except TimeoutError:
    print("heard nothing")
"""


class NATTests(SynchronousTestCase):
    """Client, server and a third host in a row."""

    skip = skip_unless_possible("nft", "ping")

    def join(self, lab: Lab, nat: str) -> tuple[Program, Program]:
        lab.host("third")
        lab.wire("server", ["203.0.113.1/24", "2001:db8:3::1/64"], "third", [f"{THIRD_V4}/24", f"{THIRD_V6}/64"])
        site = Site(lab, tunnel=(f"nat = {nat}",), push=ROUTES)
        server = site.serve()
        return server, site.join(site.device("alice"))

    def test_reached(self) -> None:
        """With ``nat = yes`` the third host answers, by both families; after the stop the table is gone."""
        with two_hosts() as lab:
            server, client = self.join(lab, "yes")
            self.assertEqual(lab.ping("client", THIRD_V4), 3, client.output + server.output)
            self.assertEqual(lab.ping("client", THIRD_V6), 3, client.output + server.output)
            self.assertEqual(tables(lab), ["table inet tvpn_tun0"])
            self.assertEqual(server.stop(), 0)
            self.assertEqual(tables(lab), [])

    def test_auto(self) -> None:
        """``auto`` does the same where nft is there."""
        with two_hosts() as lab:
            server, _ = self.join(lab, "auto")
            self.assertEqual(lab.ping("client", THIRD_V4), 3, server.output)

    def test_without(self) -> None:
        """With ``nat = no`` the server answers and the third host does not; nft and forwarding are left alone."""
        with two_hosts() as lab:
            server, _ = self.join(lab, "no")
            self.assertEqual(lab.ping("client", INNER_V4, 1), 1, server.output)
            self.assertEqual(lab.ping("client", THIRD_V4, 2), 0)
            self.assertEqual(tables(lab), [])

    def test_port_shadow(self) -> None:
        """A client that sends from the server's port number gets another one outside, and none of its packets."""
        with two_hosts() as lab:
            server, _ = self.join(lab, "yes")
            third = lab.spawn("third", sys.executable, "-c", THIRD, name="third")
            third.wait_for("ready")
            shadow = lab.run("client", sys.executable, "-c", SHADOW)
            self.assertRegex(third.wait_for("sent"), r"from 203\.0\.113\.1 (3[2-9]|[45][0-9]|60)[0-9]{3}\n")
            self.assertEqual(shadow.stdout, "heard nothing\n")
            server.wait_for(r"203\.0\.113\.2 .*tls-crypt-v2", 5)
