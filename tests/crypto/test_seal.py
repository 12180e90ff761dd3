"""Sealing and opening of data packets: recorded ones, forged ones, and ids that never repeat."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto.derive import AEAD_CIPHERS, KEY_SIZES, DataKeys, data_keys
from tvpn.crypto.seal import LAST_PACKET_ID, AEADOpener, AEADSealer
from tvpn.errors import Drop
from tvpn.wire.data import V1_HEADER_SIZE, V2_HEADER_SIZE, encode_header
from tvpn.wire.header import Opcode

IV = b"implicit"
HEADERS = (encode_header(3, None), encode_header(3, 0x123456))


def pair(cipher: str = "AES-256-GCM") -> tuple[AEADSealer, AEADOpener]:
    key = bytes(range(KEY_SIZES[cipher]))
    return AEADSealer(cipher, key, IV), AEADOpener(cipher, key, IV)


def header_size(datagram: bytes) -> int:
    return V1_HEADER_SIZE if datagram[0] >> 3 == Opcode.DATA_V1 else V2_HEADER_SIZE


class RecordedPacketTests(SynchronousTestCase):
    def check(
        self, keys: dict[str, tuple[AEADSealer, AEADOpener]], direction: str, datagram: bytes, plain: bytes
    ) -> None:
        """The packet opens to its plaintext, and sealing that under the same id gives the same bytes."""
        sealer, opener = keys[direction]
        size = header_size(datagram)
        packet_id, opened = opener.open(datagram, size)
        self.assertEqual(opened, plain)
        sealer.sent = packet_id - 1
        self.assertEqual(sealer.seal(datagram[:size], [plain]), datagram)

    def test_every_cipher_and_format(self) -> None:
        """C-07: genuine packets of each cipher, V1 and V2, both directions."""
        formats = set()
        for case in recorded("data_aead")["cases"]:
            client: DataKeys = data_keys(bytes.fromhex(case["key2"]), case["cipher"], server=False)
            keys = {
                "c2s": (AEADSealer(client.cipher, client.send_key, client.send_salt),
                        AEADOpener(client.cipher, client.send_key, client.send_salt)),
                "s2c": (AEADSealer(client.cipher, client.receive_key, client.receive_salt),
                        AEADOpener(client.cipher, client.receive_key, client.receive_salt)),
            }  # fmt: skip
            for packet in case["packets"]:
                datagram = bytes.fromhex(packet["packet"])
                self.check(keys, packet["dir"], datagram, bytes.fromhex(packet["plaintext"]))
                formats.add((case["cipher"], header_size(datagram)))
        self.assertEqual({cipher for cipher, _ in formats}, {"AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"})
        self.assertEqual({size for _, size in formats}, {V1_HEADER_SIZE, V2_HEADER_SIZE})

    def test_renegotiated_key(self) -> None:
        """C-07: the first data packet under key 1 opens with the key derived in the renegotiation."""
        for case in recorded("dynamic_tls_crypt")["cases"]:
            material = bytes.fromhex(case["data_key2_kid1"])
            opened = 0
            for cipher in AEAD_CIPHERS:
                keys = data_keys(material, cipher, server=True)
                for packet in case["data_packets_kid1"]:
                    for key, iv in ((keys.receive_key, keys.receive_salt), (keys.send_key, keys.send_salt)):
                        try:
                            AEADOpener(cipher, key, iv).open(bytes.fromhex(packet), V2_HEADER_SIZE)
                        except Drop:
                            continue
                        opened += 1
            self.assertEqual(opened, len(case["data_packets_kid1"]))

    def test_real_session(self) -> None:
        """C-07: all data packets that two genuine daemons exchanged, before and after a renegotiation."""
        case = recorded("real_session_tls_crypt_v2")
        names = {"c2s": "client_to_server", "s2c": "server_to_client"}
        packets = [packet for packet in case["packets"] if packet["opcode"] == Opcode.DATA_V2]
        for packet in packets:
            key = bytes.fromhex(case["data_keys"][names[packet["dir"]]][packet["key_id"]])
            iv = bytes.fromhex(packet["implicit_iv"])
            keys = {packet["dir"]: (AEADSealer(case["cipher"], key, iv), AEADOpener(case["cipher"], key, iv))}
            self.check(keys, packet["dir"], bytes.fromhex(packet["packet"]), bytes.fromhex(packet["plaintext"]))
        self.assertEqual({(packet["dir"], packet["key_id"]) for packet in packets},
                         {(way, key_id) for way in names for key_id in (0, 1)})  # fmt: skip


class SealTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8), st.sampled_from(sorted(AEAD_CIPHERS)))
    def test_burst_round_trip(self, packets: list[bytes], cipher: str) -> None:
        """A burst is one buffer of datagrams that open to the packets, with ids one after the other."""
        for header in HEADERS:
            sealer, opener = pair(cipher)
            buffer = sealer.seal(header, packets)
            at = 0
            for number, packet in enumerate(packets, 1):
                size = len(packet) + sealer.overhead(header, len(packet))
                self.assertEqual(opener.open(buffer[at : at + size], len(header)), (number, packet))
                at += size
            self.assertEqual(at, len(buffer))

    def test_each_flipped_bit_is_refused(self) -> None:
        """C-08: ciphertext, tag, packet id and, in V2, opcode, key id and peer id: any bit flipped is a Drop."""
        for cipher in AEAD_CIPHERS:
            for header in HEADERS:
                sealer, opener = pair(cipher)
                datagram = sealer.seal(header, [b"inner packet"])
                unprotected = 8 if len(header) == V1_HEADER_SIZE else 0
                for forged in each_bit_flipped(datagram)[unprotected:]:
                    self.assertRaises(Drop, opener.open, forged, len(header))

    def test_each_truncation_is_refused(self) -> None:
        """A cut packet is a Drop; so is one without any payload."""
        for header in HEADERS:
            sealer, opener = pair()
            datagram = sealer.seal(header, [b"x"])
            for size in range(len(datagram)):
                self.assertRaises(Drop, opener.open, datagram[:size], len(header))
            self.assertRaises(Drop, opener.open, sealer.seal(header, [b""]), len(header))

    def test_other_key_or_iv_is_refused(self) -> None:
        """Both key and implicit IV have to fit."""
        sealer, _ = pair()
        datagram = sealer.seal(HEADERS[1], [b"inner"])
        for opener in (
            AEADOpener("AES-256-GCM", bytes(32), IV),
            AEADOpener("AES-256-GCM", bytes(range(32)), b"Implicit"),
            AEADOpener("CHACHA20-POLY1305", bytes(range(32)), IV),
        ):
            self.assertRaises(Drop, opener.open, datagram, V2_HEADER_SIZE)


class PacketIdTests(SynchronousTestCase):
    def test_ids_never_repeat(self) -> None:
        """C-01: over many bursts of all sizes each id is used once, from 1 on."""
        sealer, opener = pair()
        seen = []
        for burst in range(1, 60):
            buffer = sealer.seal(HEADERS[1], [b"p"] * burst)
            size = sealer.overhead(HEADERS[1], 1) + 1
            seen += [opener.open(buffer[at : at + size], 4)[0] for at in range(0, len(buffer), size)]
        self.assertEqual(seen, list(range(1, len(seen) + 1)))

    def test_run_out(self) -> None:
        """C-02: the last burst that fits is sealed; after it everything is a Drop, and the counter stays."""
        sealer, opener = pair()
        sealer.sent = LAST_PACKET_ID - 3
        self.assertRaises(Drop, sealer.seal, HEADERS[1], [b"p"] * 3)
        self.assertEqual(sealer.sent, LAST_PACKET_ID - 3)
        buffer = sealer.seal(HEADERS[1], [b"p"] * 2)
        self.assertEqual(opener.open(buffer[: len(buffer) // 2], 4)[0], LAST_PACKET_ID - 2)
        for _ in range(3):
            error = self.assertRaises(Drop, sealer.seal, HEADERS[1], [b"p"])
            self.assertEqual(error.reason, "packet-ids-spent")
