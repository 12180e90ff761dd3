"""The stateless server reset: a session id that proves an address (protocol: reliability.md 6).

Our session id in the answer to a reset is a keyed hash of who asked and when; whoever acks it has received it, so
the address is real, and until then nothing was remembered. Slots of half a hand-window; the current and the two
before are good.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable

from tvpn.crypto.mac import MAC
from tvpn.wire.header import NO_SESSION, SESSION_ID_SIZE

SLOTS = 3


class CookieJar:
    """Makes and checks cookies under one secret of 32 random bytes."""

    def __init__(self, secret: bytes, hand_window: float) -> None:
        self._mac = MAC(secret, "SHA256")
        self._slot = (hand_window + 1) / 2

    def bake(self, endpoint: Hashable, client_id: bytes, now: float, age: int = 0) -> bytes:
        """The session id that this client at this endpoint (link, address, port) is answered with."""
        slot = int(now // self._slot) - age
        seed = repr((slot, endpoint)).encode() + client_id
        cookie = self._mac.sign(seed)[:SESSION_ID_SIZE]
        return cookie if cookie != NO_SESSION else b"\1" * SESSION_ID_SIZE

    def check(self, cookie: bytes, endpoint: Hashable, client_id: bytes, now: float) -> bool:
        """Whether this is what we answered that client at that endpoint lately."""
        good = False
        for age in range(SLOTS):
            good |= hmac.compare_digest(cookie, self.bake(endpoint, client_id, now, age))
        return good
