"""Packets on a stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import Drop
from tvpn.wire.stream import LARGEST_PACKET, Unstreamer, begins_openvpn, encode_burst, encode_packet


class StreamTests(SynchronousTestCase):
    """``u16 length | packet``, in any pieces."""

    def test_vector(self) -> None:
        """The beginning of a recorded stream is the first packets behind their lengths."""
        vector = recorded("tcp_framing")
        packets = [bytes.fromhex(packet["packet"]) for packet in vector["packets"] if packet["dir"] == "c2s"]
        prefix = bytes.fromhex(vector["example_stream_prefix"])
        self.assertTrue(prefix)
        self.assertTrue(b"".join(map(encode_packet, packets)).startswith(prefix))

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.lists(st.integers(1, 700), max_size=40))
    def test_any_pieces(self, packets: list[bytes], cuts: list[int]) -> None:
        """However the stream is cut, the same packets come out, in order."""
        stream = b"".join(map(encode_packet, packets))
        unstreamer = Unstreamer()
        found: list[bytes] = []
        for cut in [*cuts, len(stream)]:
            piece, stream = stream[:cut], stream[cut:]
            found += unstreamer.receive(piece)
        self.assertEqual(found, packets if not stream else packets[: len(found)])

    def test_bad_lengths(self) -> None:
        """W-18: length 0 and lengths that no packet has are a Drop at once; the largest good one is not."""
        for prefix in (b"\0\0", (LARGEST_PACKET + 1).to_bytes(2, "big"), b"\xff\xff", b"GE", b"\x16\x03"):
            if int.from_bytes(prefix, "big") <= LARGEST_PACKET and prefix != b"\0\0":
                self.assertEqual(Unstreamer().receive(prefix), [])
                continue
            with self.assertRaises(Drop) as raised:
                Unstreamer().receive(prefix)
            self.assertEqual(raised.exception.reason, "stream-length")
        packet = bytes(LARGEST_PACKET)
        self.assertEqual(Unstreamer().receive(encode_packet(packet)), [packet])

    def test_tiny_packets(self) -> None:
        """W-18: a hundred thousand one-byte packets in one piece come out, and nothing is kept."""
        unstreamer = Unstreamer()
        self.assertEqual(len(unstreamer.receive(b"\0\1x" * 100_000)), 100_000)
        self.assertEqual(unstreamer.receive(b""), [])

    def test_burst(self) -> None:
        """A burst becomes one packet a segment, the last one shorter."""
        self.assertEqual(Unstreamer().receive(encode_burst(3, b"abcdefgh")), [b"abc", b"def", b"gh"])
        self.assertEqual(Unstreamer().receive(encode_burst(8, b"abcdefgh")), [b"abcdefgh"])

    def test_byte_by_byte(self) -> None:
        """W-18: however slowly it comes, no more than one unfinished packet is kept, and the packet comes out whole."""
        packet = bytes(range(256)) * (LARGEST_PACKET // 256)
        unstreamer, found = Unstreamer(), []
        for byte in encode_packet(packet) * 2:
            found += unstreamer.receive(bytes([byte]))
            self.assertLessEqual(len(unstreamer._rest), LARGEST_PACKET + 2)
        self.assertEqual(found, [packet, packet])

    def test_other_protocols(self) -> None:
        """W-18: HTTP, SSH, a proxy, lengths of nothing and of everything are known by their first two bytes."""
        for words in (b"GET / HTTP/1.0", b"POST / HTTP/1.1", b"SSH-2.0-", b"PROXY TCP4", b"\0\0", b"\xff\xff"):
            self.assertRaises(Drop, Unstreamer().receive, words)
            unstreamer = Unstreamer()
            self.assertEqual(unstreamer.receive(words[:1]), [])
            self.assertRaises(Drop, unstreamer.receive, words[1:2])


class BeginningTests(SynchronousTestCase):
    """OpenVPN or not, by the first three bytes."""

    def test_every_length(self) -> None:
        """Of all two-byte prefixes those of a reset's length stay open, and the third byte settles each of them."""
        for length in range(65536):
            prefix = length.to_bytes(2, "big")
            plain, with_key = 14 <= length <= 255, 336 <= length < 1279
            self.assertIs(begins_openvpn(prefix), None if plain or with_key else False, length)
            self.assertIs(begins_openvpn(prefix + b"\x38"), plain, length)
            self.assertIs(begins_openvpn(prefix + b"\x50 and more"), with_key, length)

    def test_every_opcode(self) -> None:
        """Nothing but a client's reset with key id 0 begins OpenVPN, be it short or long."""
        for prefix, right in ((b"\x00\x56", 0x38), (b"\x01\x60", 0x50)):
            found = [byte for byte in range(256) if begins_openvpn(prefix + bytes([byte]))]
            self.assertEqual(found, [right])

    def test_byte_by_byte(self) -> None:
        """No answer that was given after a byte changes with further ones, and three bytes are always enough."""
        for first in range(256):
            answer = begins_openvpn(bytes([first]))
            self.assertIs(answer, None if first <= 4 else False)
            for second in (0, 13, 14, 79, 80, 254, 255):
                longer = begins_openvpn(bytes([first, second]))
                self.assertTrue(answer is None or longer is answer, (first, second))
                self.assertIsNotNone(begins_openvpn(bytes([first, second, 0x38])))
        self.assertIsNone(begins_openvpn(b""))

    def test_others(self) -> None:
        """What web browsers, SSH and mail say is none at the first byte; a recorded client is one."""
        for start in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1", b"PRI * HTTP/2.0", b"SSH-2.0-x", b"EHLO x"):
            self.assertIs(begins_openvpn(start[:1]), False)
            self.assertIs(begins_openvpn(start), False)
        self.assertIs(begins_openvpn(bytes.fromhex(recorded("tcp_framing")["example_stream_prefix"])), True)
