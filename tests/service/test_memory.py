"""Memory after a crowd."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.service.memory import WORTH_IT, Thrift, give_back


class ThriftTests(SynchronousTestCase):
    def test_after_a_crowd(self) -> None:
        """Memory is given back once when a hundred sessions have ended since there were most, and not for fewer."""
        table = [(0, 0), (50, 0), (500, 0), (500 - WORTH_IT + 1, 0), (500 - WORTH_IT, 1), (400, 1), (301, 1), (300, 2)]
        number, given = [0], []
        thrift = Thrift(lambda: number[0], lambda: given.append(number[0]))
        for sessions, times in table:
            number[0] = sessions
            thrift.look()
            self.assertEqual(len(given), times, str(sessions))

    def test_pages_leave(self) -> None:
        """What was freed in between of what stays goes back to the system."""

        def resident() -> int:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096

        pieces = [bytes(5000) for _ in range(10_000)]
        stays, full = pieces[::100], resident()
        del pieces
        give_back()
        self.assertLess(resident(), full - 30_000_000)
        self.assertEqual(len(stays), 100)
