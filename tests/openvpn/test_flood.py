"""A genuine client gets in while others flood the server; tests/soak does this for longer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible
from tests.openvpn.flood import siege


class FloodTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")
    CONNECTS, PAUSE = 3, 0.0

    def check(self, kind: str, rate: int) -> None:
        with siege() as place:
            place.flood(kind, rate)
            succeeded, longest = place.count_connects(self.CONNECTS, self.PAUSE)
            self.assertGreaterEqual(succeeded, 0.99 * self.CONNECTS, place.server.output[-3000:])
            self.assertLess(longest, 20)
            self.assertNotIn("Traceback", place.server.output)

    def test_one_source(self) -> None:
        """D-03: a thousand resets a second from one source, and every client is in at its first try."""
        self.check("one", 1000)

    def test_spoofed_sources(self) -> None:
        """D-03: five thousand a second from everywhere, and every client is in at its first try."""
        self.check("spoofed", 5000)
