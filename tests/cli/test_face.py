"""What is seen of a client that runs."""

from __future__ import annotations

import json
import os
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from tvpn.cli.face import JSONFace, LastingFace, TerminalFace, clock, rate, size
from tvpn.hub.event import Advanced, Announced, ChallengeAsked, Connected, Disconnected
from tvpn.hub.pushed import read_pushed
from tvpn.plane.verbs import Counters
from tvpn.service.progress import CallFailed, Calling, Waiting
from tvpn.session.event import Step
from tvpn.wire.challenge import Challenge

TUNNEL = read_pushed([
    "topology subnet", "ifconfig 10.9.0.2 255.255.255.0", "ifconfig-ipv6 fd00:9::2/64 fd00:9::1", "tun-mtu 1400",
    "redirect-gateway def1", "route 10.55.0.0 255.255.0.0 net_gateway 7", "dhcp-option DNS 10.9.0.53",
    "dhcp-option DOMAIN-SEARCH example.org", "bogus 1",
])  # fmt: skip
CALLING = Calling("vpn.example.org", "198.51.100.1", "udp", 1194)


class JSONTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = StringIO()
        self.face = JSONFace(self.output)

    def told(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.output.getvalue().splitlines()]

    def test_events(self) -> None:
        """Every event is one object on one line, with its time, its name and what belongs to it."""
        for progress in (CALLING, Advanced(Step.SECURED), Connected(TUNNEL), Disconnected("no answer", True),
                         Waiting(2), CallFailed("cannot find it")):  # fmt: skip
            self.face.hear(progress)
        self.face.close()
        events = self.told()
        self.assertTrue(all(event.pop("time") for event in events))
        self.assertEqual(events[0], {"event": "calling", "host": "vpn.example.org", "address": "198.51.100.1",
                                     "protocol": "udp", "port": 1194, "proxy": ""})  # fmt: skip
        self.assertEqual(events[1], {"event": "advanced", "step": "secured"})
        self.assertEqual(events[2], {"event": "connected", "addresses": ["10.9.0.2/24", "fd00:9::2/64"], "mtu": 1400,
                                     "routes": ["0.0.0.0/1", "128.0.0.0/1", "10.55.0.0/16 by net_gateway metric 7"],
                                     "name_servers": ["10.9.0.53"], "search_domains": ["example.org"],
                                     "ignored": ["bogus 1"]})  # fmt: skip
        self.assertEqual(events[3], {"event": "disconnected", "reason": "no answer", "retry": True, "wait": 0})
        self.assertEqual(events[4], {"event": "waiting", "seconds": 2})
        self.assertEqual([event["event"] for event in events[5:]], ["call-failed", "stopped"])

    def test_hostile(self) -> None:
        """Whatever the server says, a line stays one line."""
        self.face.hear(Announced('two\nlines "and" \x1b[31m'))
        [event] = self.told()
        self.assertEqual(event["text"], 'two\nlines "and" \x1b[31m')

    def test_challenge(self) -> None:
        """Of a question there is its text; the state that goes back with the answer is a secret."""
        event = ChallengeAsked(Challenge("Code?", state="SECRET", username="alice"))
        self.face.hear(event)
        self.assertEqual(self.told()[-1]["challenge"], "Code?")
        self.assertNotIn("SECRET", repr(event))

    def test_traffic(self) -> None:
        """Counters are told every ten seconds, and only when they have moved."""
        counters = Counters(10, 1, 20, 1, {})
        for _ in range(30):
            self.face.show(counters)
        self.assertEqual(len(self.told()), 1)
        counters.sent_bytes = 21
        for _ in range(10):
            self.face.show(counters)
        self.assertEqual(self.told()[-1]["sent_bytes"], 21)


class LastingTests(SynchronousTestCase):
    def test_nobody_reads(self) -> None:
        """When the reader of a pipe is gone nothing is raised, then or later, and nothing is left to be flushed."""
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as output:
            face = LastingFace(JSONFace(output), output)
            face.hear(CALLING)
            os.close(reader)
            for _ in range(2):
                face.hear(CALLING)
            face.show(Counters.zero())
            face.close()
            output.flush()


class TerminalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = StringIO()
        self.now = 100.0
        self.face = TerminalFace(self.output, lambda: self.now)
        self.addCleanup(self.face.close)

    def test_stages(self) -> None:
        """What stays are the milestones; foreign text brings no control characters along."""
        for progress in (CALLING, Advanced(Step.KEYED), Connected(TUNNEL), Announced("back\x1b[2Jsoon"),
                         Disconnected("no answer", True)):  # fmt: skip
            self.face.hear(progress)
        shown = self.output.getvalue()
        for text in ("connected: 10.9.0.2/24, fd00:9::2/64", "the server says: back?[2Jsoon",
                     "disconnected: no answer"):  # fmt: skip
            self.assertIn(text, shown)
        self.assertNotIn("\x1b[2J", shown)

    def test_question(self) -> None:
        """A question of the server is shown."""
        self.face.hear(ChallengeAsked(Challenge("Code?", echo=True)))
        self.assertIn("the server asks: Code?", self.output.getvalue())

    def test_rates(self) -> None:
        """Rates are those of the last interval; times and sizes have units."""
        seen: list[str] = []
        self.face._status = seen.append  # type: ignore[method-assign]
        self.face.hear(Connected(TUNNEL))
        for counters in (Counters(0, 0, 0, 0, {}), Counters(125_000, 1, 1_250_000, 1, {})):
            self.face.show(counters)
            self.now += 1
        self.assertEqual(seen[-1], "up 0:00:01   ↓ 1.0 Mbit/s   ↑ 10.0 Mbit/s   122.1 KiB in, 1.2 MiB out")

    def test_units(self) -> None:
        """The unit that leaves fewest digits; the largest takes the rest."""
        self.assertEqual([rate(each) for each in (0, 999, 1000, 2.5e9)],
                         ["0 bit/s", "999 bit/s", "1.0 kbit/s", "2.5 Gbit/s"])  # fmt: skip
        self.assertEqual([size(1023), size(1024), size(5 << 50)], ["1023 B", "1.0 KiB", "5120.0 TiB"])
        self.assertEqual([clock(59), clock(3725)], ["0:00:59", "1:02:05"])
