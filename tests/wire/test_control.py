"""Control packets against recorded ones, and against whatever strangers send."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import recorded
from tvpn.errors import Drop
from tvpn.wire.control import (
    LARGEST_PAYLOAD,
    ControlPacket,
    decode_early_negotiation,
    decode_header,
    encode_early_negotiation,
)
from tvpn.wire.header import DATA_FIRST_BYTES, Opcode

IDS = st.integers(0, 2**32 - 1)
SESSION_IDS = st.binary(min_size=8, max_size=8).filter(any)
RELIABLE = [opcode for opcode in Opcode if opcode not in (Opcode.ACK, Opcode.DATA_V1, Opcode.DATA_V2)]


def recorded_packets() -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """(case, header, plain body) of every recorded control packet."""
    v2, real = recorded("tls_crypt_v2"), recorded("real_session_tls_crypt_v2")
    cases = [
        packet for name in ("tls_auth", "tls_crypt") for case in recorded(name)["cases"] for packet in case["packets"]
    ]
    cases += recorded("tcp_framing")["packets"]
    cases += [
        packet for name in ("handshake_early_negotiation", "handshake_old_style") for packet in v2[name]["packets"]
    ]
    cases += [p for p in real["packets"] if bytes.fromhex(p["packet"])[0] not in DATA_FIRST_BYTES and "body" in p]
    for case in cases:
        body = bytes.fromhex(case.get("plain_body_hex") or case["body"])
        yield case, bytes.fromhex(case["packet"])[:9], body


@st.composite
def packets(draw: st.DrawFn) -> ControlPacket:
    acks = tuple(draw(st.lists(IDS, max_size=8)))
    remote = draw(SESSION_IDS) if acks else b""
    if acks and draw(st.booleans()):
        return ControlPacket(Opcode.ACK, draw(st.integers(0, 7)), draw(SESSION_IDS), acks, remote)
    opcode, key_id, payload = draw(st.sampled_from(RELIABLE)), draw(st.integers(0, 7)), draw(st.binary(max_size=300))
    return ControlPacket(opcode, key_id, draw(SESSION_IDS), acks, remote, draw(IDS), payload)


class RecordedPacketTests(SynchronousTestCase):
    def test_both_ways(self) -> None:
        """Every packet of genuine daemons decodes, and encodes to the same bytes again."""
        number = 0
        for case, header, body in recorded_packets():
            packet = ControlPacket.decode(header, body)
            self.assertEqual((packet.header, packet.encode_body()), (header, body))
            self.assertEqual(packet.opcode, case.get("opcode", packet.opcode))
            if "acks" in case:
                expected = (tuple(case["acks"]), case.get("message_id"), case.get("payload_len", 0))
                self.assertEqual((packet.acks, packet.message_id, len(packet.payload)), expected)
            number += 1
        self.assertGreater(number, 80)

    def test_truncated(self) -> None:
        """Every truncation of a genuine body is a Drop or a shorter payload, and nothing else."""
        for _, header, body in recorded_packets():
            fixed = 1 + 4 * body[0] + (8 if body[0] else 0) + (0 if header[0] >> 3 == Opcode.ACK else 4)
            for size in range(len(body)):
                if size < fixed:
                    self.assertRaises(Drop, ControlPacket.decode, header, body[:size])
                else:
                    self.assertEqual(ControlPacket.decode(header, body[:size]).payload, body[fixed:size])
            for size in range(9):
                self.assertRaises(Drop, ControlPacket.decode, header[:size], body)


class RoundTripTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=300)
    @given(packets())
    def test_any_packet(self, packet: ControlPacket) -> None:
        """Any packet survives encoding and decoding."""
        self.assertEqual(ControlPacket.decode(packet.header, packet.encode_body()), packet)

    @settings(deadline=None, max_examples=500)
    @given(st.binary(max_size=12), st.binary(max_size=100))
    def test_garbage(self, header: bytes, body: bytes) -> None:
        """Any bytes are a Drop or a packet that encodes to the same bytes."""
        try:
            packet = ControlPacket.decode(header, body)
        except Drop:
            return
        self.assertEqual((packet.header, packet.encode_body()), (header[:9], body))


class RefusalTests(SynchronousTestCase):
    def test_malformed_bodies(self) -> None:
        """W-03: more than eight acks, an ACK without acks or with more behind them, and too much payload are Drops."""
        control, ack = bytes([Opcode.CONTROL << 3]) + b"sessioni", bytes([Opcode.ACK << 3]) + b"sessioni"
        table = [
            (control, b""),
            (control, b"\x09" + bytes(4 * 9 + 8 + 4)),
            (control, b"\xff" * 50),
            (control, b"\x00" + bytes(4 + LARGEST_PAYLOAD + 1)),
            (control, b"\x00" + bytes(4 + 65000)),
            (ack, b"\x00"),
            (ack, b"\x01" + bytes(12) + b"x"),
            (ack, b"\x01" + bytes(11)),
        ]
        for header, body in table:
            self.assertRaises(Drop, ControlPacket.decode, header, body)
        longest = ControlPacket.decode(control, bytes(5 + LARGEST_PAYLOAD))
        self.assertEqual(len(longest.payload), LARGEST_PAYLOAD)

    def test_headers(self) -> None:
        """W-05, W-06: a short header, an opcode that nobody speaks and a zero session id are Drops with their names."""
        table = [
            (b"", "control-short"),
            (b"\x20sessio", "control-short"),
            (b"\x08sessioni", "opcode-unknown"),
            (b"\xffsessioni", "opcode-unknown"),
            (b"\x20" + bytes(8), "session-id-zero"),
        ]
        for header, reason in table:
            error = self.assertRaises(Drop, decode_header, header)
            self.assertEqual(error.reason, reason)


class EarlyNegotiationTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """The flag is spelled as a genuine server spells it."""
        self.assertEqual(encode_early_negotiation(1).hex(), "000100020001")
        self.assertEqual(decode_early_negotiation(bytes.fromhex("000100020001")), 1)

    def test_unknown_types_are_skipped(self) -> None:
        """What is not known is passed over; nothing at all means no flags."""
        unknown = struct.pack("!HH", 7, 3) + b"abc"
        self.assertEqual(decode_early_negotiation(unknown + encode_early_negotiation(3) + unknown), 3)
        self.assertEqual(decode_early_negotiation(b""), 0)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=40))
    def test_garbage(self, payload: bytes) -> None:
        """Any bytes are flags or a Drop."""
        try:
            self.assertTrue(0 <= decode_early_negotiation(payload) <= 0xFFFF)
        except Drop as drop:
            self.assertEqual(drop.reason, "early-negotiation-malformed")
