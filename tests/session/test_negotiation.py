"""What both sides can do, brought together: tables of clients of all ages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.errors import PeerError
from tvpn.session.negotiation import (
    NO_SHARED_CIPHER,
    Agreement,
    Formats,
    agree,
    choose_cipher,
    decode_agreement,
    encode_agreement,
    negotiates_ciphers,
    own_peer_info,
)
from tvpn.wire.option import Proto, encode_options_string

OURS = ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305")
OLD = {"IV_VER": "2.4.12", "IV_PROTO": "2", "IV_NCP": "2"}
V25 = {"IV_VER": "2.5.11", "IV_PROTO": "6", "IV_NCP": "2", "IV_CIPHERS": "AES-256-GCM:AES-128-GCM"}
V26 = {"IV_VER": "2.6.14", "IV_PROTO": "990", "IV_NCP": "2", "IV_CIPHERS": "AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305"}
CONNECT = {"IV_VER": "3.10.1", "IV_PROTO": "990", "IV_NCP": "2", "IV_CIPHERS": "AES-128-CBC:AES-256-GCM"}
OPTIONS = encode_options_string(False, "AES-256-GCM", "SHA1", 1500)
FORMATS = Formats(OURS)


class CipherTests(SynchronousTestCase):
    def test_table(self) -> None:
        """The first of the server's ciphers that the client has, by list, by implication, by its options string."""
        table = [
            (V26, "", OURS, None, "AES-256-GCM"),
            (V26, "", OURS[::-1], None, "CHACHA20-POLY1305"),
            (V25, "", OURS[::-1], None, "AES-128-GCM"),
            (CONNECT, "", ("CHACHA20-POLY1305", "AES-256-GCM"), None, "AES-256-GCM"),
            (OLD, "", OURS[::-1], None, "AES-128-GCM"),
            (OLD, "V4,cipher CHACHA20-POLY1305,auth SHA1", OURS[::-1], None, "CHACHA20-POLY1305"),
            ({}, "V4,cipher AES-128-GCM,auth SHA1", OURS, None, "AES-128-GCM"),
            ({}, "V4,auth SHA1", OURS, "AES-256-GCM", "AES-256-GCM"),
            ({"IV_CIPHERS": "aes-256-gcm"}, "", OURS, None, "AES-256-GCM"),
            ({"IV_CIPHERS": ":::AES-256-GCM::"}, "", OURS, None, "AES-256-GCM"),
        ]
        for peer_info, options, ours, fallback, cipher in table:
            self.assertEqual(choose_cipher(peer_info, options, ours, fallback), cipher, str(peer_info))

    def test_no_common_one(self) -> None:
        """The log has both sides' lists, the client reads OpenVPN's own sentence."""
        table = [
            ({"IV_CIPHERS": "BF-CBC:AES-256-CBC"}, "", "client offers BF-CBC:AES-256-CBC, server allows AES-256-GCM"),
            (OLD, "", "client offers AES-256-GCM:AES-128-GCM, server allows CHACHA20-POLY1305"),
            ({}, "V4,cipher BF-CBC", "client offers BF-CBC, server allows AES-256-GCM"),
            ({}, "V4", "client offers nothing, server allows AES-256-GCM"),
        ]
        for peer_info, options, text in table:
            ours = (text.rpartition(" ")[2],)
            error = self.assertRaises(PeerError, choose_cipher, peer_info, options, ours, None)
            self.assertEqual((str(error), error.told), (f"no common cipher: {text}", NO_SHARED_CIPHER))

    def test_fallback_is_for_silent_clients(self) -> None:
        """Who offers something that we do not have does not get the fallback cipher."""
        for peer_info, options in (({"IV_CIPHERS": "BF-CBC"}, ""), ({}, "V4,cipher BF-CBC")):
            self.assertRaises(PeerError, choose_cipher, peer_info, options, ("AES-128-GCM",), "AES-256-GCM")
        self.assertRaises(PeerError, choose_cipher, {}, "", ("AES-128-GCM",), "BF-CBC")


class AgreementTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Each bit of IV_PROTO turns on its own part of the agreement and nothing else."""
        table = [
            (OLD, Agreement("AES-256-GCM", False, False, False, 5)),
            (V25, Agreement("AES-256-GCM", False, False, False, 5)),
            (V26, Agreement("AES-256-GCM", True, True, True, 5)),
            ({**V26, "IV_PROTO": str(int(Proto.TLS_KEY_EXPORT))}, Agreement("AES-256-GCM", True, False, False, None)),
            ({**V26, "IV_PROTO": str(int(Proto.DYN_TLS_CRYPT))}, Agreement("AES-256-GCM", False, True, False, None)),
            ({**V26, "IV_PROTO": str(int(Proto.CC_EXIT_NOTIFY))}, Agreement("AES-256-GCM", False, False, True, None)),
            ({**V26, "IV_PROTO": "many"}, Agreement("AES-256-GCM", False, False, False, None)),
            ({**V26, "IV_PROTO": "9" * 40}, Agreement("AES-256-GCM", False, False, False, None)),
        ]
        for peer_info, agreement in table:
            self.assertEqual(agree(peer_info, OPTIONS, FORMATS, 5), agreement, str(peer_info))

    def test_pushed(self) -> None:
        """The options that say so, as a genuine server spells them."""
        everything = Agreement("AES-256-GCM", True, True, True, 0)
        self.assertEqual(
            encode_agreement(everything, True),
            ["peer-id 0", "cipher AES-256-GCM", "protocol-flags cc-exit tls-ekm dyn-tls-crypt"],
        )
        exporter = Agreement("AES-128-GCM", True, False, False, 7)
        self.assertEqual(
            encode_agreement(exporter, True), ["peer-id 7", "cipher AES-128-GCM", "key-derivation tls-ekm"]
        )
        self.assertEqual(encode_agreement(Agreement("AES-256-GCM", False, False, False, None), False), [])

    def test_every_protocol(self) -> None:
        """For all 8192 values of IV_PROTO the answer is true (protocol: key-exchange.md 7): flags that were offered, a
        peer id only with V2 packets, epochs only with a peer id, and nothing at all for who does not pull.
        """
        for value in range(1 << 13):
            data_v2, exporter, peer_to_peer, exits, dynamic, epochs = (value >> bit & 1 for bit in (1, 3, 5, 7, 9, 10))
            agreement = agree({**V26, "IV_PROTO": str(value)}, OPTIONS, FORMATS, 5)
            options = encode_agreement(agreement, True)
            expected = ["cipher AES-256-GCM"]
            if not peer_to_peer:
                flags = ["cc-exit"] * exits + ["tls-ekm"] * (exits and exporter) + ["dyn-tls-crypt"] * dynamic
                flags += ["aead-epoch"] * (epochs and data_v2)
                expected = ["peer-id 5"] * data_v2 + expected
                expected += ["key-derivation tls-ekm"] * (exporter and not exits)
                expected += [f"protocol-flags {' '.join(flags)}"] * bool(flags)
            self.assertEqual(options, expected, value)
            self.assertEqual(decode_agreement(options, "", FORMATS), agreement)

    def test_without_pull(self) -> None:
        """C-15: who does not pull gets the cipher that its options string names, whatever else it offers, or none."""
        peer_to_peer = {**V26, "IV_PROTO": str(990 | Proto.NCP_P2P)}
        options = "V4,cipher AES-128-GCM,auth SHA1"
        self.assertEqual(
            agree(peer_to_peer, options, FORMATS, 5), Agreement("AES-128-GCM", False, False, False, None)
        )
        error = self.assertRaises(PeerError, agree, peer_to_peer, options, Formats(("AES-256-GCM",), "AES-256-GCM"), 5)
        self.assertIn("client offers AES-128-GCM, server allows AES-256-GCM", str(error))
        self.assertEqual(agree(peer_to_peer, "V4", Formats(("AES-128-GCM",), "AES-256-GCM"), 5).cipher, "AES-256-GCM")

    def test_round_trip(self) -> None:
        """For every combination of abilities the client reads exactly what the server has agreed to."""
        for bits in range(16):
            agreement = Agreement("CHACHA20-POLY1305", *(bool(bits >> at & 1) for at in range(3)), bits or None)
            options = encode_agreement(agreement, True)
            self.assertEqual(decode_agreement(options, "", FORMATS), agreement)

    def test_who_negotiates(self) -> None:
        """A cipher is pushed only to who understands it."""
        table = [(V26, True), (OLD, True), ({"IV_CIPHERS": "AES-256-GCM"}, True), ({"IV_NCP": "1"}, False), ({}, False)]
        for peer_info, negotiates in table:
            self.assertIs(negotiates_ciphers(peer_info), negotiates)

    def test_ourselves(self) -> None:
        """Our own client's peer info gets it everything from our own server."""
        agreement = agree(own_peer_info(OURS, "1.0"), OPTIONS, FORMATS, 3)
        self.assertEqual(agreement, Agreement("AES-256-GCM", True, True, True, 3, epochs=True))

    def test_epochs_need_an_aead_cipher(self) -> None:
        """A client of 2.7 that has chosen CBC gets the old format."""
        formats = Formats(("AES-256-CBC",), digest="SHA256")
        agreement = agree({"IV_CIPHERS": "AES-256-CBC", "IV_PROTO": "8094"}, OPTIONS, formats, 3)
        self.assertEqual((agreement.epochs, agreement.digest), (False, "SHA256"))
        self.assertNotIn("aead-epoch", " ".join(encode_agreement(agreement, True)))


