"""Frames: whole or not, tags, and where the IP packet begins (W-17)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.test_ip import is_right, mss_of, tcp
from tvpn.wire.ethernet import (
    IPV4,
    IPV6,
    NOBODY,
    TAGGED,
    ip_offset,
    is_group,
    is_whole,
    vlan_of,
    with_vlan,
    without_tag,
)
from tvpn.wire.ip import clamp_mss

BROADCAST = b"\xff" * 6
ADDRESSES = b"\2\0\0\0\0\1" + b"\2\0\0\0\0\2"


def frame(kind: bytes, payload: bytes, tag: bytes = b"") -> bytes:
    return ADDRESSES + (TAGGED + tag if tag else b"") + kind + payload


class HeaderTests(SynchronousTestCase):
    def test_whole(self) -> None:
        """W-17: a header has 14 bytes, with a tag 18; whatever is shorter is not whole."""
        plain, tagged = frame(b"\x88\xb5", bytes(46)), frame(b"\x88\xb5", bytes(46), b"\0\7")
        for size in range(60):
            self.assertIs(is_whole(plain[:size]), size >= 14, str(size))
            self.assertIs(is_whole(tagged[:size]), size >= 18, str(size))

    def test_groups(self) -> None:
        """Broadcast and multicast mean many; a station's own address, nobody's among them, does not."""
        for address, answer in (
            (BROADCAST, True), (b"\x33\x33\0\0\0\1", True), (b"\1\0\x5e\0\0\1", True), (ADDRESSES[:6], False),
            (NOBODY, False),
        ):  # fmt: skip
            self.assertIs(is_group(address), answer)

    def test_ip_offset(self) -> None:
        """Behind 14 bytes, behind 18 with a tag, and nowhere when it is something else or its header is cut."""
        packets = {IPV4: tcp(4, b""), IPV6: tcp(6, b"")}
        for kind, packet in packets.items():
            least = 20 if kind == IPV4 else 40
            for tag, at in ((b"", 14), (b"\xe0\7", 18)):
                whole = frame(kind, packet, tag)
                self.assertEqual(ip_offset(whole), at)
                self.assertEqual(ip_offset(whole[: at + least]), at)
                self.assertEqual(ip_offset(whole[: at + least - 1]), 0)
                self.assertEqual(ip_offset(frame(b"\x08\6", packet, tag)), 0)
            other = IPV6 if kind == IPV4 else IPV4
            self.assertEqual(ip_offset(frame(other, packet)), 0)
        self.assertEqual(ip_offset(frame(TAGGED, b"\0\5" + IPV4 + packets[IPV4], b"\0\7")), 0)


class VlanTests(SynchronousTestCase):
    def test_tag(self) -> None:
        """A tag is put in and taken out; one that is there changes its number and keeps its priority."""
        plain = frame(IPV4, b"payload")
        tagged = with_vlan(plain, 7)
        self.assertEqual(tagged, frame(IPV4, b"payload", b"\0\7"))
        self.assertEqual((vlan_of(plain), vlan_of(tagged), without_tag(tagged)), (None, 7, plain))
        priority = frame(IPV4, b"payload", b"\xe0\0")
        self.assertEqual((vlan_of(priority), with_vlan(priority, 4094)), (0, frame(IPV4, b"payload", b"\xef\xfe")))
        self.assertEqual(vlan_of(tagged[:17]), None)

    @settings(deadline=None)
    @given(st.binary(max_size=80), st.integers(1, 4094))
    def test_there_and_back(self, payload: bytes, vlan: int) -> None:
        """Whatever is in a frame, in and out again it is the same, and the tag says what it was told."""
        plain = frame(b"\x88\xb5", payload)
        self.assertEqual((vlan_of(with_vlan(plain, vlan)), without_tag(with_vlan(plain, vlan))), (vlan, plain))


class ClampTests(SynchronousTestCase):
    def test_in_frames(self) -> None:
        """A SYN in a frame is clamped as one without, behind a tag too; everything else of it stays."""
        for family, kind in ((4, IPV4), (6, IPV6)):
            for tag in (b"", b"\x60\7"):
                whole = frame(kind, tcp(family, b"\2\4\x05\xb4"), tag)
                at = ip_offset(whole)
                clamped = clamp_mss(whole, 1200, at)
                self.assertEqual(clamped[at:], clamp_mss(whole[at:], 1200))
                self.assertEqual(clamped[:at], whole[:at])
                self.assertEqual(mss_of(clamped, at + (42 if family == 4 else 62)), 1200 if family == 4 else 1180)
                self.assertTrue(is_right(clamped[at:]))
                self.assertEqual(clamp_mss(whole, 1480, at), whole)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=90), st.sampled_from([b"", b"\0\0", b"\0\7"]), st.sampled_from([IPV4, IPV6, b"\x88\xb5"]))
    def test_anything(self, payload: bytes, tag: bytes, kind: bytes) -> None:
        """W-17: whatever is in a frame: no exception, the same length, and the same as without the frame around it."""
        whole = frame(kind, payload, tag)
        at = ip_offset(whole)
        if at:
            self.assertEqual(clamp_mss(whole, 500, at), whole[:at] + clamp_mss(whole[at:], 500))
        self.assertIn(at, (0, 14, 18))
        for size in range(len(whole)):
            cut = whole[:size]
            at = ip_offset(cut)
            self.assertEqual(len(clamp_mss(cut, 500, at)) if at else size, size)
            vlan_of(cut)
