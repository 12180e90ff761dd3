"""Epochs: recorded packets of 2.7, keys that follow each other, limits, and late packets."""

from __future__ import annotations

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recorded import each_bit_flipped, recorded
from tvpn.crypto import epoch
from tvpn.crypto.derive import data_keys
from tvpn.crypto.epoch import COUNTER_BITS, FUTURE, LAST_EPOCH, EpochKey, EpochOpener, EpochSealer, EpochWindow
from tvpn.crypto.suite import largest_packet, sealer_and_opener
from tvpn.errors import Drop
from tvpn.wire.data import encode_header

HEADER = encode_header(3, 0x123456)
CIPHERS = ("AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))


def pair(cipher: str = "AES-256-GCM") -> tuple[EpochSealer, EpochOpener, EpochSealer]:
    """Somebody's sealer, our opener for it, and our own sealer, which follows."""
    own = EpochSealer(cipher, OTHER)
    return EpochSealer(cipher, SECRET), EpochOpener(cipher, SECRET, own), own


def id_of(number: int, counter: int) -> int:
    return (number << COUNTER_BITS) + counter


class RecordedTests(SynchronousTestCase):
    def test_packets(self) -> None:
        """C-07: genuine packets of 2.7 in several epochs open, and ours are the same to the byte."""
        for case in recorded("data_epoch")["cases"]:
            material = bytes.fromhex(case["key2"])
            server, client = (data_keys(material, case["cipher"], side, epochs=True) for side in (True, False))
            openers = {"c2s": sealer_and_opener(server)[1], "s2c": sealer_and_opener(client)[1]}
            sealers = {"c2s": sealer_and_opener(client)[0], "s2c": sealer_and_opener(server)[0]}
            epochs = set()
            for packet in case["packets"]:
                datagram, plain = bytes.fromhex(packet["packet"]), bytes.fromhex(packet["plaintext"])
                packet_id, opened = openers[packet["dir"]].open(datagram, 4)
                self.assertEqual(opened, plain)
                sealer = sealers[packet["dir"]]
                assert isinstance(sealer, EpochSealer)
                sealer.reach(packet_id >> COUNTER_BITS)
                sealer._counter = (packet_id & (1 << COUNTER_BITS) - 1) - 1
                self.assertEqual(sealer.seal(datagram[:4], [plain]), datagram)
                epochs.add(packet_id >> COUNTER_BITS)
            self.assertGreater(len(epochs), 1)

    def test_keys(self) -> None:
        """The implicit IVs of the recorded epochs."""
        for case in recorded("data_epoch")["cases"]:
            material = bytes.fromhex(case["key2"])
            for way, secret in (("c2s", material[:32]), ("s2c", material[128:160])):
                key = EpochKey(case["cipher"], secret)
                for entry in case[f"epoch_keys_{way}"]:
                    self.assertEqual(key.base.to_bytes(12, "big").hex(), entry["implicit_iv"])
                    key = key.follow()


class SealTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=8), st.sampled_from(CIPHERS))
    def test_burst_round_trip(self, packets: list[bytes], cipher: str) -> None:
        """A burst is one buffer of datagrams that open to the packets, as many bytes larger as was said."""
        sealer, opener, _ = pair(cipher)
        buffer, at = sealer.seal(HEADER, packets), 0
        for number, packet in enumerate(packets, 1):
            end = at + len(packet) + sealer.overhead(HEADER, len(packet))
            self.assertEqual(opener.open(buffer[at:end], 4), (id_of(1, number), packet))
            at = end
        self.assertEqual(at, len(buffer))
        self.assertEqual(largest_packet(100, 4, cipher, None, True), 100 - sealer.overhead(HEADER, 1))

    def test_each_flipped_bit_is_refused(self) -> None:
        """C-08: opcode, peer id, epoch, counter, ciphertext, tag: any bit flipped is a Drop."""
        for cipher in CIPHERS:
            sealer, opener, own = pair(cipher)
            datagram = sealer.seal(HEADER, [b"inner packet"])
            for forged in each_bit_flipped(datagram):
                self.assertRaises(Drop, opener.open, forged, 4)
            self.assertEqual((opener.current, own.epoch), (1, 1))

    def test_each_truncation_is_refused(self) -> None:
        """A cut packet is a Drop; so are one without payload, and one without a peer id."""
        sealer, opener, _ = pair()
        datagram = sealer.seal(HEADER, [b"x"])
        for size in range(4, len(datagram)):
            self.assertRaises(Drop, opener.open, datagram[:size], 4)
        self.assertRaises(Drop, opener.open, sealer.seal(HEADER, [b""]), 4)
        self.assertRaises(Drop, opener.open, datagram, 1)


