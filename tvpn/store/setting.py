"""Settings that tvpn chose by itself and has to choose alike at the next start (the random ULA prefix)."""

from __future__ import annotations

from tvpn.store.database import Cursor


def get(cursor: Cursor, key: str) -> str | None:
    """What was put under this key last, or None."""
    row = cursor.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put(cursor: Cursor, key: str, value: str) -> None:
    """Keep a value, in place of the one before."""
    cursor.execute(
        "INSERT INTO setting (key, value) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
