"""Static keys and tls-crypt-v2 keys, in files and wrapped."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto.statickey import (
    WKC_MAXIMUM,
    WKC_MINIMUM,
    KeyFileError,
    StaticKey,
    TLSCryptV2ClientKey,
    TLSCryptV2ServerKey,
    split_wrapped_key,
)
from tvpn.errors import Drop

VECTORS = recorded("tls_crypt_v2")
KEY = StaticKey(bytes(range(256)))


class StaticKeyFileTests(SynchronousTestCase):
    def test_text_round_trip(self) -> None:
        """What is written is read back, 16 lines of 32 digits between header and footer."""
        lines = KEY.text.splitlines()
        self.assertEqual(len(lines), 18)
        self.assertEqual({len(line) for line in lines[1:-1]}, {32})
        self.assertEqual(StaticKey.from_text(KEY.text), KEY)

    def test_comments_and_windows_lines(self) -> None:
        """Comments around the block and CRLF line ends do no harm."""
        text = "#\n# 2048 bit OpenVPN static key\n#\n" + KEY.text + "\ntrailing words"
        self.assertEqual(StaticKey.from_text(text.replace("\n", "\r\n")), KEY)

    def test_refused_files(self) -> None:
        """A file without block, without end, with foreign digits or of a wrong size is refused with its reason."""
        lines = KEY.text.splitlines()
        table = [
            ("", "no complete"),
            ("\n".join(lines[:-1]), "no complete"),
            ("\n".join([lines[-1], *lines[1:-1], lines[0]]), "no complete"),
            (KEY.text.replace("00", "zz", 1), "hexadecimal"),
            ("\n".join([*lines[:-2], lines[-1]]), "this one has 240"),
            ("\n".join([*lines[:-1], "00", lines[-1]]), "this one has 257"),
        ]
        for text, reason in table:
            with self.assertRaises(KeyFileError) as caught:
                StaticKey.from_text(text)
            self.assertIn(reason, str(caught.exception))

    def test_slots(self) -> None:
        """Direction 0 sends with the first half, receives with the second, 1 the reverse, None the first both ways."""
        first, second = KEY.slot(0), KEY.slot(1)
        self.assertEqual((first.cipher[0], first.hmac[0], second.cipher[0], second.hmac[0]), (0, 64, 128, 192))
        self.assertEqual(KEY.slots(0), (first, second))
        self.assertEqual(KEY.slots(1), (second, first))
        self.assertEqual(KEY.slots(None), (first, first))

    def test_secrets_stay_out_of_repr(self) -> None:
        """No representation shows key bytes."""
        client = TLSCryptV2ServerKey(bytes(128)).issue(lambda size: b"\xabK" * (size // 2), 1)
        for shown in (repr(KEY), repr(KEY.slot(0)), repr(client), repr(TLSCryptV2ServerKey(b"\xabK" * 64))):
            self.assertNotIn("xab", shown)
            self.assertNotIn("bytes", shown)
            self.assertLess(len(shown), 80)


class WrappedClientKeyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = TLSCryptV2ServerKey.from_pem(VECTORS["server_key_pem"])

    def test_recorded_keys(self) -> None:
        """Genuine client keys open under their server key, and wrapping Kc again gives the same bytes."""
        for case in VECTORS["client_keys"]:
            client = TLSCryptV2ClientKey.from_pem(case["pem"])
            self.assertEqual(client.key.data.hex(), case["kc_hex"])
            self.assertEqual(client.wrapped.hex(), case["wkc_hex"])
            key, metadata = self.server.unwrap(client.wrapped)
            self.assertEqual((key, metadata.hex()), (client.key, case["metadata_hex"]))
            self.assertEqual(self.server.wrap(key, metadata), client.wrapped)

    def test_pem_round_trip(self) -> None:
        """Both kinds of key are written as the genuine tool writes them."""
        self.assertEqual(self.server.pem, VECTORS["server_key_pem"])
        for case in VECTORS["client_keys"]:
            self.assertEqual(TLSCryptV2ClientKey.from_pem(case["pem"]).pem, case["pem"])

    def test_issued_key(self) -> None:
        """A client key of our own opens, with the time of its making as metadata."""
        client = self.server.issue(os.urandom, 1_900_000_000)
        key, metadata = self.server.unwrap(client.wrapped)
        self.assertEqual(key, client.key)
        self.assertEqual(metadata, b"\1" + (1_900_000_000).to_bytes(8, "big"))

    def test_each_flipped_bit_is_refused(self) -> None:
        """A wrapped key with any single bit changed is a Drop."""
        wrapped = self.server.issue(os.urandom, 1).wrapped
        for forged in each_bit_flipped(wrapped):
            with self.assertRaises(Drop):
                self.server.unwrap(forged)

    def test_other_server_key_is_refused(self) -> None:
        """A client key of another server is a Drop."""
        wrapped = TLSCryptV2ServerKey.generate(os.urandom).issue(os.urandom, 1).wrapped
        error = self.assertRaises(Drop, self.server.unwrap, wrapped)
        self.assertEqual(error.reason, "wrapped-key-forged")

    def test_sizes(self) -> None:
        """The longest metadata fits, one byte more is refused, and so is everything shorter than a key."""
        longest = WKC_MAXIMUM - WKC_MINIMUM
        self.assertEqual(self.server.unwrap(self.server.wrap(KEY, bytes(longest)))[1], bytes(longest))
        with self.assertRaises(Drop):
            self.server.unwrap(self.server.wrap(KEY, bytes(longest + 1)))
        for size in (0, 1, 2, WKC_MINIMUM - 1):
            with self.assertRaises(Drop):
                self.server.unwrap(bytes(size))

    def test_refused_pem(self) -> None:
        """A key file of another kind, broken base64 or a wrong length is refused with its reason."""
        client = VECTORS["client_keys"][0]["pem"]
        lines = client.splitlines()
        table = [
            (self.server.pem, "no complete"),
            (client.replace("pbCZ", "p?CZ"), "not base64"),
            ("\n".join([lines[0], *lines[2:]]), "wrong length"),
        ]
        for text, reason in table:
            with self.assertRaises(KeyFileError) as caught:
                TLSCryptV2ClientKey.from_pem(text)
            self.assertIn(reason, str(caught.exception))
        with self.assertRaises(KeyFileError):
            TLSCryptV2ServerKey.from_pem(client)


class SplitTests(SynchronousTestCase):
    def test_split(self) -> None:
        """The trailing length says where the packet ends and the wrapped key begins."""
        wrapped = TLSCryptV2ServerKey(bytes(128)).issue(os.urandom, 1).wrapped
        self.assertEqual(split_wrapped_key(b"packet" + wrapped), (b"packet", wrapped))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=1200), st.integers(0, 65535))
    def test_garbage(self, data: bytes, length: int) -> None:
        """Any bytes with any length at their end are split within bounds or dropped."""
        datagram = data + length.to_bytes(2, "big")
        try:
            packet, wrapped = split_wrapped_key(datagram)
        except Drop:
            return
        self.assertEqual(packet + wrapped, datagram)
        self.assertEqual(len(wrapped), length)
        self.assertTrue(WKC_MINIMUM <= length <= WKC_MAXIMUM)
