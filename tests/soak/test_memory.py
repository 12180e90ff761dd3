"""Memory over very many packets."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.measure import packets, resident_kib
from bench.pairs import CBC, CIPHER, tunnel
from tests.lab import Program, skip_unless_possible


def descriptors(program: Program) -> int:
    return len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))


class PacketsTests(SynchronousTestCase):
    PACKETS = 10_000_000
    timeout = 4 * 3600
    skip = skip_unless_possible("openvpn", "iperf3")

    def test_packets(self) -> None:
        """K-01: ten million packets through a tunnel between our own ends, in either format: both ends have grown by
        a MiB at most since they were warm, and have no more descriptors.
        """
        for cipher in (CIPHER, CBC):
            with tunnel("tvpn-tvpn", cipher) as place:
                for number, size in enumerate((64, 1300) * 2):
                    packets(place, 10, size, *("-R",) * (number // 2))
                warm = [(resident_kib(end), descriptors(end)) for end in (place.server, place.client)]
                arrived, turns = 0, 0
                while arrived < self.PACKETS:
                    arrived += packets(place, 20, (64, 1300)[turns % 2], *("-R",) * (turns // 2 % 2))
                    turns += 1
                    self.assertGreater(arrived, turns * 1000, "the tunnel does not carry")
                for end, (memory, files) in zip((place.server, place.client), warm, strict=True):
                    self.assertLessEqual(resident_kib(end) - memory, 1024, f"{cipher}, {turns} turns")
                    self.assertEqual(descriptors(end), files)