class EpochTests(SynchronousTestCase):
    def test_followed(self) -> None:
        """An authentic packet of a later epoch makes it the current one; what we seal follows, ids begin again."""
        sealer, opener, own = pair()
        own.seal(HEADER, [b"p"] * 5)
        sealer.reach(4)
        self.assertEqual(opener.open(sealer.seal(HEADER, [b"p"]), 4)[0], id_of(4, 1))
        self.assertEqual((opener.current, own.epoch), (4, 4))
        self.assertEqual(int.from_bytes(own.seal(HEADER, [b"p"])[4:12], "big"), id_of(4, 1))

    def test_never_back(self) -> None:
        """A sealer that is further stays there."""
        sealer, opener, own = pair()
        own.reach(9)
        sealer.reach(3)
        opener.open(sealer.seal(HEADER, [b"p"]), 4)
        self.assertEqual(own.epoch, 9)

    def test_late(self) -> None:
        """The epoch before the current one still opens, older ones do not, nor those too far ahead."""
        sealer, opener, _ = pair()
        packets = {}
        for number in range(1, 12):
            sealer.reach(number)
            packets[number] = sealer.seal(HEADER, [b"p"])
        opener.open(packets[3], 4)
        opener.open(packets[5], 4)
        self.assertEqual(opener.open(packets[3], 4)[0], id_of(3, 1))
        for number in (1, 2, 4, 5 + FUTURE + 1):
            self.assertEqual(self.assertRaises(Drop, opener.open, packets[number], 4).reason, "epoch-unknown")
        self.assertEqual(opener.open(packets[5 + FUTURE], 4)[0], id_of(9, 1))

    def test_any_epoch(self) -> None:
        """Whatever epoch a packet claims, 0 and the last among them: no key is derived before it authenticates."""
        sealer, opener, own = pair()
        keys = dict(opener._keys)
        tail = sealer.seal(HEADER, [b"p"])[6:]
        for number in range(0x10000):
            error = self.assertRaises(Drop, opener.open, HEADER + number.to_bytes(2, "big") + tail[:-1] + b"?", 4)
            self.assertEqual(error.reason, "data-forged" if 1 <= number <= 1 + FUTURE else "epoch-unknown", number)
        self.assertEqual((opener.current, own.epoch, opener._keys), (1, 1, keys))

    def test_forged_future(self) -> None:
        """C-05: what does not authenticate moves nothing."""
        sealer, opener, own = pair()
        stranger = EpochSealer("AES-256-GCM", OTHER)
        stranger.reach(3)
        self.assertEqual(self.assertRaises(Drop, opener.open, stranger.seal(HEADER, [b"p"]), 4).reason, "data-forged")
        self.assertEqual((opener.current, own.epoch, opener.failed), (1, 1, 1))
        opener.open(sealer.seal(HEADER, [b"p"]), 4)

    def test_usage_limit(self) -> None:
        """C-06: blocks and packets are counted, never too few; at the limit the next epoch begins by itself."""
        self.patch(epoch, "MOST_BLOCKS", 100)
        sealer, _, _ = pair()
        used, before = 0, 1
        for _ in range(100):
            sealer.seal(HEADER, [b"p" * 33])
            used = used + 4 if sealer.epoch == before else 4
            before = sealer.epoch
            self.assertLessEqual(used, 100)
        self.assertGreater(sealer.epoch, 3)
        chacha, _, _ = pair("CHACHA20-POLY1305")
        chacha.seal(HEADER, [b"p" * 33] * 200)
        self.assertEqual(chacha.epoch, 1)

    def test_receive_limit(self) -> None:
        """C-06: what was opened counts, too, and what failed: then our own next packet is in the next epoch."""
        self.patch(epoch, "MOST_BLOCKS", 100)
        sealer, opener, own = pair()
        sealer._limit = 1 << 62
        for _ in range(26):
            opener.open(sealer.seal(HEADER, [b"p" * 33]), 4)
        self.assertEqual(own.epoch, 2)
        with mock.patch.object(epoch, "MANY_FAILURES", 5):
            sealer, opener, own = pair()
            opener.failed = 6
            opener.open(sealer.seal(HEADER, [b"p"]), 4)
            self.assertEqual(own.epoch, 2)

    def test_counter_runs_out(self) -> None:
        """C-02: the counter never wraps: its end is the end of the epoch."""
        sealer, opener, _ = pair()
        sealer._counter = (1 << COUNTER_BITS) - 3
        self.assertEqual(opener.open(sealer.seal(HEADER, [b"p"]), 4)[0], id_of(1, (1 << COUNTER_BITS) - 2))
        self.assertEqual(opener.open(sealer.seal(HEADER, [b"p"]), 4)[0], id_of(2, 1))

    def test_epochs_run_out(self) -> None:
        """Long before the last epoch another key is due; behind it nothing is sealed."""
        sealer, _, _ = pair()
        sealer._key.number = epoch.NEARLY_LAST_EPOCH - 1
        self.assertFalse(sealer.is_nearly_spent)
        sealer.reach(epoch.NEARLY_LAST_EPOCH)
        self.assertTrue(sealer.is_nearly_spent)
        sealer._key.number = LAST_EPOCH
        sealer.seal(HEADER, [b"p"])
        sealer.reach(LAST_EPOCH + 1)
        self.assertEqual(self.assertRaises(Drop, sealer.seal, HEADER, [b"p"]).reason, "packet-ids-spent")


