"""Who may come in: an async function of a verdict request, with the store as its book.

With tvpn's own CA the store is an allow-list: a serial it does not know is refused. With a CA that was given it is a
deny-list: only what is revoked here is refused.
"""

from __future__ import annotations

from tvpn.crypto.certificate import Identity
from tvpn.hub.event import VerdictRequest
from tvpn.hub.server import Verdict
from tvpn.store.database import Cursor, Database
from tvpn.store.device import find_by_serial

ACCEPTED = Verdict(accepted=True)


def judge_device(cursor: Cursor, identity: Identity, allow_list: bool) -> Verdict:
    """The store's opinion of a device."""
    device = find_by_serial(cursor, identity.issuer, identity.serial)
    if device is None and allow_list:
        reason = f"{identity.name}: this certificate is not in the store (serial {identity.serial:x})"
        return Verdict(False, reason, "unknown device")
    if device is not None and device.revoked is not None:
        return Verdict(False, f"{identity.name}: this device is revoked", "this device is revoked")
    return ACCEPTED


class Policy:
    """``database`` None: there is no store, and whoever the CA has signed may come in."""

    def __init__(self, database: Database | None, allow_list: bool) -> None:
        self._database = database
        self._allow_list = allow_list

    async def authenticate(self, request: VerdictRequest) -> Verdict:
        """May this client come in, or stay at its renegotiation? Anything that goes wrong is a no."""
        if self._database is None:
            return ACCEPTED
        return await self._database.run(judge_device, request.wanted.identity, self._allow_list)
