"""CBC and HMAC: recorded packets, forged ones, and what may not repeat."""

from __future__ import annotations

import hmac
from itertools import product

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto import cbc
from tvpn.crypto.cbc import CBCOpener, CBCSealer
from tvpn.crypto.derive import data_keys
from tvpn.crypto.mac import HMAC_SIZES
from tvpn.crypto.seal import LAST_PACKET_ID
from tvpn.crypto.suite import largest_packet, sealer_and_opener
from tvpn.errors import Drop
from tvpn.wire.data import encode_header
from tvpn.wire.header import Opcode

HEADERS = (encode_header(3, None), encode_header(3, 0x123456))
KEY, MAC_KEY = bytes(range(32)), bytes(range(100, 164))


def pair(digest: str = "SHA256", size: int = 32) -> tuple[CBCSealer, CBCOpener]:
    key, mac_key = KEY[:size], MAC_KEY[: HMAC_SIZES[digest]]
    return CBCSealer(key, mac_key, digest), CBCOpener(key, mac_key, digest)


def forge(plain: bytes, digest: str = "SHA256", iv: bytes = bytes(16)) -> bytes:
    """A packet with a right HMAC around whatever plaintext."""
    body = iv + Cipher(AES(KEY), CBC(iv)).encryptor().update(plain)
    return HEADERS[1] + hmac.digest(MAC_KEY[: HMAC_SIZES[digest]], body, digest) + body


class CBCTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """C-07: genuine packets of both directions, V1 and V2, SHA1 and SHA256, open; ours open in the same way."""
        seen = set()
        for case in recorded("data_cbc")["cases"]:
            material, cipher, auth = bytes.fromhex(case["key2"]), case["cipher"], case["auth"]
            ends = {"c2s": data_keys(material, cipher, True, auth), "s2c": data_keys(material, cipher, False, auth)}
            for packet in case["packets"]:
                datagram, plain = bytes.fromhex(packet["packet"]), bytes.fromhex(packet["plaintext"])
                size = 1 if datagram[0] >> 3 == Opcode.DATA_V1 else 4
                opener = sealer_and_opener(ends[packet["dir"]])[1]
                packet_id, opened = opener.open(datagram, size)
                self.assertEqual(opened, plain)
                self.assertGreater(packet_id, 0)
                own = sealer_and_opener(ends["s2c" if packet["dir"] == "c2s" else "c2s"])[0]
                self.assertEqual(opener.open(own.seal(datagram[:size], [plain]), size), (1, plain))
                seen.add((packet["dir"], size, auth))
        self.assertEqual({auth for _, _, auth in seen}, {"SHA1", "SHA256"})
        self.assertEqual({size for _, size, _ in seen}, {1, 4})

    @settings(deadline=None, max_examples=50)
    @given(
        st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=8), st.sampled_from(sorted(HMAC_SIZES)),
        st.sampled_from((16, 24, 32)),
    )  # fmt: skip
    def test_burst_round_trip(self, packets: list[bytes], digest: str, size: int) -> None:
        """A burst is one buffer of datagrams that open to the packets, as many bytes larger as was said."""
        for header in HEADERS:
            sealer, opener = pair(digest, size)
            buffer, at = sealer.seal(header, packets), 0
            for number, packet in enumerate(packets, 1):
                end = at + len(packet) + sealer.overhead(header, len(packet))
                self.assertEqual(opener.open(buffer[at:end], len(header)), (number, packet))
                at = end
            self.assertEqual(at, len(buffer))

    def test_standard_form(self) -> None:
        """What we seal is CBC as anybody does it: the IV in front, chained from there, PKCS 7, packet id first."""
        sealer, _ = pair()
        for number in (1, 2, 3):
            datagram = sealer.seal(HEADERS[1], [b"inner packet"])
            body = datagram[4 + 32 :]
            self.assertEqual(hmac.digest(MAC_KEY[:32], body, "sha256"), datagram[4:36])
            plain = Cipher(AES(KEY), CBC(body[:16])).decryptor().update(body[16:])
            self.assertEqual(plain, number.to_bytes(4, "big") + b"inner packet" + b"\x10" * 16)

    def test_fresh_ivs(self) -> None:
        """Every packet has an IV of its own, even the same packet in the same burst."""
        sealer, _ = pair()
        buffer = sealer.seal(HEADERS[0], [b"same"] * 1000) + sealer.seal(HEADERS[0], [b"same"] * 1000)
        size = 4 + sealer.overhead(HEADERS[0], 4)
        self.assertEqual(len({buffer[at + 33 : at + 49] for at in range(0, len(buffer), size)}), 2000)

    def test_each_flipped_bit_is_refused(self) -> None:
        """C-08: HMAC, IV, ciphertext: any bit flipped is a Drop. The header is not covered by this old format."""
        for header in HEADERS:
            sealer, opener = pair()
            datagram = sealer.seal(header, [b"inner packet"])
            for forged in each_bit_flipped(datagram)[8 * len(header) :]:
                self.assertEqual(self.assertRaises(Drop, opener.open, forged, len(header)).reason, "data-forged")
            self.assertEqual(opener.open(datagram, len(header))[1], b"inner packet")

    def test_malformed(self) -> None:
        """W-14: lengths that cannot be, an IV alone, bad padding and no payload under a right HMAC: silent drops."""
        _, opener = pair()
        whole = forge(bytes(4) + b"x" * 11 + b"\x01")
        self.assertEqual(opener.open(whole, 4), (0, b"x" * 11))
        for size in range(len(whole)):
            self.assertRaises(Drop, opener.open, whole[:size], 4)
        for padding in (b"\0", b"\x11", b"\xff", b"\x03\x02\x03", b"\x02"):
            plain = bytes(4) + b"x" * (12 - len(padding)) + padding
            self.assertEqual(self.assertRaises(Drop, opener.open, forge(plain), 4).reason, "data-padding")
        self.assertRaises(Drop, opener.open, forge(bytes(4) + b"\x0c" * 12), 4)
        self.assertRaises(Drop, opener.open, forge(b"\x10" * 16), 4)

    def test_mac_first(self) -> None:
        """C-09: a packet whose HMAC is wrong is never decrypted."""
        sealer, opener = pair()
        decrypted: list[bytes] = []
        opener._decrypt = decrypted.append
        datagram = bytearray(sealer.seal(HEADERS[1], [b"inner"]))
        for at in range(4, len(datagram)):
            forged = bytes(datagram[:at]) + bytes([datagram[at] ^ 1]) + bytes(datagram[at + 1 :])
            self.assertRaises(Drop, opener.open, forged, 4)
        self.assertEqual((decrypted, opener.failed), ([], len(datagram) - 4))

    def test_other_keys(self) -> None:
        """Both keys and the digest have to fit."""
        datagram = pair()[0].seal(HEADERS[1], [b"inner"])
        for opener in (
            CBCOpener(KEY, MAC_KEY[1:33], "SHA256"), CBCOpener(KEY, MAC_KEY[:64], "SHA512"), pair("SHA1")[1],
        ):  # fmt: skip
            self.assertRaises(Drop, opener.open, datagram, 4)

    def test_run_out(self) -> None:
        """C-02: the last id that fits is used, then everything is a Drop."""
        sealer, _ = pair()
        sealer.sent = LAST_PACKET_ID - 2
        self.assertTrue(sealer.is_nearly_spent)
        sealer.seal(HEADERS[1], [b"p"])
        self.assertEqual(self.assertRaises(Drop, sealer.seal, HEADERS[1], [b"p"]).reason, "packet-ids-spent")

    def test_largest_packet(self) -> None:
        """It fills a datagram as far as blocks allow: one byte more does not fit."""
        for digest, header, size in product(HMAC_SIZES, HEADERS, range(200, 233)):
            sealer, _ = pair(digest)
            most = largest_packet(size, len(header), "AES-256-CBC", digest, False)
            self.assertLessEqual(most + sealer.overhead(header, most), size)
            self.assertGreater(most + 1 + sealer.overhead(header, most + 1), size)
        self.assertEqual(cbc.BLOCK, 16)
