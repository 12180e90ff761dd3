"""The wrappings of control packets against recorded ones, and against forgers."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto.mac import HMAC_SIZES
from tvpn.crypto.replay import Stamp
from tvpn.crypto.statickey import (
    StaticKey,
    TLSCryptV2ClientKey,
    TLSCryptV2ServerKey,
    split_wrapped_key,
)
from tvpn.crypto.wrap import Envelope, TLSAuth, TLSCrypt, Unwrapped, Wrapping
from tvpn.errors import Drop
from tvpn.wire.control import HEADER_SIZE
from tvpn.wire.header import CARRIES_WRAPPED_KEY, Opcode

KEY = StaticKey(bytes(range(256)))
OTHER = StaticKey(bytes(range(255, -1, -1)))
HEADER = b"\x38" + b"clientid"


def pairs(key: StaticKey = KEY) -> dict[str, tuple[Wrapping, Wrapping]]:
    """(server, client) of every wrapping that signs."""
    wrappings: dict[str, tuple[Wrapping, Wrapping]] = {
        "tls-crypt": (TLSCrypt(key, server=True), TLSCrypt(key, server=False))
    }
    for digest in HMAC_SIZES:
        wrappings[f"tls-auth {digest}"] = TLSAuth(key, None, digest), TLSAuth(key, None, digest)
        wrappings[f"tls-auth {digest} directed"] = TLSAuth(key, 0, digest), TLSAuth(key, 1, digest)
    return wrappings


class RecordedPacketTests(SynchronousTestCase):
    def check(self, packets: list[dict[str, Any]], server: Wrapping, client: Wrapping, body: str) -> None:
        """Each packet opens at its receiver, and its sender with the same stamp makes the same bytes."""
        self.assertTrue(packets)
        for case in packets:
            datagram = bytes.fromhex(case["packet"])
            if datagram[0] >> 3 in CARRIES_WRAPPED_KEY:
                datagram, _ = split_wrapped_key(datagram)
            sender, receiver = (server, client) if case["dir"] == "s2c" else (client, server)
            stamp, plain = receiver.unwrap(datagram)
            self.assertEqual(plain.hex(), case[body])
            if stamp is None:
                self.fail("a signed packet has a stamp")
            self.assertEqual(sender.wrap(stamp, datagram[:HEADER_SIZE], plain), datagram)

    def test_tls_auth(self) -> None:
        """C-07: both directions of genuine tls-auth handshakes: SHA1 with direction 0 and 1, SHA256 without one."""
        directions = set()
        for case in recorded("tls_auth")["cases"]:
            directions |= {case["server_direction"], case["client_direction"]}
            key = StaticKey(bytes.fromhex(case["static_key_hex"]))
            server = TLSAuth(key, case["server_direction"], case["digest"])
            client = TLSAuth(key, case["client_direction"], case["digest"])
            same = case["server_direction"] is None
            self.check(case["packets"], server, server if same else client, "plain_body_hex")
        self.assertEqual(directions, {0, 1, None})

    def test_tls_crypt(self) -> None:
        """C-07: both directions of a genuine tls-crypt handshake."""
        for case in recorded("tls_crypt")["cases"]:
            key = StaticKey(bytes.fromhex(case["static_key_hex"]))
            self.check(case["packets"], TLSCrypt(key, True), TLSCrypt(key, False), "plain_body_hex")

    def test_tcp_framing(self) -> None:
        """C-07: the wrapping is the same over TCP."""
        case = recorded("tcp_framing")
        key = StaticKey(bytes.fromhex(case["static_key_hex"]))
        self.check(case["packets"], TLSCrypt(key, True), TLSCrypt(key, False), "plain_body_hex")

    def test_tls_crypt_v2(self) -> None:
        """C-07: early and old-style handshakes with the key that the client's own wrapped key holds."""
        case = recorded("tls_crypt_v2")
        server_key = TLSCryptV2ServerKey.from_pem(case["server_key_pem"])
        for name in ("handshake_early_negotiation", "handshake_old_style"):
            packets = case[name]["packets"]
            _, wrapped = split_wrapped_key(bytes.fromhex(packets[0]["packet"]))
            key, _ = server_key.unwrap(wrapped)
            self.check(packets, TLSCrypt(key, True), TLSCrypt(key, False), "plain_body_hex")

    def test_dynamic_tls_crypt(self) -> None:
        """C-07: renegotiations under the dynamic key."""
        for case in recorded("dynamic_tls_crypt")["cases"]:
            key = StaticKey(bytes.fromhex(case["dynamic_key"]))
            packets = case["renegotiation_packets"]
            self.check(packets, TLSCrypt(key, True), TLSCrypt(key, False), "plain_body_hex")

    def test_real_session(self) -> None:
        """C-07: the control packets of a session between two genuine daemons, under the client's own key and, in both
        renegotiations, under the dynamic one.
        """
        case = recorded("real_session_tls_crypt_v2")
        key = TLSCryptV2ClientKey.from_pem(case["client_key_pem"]).key
        halves = [bytes.fromhex(case["dynamic_tls_crypt"][name]).ljust(64, b"\0") for name in (
            "client_in_Ke", "client_in_Ka", "client_out_Ke", "client_out_Ka",
        )]  # fmt: skip
        dynamic = StaticKey(b"".join(halves))
        control = [p for p in case["packets"] if p["opcode"] not in (Opcode.DATA_V1, Opcode.DATA_V2)]
        for key_id, own in ((0, key), (1, dynamic), (2, dynamic)):
            packets = [packet for packet in control if packet["key_id"] == key_id]
            self.check(packets, TLSCrypt(own, True), TLSCrypt(own, False), "body")


class ForgeryTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """What one side wraps the other unwraps, and the overhead is what it says."""
        for name, (server, client) in pairs().items():
            for sender, receiver in ((server, client), (client, server)):
                datagram = sender.wrap(Stamp(7, 9), HEADER, b"body")
                self.assertEqual(receiver.unwrap(datagram), (Stamp(7, 9), b"body"), name)
                self.assertEqual(len(datagram), len(HEADER) + len(b"body") + sender.overhead, name)

    def test_each_flipped_bit_is_refused(self) -> None:
        """Header, stamp, tag and body are all authenticated."""
        for server, client in pairs().values():
            for forged in each_bit_flipped(client.wrap(Stamp(1, 2), HEADER, b"the body")):
                self.assertRaises(Drop, server.unwrap, forged)

    def test_each_truncation_is_refused(self) -> None:
        """A cut packet is a Drop, at whatever place."""
        for server, client in pairs().values():
            datagram = client.wrap(Stamp(1, 2), HEADER, b"the body")
            for size in range(len(datagram)):
                self.assertRaises(Drop, server.unwrap, datagram[:size])

    def test_wrong_key_is_refused(self) -> None:
        """Another group's key opens nothing."""
        others = pairs(OTHER)
        for name, (_, client) in pairs().items():
            self.assertRaises(Drop, others[name][0].unwrap, client.wrap(Stamp(1, 2), HEADER, b"body"))

    def test_no_reflection(self) -> None:
        """With directions nobody accepts a packet of his own."""
        for name, (server, client) in pairs().items():
            if name == "tls-crypt" or "directed" in name:
                self.assertRaises(Drop, client.unwrap, client.wrap(Stamp(1, 2), HEADER, b"body"))
                self.assertRaises(Drop, server.unwrap, server.wrap(Stamp(1, 2), HEADER, b"body"))

    def test_body_is_hidden(self) -> None:
        """tls-crypt shows nothing of the body, tls-auth does not hide it."""
        for name, (_, client) in pairs().items():
            shown = b"a certificate" in client.wrap(Stamp(1, 2), HEADER, b"a certificate")
            self.assertEqual(shown, name.startswith("tls-auth"))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=150))
    def test_garbage(self, datagram: bytes) -> None:
        """Random bytes are a Drop for every wrapping that signs."""
        for server, _ in pairs().values():
            self.assertRaises(Drop, server.unwrap, datagram)


class EnvelopeTests(SynchronousTestCase):
    def test_every_id_once(self) -> None:
        """The same datagram opens once."""
        server, client = pairs()["tls-crypt"]
        sender, receiver = Envelope(client, 100), Envelope(server, 100)
        datagram = sender.seal(HEADER, b"body")
        self.assertEqual(receiver.open(datagram), b"body")
        error = self.assertRaises(Drop, receiver.open, datagram)
        self.assertEqual(error.reason, "control-replayed")

    def test_ids_count_up(self) -> None:
        """Each sealed packet has the next id, from the first one on."""
        server, client = pairs()["tls-crypt"]
        sender = Envelope(client, 100, first_id=0x0F000001)
        stamps = [server.unwrap(sender.seal(HEADER, b""))[0] for _ in range(3)]
        self.assertEqual(stamps, [Stamp(0x0F000001 + number, 100) for number in range(3)])

    def test_id_never_wraps(self) -> None:
        """After the last id the time moves on and counting begins anew: no stamp is used twice."""
        server, client = pairs()["tls-auth SHA256"]
        sender, receiver = Envelope(client, 100, first_id=0xFFFFFFFE), Envelope(server, 100)
        datagrams = [sender.seal(HEADER, b"x") for _ in range(4)]
        stamps = [server.unwrap(datagram)[0] for datagram in datagrams]
        self.assertEqual(stamps, [(0xFFFFFFFE, 100), (0xFFFFFFFF, 100), (1, 101), (2, 101)])
        self.assertEqual([receiver.open(datagram) for datagram in datagrams], [b"x"] * 4)

    def test_forgery_does_not_move_the_window(self) -> None:
        """C-05: a forged packet with a high id leaves the genuine ones acceptable."""
        server, client = pairs()["tls-crypt"]
        receiver = Envelope(server, 100)
        forger = pairs(OTHER)["tls-crypt"][1]
        for packet_id in range(1, 200):
            self.assertRaises(Drop, receiver.open, forger.wrap(Stamp(packet_id << 16, 1 << 31), HEADER, b""))
        self.assertEqual(receiver.open(client.wrap(Stamp(1, 100), HEADER, b"body")), b"body")

    def test_unwrapped_counts_nothing(self) -> None:
        """Without a wrapping there is neither stamp nor replay check."""
        plain = Unwrapped()
        sender, receiver = Envelope(plain, 1), Envelope(plain, 1)
        datagram = sender.seal(HEADER, b"body")
        self.assertEqual(datagram, HEADER + b"body")
        self.assertEqual([receiver.open(datagram), receiver.open(datagram)], [b"body"] * 2)