class WindowTests(SynchronousTestCase):
    def test_windows(self) -> None:
        """Each id once, in the current epoch and in the one before; older ones never."""
        window = EpochWindow(64)
        for number, counter, accepted in (
            (1, 1, True), (1, 1, False), (1, 3, True), (3, 1, True), (1, 2, True), (1, 2, False), (1, 3, False),
            (2, 1, False), (3, 1, False), (3, 2, True), (4, 1, True), (1, 5, False), (3, 3, True), (4, 0, False),
        ):  # fmt: skip
            self.assertIs(window.accept(id_of(number, counter)), accepted, (number, counter))
        self.assertEqual(window.highest, id_of(4, 1))

    def test_late(self) -> None:
        """In both epochs what is too late is refused."""
        window = EpochWindow(64, 15)
        for number in (1, 2):
            self.assertTrue(window.accept(id_of(number, 9)))
        window.note(100.0, 100.0)
        self.assertTrue(window.accept(id_of(1, 8)))
        self.assertTrue(window.accept(id_of(2, 10)))
        window.note(101.0, 115.1)
        for number, counter, accepted in ((1, 7, False), (2, 7, False), (1, 10, True), (2, 11, True)):
            self.assertIs(window.accept(id_of(number, counter)), accepted, (number, counter))

    def test_strict_order(self) -> None:
        """Without a window each epoch has its order."""
        window = EpochWindow(0)
        for number, counter, accepted in ((1, 1, True), (1, 3, False), (1, 2, True), (2, 1, True), (1, 3, True)):
            self.assertIs(window.accept(id_of(number, counter)), accepted, (number, counter))
