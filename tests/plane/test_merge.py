"""Streams that end here become large packets, and the kernel finds nothing in them that was not said."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.plane.merge import HEADER, PLAIN, merge, merge_frames
from tvpn.wire.ethernet import IPV4, IPV6, TAGGED, ip_offset

V4, V6 = (b"\x0a\x63\0\1", b"\x0a\x63\0\2"), (b"\xfd" + bytes(14) + b"\1", b"\xfd" + bytes(14) + b"\2")
OWN = {V4[1], V6[1]}
ACK, PUSH, FIN, RST, URG, ECE, CWR = 0x10, 0x08, 0x01, 0x04, 0x20, 0x40, 0x80


def checksum(data: bytes) -> int:
    """RFC 1071, as slowly as it is written there."""
    total = 0
    for high, low in zip(data[::2], data[1::2] + b"\0" * (len(data) & 1), strict=True):
        total += high << 8 | low
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Made:
    """A packet of one's own making, right in every field unless told otherwise."""

    payload: bytes = b"x" * 100
    sequence: int = 1000
    flags: int = ACK
    version: int = 4
    ports: tuple[int, int] = (4000, 80)
    acknowledged: int = 7
    window: int = 500
    options: bytes = b""
    service: int = 0
    fragment: int = 0x4000
    wrong: int = 0
    protocol: int = 6

    def bytes(self) -> bytes:
        offset = (20 + len(self.options)) << 2
        tcp = bytearray(struct.pack("!HHLLBBHHH", *self.ports, self.sequence & 0xFFFFFFFF, self.acknowledged, offset,
                                    self.flags, self.window, 0, 0) + self.options + self.payload)  # fmt: skip
        pair = b"".join(V4 if self.version == 4 else V6)
        right = checksum(pair + struct.pack("!LL", len(tcp), 6) + tcp)
        struct.pack_into("!H", tcp, 16, right ^ self.wrong)
        if self.version == 6:
            first = 6 << 28 | self.service << 20
            return struct.pack("!LHBB", first, len(tcp), self.protocol, 64) + pair + bytes(tcp)
        head = bytearray(struct.pack("!BBHHHBBH", 0x45, self.service, 20 + len(tcp), 9, self.fragment, 64,
                                     self.protocol, 0) + pair)  # fmt: skip
        struct.pack_into("!H", head, 10, checksum(bytes(head)))
        return bytes(head + tcp)


def is_right(packet: bytes) -> bool:
    """What a kernel looks at before it believes a packet: lengths and checksums."""
    is_v4 = packet[0] >> 4 == 4
    tcp, pair = packet[20 if is_v4 else 40 :], packet[12:20] if is_v4 else packet[8:40]
    if is_v4 and (checksum(packet[:20]) or int.from_bytes(packet[2:4], "big") != len(packet)):
        return False
    if not is_v4 and int.from_bytes(packet[4:6], "big") != len(packet) - 40:
        return False
    return checksum(pair + struct.pack("!LL", len(tcp), 6) + tcp) in (0, 0xFFFF)


def stream_of(packets: list[bytes]) -> dict[bytes, list[tuple[int, int, bytes]]]:
    """What each stream hears: (sequence number, flags, payload) one behind the other, neighbours joined."""
    heard: dict[bytes, list[tuple[int, int, bytes]]] = {}
    for packet in packets:
        at = 20 if packet[0] >> 4 == 4 else 40
        head = at + (packet[at + 12] >> 4 << 2)
        parts = heard.setdefault(packet[at - 8 : at + 4], [])
        sequence, flags, payload = int.from_bytes(packet[at + 4 : at + 8], "big"), packet[at + 13], packet[head:]
        if parts and payload and parts[-1][1] == ACK and flags & ~PUSH == ACK and parts[-1][2] and (
            parts[-1][0] + len(parts[-1][2]) & 0xFFFFFFFF == sequence
        ):  # fmt: skip
            parts[-1] = parts[-1][0], flags, parts[-1][2] + payload
        else:
            parts.append((sequence, flags, payload))
    return heard


