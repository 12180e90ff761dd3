"""Key method 2: recorded messages, round trips and mutations (W-12)."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import PeerError
from tvpn.wire.keyexchange import KeyExchangeMessage, KeySource

CASES = recorded("key_method_2")["cases"]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
RANDOM = st.binary(min_size=32, max_size=32)


def message(**changed: str) -> KeyExchangeMessage:
    return KeyExchangeMessage(KeySource(b"1" * 32, b"2" * 32, b"p" * 48), **{"options": "V4", **changed})


class RecordedTests(SynchronousTestCase):
    def test_both_ways(self) -> None:
        """Genuine messages decode to what was said, and encode to the same bytes again, but for empty strings."""
        for case in CASES:
            for name, from_client in (("client_message", True), ("server_message", False)):
                data = bytes.fromhex(case[name])
                decoded = KeyExchangeMessage.decode(data, from_client)
                self.assertTrue(decoded.options.startswith("V4,dev-type tun,"))
                self.assertEqual(len(decoded.source.pre_master), 48 if from_client else 0)
                self.assertEqual(decoded.encode(), data)
                self.assertIn("tls-client" if from_client else "tls-server", decoded.options)

    def test_client_says_what_it_is(self) -> None:
        """The client's message carries its peer info."""
        decoded = KeyExchangeMessage.decode(bytes.fromhex(CASES[0]["client_message"]), True)
        self.assertTrue(decoded.peer_info.startswith("IV_VER=2.6.14\nIV_PLAT=linux\n"))


class RoundTripTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(RANDOM, RANDOM, st.booleans(), TEXT, TEXT.filter(lambda t: len(t.encode()) < 128), TEXT, TEXT)
    def test_any_message(
        self, first: bytes, second: bytes, client: bool, options: str, username: str, password: str, info: str
    ) -> None:
        """Any message survives encoding and decoding."""
        source = KeySource(first, second, b"p" * 48 if client else b"")
        said = KeyExchangeMessage(source, options, username, password, info)
        self.assertEqual(KeyExchangeMessage.decode(said.encode(), client), said)

    def test_secrets_stay_out_of_repr(self) -> None:
        """Neither password nor randomness is shown."""
        shown = repr(message(username="alice", password="hunter2"))
        self.assertNotIn("hunter2", shown)
        self.assertNotIn("1111", shown)
        self.assertNotIn("pppp", shown)


class MutationTests(SynchronousTestCase):
    def decodes(self, data: bytes, from_client: bool = True) -> KeyExchangeMessage | None:
        """The message, or None for a PeerError; anything else fails the test."""
        try:
            return KeyExchangeMessage.decode(data, from_client)
        except PeerError:
            return None

    def test_each_truncation(self) -> None:
        """W-12: a message cut anywhere before its peer info is refused or has empty strings at its end."""
        data = message(username="alice", password="secret", peer_info="IV_VER=1\n").encode()
        for size in range(len(data)):
            decoded = self.decodes(data[:size])
            if size < 5 + 48 + 64 + 2:
                self.assertIsNone(decoded)
            elif decoded is not None:
                self.assertEqual(decoded.peer_info, "")

    def test_each_length_field(self) -> None:
        """W-12: each length replaced by 0, 1, odd and largest values, or without its NUL: a message or a PeerError."""
        said = message(username="alice", password="secret", peer_info="IV_VER=1\n")
        data = said.encode()
        at = 5 + 48 + 64
        for _ in range(4):
            [length] = struct.unpack_from("!H", data, at)
            for value in (0, 1, 2, length - 1, length + 1, 0x7FFF, 0xFFFF):
                self.decodes(data[:at] + struct.pack("!H", value) + data[at + 2 :])
            self.assertIsNone(self.decodes(data[:at] + b"\xff\xff" + data[at + 2 :]))
            self.decodes(data[: at + 1 + length] + b"x" + data[at + 2 + length :])
            at += 2 + length

    def test_too_long(self) -> None:
        """W-12: options of 512 bytes are refused, 511 are not; credentials of any length are read for their judge."""
        self.assertIsNotNone(self.decodes(message(options="x" * 511).encode()))
        self.assertIsNone(self.decodes(message(options="x" * 512).encode()))
        for name in ("username", "password"):
            self.assertIsNotNone(self.decodes(message(**{name: "x" * 5000}).encode()))

    def test_other_methods(self) -> None:
        """W-12: another key method, or anything in front, is refused."""
        data = message().encode()
        for head in (b"\0\0\0\0\1", b"\0\0\0\0\3", b"\0\0\0\1\2", b"GET /"):
            self.assertIsNone(self.decodes(head + data[5:]))
        self.assertIsNotNone(self.decodes(b"\0\0\0\0\x12" + data[5:]))

    @settings(deadline=None, max_examples=500)
    @given(st.binary(max_size=400), st.booleans(), st.booleans())
    def test_garbage(self, data: bytes, headed: bool, from_client: bool) -> None:
        """W-12: any bytes are a message or a PeerError."""
        self.decodes((b"\0\0\0\0\2" if headed else b"") + data, from_client)
