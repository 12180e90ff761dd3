"""The database file: opened at once for the command line, and in a thread of its own for the service.

The functions of ``device``, ``lease`` and ``setting`` take a ``Cursor``; who calls them decides the
transaction: ``with transaction(connection)`` on the command line, ``Database.run`` in the service.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from tvpn.errors import TvpnError
from tvpn.store.migration import Unusable, migrate

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

BUSY_TIMEOUT = 5.0  # seconds one process waits for the other's transaction; ours last milliseconds

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Cursor(Protocol):
    """What runs SQL: a sqlite3 connection, its cursor, or adbapi's Transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor: ...


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the database (folder 0700, file 0600), migrated; raises TvpnError."""
    with _sentences(path):
        _make_file(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level="IMMEDIATE")
        try:
            _set_up(connection)
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise Unusable("it is damaged; restore it from a backup, or move it away to begin anew")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the block or nothing of it; raises TvpnError where SQLite cannot."""
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    with _sentences(path):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection


class Database:
    """The service's shell: one connection in one thread, so that the reactor never waits for the disk."""

    def __init__(self, path: Path, reactor: Any) -> None:
        # The thread is not the place to find out that the file is no database: this raises TvpnError.
        connect(path).close()
        # Here, so that the command line never loads Twisted.
        from twisted.enterprise.adbapi import ConnectionPool

        self._pool = ConnectionPool(
            "sqlite3",
            str(path),
            timeout=BUSY_TIMEOUT,
            isolation_level="IMMEDIATE",
            check_same_thread=False,  # close() comes from the reactor's thread
            cp_min=1,
            cp_max=1,
            cp_noisy=False,
            cp_openfun=_set_up,
            cp_reactor=reactor,
        )

    def run(
        self, function: Callable[Concatenate[Cursor, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]:
        """``function(cursor, ...)`` as one transaction; fails as the function does, or with sqlite3.Error."""
        result: Deferred[_T] = self._pool.runInteraction(function, *args, **kwargs)
        return result

    def close(self) -> None:
        """Finish what is queued, then end the thread and the connection; waits for both."""
        self._pool.close()


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a revocation that was said must survive a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _make_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite would make the file by the umask; it gives -wal and -shm the mode of the file it finds.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    try:
        yield
    except Unusable as error:
        raise TvpnError(f"cannot use the database {path}: {error}") from error
    except sqlite3.OperationalError as error:
        remedy = "look at its folder, its owner and the disk"
        raise TvpnError(f"cannot use the database {path}: {error}; {remedy}") from error
    except sqlite3.DatabaseError as error:
        remedy = "restore it from a backup, or move it away to begin anew"
        raise TvpnError(f"cannot use the database {path}: {error}; {remedy}") from error
    except OSError as error:
        remedy = "look at its folder and owner"
        raise TvpnError(f"cannot make the database {path}: {error.strerror}; {remedy}") from error
