"""Garbage in data packets, and garbage that was sealed: dropped, counted, answered by nothing."""

from __future__ import annotations

import hmac
import os
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tests.plane.scene import ALICE, INNER, INNER_V6, NEW, NOW, WORLD, PlaneTestCase, ipv6_packet
from tests.whole.simulation import ipv4_packet
from tests.wire.test_ip import is_right, tcp
from tvpn.crypto.derive import DataKeys, data_keys
from tvpn.plane.verbs import PeerSpec
from tvpn.wire.data import NO_PEER_ID, PING, Framing, encode_header

SIZES = (*range(71), 1500, 9000, 65507)
#: The least that a packet of each format has behind its header: what comes before the ciphertext, and some of that.
FORMATS = {
    "AES-256-GCM": (4 + 16 + 1, {}),
    "CHACHA20-POLY1305": (4 + 16 + 1, {}),
    "AES-256-CBC": (20 + 2 * 16, {"digest": "SHA1"}),
    "epochs": (8 + 16 + 1, {"epochs": True}),
}


def keys_of(form: str) -> DataKeys:
    cipher = "AES-256-GCM" if form == "epochs" else form
    return data_keys(bytes(range(1, 256)) + b"\0", cipher, True, **FORMATS[form][1])


class GarbageTests(PlaneTestCase):
    """Not sealed by anybody we know."""

    def use(self, form: str) -> None:
        self.plane.add(0, ALICE, replace(self.spec, addresses=(INNER[0],), wire_peer_id=0), NOW)
        self.plane.install(0, 0, keys_of(form))
        self.plane.use(0, 0)

    def test_sizes(self) -> None:
        """W-13: garbage of all sizes, V1 and V2, of this peer, another, none, unknown: nobody gets anything, nobody is
        answered, nobody moves, and what is too short for its format meets no cipher.
        """
        for form, (least, _) in FORMATS.items():
            self.use(form)
            self.plane.take_events()
            opener = self.plane._peers[0].slots.get(0).opener
            for header in (encode_header(0, None), *(encode_header(0, peer) for peer in (0, 1, NO_PEER_ID, 0x123456))):
                for size in SIZES:
                    datagram = header + os.urandom(size)
                    before = opener.failed
                    self.arrive(ALICE, datagram)
                    is_own = header in (encode_header(0, None), encode_header(0, 0), encode_header(0, NO_PEER_ID))
                    tried = opener.failed - before
                    if not is_own or size < least or (form == "epochs" and len(header) == 1):
                        self.assertEqual(tried, 0, f"{form} {header.hex()} {size}")
                    elif form == "AES-256-CBC":
                        self.assertEqual(tried, int((size - 20) % 16 == 0), f"{form} {header.hex()} {size}")
                    elif form != "epochs":
                        self.assertEqual(tried, 1, f"{form} {header.hex()} {size}")
                    self.arrive(NEW, datagram)
            self.assertEqual((self.plane.take(), self.plane.take_events()), (([], []), []), form)
            self.assertEqual(self.plane.endpoint(0), ALICE)

    def test_headers_alone(self) -> None:
        """W-13: each first byte of a data packet with less behind it than a peer id."""
        for first in range(0x30, 0x50):
            for size in range(4):
                self.arrive(ALICE, bytes([first]) + bytes(size))
        self.assertEqual((self.plane.take(), self.plane.take_events()), (([], []), []))


class PaddingTests(PlaneTestCase):
    """CBC."""

    def test_silent(self) -> None:
        """W-14: bad lengths and bad padding under a right HMAC are dropped in silence, as a wrong HMAC is; the padding
        is not looked at before the HMAC is right, so that there is no oracle.
        """
        self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0), NOW)
        self.plane.install(0, 0, keys_of("AES-256-CBC"))
        keys = keys_of("AES-256-CBC")
        inner = ipv4_packet(INNER[0], WORLD, b"payload!")
        good = (1).to_bytes(4, "big") + inner + bytes(15) + b"\x10"
        plains = [good[:-1] + bytes([last]) for last in (0, 17, 255)] + [good[:-16] + b"\x02" * 15 + b"\x03"]
        for number, plain in enumerate([*plains, b"", good[:16]]):
            body = bytes(16) + Cipher(AES(bytes(keys.receive_key)), CBC(bytes(16))).encryptor().update(plain)
            for mac in (hmac.digest(keys.receive_salt, body, "sha1"), bytes(20)):
                self.arrive(ALICE, encode_header(0, 0) + mac + body)
            self.arrive(ALICE, encode_header(0, 0) + hmac.digest(keys.receive_salt, body[:-1], "sha1") + body[:-1])
            self.assertEqual((self.plane.take(), self.plane.take_events()), (([], []), []), number)
        drops = self.plane.counters(0).drops
        self.assertEqual(drops, {"data-padding": 5, "data-forged": 5, "data-short": 8})


