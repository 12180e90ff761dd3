"""Devices: to whom certificates were issued, and which of these no longer count."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from tvpn.errors import TvpnError
from tvpn.store.database import Cursor

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_COLUMNS = "name, serial, issuer, created, expires, revoked"


@dataclass(frozen=True)
class Device:
    """One issued certificate: ``issuer`` is the hash of the issuing key, times are in seconds since 1970."""

    name: str
    serial: int
    issuer: str
    created: float
    expires: float
    revoked: float | None = None

    @property
    def identity(self) -> str:
        """What a session says of its peer: ``Identity.key`` of ``tvpn.crypto.certificate``."""
        return f"{self.issuer}:{self.serial:x}"

    @property
    def _key(self) -> tuple[str, str]:
        return self.issuer, f"{self.serial:x}"  # 159 bits: more than an INTEGER of SQLite holds


def check_name(name: str) -> None:
    """Raise TvpnError unless this can name a device, a file and a certificate alike."""
    if _NAME.fullmatch(name) is None or ".." in name:
        raise TvpnError(
            f"{name!r} cannot name a device; use 1 to 64 of the characters A-Z a-z 0-9 _ . @ -, "
            "a letter or digit first, and no '..'"
        )


def add(cursor: Cursor, device: Device) -> None:
    """Remember a device; raises TvpnError for a bad name, or one that a living device has (in any case)."""
    check_name(device.name)
    holder = find_by_name(cursor, device.name)
    if holder is not None:
        raise TvpnError(
            f"there is a device {holder.name!r} already; "
            f"choose another name, or first: tvpn device revoke {holder.name}"
        )
    try:
        cursor.execute(
            f"INSERT INTO device ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            (
                device.name,
                f"{device.serial:x}",
                device.issuer,
                device.created,
                device.expires,
                device.revoked,
            ),
        )
    except sqlite3.IntegrityError as error:
        raise TvpnError(
            f"the device {device.name!r} was added by somebody else just now; try again"
        ) from error


def remove(cursor: Cursor, device: Device) -> None:
    """Forget a device whose profile never reached anybody; a profile that did is revoked instead."""
    cursor.execute("DELETE FROM device WHERE issuer = ? AND serial = ?", device._key)


def revoke(cursor: Cursor, name: str, when: float) -> Device:
    """Mark the living device of this name as revoked and return it; raises TvpnError where there is none."""
    device = find_by_name(cursor, name)
    if device is None:
        dead = _select(cursor, "name = ? COLLATE NOCASE ORDER BY revoked DESC LIMIT 1", name)
        if dead:
            raise TvpnError(f"the device {dead[0].name!r} is revoked already; nothing was changed")
        raise TvpnError(f"there is no device {name!r}; tvpn device list shows the names")
    cursor.execute("UPDATE device SET revoked = ? WHERE issuer = ? AND serial = ?", (when, *device._key))
    return replace(device, revoked=when)


def find_by_serial(cursor: Cursor, issuer: str, serial: int) -> Device | None:
    """The device with this certificate, revoked or not: look at ``revoked``."""
    found = _select(cursor, "issuer = ? AND serial = ?", issuer, f"{serial:x}")
    return found[0] if found else None


def find_by_name(cursor: Cursor, name: str) -> Device | None:
    """The living (not revoked) device of this name, in any case of letters."""
    found = _select(cursor, "name = ? COLLATE NOCASE AND revoked IS NULL", name)
    return found[0] if found else None


def all(cursor: Cursor) -> list[Device]:
    """Every device there ever was, the oldest first."""
    return _select(cursor, "TRUE ORDER BY id")


def _select(cursor: Cursor, condition: str, *parameters: Any) -> list[Device]:
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM device WHERE {condition}", parameters).fetchall()
    return [Device(name, int(serial, 16), *others) for name, serial, *others in rows]
