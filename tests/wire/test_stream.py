"""Packets on a stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import Drop
from tvpn.wire.stream import LARGEST_PACKET, Unstreamer, encode_burst, encode_packet


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
