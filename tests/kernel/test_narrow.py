"""A narrow wire with a short queue: what does not fit is lost, and nothing else happens."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import Lab, skip_unless_possible
from tests.stream import stream_through

#: 10 Mbit/s and room for 25 full packets.
NARROW = ("root", "tbf", "rate", "10mbit", "burst", "5kb", "limit", "37500")


class NarrowTests(SynchronousTestCase):
    skip = skip_unless_possible("tc", "ping")

    def test_full_wire(self) -> None:
        """F-05: five times what the wire carries, with new keys: the tunnel stays, nothing is doubled or reordered."""
        with Lab() as lab:
            lab.host("server")
            lab.host("client")
            devices = lab.wire("server", ["198.51.100.1/24"], "client", ["198.51.100.2/24"])
            for host, device in zip(("server", "client"), devices, strict=True):
                lab.run(host, "tc", "qdisc", "add", "dev", device, *NARROW)
            site = Site(lab, control=("reneg-sec = 5 5",), tunnel=("keepalive = 1 5",))
            server = site.serve()
            client = site.join(site.device("alice"))
            address = lab.ip("client", "-4", "-br", "addr", "show", "dev", "tun0").split()[2].split("/")[0]
            outcomes = stream_through(lab, {"server": INNER_V4, "client": address}, 50, 12)
            for outcome in outcomes:
                self.assertEqual((outcome.doubled, outcome.reordered), (0, 0))
                # Of 10 Mbit/s, less the headers, some goes to the keys; the rest of what was sent is lost.
                self.assertGreater(outcome.received, outcome.sent * 0.12)
                self.assertLess(outcome.received, outcome.sent * 0.25)
            self.assertNotIn("disconnected", client.output)
            self.assertNotIn("alice left", server.output)
            self.assertEqual(lab.ping("client", INNER_V4), 3, server.output[-3000:])
