"""Measuring, on one short tunnel; and what becomes of a measurement that goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
from argparse import Namespace
from collections.abc import Iterator
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from bench.measure import arrived, cpu_seconds, latency, loaded_latency, packets, throughput
from bench.pairs import CIPHER, Tunnel, tunnel
from bench.report import PING, UP, Report, Sample
from bench.run import Run
from tests.lab import Lab, Program, skip_unless_possible


class KeepTests(SynchronousTestCase):
    def keep(self, values: Iterator[tuple[str, float]]) -> tuple[Report, str]:
        """(the report, what was seen on the terminal)."""
        run = Run(Namespace(), Report({}))
        run.round = 3
        with contextlib.redirect_stdout(io.StringIO()) as terminal:
            run._keep("tvpn-tvpn", CIPHER, values)
        return run.result, terminal.getvalue()

    def test_values(self) -> None:
        """Values are kept with their round, and shown."""
        result, seen = self.keep(iter([(PING, 0.5), (UP, 100.0)]))
        self.assertEqual(result.samples[1], Sample(3, UP, "tvpn-tvpn", CIPHER, 100.0))
        self.assertEqual((len(result.samples), result.failures), (2, []))
        self.assertIn("0.50 100", seen)

    def test_failure(self) -> None:
        """What was measured before a failure is kept; the failure is told by its first line, and the run goes on."""

        def values() -> Iterator[tuple[str, float]]:
            yield PING, 0.5
            raise AssertionError("nothing came\nand much more")

        result, seen = self.keep(values())
        self.assertEqual(len(result.samples), 1)
        self.assertEqual(result.failures, [f"round 3, tvpn-tvpn, {CIPHER}: AssertionError: nothing came"])
        self.assertIn("failed, AssertionError: nothing came\n", seen)


class Device:
    """A lab whose device counted so much."""

    def __init__(self, name: str, packets: int, octets: int) -> None:
        self.counted = [{"ifname": name, "stats64": {"rx": {"packets": packets, "bytes": octets}}}]

    def ip(self, host: str, *words: str) -> str:
        return json.dumps(self.counted)


class ArrivedTests(SynchronousTestCase):
    def test_super_packets(self) -> None:
        """Single datagrams and those in a super-packet count alike; the device counts a super-packet's headers once."""
        for number, octets in ((6, 6 * (64 + 28)), (2, 64 + 28 + 5 * 64 + 28), (0, 0)):
            for name, more in (("tun0", 0), ("tap0", 14)):
                place = Tunnel(cast(Lab, Device(name, number, octets + more * number)), *[cast(Program, None)] * 2)
                self.assertEqual(arrived(place, "server", 64), 6 if number else 0)


class MeasureTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "iperf3", "ping")

    def test_tunnel(self) -> None:
        """Each measure of a tunnel is one: something arrives each way, and that takes time."""
        with tunnel("stock-tvpn") as place:
            before = cpu_seconds(place.server)
            for words in ((), ("-R",)):
                speed, cost = throughput(place, 1, 2, *words)
                self.assertGreater(speed, 1)
                self.assertGreater(cost, 0)
            for host in ("server", "client"):
                self.assertGreater(packets(place, 1, 64, host), 100)
            self.assertGreater(cpu_seconds(place.server) - before, 0.1)
            self.assertGreater(latency(place, 5), 0)
            self.assertGreater(loaded_latency(place, 1), 0)
