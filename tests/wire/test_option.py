"""What peers say of themselves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.wire.keyexchange import KeyExchangeMessage
from tvpn.wire.option import (
    LONGEST_PEER_INFO,
    LONGEST_PEER_INFO_LINE,
    MOST_PEER_INFO,
    Proto,
    cipher_list,
    decode_peer_info,
    encode_options_string,
    encode_peer_info,
    join_ciphers,
    options_string_value,
    peer_protocol,
)


class PeerInfoTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """A genuine client's peer info is read whole."""
        data = bytes.fromhex(recorded("key_method_2")["cases"][0]["client_message"])
        info = decode_peer_info(KeyExchangeMessage.decode(data, True).peer_info)
        self.assertEqual(info["IV_VER"], "2.6.14")
        self.assertIn(Proto.DATA_V2 | Proto.TLS_KEY_EXPORT, peer_protocol(info))

    def test_sanitised(self) -> None:
        """Only IV_ and UV_ names; values are freed of what a shell, a terminal or a log line would heed."""
        table = [
            ("IV_VER=2.6.14", {"IV_VER": "2.6.14"}),
            ("UV_NAME=a b", {"UV_NAME": "a_b"}),
            ("IV_X=$(reboot)", {"IV_X": "__reboot)"}),
            ("IV_X=`id`", {"IV_X": "_id_"}),
            ("IV_X=\x1b[31m\x7f\xe9", {"IV_X": "_[31m__"}),
            ("IV_X=a\tb\rc", {"IV_X": "a_b_c"}),
            ("IV_X=", {"IV_X": ""}),
            ("IV_X=a=b", {"IV_X": "a=b"}),
            ("PATH=/tmp", {}),
            ("iv_x=1", {}),
            ("IV_=1", {}),
            ("IV_A-B=1", {}),
            ("XIV_A=1", {}),
            ("IV_X", {}),
            ("IV_" + "A" * 61 + "=1", {}),
            ("IV_X=" + "1" * LONGEST_PEER_INFO_LINE, {}),
            ("IV_A=1\nnonsense\n\nIV_B=2\n", {"IV_A": "1", "IV_B": "2"}),
        ]
        for text, values in table:
            self.assertEqual(decode_peer_info(text), values, text)

    def test_bounded(self) -> None:
        """S-13: fifty variables are kept, the last of each name; after four kilobytes nothing is read, no cut line."""
        text = "".join(f"UV_{number}=x\n" for number in range(10_000))
        self.assertEqual(len(decode_peer_info(text)), MOST_PEER_INFO)
        self.assertEqual(decode_peer_info("IV_X=1\nIV_X=2\n" * 100), {"IV_X": "2"})
        long = "".join(f"UV_{number:02}={'x' * 200}\n" for number in range(400))
        self.assertEqual(len(decode_peer_info(long)), LONGEST_PEER_INFO // 207)
        self.assertEqual(decode_peer_info("UV_A=" + "x" * (1 << 16)), {})

    @settings(deadline=None, max_examples=300)
    @given(st.text(max_size=200))
    def test_garbage(self, text: str) -> None:
        """Whatever comes, what is kept is printable ASCII without blanks, and survives being written and read."""
        values = decode_peer_info(text.replace("X", "\nIV_X="))
        for value in values.values():
            self.assertTrue(all("!" <= letter <= "~" for letter in value))
        self.assertEqual(decode_peer_info(encode_peer_info(values)), values)

    def test_protocol(self) -> None:
        """IV_PROTO is a number; absent, signed, foreign or huge it means nothing."""
        table = [("990", 990), ("0", 0), ("", 0), ("-2", 0), ("+2", 0), ("2 ", 0), ("²", 0), ("٣", 0), ("9" * 10, 0)]
        for text, protocol in table:
            self.assertEqual(int(peer_protocol({"IV_PROTO": text})), protocol, text)
        self.assertEqual(peer_protocol({}), Proto(0))


class OptionsStringTests(SynchronousTestCase):
    def test_as_recorded(self) -> None:
        """Our server's string is what a genuine server sends for the same settings, as UDP server."""
        data = bytes.fromhex(recorded("key_method_2")["cases"][0]["server_message"])
        genuine = KeyExchangeMessage.decode(data, False).options
        self.assertEqual(encode_options_string(True, None, "SHA1", 1500), genuine)

    def test_frames(self) -> None:
        """Of a TAP device it is what a genuine 2.6 server says: the header of a frame is in link-mtu only."""
        options = encode_options_string(True, None, "SHA1", 1500, tap=True)
        self.assertEqual(options.split(",")[:4], ["V4", "dev-type tap", "link-mtu 1573", "tun-mtu 1500"])

    def test_values(self) -> None:
        """A word's value is found among the items, never inside another one."""
        options = encode_options_string(False, "AES-256-GCM", "SHA256", 1500)
        table = [("cipher", "AES-256-GCM"), ("auth", "SHA256"), ("tls-client", ""), ("mtu", None), ("tls-server", None)]
        for word, value in table:
            self.assertEqual(options_string_value(options, word), value)


class CipherListTests(SynchronousTestCase):
    def test_lists(self) -> None:
        """Names are upper case, empty ones vanish, and a list survives its writing."""
        self.assertEqual(cipher_list("aes-256-gcm::Chacha20-Poly1305:"), ("AES-256-GCM", "CHACHA20-POLY1305"))
        self.assertEqual(cipher_list(""), ())
        self.assertEqual(cipher_list(join_ciphers(("A", "B"))), ("A", "B"))
