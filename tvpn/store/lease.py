"""Leases: which place in the address pool a device has, so that it finds its addresses again."""

from __future__ import annotations

from dataclasses import dataclass

from tvpn.store.database import Cursor


@dataclass(frozen=True)
class Lease:
    """``index`` is a place in the pool, from 0; ``seen`` the last time there, in seconds since 1970."""

    identity: str
    index: int
    seen: float


def all(cursor: Cursor) -> list[Lease]:
    """Every lease, the longest unseen first, as the pool wants to be told."""
    rows = cursor.execute('SELECT identity, "index", seen FROM lease ORDER BY seen, "index"').fetchall()
    return [Lease(*row) for row in rows]


def keep(cursor: Cursor, identity: str, index: int, when: float) -> None:
    """Give this place to this identity: its former place is free, and a former holder has none any more."""
    cursor.execute('DELETE FROM lease WHERE "index" = ? AND identity <> ?', (index, identity))
    cursor.execute(
        'INSERT INTO lease (identity, "index", seen) VALUES (?, ?, ?) '
        'ON CONFLICT (identity) DO UPDATE SET "index" = excluded."index", seen = excluded.seen',
        (identity, index, when),
    )