class MergeTests(SynchronousTestCase):
    """What may become one, and what may not."""

    def merged(self, *packets: Made) -> list[int]:
        """How many packets there are in each that goes to the kernel; whatever it hears is what came, and right."""
        small = [packet.bytes() for packet in packets]
        merged = merge([(PLAIN, packet) for packet in small], OWN)
        self.assertEqual(stream_of([packet for _, packet in merged]), stream_of(small))
        numbers = []
        for header, packet in merged:
            _, kind, head, size, *_ = HEADER.unpack(header)
            self.assertTrue(is_right(packet))
            self.assertEqual(kind, 0 if header == PLAIN else 1 if packet[0] >> 4 == 4 else 4)
            numbers.append(-(-(len(packet) - head) // size) if kind else 1)
        return numbers

    def stream(self, number: int, **fields: object) -> list[Made]:
        first = replace(Made(), **fields)  # type: ignore[arg-type]
        return [replace(first, sequence=first.sequence + at * len(first.payload)) for at in range(number)]

    def test_stream(self) -> None:
        """Packets that follow each other are one: both families, options, odd sizes, around the end of the numbers."""
        payload = random.Random(1).randbytes(1399)
        for fields in (
            {}, {"version": 6}, {"options": b"\1\1\x08\x0a" + bytes(8)}, {"sequence": 2**32 - 150},
            {"payload": payload}, {"payload": payload, "version": 6},
        ):  # fmt: skip
            self.assertEqual(self.merged(*self.stream(40, **fields)), [40], str(fields))

    def test_whole(self) -> None:
        """The large packet is what one packet with all the payload would be, to the byte."""
        for version in (4, 6):
            packets = self.stream(3, version=version)
            packets[-1] = replace(packets[-1], flags=ACK | PUSH)
            [(header, large)] = merge([(PLAIN, packet.bytes()) for packet in packets], OWN)
            self.assertEqual(large, replace(packets[0], payload=b"x" * 300, flags=ACK | PUSH).bytes())
            self.assertEqual(HEADER.unpack(header), (0, 1 if version == 4 else 4, len(large) - 300, 100, 0, 0))

    def test_last_one(self) -> None:
        """A smaller one, or one with PSH, is the last; the next begins anew; a larger one is no continuation."""
        packets = self.stream(4)
        short = replace(packets[2], payload=b"y" * 60)
        after = replace(packets[3], sequence=packets[2].sequence + 60)
        self.assertEqual(self.merged(*packets[:2], short, after), [3, 1])
        pushed = replace(packets[1], flags=ACK | PUSH)
        self.assertEqual(self.merged(packets[0], pushed, *packets[2:]), [2, 2])
        self.assertEqual(self.merged(packets[0], replace(packets[1], payload=b"z" * 101)), [1, 1])

    def test_different(self) -> None:
        """Whatever else differs is no continuation: numbers, acks, window, options, service, ports, flags."""
        first, second = self.stream(2)
        for fields in (
            {"sequence": 1101}, {"sequence": 1000}, {"acknowledged": 8}, {"window": 501}, {"service": 3},
            {"ports": (4001, 80)}, {"options": bytes([1, 1, 1, 1])}, {"flags": ACK | ECE}, {"flags": ACK | CWR},
            {"flags": ACK | URG}, {"flags": ACK | FIN}, {"flags": ACK | RST}, {"flags": 0}, {"payload": b""},
            {"fragment": 0}, {"fragment": 0x6000}, {"protocol": 17},
        ):  # fmt: skip
            other = replace(second, **fields).bytes()  # type: ignore[arg-type]
            small = [(PLAIN, first.bytes()), (PLAIN, other)]
            self.assertEqual(merge(small, OWN), small, str(fields))

    def test_only_ours(self) -> None:
        """What goes further than this machine stays as it came: nobody on the way would look at its checksum."""
        small = [(PLAIN, packet.bytes()) for packet in (*self.stream(5), *self.stream(5, version=6))]
        self.assertEqual(merge(small, {V4[0], V6[0]}), small)
        self.assertEqual(len(merge(small, OWN)), 2)

    def test_wrong_checksum(self) -> None:
        """A wrong checksum makes the large packet wrong: the kernel drops it, and nothing false is ever heard."""
        for bad in range(5):
            for payload in (b"x" * 100, b"y" * 99):
                packets = self.stream(5, payload=payload)
                packets[bad] = replace(packets[bad], wrong=0x0101)
                [(_, large)] = merge([(PLAIN, packet.bytes()) for packet in packets], OWN)
                self.assertFalse(is_right(large))

    def test_changed_payload(self) -> None:
        """So does any single bit of any payload that is not what the checksum was made of."""
        dice = random.Random(3)
        small = [bytearray(packet.bytes()) for packet in self.stream(4, payload=dice.randbytes(99))]
        for _ in range(200):
            changed = [bytearray(packet) for packet in small]
            changed[dice.randrange(4)][dice.randrange(40, 139)] ^= 1 << dice.randrange(8)
            [(_, large)] = merge([(PLAIN, bytes(packet)) for packet in changed], OWN)
            self.assertFalse(is_right(large))

    def test_order(self) -> None:
        """Nothing overtakes within a stream: an ack, a fragment or an odd packet in between ends what came before."""
        first, second, third = self.stream(3)
        for odd in (replace(second, payload=b""), replace(second, flags=ACK | URG), replace(second, fragment=0x2000)):
            small = [packet.bytes() for packet in (first, odd, second, third)]
            merged = [packet for _, packet in merge([(PLAIN, packet) for packet in small], OWN)]
            self.assertEqual(merged[:2], small[:2])
            self.assertEqual(len(merged), 3)

    def test_interleaved(self) -> None:
        """Streams between each other do not keep each other from being merged."""
        one, two = self.stream(10), self.stream(10, ports=(4001, 80), version=6)
        self.assertEqual(self.merged(*(packet for pair in zip(one, two, strict=True) for packet in pair)), [10, 10])

    def test_end_of_the_numbers(self) -> None:
        """Behind the last number the first comes, of the same stream and not of that of the port above."""
        for version in (4, 6):
            last = Made(sequence=2**32 - 100, version=version)
            self.assertEqual(self.merged(last, replace(last, sequence=0, ports=(4000, 81))), [1, 1])
            self.assertEqual(self.merged(last, replace(last, sequence=0)), [2])

    def test_size(self) -> None:
        """No packet becomes larger than 65535 bytes."""
        merged = merge([(PLAIN, packet.bytes()) for packet in self.stream(60, payload=b"x" * 1400)], OWN)
        self.assertLessEqual(max(len(packet) for _, packet in merged), 65535)
        self.assertEqual(len(merged), 2)

    @settings(deadline=None, max_examples=60)
    @given(st.randoms())
    def test_anything(self, dice: random.Random) -> None:
        """Any packets in any order: every stream hears byte for byte what it would have heard one by one."""
        packets: list[Made] = []
        sequences: dict[tuple[int, int], int] = {}
        for _ in range(dice.randrange(1, 60)):
            flow = dice.randrange(3), dice.choice((4, 6))
            payload = dice.randbytes(dice.choice((0, 1, 50, 99, 100, 100, 100)))
            start = sequences.get(flow, 1000) if dice.random() < 0.9 else dice.randrange(2**32)
            sequences[flow] = start + len(payload)
            flags = dice.choice((ACK, ACK, ACK, ACK | PUSH, ACK | FIN, ACK | ECE))
            packets.append(Made(payload, start, flags, flow[1], (4000 + flow[0], 80)))
        self.merged(*packets)

    def test_garbage(self) -> None:
        """W-17: whatever an inner packet claims, nothing is lost and nothing raises."""
        dice = random.Random(7)
        for _ in range(3000):
            packets = []
            for _ in range(4):
                packet = bytearray(Made(b"p" * dice.randrange(30), version=dice.choice((4, 6))).bytes())
                for _ in range(dice.randrange(4)):
                    packet[dice.randrange(len(packet))] = dice.randrange(256)
                packet[0] = dice.choice((0x40, 0x60)) | packet[0] & 15
                size = dice.randrange(20 if packet[0] < 0x60 else 40, len(packet) + 1)
                packets.append((PLAIN, bytes(packet[:size])))
            merged = merge(packets, OWN)
            self.assertLessEqual(sum(header == PLAIN for header, _ in merged), 4)
            self.assertEqual([packet for packet in packets if packet in merged],
                             [packet for packet in merged if packet[0] == PLAIN])  # fmt: skip


STATION, OTHER = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


def framed(packet: Made, target: bytes = STATION, tag: bytes = b"", sender: bytes = OTHER) -> bytes:
    kind = IPV4 if packet.version == 4 else IPV6
    return target + sender + (TAGGED + tag if tag else b"") + kind + packet.bytes()


class FrameTests(SynchronousTestCase):
    """The same in frames."""

    def merged(self, frames: list[bytes]) -> list[tuple[bytes, bytes]]:
        return merge_frames([(PLAIN, frame) for frame in frames], OWN, STATION)

    def test_as_without(self) -> None:
        """What is in the large frame is what packets alone become, behind the same header, which the kernel is told."""
        for version in (4, 6):
            for tag in (b"", b"\0\7"):
                packets = [Made(sequence=1000 + 100 * at, version=version) for at in range(20)]
                [(header, large)] = self.merged([framed(packet, tag=tag) for packet in packets])
                [(bare, packet)] = merge([(PLAIN, packet.bytes()) for packet in packets], OWN)
                at = 18 if tag else 14
                self.assertEqual((ip_offset(large), large[at:]), (at, packet))
                self.assertEqual(large[:at], framed(packets[0], tag=tag)[:at])
                flags, kind, head, size, *rest = HEADER.unpack(bare)
                self.assertEqual(HEADER.unpack(header), (flags, kind, head + at, size, *rest))

    def test_only_ours(self) -> None:
        """What is for another station, for all, or for another address behind ours, stays as it came."""
        packets = [Made(sequence=1000 + 100 * at) for at in range(4)]
        for target in (OTHER, b"\xff" * 6):
            frames = [framed(packet, target) for packet in packets]
            self.assertEqual(self.merged(frames), [(PLAIN, frame) for frame in frames])
        frames = [framed(packet) for packet in packets]
        unmerged = [(PLAIN, frame) for frame in frames]
        self.assertEqual(merge_frames(unmerged, {V4[0]}, STATION), unmerged)
        self.assertEqual(merge_frames(unmerged, (), STATION), unmerged)
        self.assertEqual(len(self.merged(frames)), 1)

    def test_different_headers(self) -> None:
        """Another VLAN, another priority or another sender is no continuation, and nothing overtakes."""
        packets = [Made(sequence=1000 + 100 * at) for at in range(4)]
        for other in ({"tag": b"\0\7"}, {"sender": STATION}):
            frames = [framed(packets[0]), framed(packets[1], **other), framed(packets[2]), framed(packets[3])]
            merged = self.merged(frames)
            self.assertEqual([frame for _, frame in merged[:2]], frames[:2])
            self.assertEqual(len(merged), 3)

    @settings(deadline=None, max_examples=60)
    @given(st.randoms())
    def test_anything(self, dice: random.Random) -> None:
        """Any frames in any order, padded ones among them: what each stream hears is what came, and nothing is lost."""
        frames: list[bytes] = []
        sequences: dict[tuple[int, int], int] = {}
        for _ in range(dice.randrange(1, 50)):
            flow = dice.randrange(3), dice.choice((4, 6))
            payload = dice.randbytes(dice.choice((0, 1, 99, 100, 100, 100)))
            start = sequences.get(flow, 1000)
            sequences[flow] = start + len(payload)
            packet = Made(payload, start, dice.choice((ACK, ACK, ACK | PUSH, ACK | FIN)), flow[1], (4000 + flow[0], 80))
            tag = dice.choice((b"", b"", b"", b"\0\7"))
            target = STATION if dice.random() < 0.9 else OTHER
            frames.append(framed(packet, target, tag) + bytes(dice.choice((0, 0, 0, 6))))
        merged = self.merged(frames)
        for target in (STATION, OTHER):
            came = [frame[ip_offset(frame) :] for frame in frames if frame[:6] == target]
            went = [frame[ip_offset(frame) :] for _, frame in merged if frame[:6] == target]
            self.assertEqual(stream_of(went), stream_of(came))
        for header, frame in merged:
            if header == PLAIN:
                self.assertIn(frame, frames)
            else:
                self.assertTrue(is_right(frame[ip_offset(frame) :]))

    def test_garbage(self) -> None:
        """W-17: whatever a frame claims, cut anywhere: nothing raises, and what is not merged is as it came."""
        dice = random.Random(17)
        for _ in range(2000):
            frames = []
            for _ in range(4):
                frame = bytearray(framed(Made(b"p" * dice.randrange(30), version=dice.choice((4, 6)))))
                for _ in range(dice.randrange(4)):
                    frame[dice.randrange(12, len(frame))] = dice.randrange(256)
                frames.append(bytes(frame[: dice.randrange(14, len(frame) + 1)]))
            for header, frame in self.merged(frames):
                if header == PLAIN:
                    self.assertIn(frame, frames)