class FramingTests(SynchronousTestCase):
    """Frames of compression that compresses nothing."""

    def test_pushed(self) -> None:
        """A server that frames says so; a client does what is pushed, and else what its own file says."""
        for framing, option in (("lzo", "comp-lzo no"), ("swap", "compress stub"), ("stub-v2", "compress stub-v2")):
            agreement = agree(V26, OPTIONS, Formats(OURS, framing=framing), 5)
            options = encode_agreement(agreement, True)
            self.assertIn(option, options)
            self.assertEqual(decode_agreement(options, "", Formats(OURS, framing="lzo")).framing, framing)
            silent = decode_agreement(["cipher AES-256-GCM"], "", Formats(OURS, framing=framing))
            self.assertEqual(silent.framing, framing)
        self.assertEqual(decode_agreement(["cipher AES-256-GCM", "compress"], "", FORMATS).framing, "swap")

    def test_compression_refused(self) -> None:
        """C-16: a server that pushes compression is left, whatever we have in our own file."""
        for option in ("comp-lzo", "comp-lzo yes", "comp-lzo adaptive", "compress lz4", "compress lz4-v2"):
            for formats in (FORMATS, Formats(OURS, framing="lzo")):
                error = self.assertRaises(PeerError, decode_agreement, ["cipher AES-256-GCM", option], "", formats)
                self.assertIn(option, str(error))

    def test_migrate(self) -> None:
        """A client that frames goes on with the least it can do, the others are not bothered."""
        formats, framing = Formats(OURS, migrates=True), OPTIONS + ",comp-lzo"
        for peer_info, options, chosen in (
            (V26, OPTIONS, "none"), (V26, framing, "lzo"), ({**V26, "IV_COMP_STUBv2": "1"}, framing, "stub-v2"),
        ):  # fmt: skip
            self.assertEqual(agree(peer_info, options, formats, 5).framing, chosen)


class DecodeTests(SynchronousTestCase):
    def test_cipher_without_push(self) -> None:
        """Without a pushed cipher the server's options string counts, then the fallback."""
        self.assertEqual(decode_agreement([], OPTIONS, FORMATS).cipher, "AES-256-GCM")
        self.assertEqual(decode_agreement([], "", Formats(OURS, "AES-128-GCM")).cipher, "AES-128-GCM")
        self.assertEqual(decode_agreement(["cipher aes-128-gcm"], OPTIONS, FORMATS).cipher, "AES-128-GCM")

    def test_refused(self) -> None:
        """A cipher that we do not allow or know, an impossible peer id, or epochs without one end the session."""
        table = [
            (["cipher BF-CBC"], OURS, "server chose BF-CBC, data-ciphers allows AES-256-GCM"),
            (["cipher AES-256-CBC"], OURS, "server chose AES-256-CBC"),
            (["cipher AES-256-CBC", "peer-id 1", "protocol-flags aead-epoch"], ("AES-256-CBC",), "epoch"),
            (["cipher AES-256-GCM"], ("AES-128-GCM",), "server chose AES-256-GCM"),
            ([], OURS, "server chose none"),
            (["cipher AES-256-GCM", "peer-id 16777215"], OURS, "impossible peer-id"),
            (["cipher AES-256-GCM", "protocol-flags aead-epoch"], OURS, "epoch"),
        ]
        for options, ours, text in table:
            error = self.assertRaises(PeerError, decode_agreement, options, "", Formats(ours))
            self.assertIn(text, str(error))

    def test_garbage(self) -> None:
        """Options cut short or strange are passed over."""
        options = ["cipher", "peer-id", "peer-id -1", "peer-id x", "peer-id ²", "protocol-flags", "key-derivation prf"]
        agreement = decode_agreement(options, OPTIONS, FORMATS)
        self.assertEqual(agreement, Agreement("AES-256-GCM", False, False, False, None))
        self.assertRaises(PeerError, decode_agreement, ["cipher"], "", FORMATS)
