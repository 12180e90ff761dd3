"""Whatever a stranger sends: silence, no state, and a bystander who does not notice."""

from __future__ import annotations

import hmac
import random
import struct
import time
from types import SimpleNamespace

from tests.session.test_orderings import NUMBERED, orderings
from tests.whole.simulation import PROTECTIONS, V2_KEY, Left
from tests.whole.stranger import OWN_ID, Stranger, StrangerTestCase
from tvpn.crypto import statickey
from tvpn.errors import Drop
from tvpn.wire.control import LARGEST_PAYLOAD, MOST_ACKS, ControlPacket
from tvpn.wire.header import CLIENT_RESETS, DATA_FIRST_BYTES, Opcode

SPOKEN = {opcode.value for opcode in Opcode}


class HeaderTests(StrangerTestCase):
    def test_every_length_and_first_byte(self) -> None:
        """W-01: every length from 0 to 64 with every first byte: 16,640 datagrams, and not one answer."""
        for protection in ("none", "tls-crypt-v2"):
            stranger = self.meet(protection)
            dice = random.Random(1)
            for length in range(65):
                for first in range(256):
                    stranger.send((bytes([first]) + dice.randbytes(length))[:length])
            self.silent(stranger, protection)
            data = len(DATA_FIRST_BYTES) * 64
            self.assertEqual(sum(self.drops.values()), 65 * 256 - data, protection)
            self.assertNotIn("reset-rate", self.drops)

    def test_numbers_of_resets(self) -> None:
        """W-04: a reset with any number but 0 is dropped, authentic or not."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            for number in (1, 2, 2**31, 2**32 - 1):
                stranger.send(stranger.reset(message_id=number))
            self.assertEqual(self.drops, {"reset-malformed": 4}, protection)
            self.silent(stranger, protection)

    def test_no_session_id(self) -> None:
        """W-05: an all-zero session id is dropped, whatever the opcode; one bit more and a reset is answered."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            opcodes = [opcode for opcode in Opcode if opcode << 3 not in DATA_FIRST_BYTES]
            for opcode in opcodes:
                number = None if opcode is Opcode.ACK else 0
                stranger.send(stranger.packet(opcode, session_id=bytes(8), message_id=number))
            self.assertEqual(self.drops, {"session-id-zero": len(opcodes)}, protection)
            self.silent(stranger, protection)
            stranger.send(stranger.reset(session_id=bytes(7) + b"\1"))
            self.assertEqual(len(stranger.answers), 1)

    def test_key_ids_and_opcodes(self) -> None:
        """W-06: first packets under another key id, and opcodes that nobody speaks, are dropped and counted apart."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            for key_id in range(1, 8):
                for opcode in Opcode:
                    if opcode << 3 not in DATA_FIRST_BYTES:
                        stranger.send(stranger.packet(opcode, key_id, message_id=0))
            unspoken = [opcode for opcode in range(32) if opcode not in SPOKEN]
            for opcode in unspoken:
                for key_id in range(8):
                    stranger.send(stranger.wrap(bytes([opcode << 3 | key_id]) + OWN_ID, bytes(5)))
            self.assertEqual(unspoken, [0, 1, 2, *range(12, 32)])
            self.assertEqual(self.drops, {"first-key-id": 7 * 7, "opcode-unknown": 23 * 8}, protection)
            self.silent(stranger, protection)


class ResetTests(StrangerTestCase):
    def test_truncated(self) -> None:
        """W-02: a valid reset cut anywhere gets no answer, whole it gets one."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            whole = stranger.reset()
            stranger.send(*[whole[:size] for size in range(len(whole))])
            self.silent(stranger, protection)
            stranger.send(whole)
            self.assertEqual(len(stranger.answers), 1, protection)

    def test_each_bit(self) -> None:
        """W-02: of a valid reset with one bit flipped only what is a valid reset still is answered.

        Without a wrapping that is any change of the session id, with one none at all.
        """
        for protection in PROTECTIONS:
            self.meet(protection)
            for bit in range(len(Stranger(self.world, protection).reset()) * 8):
                # Each from a place of its own: answers are rationed.
                stranger = Stranger(self.world, protection, (f"10.{bit >> 8}.{bit & 255}.1", 1000))
                changed = bytearray(stranger.reset())
                changed[bit // 8] ^= 1 << bit % 8
                stranger.send(bytes(changed))
                expected = 1 if protection == "none" and 1 <= bit // 8 <= 8 else 0
                self.assertEqual(len(stranger.answers), expected, f"{protection}, bit {bit}")
            self.unharmed(protection)

    def test_acks(self) -> None:
        """W-02: a reset with acks in it is no first packet."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            for count in range(1, MOST_ACKS + 1):
                stranger.send(stranger.reset(acks=tuple(range(count)), remote_session_id=b"somebody"))
            self.assertEqual(self.drops, {"reset-malformed": MOST_ACKS})
            self.silent(stranger, protection)


class AckBlockTests(StrangerTestCase):
    def test_every_count(self) -> None:
        """W-03: a count of 0 to 255 with 0 to 255 acks behind it: up to eight are read, at little cost."""
        began = time.process_time()
        for opcode, message in ((Opcode.CONTROL, 4), (Opcode.ACK, 0)):
            header = bytes([opcode << 3]) + OWN_ID
            for count in range(256):
                for present in range(256):
                    body = bytes([count]) + bytes(4 * present) + OWN_ID[: 8 if count else 0] + bytes(message)
                    missing = 4 * (count - present)
                    fits = count <= MOST_ACKS and (missing <= 0 if opcode is Opcode.CONTROL else missing == 0 < count)
                    try:
                        packet = ControlPacket.decode(header, body)
                    except Drop:
                        self.assertFalse(fits, f"{count} of {present}")
                    else:
                        self.assertTrue(fits, f"{count} of {present}")
                        self.assertEqual((len(packet.acks), packet.encode_body()), (count, body))
        self.assertLess((time.process_time() - began) / (2 * 256 * 256), 15e-6)

    def test_session_goes_on(self) -> None:
        """W-03: too many acks, or more than there are, end the packet only; the session they are sent to goes on."""
        self.meet("none")
        header = bytes([Opcode.CONTROL << 3]) + self.bystander.hub.session.session_id
        for count in range(MOST_ACKS + 1, 256):
            for present in (0, 8, count):
                self.world.server.receive(self.bystander.place, header + bytes([count]) + bytes(4 * present + 12))
            # A session hears 200 control packets a second.
            self.world.run(0.02)
        self.assertEqual(self.drops, {"control-malformed": 3 * 247})
        self.unharmed()


class WrappedKeyTests(StrangerTestCase):
    LENGTHS = (0, 1, 2, 33, 34, 289, 1025, 4096, 65535)

    def test_lengths(self) -> None:
        """W-07: lengths of a wrapped key that cannot be are refused before any HMAC, in both packets that have one."""
        stranger = self.meet("tls-crypt-v2")
        counted: list[str] = []
        counting = SimpleNamespace(
            digest=lambda *words: counted.append("digest") or hmac.digest(*words), compare_digest=hmac.compare_digest
        )
        self.patch(statickey, "hmac", counting)
        number = 0
        for opcode in (Opcode.HARD_RESET_CLIENT_V3, Opcode.CONTROL_WKC):
            whole = stranger.packet(opcode, message_id=0)
            for front in (whole[:-2], whole[: len(whole) - 400], whole[:40], whole[:-2] + bytes(2000)):
                for length in {*self.LENGTHS, len(front) + 3}:
                    if length > len(front) + 2 or not 290 <= length <= 1024:
                        stranger.send(front + struct.pack("!H", length))
                        number += 1
        self.assertEqual((self.drops, counted), ({"wrapped-key-length": number}, []))
        self.silent(stranger)

    def test_wrong_lengths_that_could_be(self) -> None:
        """W-07: a length that could be, but is not this key's, costs one HMAC and gets silence."""
        stranger = self.meet("tls-crypt-v2")
        whole = stranger.reset()
        own = len(stranger.key.wrapped)
        for front in (whole[:-2], bytes([whole[0]]) + OWN_ID + bytes(2000)):
            for length in (290, 291, own - 1, own + 1, 1023, 1024):
                if length <= len(front) + 2:
                    stranger.send(front + struct.pack("!H", length))
        self.assertEqual(set(self.drops), {"wrapped-key-forged"})
        self.silent(stranger)
        stranger.send(whole)
        self.assertEqual(len(stranger.answers), 1)

    def test_metadata(self) -> None:
        """W-08: a genuine key is one whatever its metadata: none, the most, an unknown type, any time."""
        self.meet("tls-crypt-v2")
        for number, metadata in enumerate(metadata_cases()):
            stranger = Stranger(self.world, "tls-crypt-v2", (f"10.{number >> 8}.{number & 255}.1", 1000))
            stranger.key = statickey.TLSCryptV2ClientKey(stranger.key.key, V2_KEY.wrap(stranger.key.key, metadata))
            stranger.send(stranger.reset())
            self.assertEqual(len(stranger.answers), 1, f"{len(metadata)} {metadata[:9].hex()}")
        self.unharmed()

    def test_too_much_metadata(self) -> None:
        """W-08: a key whose metadata is one byte too long is none."""
        stranger = self.meet("tls-crypt-v2")
        stranger.key = statickey.TLSCryptV2ClientKey(stranger.key.key, V2_KEY.wrap(stranger.key.key, bytes(735)))
        stranger.send(stranger.reset())
        self.assertEqual(self.drops, {"wrapped-key-length": 1})
        self.silent(stranger)


def metadata_cases() -> list[bytes]:
    """Every length of user data, every type, and times from the beginning to the end."""
    times = [struct.pack("!BQ", 1, when) for when in (0, 1, 2**31, 2**32, 2**63, 2**64 - 1)]
    return [bytes(size) for size in range(735)] + [bytes([kind]) + b"data" for kind in range(256)] + times


def inner_garbage(dice: random.Random, stranger: Stranger, session_id: bytes = OWN_ID) -> bytes:
    """An authentic datagram whose inside makes no sense."""
    opcode = dice.choice([opcode for opcode in Opcode if opcode << 3 not in DATA_FIRST_BYTES])
    kind = dice.randrange(3)
    if kind == 0:
        body = dice.randbytes(dice.randrange(60))
    elif kind == 1:
        body = bytes([dice.randrange(256)]) + dice.randbytes(dice.choice((0, 3, 4, 11, 12, 13, 44, 45, 60)))
    else:
        # Not all zeros: that would be a reset.
        body = dice.choice((b"", b"\0", b"\x09", b"\xff")) + dice.randbytes(dice.randrange(16))
    return stranger.wrap(bytes([opcode << 3 | dice.choice((0, 0, 0, 1, 7))]) + session_id, body)


class InnerGarbageTests(StrangerTestCase):
    def test_without_a_session(self) -> None:
        """W-09: two thousand authentic datagrams with garbage inside, of somebody who has a key: silence."""
        for protection in PROTECTIONS[1:]:
            stranger = self.meet(protection)
            dice = random.Random(9)
            for _ in range(2000):
                stranger.send(inner_garbage(dice, stranger))
            self.silent(stranger, protection)

    def test_within_a_session(self) -> None:
        """W-09: the same within a session of his own: it is closed at most once, and the bystander works."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            cookie = stranger.cookie()
            opcode = Opcode.CONTROL_WKC if stranger.key else Opcode.CONTROL
            stranger.send(stranger.packet(opcode, acks=(0,), remote_session_id=cookie, message_id=1))
            self.assertEqual(len(self.world.server.hub.roster), 2)
            dice = random.Random(10)
            for _ in range(2000):
                stranger.send(inner_garbage(dice, stranger))
            self.world.run(70)
            self.assertLessEqual(len(self.world.server.told(Left)), 1)
            self.world.server.events.clear()
            self.unharmed(protection)


class FirstMessageTests(StrangerTestCase):
    def test_sizes(self) -> None:
        """W-11: a first message of 0, 1, 2048 or more bytes that are no TLS: too large ones are dropped, the others
        cost a session that ends once, and soon.
        """
        for protection in PROTECTIONS:
            for size in (0, 1, 1150, LARGEST_PAYLOAD, LARGEST_PAYLOAD + 1, 65000):
                stranger = self.meet(protection)
                opcode = Opcode.CONTROL_WKC if stranger.key else Opcode.CONTROL
                fields = {"acks": (0,), "remote_session_id": stranger.cookie(), "message_id": 1}
                stranger.send(stranger.packet(opcode, **fields, payload=b"\x01" * size))
                large = size > LARGEST_PAYLOAD
                self.assertEqual(self.drops, {"control-malformed": 1} if large else {}, f"{protection} {size}")
                self.world.run(61)
                # Who has said nothing of TLS at all is counted, and not told by itself.
                ended = len(self.world.server.told(Left)) + self.world.server.hub.drops.get("silent-start", 0)
                self.assertEqual(ended, 0 if large else 1, f"{protection} {size}")
                self.world.server.events.clear()
                self.unharmed(f"{protection} {size}")


class OpcodeTests(StrangerTestCase):
    def test_only_resets_are_answered(self) -> None:
        """Of all opcodes, authentic and well-formed, only a client's reset is answered: one answer for each."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            for opcode in Opcode:
                if opcode << 3 not in DATA_FIRST_BYTES and opcode not in CLIENT_RESETS:
                    number = None if opcode is Opcode.ACK else 0
                    stranger.send(stranger.packet(opcode, acks=(0,), remote_session_id=OWN_ID, message_id=number))
            self.silent(stranger, protection)
            stranger.send(stranger.reset())
            self.assertEqual(len(stranger.answers), 1)

    def test_orderings(self) -> None:
        """S-03: all orderings of two and three opcodes, each from a place of its own and with a good cookie: at most
        one session each, nobody comes in, and all of it is over soon.
        """
        for protection in ("none", "tls-crypt-v2"):
            self.meet(protection)
            hub = self.world.server.hub
            for number, ordering in enumerate(orderings()):
                before = len(hub.roster)
                stranger = Stranger(self.world, protection, (f"10.{number >> 8}.{number & 255}.1", 1000))
                cookie = stranger.cookie()
                for opcode in ordering:
                    body = bytes([1, 0, 0, 0, 0]) + cookie + (b"\0\0\0\1" if opcode in NUMBERED else b"")
                    stranger.send(stranger.wrap(bytes([opcode << 3]) + OWN_ID, body))
                self.assertLessEqual(len(hub.roster) - before, 1, f"{protection} {ordering}")
                if len(hub.roster) > 500:
                    self.world.run(70)
                    self.assertEqual(len(hub.roster), 1)
            self.world.run(70)
            self.assertGreater(hub.drops["silent-start"], 0)
            self.assertEqual(self.world.server.told(Left), [])
            self.world.server.events.clear()
            self.unharmed(protection)
