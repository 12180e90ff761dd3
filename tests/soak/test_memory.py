"""Memory over very many packets."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.measure import packets, resident_kib
from bench.pairs import CBC, CIPHER, tunnel
from tests.lab import Program, skip_unless_possible

#: Who receives datagrams of which size.
TURNS = (("server", 64), ("server", 1300), ("client", 64), ("client", 1300))


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
                for host, size in TURNS:
                    packets(place, 10, size, host)
                warm = [(resident_kib(end), descriptors(end)) for end in (place.server, place.client)]
                arrived = 0.0
                for host, size in cycle(TURNS):
                    rate = packets(place, 20, size, host)
                    self.assertGreater(rate, 1000, "the tunnel does not carry")
                    arrived += 20 * rate
                    if arrived > self.PACKETS:
                        break
                for end, (memory, files) in zip((place.server, place.client), warm, strict=True):
                    self.assertLessEqual(resident_kib(end) - memory, 1024, cipher)
                    self.assertEqual(descriptors(end), files)
