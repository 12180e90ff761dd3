import os
import sqlite3
import stat
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tvpn.errors import TvpnError
from tvpn.store import setting
from tvpn.store.database import Cursor, Database, connect, transaction


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class ConnectTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "state" / "tvpn.sqlite"

    def test_modes(self) -> None:
        """Whatever the umask, the folder is 0700 and the database and its companions are 0600."""
        self.addCleanup(os.umask, os.umask(0))
        connection = connect(self.path)
        self.addCleanup(connection.close)
        with transaction(connection):
            setting.put(connection, "a", "b")
        self.assertEqual(_mode(self.path.parent), 0o700)
        files = {path.name: _mode(path) for path in self.path.parent.iterdir()}
        self.assertEqual(files, dict.fromkeys(("tvpn.sqlite", "tvpn.sqlite-wal", "tvpn.sqlite-shm"), 0o600))

    def test_again(self) -> None:
        """A second opening uses the file of the first, and what was put is still there."""
        for expected in (None, "b"):
            connection = connect(self.path)
            self.assertEqual(setting.get(connection, "a"), expected)
            with transaction(connection):
                setting.put(connection, "a", "b")
            connection.close()

    def test_pragmas(self) -> None:
        """The database is in WAL mode, checks foreign keys, and waits for another writer."""
        connection = connect(self.path)
        self.addCleanup(connection.close)
        names = ("journal_mode", "foreign_keys", "busy_timeout")
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        self.assertEqual(found, ["wal", 1, 5000])

    def test_no_database(self) -> None:
        """A file of something else ends in a sentence that names it, and stays as it is."""
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(b"something else entirely, " * 100)
        error = self.assertRaises(TvpnError, connect, self.path)
        self.assertIn(str(self.path), str(error))
        self.assertTrue(self.path.read_bytes().startswith(b"something else"))

    def test_damaged(self) -> None:
        """A database with an overwritten page is refused and not used."""
        connection = connect(self.path)
        connection.close()
        with self.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 4096)
        error = self.assertRaises(TvpnError, connect, self.path)
        self.assertIn("restore it from a backup", str(error))

    def test_foreign(self) -> None:
        """Another program's SQLite file is refused by a sentence that names it."""
        self.path.parent.mkdir(parents=True)
        other = sqlite3.connect(self.path)
        other.execute("CREATE TABLE theirs (a)")
        other.close()
        error = self.assertRaises(TvpnError, connect, self.path)
        self.assertIn(f"{self.path}: it is a SQLite database of another program", str(error))

    def test_no_folder(self) -> None:
        """A folder that cannot be made ends in a sentence."""
        self.path.parent.parent.mkdir(parents=True)
        self.path.parent.write_text("a file")
        self.assertRaises(TvpnError, connect, self.path)


class TransactionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "tvpn.sqlite"
        self.connection = connect(self.path)
        self.addCleanup(self.connection.close)

    def test_nothing_of_it(self) -> None:
        """An exception in the block takes back what the block did."""

        def fail() -> None:
            with transaction(self.connection):
                setting.put(self.connection, "a", "b")
                raise KeyError("stop")

        self.assertRaises(KeyError, fail)
        self.assertIsNone(setting.get(self.connection, "a"))

    def test_other_process(self) -> None:
        """Another connection sees all of it once it is committed, and nothing before."""
        other = connect(self.path)
        self.addCleanup(other.close)
        with transaction(self.connection):
            setting.put(self.connection, "a", "b")
            self.assertIsNone(setting.get(other, "a"))
        self.assertEqual(setting.get(other, "a"), "b")

    def test_locked(self) -> None:
        """A writer that never ends costs the other one a sentence and not a traceback."""
        other = connect(self.path)
        self.addCleanup(other.close)
        other.execute("PRAGMA busy_timeout = 1")

        def write() -> None:
            with transaction(other):
                setting.put(other, "a", "c")

        with transaction(self.connection):
            error = self.assertRaises(TvpnError, write)
        self.assertIn("locked", str(error))


class DatabaseTests(TestCase):
    @inlineCallbacks
    def test_run(self):  # type: ignore[no-untyped-def]
        """The service writes and reads in its thread, and the command line sees what it wrote."""
        path = Path(self.mktemp()) / "tvpn.sqlite"
        database = Database(path, reactor)
        self.addCleanup(database.close)
        yield database.run(setting.put, "a", "b")
        self.assertEqual((yield database.run(setting.get, "a")), "b")
        connection = connect(path)
        self.addCleanup(connection.close)
        self.assertEqual(setting.get(connection, "a"), "b")

    @inlineCallbacks
    def test_failure(self):  # type: ignore[no-untyped-def]
        """A function that fails leaves nothing behind, and its error reaches the caller as it was."""
        database = Database(Path(self.mktemp()) / "tvpn.sqlite", reactor)
        self.addCleanup(database.close)

        def fail(cursor: Cursor) -> None:
            setting.put(cursor, "a", "b")
            raise TvpnError("no")

        yield self.assertFailure(database.run(fail), TvpnError)
        self.assertIsNone((yield database.run(setting.get, "a")))

    def test_bad_file(self) -> None:
        """A file that is no database is told at construction, before any thread."""
        path = Path(self.mktemp())
        path.write_bytes(b"no database" * 100)
        self.assertRaises(TvpnError, Database, path, reactor)
