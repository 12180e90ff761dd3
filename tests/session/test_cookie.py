"""The cookie: the right one is accepted, each single thing wrong is refused (S-01)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped
from tvpn.plane.verbs import Endpoint
from tvpn.session.cookie import CookieJar

HAND_WINDOW = 60
SLOT = (HAND_WINDOW + 1) / 2
PLACE = Endpoint("wire", ("192.0.2.1", 1194), b"\xc6\x33\x64\x01")
CLIENT = b"clientid"
NOW = SLOT * 100


class CookieTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.jar = CookieJar(b"s" * 32, HAND_WINDOW)
        self.cookie = self.jar.bake(PLACE, CLIENT, NOW)

    def test_right_one(self) -> None:
        """The cookie is eight bytes, comes back good at once, and is the same for the same question."""
        self.assertEqual(len(self.cookie), 8)
        self.assertTrue(self.jar.check(self.cookie, PLACE, CLIENT, NOW))
        self.assertEqual(self.cookie, self.jar.bake(PLACE, CLIENT, NOW))

    def test_life(self) -> None:
        """S-01: it is good in its own time slot and the two after it, and never afterwards nor before."""
        for seconds, good in ((0, True), (SLOT, True), (3 * SLOT - 0.01, True), (3 * SLOT, False), (9 * SLOT, False)):
            self.assertIs(self.jar.check(self.cookie, PLACE, CLIENT, NOW + seconds), good, str(seconds))
        self.assertFalse(self.jar.check(self.cookie, PLACE, CLIENT, NOW - 0.01))

    def test_elsewhere(self) -> None:
        """S-01: another port, address, link or own address has another cookie."""
        for place in (
            PLACE._replace(address=("192.0.2.1", 1195)),
            PLACE._replace(address=("192.0.2.2", 1194)),
            PLACE._replace(address=("::ffff:192.0.2.1", 1194, 0, 0)),
            PLACE._replace(link="other wire"),
            PLACE._replace(local=b"\xc6\x33\x64\x02"),
        ):
            self.assertFalse(self.jar.check(self.cookie, place, CLIENT, NOW), str(place))

    def test_other_client(self) -> None:
        """S-01: a client with any other session id has another cookie."""
        for client in each_bit_flipped(CLIENT):
            self.assertFalse(self.jar.check(self.cookie, PLACE, client, NOW))

    def test_no_repeats(self) -> None:
        """C-12: 10^5 ids that strangers get from us, by any difference of place, id or time, have no repeats."""
        found = set()
        for number in range(100_000 // 4):
            place = PLACE._replace(address=(f"192.0.{number >> 8 & 255}.{number & 255}", 1024))
            found.add(self.jar.bake(place, CLIENT, NOW))
            found.add(self.jar.bake(PLACE._replace(address=("192.0.2.1", 1024 + number)), CLIENT, NOW + SLOT))
            found.add(self.jar.bake(PLACE, number.to_bytes(8, "big"), NOW))
            found.add(self.jar.bake(PLACE, CLIENT, NOW + (number + 2) * SLOT))
        self.assertEqual(len(found), 100_000)

    def test_other_server(self) -> None:
        """Another secret bakes other cookies: they do not outlive a restart."""
        self.assertFalse(CookieJar(b"t" * 32, HAND_WINDOW).check(self.cookie, PLACE, CLIENT, NOW))

    def test_each_bit(self) -> None:
        """S-01: all eight bytes count (CVE-2025-13086): any bit flipped is refused."""
        for forged in each_bit_flipped(self.cookie):
            self.assertFalse(self.jar.check(forged, PLACE, CLIENT, NOW))

    def test_parts(self) -> None:
        """S-01: no part of it suffices, whatever is put in the place of the rest (CVE-2025-13086)."""
        for size in range(8):
            for rest in (b"", bytes(8 - size), b"\xff" * (8 - size)):
                self.assertFalse(self.jar.check(self.cookie[:size] + rest, PLACE, CLIENT, NOW))
        self.assertFalse(self.jar.check(self.cookie + b"\0", PLACE, CLIENT, NOW))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=16))
    def test_guesses(self, guess: bytes) -> None:
        """Guesses are refused without an exception."""
        self.assertEqual(self.jar.check(guess, PLACE, CLIENT, NOW), guess == self.cookie)
