"""One client's flood does not starve another."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import Lab, skip_unless_possible


class FairnessTests(SynchronousTestCase):
    skip = skip_unless_possible("iperf3", "ping")

    def test_flood(self) -> None:
        """While one client sends small packets as fast as it can, at least half of another one's pings are answered and
        a third one gets in.
        """
        with Lab() as lab:
            hosts = ("greedy", "modest", "late")
            lab.host("server")
            for number, host in enumerate(hosts, 1):
                lab.host(host)
                lab.wire("server", [f"198.51.{number}.1/24"], host, [f"198.51.{number}.2/24"])
            site = Site(lab)
            profiles = {host: site.device(host, f"198.51.{number}.1") for number, host in enumerate(hosts, 1)}
            server = site.serve()
            for host in hosts[:2]:
                lab.twistd(host, profiles[host], host).wait_for("connected: device")
            lab.spawn("server", "iperf3", "-s", "--forceflush", name="iperf").wait_for("listening")
            words = ("-c", INNER_V4, "-u", "-b", "0", "-l", "64", "-t", "60", "--forceflush")
            flood = lab.spawn("greedy", "iperf3", *words, name="flood")
            flood.wait_for("connected to")
            answered = lab.ping("modest", INNER_V4, 40, 0.05)
            late = lab.twistd("late", profiles["late"], "late")
            late.wait_for("connected: device", 10)
            self.assertIsNone(flood.process.poll(), "the flood was over too soon")
            self.assertGreaterEqual(answered, 20, server.output[-2000:])
