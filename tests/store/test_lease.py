from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tvpn.store import lease as leases
from tvpn.store.database import connect
from tvpn.store.lease import Lease


class LeaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.cursor = connect(Path(self.mktemp()) / "tvpn.sqlite")
        self.addCleanup(self.cursor.close)

    def test_order(self) -> None:
        """Leases come back the longest unseen first."""
        leases.keep(self.cursor, "a", 0, 30.0)
        leases.keep(self.cursor, "b", 1, 10.0)
        self.assertEqual(leases.all(self.cursor), [Lease("b", 1, 10.0), Lease("a", 0, 30.0)])

    def test_move(self) -> None:
        """An identity has one place: a new one replaces the old one."""
        leases.keep(self.cursor, "a", 0, 1.0)
        leases.keep(self.cursor, "a", 5, 2.0)
        self.assertEqual(leases.all(self.cursor), [Lease("a", 5, 2.0)])

    def test_taken_over(self) -> None:
        """A place has one identity: who gets it leaves its former holder without."""
        leases.keep(self.cursor, "a", 0, 1.0)
        leases.keep(self.cursor, "b", 1, 2.0)
        leases.keep(self.cursor, "b", 0, 3.0)
        self.assertEqual(leases.all(self.cursor), [Lease("b", 0, 3.0)])
