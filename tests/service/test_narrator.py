"""Each event's sentence, and that nobody far away can write another line into the log."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.hub.event import (
    Announced,
    Changed,
    Complaint,
    Connected,
    Disconnected,
    HangUp,
    Joined,
    Leased,
    Left,
    Moved,
    VerdictRequest,
)
from tvpn.hub.pushed import Tunnel
from tvpn.plane.verbs import Endpoint
from tvpn.service.narrator import clean, is_worth, sentence, where
from tvpn.service.progress import Calling, Progress
from tvpn.session.event import VerdictWanted

HERE, THERE = Endpoint("link", ("192.0.2.7", 1194)), Endpoint("link", ("2001:db8::7", 5000, 0, 0))
WANTED = VerdictWanted(0, Identity("ca", 7, "alice"), "", "secret", {})

SENTENCES: list[tuple[Progress, str | None]] = [
    (Calling("vpn.example", "192.0.2.7", "udp", 1194), "connecting to 192.0.2.7, udp port 1194"),
    (Calling("vpn.example", "192.0.2.9", "tcp", 443, "proxy 192.0.2.9:3128"),
     "connecting to vpn.example, tcp port 443, through proxy 192.0.2.9:3128"),
    (Joined(1, "alice", HERE, ("10.9.0.2", "fd00:9::2")), "alice joined from 192.0.2.7:1194 as 10.9.0.2, fd00:9::2"),
    (Joined(1, "alice", THERE, ("10.9.0.2",)), "alice joined from [2001:db8::7]:5000 as 10.9.0.2"),
    (Left(1, "alice", HERE, True, "left"), "alice (192.0.2.7:1194) left"),
    (Left(1, "alice", HERE, True, "silent for 60 s"), "alice (192.0.2.7:1194) left: silent for 60 s"),
    (Left(1, "alice", HERE, False, "revoked"), "alice (192.0.2.7:1194) did not get in: revoked"),
    (Left(1, "", THERE, False, "timeout"), "a client ([2001:db8::7]:5000) did not get in: timeout"),
    (Moved(1, "alice", THERE), "alice moved to [2001:db8::7]:5000"),
    (Complaint("tls-crypt-forged", HERE, 1), "192.0.2.7 used another tls-crypt key (or none)"),
    (Complaint("reset-rate", HERE, 12), "192.0.2.7 asks for too many connections; some go unanswered (12 packets)"),
    (Complaint("opcode", HERE, 2), "192.0.2.7 sent packets that were dropped: opcode (2 packets)"),
    (Disconnected("the server refused us: full", True), "disconnected: the server refused us: full"),
    (Connected(Tunnel(ignored=["block-ipv6", "inactive 60"])),
     "the server pushed what has no effect here: block-ipv6; inactive 60"),
    (Connected(Tunnel()), None),
    (Changed(Tunnel()), "the server has changed what it pushed"),
    (Changed(Tunnel(ignored=["block-ipv6"])),
     "the server has changed what it pushed, and what has no effect here: block-ipv6"),
    (Announced("back at eight"), "the server says: back at eight"),
    (Leased("ca:7", 3), None),
    (HangUp(HERE), None),
    (VerdictRequest(1, HERE, WANTED), None),
]  # fmt: skip


class SentenceTests(SynchronousTestCase):
    """The words."""

    def test_sentences(self) -> None:
        """Every kind of event has its sentence, or none where there is nothing to say."""
        for event, wanted in SENTENCES:
            self.assertEqual(sentence(event), wanted)

    def test_addresses(self) -> None:
        """IPv6 stands in brackets before its port."""
        self.assertEqual((where(HERE), where(THERE)), ("192.0.2.7:1194", "[2001:db8::7]:5000"))

    def test_foreign_text(self) -> None:
        """What a peer or a server wrote cannot begin a line of its own or move a terminal's cursor."""
        bad = "x\nalice joined\r\x1b[2J\x00\u2028\u202e"
        events = [
            Left(1, bad, HERE, False, "no"), Left(1, "alice", HERE, True, bad),
            Disconnected(bad, False), Connected(Tunnel(ignored=[bad])),
            Changed(Tunnel(ignored=[bad])), Announced(bad),
        ]  # fmt: skip
        for event in events:
            said = sentence(event)
            self.assertIn("x?alice joined??[2J???", said or "")

    @given(st.text(max_size=50))
    @settings(deadline=None, max_examples=200)
    def test_clean(self, text: str) -> None:
        """Cleaning keeps the length and every printable character, and leaves nothing else."""
        cleaned = clean(text)
        self.assertTrue(cleaned.isprintable())
        self.assertEqual(len(cleaned), len(text))
        for before, after in zip(text, cleaned, strict=True):
            self.assertEqual(after, before if before.isprintable() else "?")


class VerbosityTests(SynchronousTestCase):
    """From which verb on."""

    def check(self, event: Any, least: int) -> None:
        told = [verb for verb in range(6) if is_worth(event, verb)]
        self.assertEqual(told, list(range(least, 6)))

    def test_peers(self) -> None:
        """What happens to peers is told from verb 1 on, and never at 0."""
        for event in (Joined(1, "alice", HERE, ()), Left(1, "alice", HERE, True, "left"), Moved(1, "alice", HERE)):
            self.check(event, 1)

    def test_complaints(self) -> None:
        """A wrong key is told from verb 1 on; mere debris only from 4 on."""
        self.check(Complaint("tls-auth-forged", HERE, 1), 1)
        self.check(Complaint("replay", HERE, 1), 4)
