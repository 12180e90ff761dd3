"""The shape of the database, as the steps that led to it: ``PRAGMA user_version`` counts the steps taken."""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x7476706E  # "tvpn", told to SQLite, so that file(1) and we know whose file this is

# A released step is never edited: a database in the field has taken it already. Changes are new steps.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        """CREATE TABLE device (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            issuer TEXT NOT NULL,
            serial TEXT NOT NULL,
            created REAL NOT NULL,
            expires REAL NOT NULL,
            revoked REAL,
            UNIQUE (issuer, serial)
        )""",
        # Only the living hold a name: the revoked keep their rows for ever, and give their names back.
        "CREATE UNIQUE INDEX device_name ON device (name COLLATE NOCASE) WHERE revoked IS NULL",
        """CREATE TABLE lease (
            identity TEXT PRIMARY KEY,
            "index" INTEGER NOT NULL UNIQUE CHECK ("index" >= 0),
            seen REAL NOT NULL
        )""",
        "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ),
)


class Unusable(Exception):
    """Not a database that this tvpn can work with; the text says why, and what to do."""


def migrate(connection: sqlite3.Connection, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Take the steps that are missing, all or none; raises Unusable for a foreign or a newer database."""
    if _version(connection) == len(steps) and _application(connection) == APPLICATION_ID:
        return  # without a write lock: a running server may hold it
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looked at again: another process may have migrated while this one waited for the lock.
        version = _version(connection)
        _refuse_what_is_not_ours(connection, version, len(steps))
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _refuse_what_is_not_ours(connection: sqlite3.Connection, version: int, known: int) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if (tables or version) and _application(connection) != APPLICATION_ID:
        raise Unusable("it is a SQLite database of another program; name another state folder")
    if version > known:
        raise Unusable(
            f"it was made by a newer tvpn (version {version} of the store, this tvpn knows {known}); "
            "install that tvpn, or restore a backup from before"
        )


def _version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def _application(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return number
