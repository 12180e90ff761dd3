"""A session told packet by packet: what stands in the chart, in which order, and what never does."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import Options, World
from tvpn.crypto.tls import narrate
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.service.transcript import Transcript, _lines_of
from tvpn.session.record import KeyedAnew, Record, Watch
from tvpn.session.renegotiation import Limits

STORY = (
    r"HARD_RESET_CLIENT_V3 id 0", r"the client knocks", r"HARD_RESET_SERVER_V2 id 0, acks 0", r"CONTROL",
    r"TLS ClientHello", r"TLS ServerHello", r"TLS Certificate: ", r"TLS CertificateVerify", r"TLS Finished",
    r"TLS Certificate: ", r"TLS Finished", r"key method 2, inside TLS: a pre-master secret and two randoms",
    r"key method 2, inside TLS: two randoms", r"PUSH_REPLY: the configuration", r"  ifconfig 10\.9\.0\.2",
    r"data keys of key id 0 by TLS's exporter \(RFC 5705\): AES-256-GCM", r"client to server: key of 256 bits",
)  # fmt: skip


class TranscriptTests(SynchronousTestCase):
    """Of a client of ours."""

    def watch(self, watch: Watch, **options: object) -> World:
        """A client that connects, watched."""
        told = {"prepare": narrate, "watch": watch, **options}
        world = World(Options(protection="tls-crypt-v2", **told))  # type: ignore[arg-type]
        self.assertTrue(world.run(20, world.connected(world.client())))
        return world

    def test_story(self) -> None:
        """Reset, ClientHello, ServerHello, certificates, Finished, key method 2, push and keys stand in their order."""
        transcript = Transcript()
        self.watch(transcript.note)
        text = str(transcript)
        at = 0
        for step in STORY:
            found = re.compile(step).search(text, at)
            self.assertIsNotNone(found, f"{step} is not after byte {at} of:\n{text}")
            at = found.end()  # type: ignore[union-attr]

    def test_arrows(self) -> None:
        """What the client sends points to the right and has its size; times begin at nought and never fall."""
        transcript = Transcript()
        self.watch(transcript.note)
        arrows = [line for line in transcript.lines if " B " in line]
        self.assertRegex(arrows[0], r"^ +0\.0  │── HARD_RESET_CLIENT_V3 .* \d+ B ─►│$")
        self.assertRegex(arrows[1], r"^ +\d+\.\d  │◄─ HARD_RESET_SERVER_V2 .* \d+ B ──│$")
        self.assertEqual({len(line) for line in arrows}, {len(arrows[0])})
        times = [float(line.split()[0]) for line in arrows]
        self.assertEqual(times, sorted(times))

    def test_secrets(self) -> None:
        """Neither passwords nor tokens nor keys stand in it; keys do where they are asked for."""
        told: list[Record] = []
        transcript, frank = Transcript(), Transcript(show_keys=True)

        def note(record: Record) -> None:
            told.append(record)
            transcript.note(record)
            frank.note(record)

        def judge(request: VerdictRequest) -> Verdict:
            return Verdict(True, push=("auth-token SESS_ID_AT_secret",))

        self.watch(note, login=("alice", "open sesame"), verdict=judge)
        text = str(transcript)
        [keyed] = [record for record in told if isinstance(record, KeyedAnew)]
        key = bytes(keyed.keys.send_key).hex()
        self.assertIn("user name alice and a password (not shown)", text)
        self.assertIn("auth-token (not shown)", text)
        for secret in ("sesame", "SESS_ID_AT", key):
            self.assertNotIn(secret, text)
            self.assertNotIn(secret, repr(told))
        self.assertIn(key, str(frank))

    def test_messages(self) -> None:
        """A token is not shown however it is written, nor the state of a question; the rest is."""
        told = "\n".join(line for text in (
            'PUSH_REPLY,ping 5, auth-token SECRET,"auth-token" SECRET,\tauth-token\tSECRET,, ',
            "PUSH_UPDATE,-auth-token SECRET", "AUTH_FAILED,CRV1:R,E:SECRET:YWxpY2U=:Code?",
            "AUTH_FAILED,not today",
        ) for line in _lines_of(text))  # fmt: skip
        self.assertNotIn("SECRET", told)
        for shown in ("  ping 5\n", "  auth-token (not shown)", "  a question: Code?", "  not today"):
            self.assertIn(shown, told)

    def test_retransmission(self) -> None:
        """A packet that was lost and comes again is said to, and its contents are told once."""
        transcript = Transcript()
        self.watch(transcript.note, fate=lambda number, *_: [] if number == 2 else [0.0])
        self.assertIn(", again (no ack came in time)", str(transcript))
        self.assertEqual(str(transcript).count("TLS ClientHello"), 1)

    def test_renegotiation(self) -> None:
        """A new key id is wrapped by dynamic tls-crypt, and its keys are others."""
        transcript = Transcript()
        world = self.watch(transcript.note, client_limits=Limits(5, 5))
        world.run(8)
        text = str(transcript)
        self.assertRegex(text, r"SOFT_RESET id 0, key id 1")
        self.assertIn("only these two know it", text)
        fingerprints = re.findall(r"client to server: key of 256 bits, fingerprint (\w+)", text)
        self.assertEqual(len(fingerprints), len(set(fingerprints)))
        self.assertGreaterEqual(len(fingerprints), 2)

    def test_server_side(self) -> None:
        """The same session seen from the server: the client stays at the left."""
        world = World(Options(protection="tls-crypt"))
        transcript = Transcript(is_server=True)
        world.server.hub.audience = lambda endpoint: transcript.note
        client = world.client()
        self.assertTrue(world.run(20, world.connected(client)))
        self.assertRegex(str(transcript), r"│── CONTROL id 1, acks 0")
        self.assertIn("server to client: key of 256 bits", str(transcript))

    def test_markdown(self) -> None:
        """For a page it is a block of text."""
        transcript = Transcript()
        transcript.say("hello\x1b[31m")
        self.assertEqual(transcript.markdown, "```text\n           * hello?[31m\n```\n")
