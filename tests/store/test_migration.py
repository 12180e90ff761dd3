import sqlite3

from twisted.trial.unittest import SynchronousTestCase

from tvpn.store.migration import APPLICATION_ID, STEPS, Unusable, migrate


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


class MigrationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.addCleanup(self.connection.close)

    def test_from_nothing(self) -> None:
        """An empty database takes every step and says whose it is and how far it came."""
        migrate(self.connection)
        self.assertEqual(_number(self.connection, "user_version"), len(STEPS))
        self.assertEqual(_number(self.connection, "application_id"), APPLICATION_ID)
        rows = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.assertEqual({row[0] for row in rows}, {"device", "lease", "setting"})

    def test_again(self) -> None:
        """A second migration keeps what is in the tables."""
        migrate(self.connection)
        self.connection.execute("INSERT INTO setting VALUES ('a', 'b')")
        self.connection.commit()
        migrate(self.connection)
        self.assertEqual(self.connection.execute("SELECT * FROM setting").fetchall(), [("a", "b")])

    def test_only_what_is_missing(self) -> None:
        """A database of version 1 takes step 2 and not step 1 again."""
        migrate(self.connection)
        migrate(self.connection, (*STEPS, ("ALTER TABLE setting ADD COLUMN changed REAL",)))
        self.assertEqual(_number(self.connection, "user_version"), len(STEPS) + 1)
        self.assertEqual(self.connection.execute("SELECT changed FROM setting").fetchall(), [])

    def test_all_or_nothing(self) -> None:
        """A step that fails half-way leaves the database as it was."""
        migrate(self.connection)
        broken = (*STEPS, ("CREATE TABLE more (a)", "CREATE TABLE device (a)"))
        self.assertRaises(sqlite3.OperationalError, migrate, self.connection, broken)
        self.assertEqual(_number(self.connection, "user_version"), len(STEPS))
        self.assertRaises(sqlite3.OperationalError, self.connection.execute, "SELECT * FROM more")

    def test_newer(self) -> None:
        """A database of a later tvpn is refused, and the text says so."""
        migrate(self.connection)
        self.connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
        refusal = self.assertRaises(Unusable, migrate, self.connection)
        self.assertIn("newer tvpn", str(refusal))

    def test_foreign(self) -> None:
        """Another program's database is refused and gets no table of ours."""
        self.connection.execute("CREATE TABLE theirs (a)")
        refusal = self.assertRaises(Unusable, migrate, self.connection)
        self.assertIn("another program", str(refusal))
        self.assertRaises(sqlite3.OperationalError, self.connection.execute, "SELECT * FROM device")