class FrameTests(PlaneTestCase):
    """Compressed packets, which nobody has agreed on."""

    def test_first_bytes(self) -> None:
        """W-16: of 256 first bytes each framing understands its own; the others are dropped and counted."""
        inner = ipv4_packet(INNER[0], WORLD, b"payload")
        understood: dict[Framing, dict[int, bytes]] = {
            "none": {0x45: inner[1:]}, "lzo": {0xFA: inner}, "swap": {0xFB: inner[1:] + inner[:1]},
            "stub-v2": {0x45: inner[1:], 0x50: b"\0" + inner},
        }  # fmt: skip
        for framing, own in understood.items():
            self.plane.add(0, ALICE, PeerSpec((INNER[0],), 0, framing=framing), NOW)
            self.install(0, 0)
            for first in range(256):
                for rest in (own.get(first, inner), b"\x01" + inner, b"\xff" * 100):
                    before = sum(self.plane.counters(0).drops.values())
                    self.arrive(ALICE, self.sealed(0, bytes([first]) + rest))
                    delivered = self.delivered()
                    dropped = sum(self.plane.counters(0).drops.values()) - before
                    understood_it = rest == own.get(first)
                    self.assertEqual(delivered, [inner] if understood_it else [], f"{framing} {first:#x}")
                    self.assertEqual(dropped, 0 if understood_it else 1, f"{framing} {first:#x}")

    def test_pings(self) -> None:
        """Our pings go in the peer's frame, and its pings are known in it."""
        for framing, text in (("lzo", b"\xfa" + PING), ("swap", b"\xfb" + PING[1:] + PING[:1]), ("stub-v2", PING)):
            self.add_with(0, ALICE, framing=framing, ping=10)
            self.tick(NOW + 10)
            self.assertEqual(self.opened(self.taken()[1]), [(ALICE, text)])
            self.arrive(ALICE, self.sealed(0, text))
            self.assertEqual((self.taken(), self.plane.counters(0).drops), (([], []), {}))


class InnerTests(PlaneTestCase):
    """Sealed by a client that we know, who sends what it should not."""

    spec = PeerSpec(mss=1300)

    def test_lies(self) -> None:
        """W-17: any header length, any total length, cut and endless options: it comes out as it went in or not at all,
        never with an exception, and whatever was changed has a right checksum.
        """
        syn = tcp(4, b"\2\4\x05\xb4")
        variants = [bytes([0x40 | length]) + syn[1:] for length in range(16)]
        variants += [syn[:2] + total.to_bytes(2, "big") + syn[4:] for total in (0, 1, 19, 20, 39, 45, 1500, 65535)]
        variants += [syn[:size] for size in range(1, len(syn))]
        variants += [syn[:32] + bytes([length << 4]) + syn[33:] for length in range(16)]
        variants += [syn[:40] + bytes([kind, length]) + syn[42:] for kind in (2, 3, 5) for length in (0, 1, 2, 255)]
        changed = 0
        for variant in variants:
            self.arrive(ALICE, self.sealed(0, variant))
            for came in self.delivered():
                if came != variant:
                    # Nothing but MSS and checksum, and this as right or as wrong as it was.
                    self.assertEqual(came[42:44], (1300).to_bytes(2, "big"), variant.hex())
                    self.assertEqual(came[:36] + came[38:42] + came[44:], variant[:36] + variant[38:42] + variant[44:])
                    self.assertEqual(is_right(came), is_right(variant))
                    changed += 1
        self.assertGreater(changed, 10)
        self.arrive(ALICE, self.sealed(0, syn))
        [clamped] = self.delivered()
        self.assertEqual((clamped[42:44], is_right(clamped)), ((1300).to_bytes(2, "big"), True))

    def test_extension_headers(self) -> None:
        """W-17: a hundred extension headers before a SYN, whole or cut, are none of our business: as it went in."""
        for kind in (0, 43, 44, 60):
            head = bytearray(ipv6_packet(INNER_V6[0], INNER_V6[1]))
            head[6] = kind
            chain = (bytes([kind]) + bytes(7)) * 99 + b"\x06" + bytes(7) + tcp(6, b"\2\4\x05\xb4")[40:]
            for size in (len(chain), 400, 7, 1, 0):
                packet = bytes(head) + chain[:size]
                self.arrive(ALICE, self.sealed(0, packet))
                self.assertEqual(self.delivered(), [packet])
