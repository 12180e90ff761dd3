"""How long a refusal takes says nothing about how much was right."""

from __future__ import annotations

import base64
import math
import random
import time
from collections.abc import Callable
from statistics import fmean, variance

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import STATIC_KEY
from tvpn.crypto.replay import Stamp
from tvpn.crypto.token import PREFIX, Token, TokenRules, TokenSecret, TokenState
from tvpn.crypto.wrap import TLSAuth, TLSCrypt
from tvpn.errors import Drop
from tvpn.plane.verbs import Endpoint
from tvpn.session.cookie import CookieJar

SAMPLES = 100_000
#: Of the samples the slowest are those in which the machine did something else.
KEPT = 0.9
HEADER, BODY = b"\x38stranger", bytes(5)


def flipped(data: bytes, at: int) -> bytes:
    copy = bytearray(data)
    copy[at] ^= 1
    return bytes(copy)


class TimingTests(SynchronousTestCase):
    """C-10: the first byte wrong or the last one takes the same time: Welch's t of 10^5 samples stays below 4.5."""

    timeout = 3600

    def check(self, refuse: Callable[[bytes], object], first: bytes, last: bytes) -> None:
        """``refuse`` is given both in random order; a machine that is busy in between has three tries."""
        found = [self.welch(refuse, first, last) for _ in range(3)]
        self.assertLess(min(map(abs, found)), 4.5, found)

    def welch(self, refuse: Callable[[bytes], object], first: bytes, last: bytes) -> float:
        dice = random.Random(10)
        taken: dict[bytes, list[int]] = {first: [], last: []}
        for _ in range(2 * SAMPLES):
            forged = first if dice.random() < 0.5 else last
            began = time.perf_counter_ns()
            refuse(forged)
            taken[forged].append(time.perf_counter_ns() - began)
        one, other = (sorted(times)[: int(KEPT * len(times))] for times in taken.values())
        return (fmean(one) - fmean(other)) / math.sqrt(variance(one) / len(one) + variance(other) / len(other))

    def test_noticed(self) -> None:
        """A comparison that ends at the first difference is noticed."""
        right = bytes(4096)

        def refuse(given: bytes) -> bool:
            return all(map(int.__eq__, given, right))

        self.assertGreater(abs(self.welch(refuse, flipped(right, 0), flipped(right, 100))), 4.5)

    def test_cookie(self) -> None:
        """A cookie."""
        jar, place = CookieJar(bytes(32), 60), Endpoint("wire", ("192.0.2.1", 1194))
        right = jar.bake(place, b"clientid", 0.0)
        self.check(lambda cookie: jar.check(cookie, place, b"clientid", 0.0), flipped(right, 0), flipped(right, 7))

    def test_wrappings(self) -> None:
        """The tags of tls-auth and tls-crypt."""
        server, client = TLSCrypt(STATIC_KEY, server=True), TLSCrypt(STATIC_KEY, server=False)
        both = TLSAuth(STATIC_KEY, None, "SHA256")
        for sender, receiver, tag in ((client, server, range(17, 49)), (both, both, range(9, 41))):
            right = sender.wrap(Stamp(1, 1), HEADER, BODY)

            def refuse(datagram: bytes, receiver: TLSAuth | TLSCrypt = receiver) -> None:
                try:
                    receiver.unwrap(datagram)
                except Drop:
                    return
                raise AssertionError("taken")

            self.check(refuse, flipped(right, tag[0]), flipped(right, tag[-1]))

    def test_token(self) -> None:
        """The signature of a token, at the front of it and at the end."""
        secret = TokenSecret(bytes(range(128)))
        rules, right = TokenRules(secret, 0, 60), secret.encode("alice", Token(bytes(12), 0, 0))
        raw = base64.b64decode(right.removeprefix(PREFIX))
        first, last = (base64.b64encode(flipped(raw, at)) for at in (-32, -1))

        def refuse(forged: bytes) -> None:
            if rules.judge("alice", PREFIX + forged.decode(), 0.0)[0] is not TokenState.INVALID:
                raise AssertionError("taken")

        self.check(refuse, first, last)
