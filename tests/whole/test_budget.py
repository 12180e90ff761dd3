"""What one client may ask of the server: floods inside a session cost the client, and nobody else.

The numbers here are small enough for every day; tests/soak repeats these tests with great ones.
"""

from __future__ import annotations

import time
from ipaddress import IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    SERVER_ADDRESS,
    SERVER_PLACE,
    Connected,
    Disconnected,
    Joined,
    Left,
    Limits,
    Node,
    Options,
    Verdict,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import Unwrapped
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import ServerRules
from tvpn.plane.verbs import PeerSpec
from tvpn.session.peer import CONTROL_BURST, CONTROL_RATE
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.message import EXIT, PUSH_REQUEST, decode_messages, encode_message
from tvpn.wire.option import LONGEST_PEER_INFO, MOST_PEER_INFO

NEVER = Limits(longest=0, shortest=0)
#: Clients are told to ping, so that a quiet minute is no death.
PINGED = ServerRules(IPv4Network("10.9.0.0/24"), None, ("ping 10",), PeerSpec(ping=10, timeout=60))
LIVELY = {"IV_PROTO": "990", "IV_NCP": "2", "IV_CIPHERS": "AES-256-GCM"}


class BudgetCase(SynchronousTestCase):
    #: How many times as often as usual, for tests/soak.
    TIMES = 1

    def connect(self, protection: str = "none", **more: object) -> tuple[World, Node]:
        options = Options(protection, server_limits=NEVER, client_limits=NEVER, rules=PINGED, **more)  # type: ignore
        world = World(options)
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        world.run(2)
        return world, client

    def speak(self, world: World) -> None:
        """The server says what its one session has to say."""
        hub = world.server.hub
        hub._follow(hub.roster.get(1), world.now)
        world.server.flush()
        world.run(2)

    def heard(self, client: Node) -> list[str]:
        """A list that the server's messages to this client are added to as they come."""
        heard: list[str] = []
        session = client.hub.session
        understand = session._message
        self.patch(session, "_message", lambda text, now: (heard.append(text), understand(text, now)))
        return heard

    def say(self, client: Node, data: bytes) -> None:
        """Plaintext of the client's TLS session, as it is."""
        client.hub.session._exchange.tls.send(data)


class MessageTests(BudgetCase):
    def test_pull_flood(self) -> None:
        """S-09: thousands of PUSH_REQUESTs get one PUSH_REPLY in thirty seconds; nothing of them is kept."""
        world, client = self.connect()
        heard = self.heard(client)
        began = world.now
        for _ in range(2000 * self.TIMES):
            self.say(client, encode_message(PUSH_REQUEST))
        client.flush()
        while not client.hub.session.settled:
            world.run(1)
            self.assertLessEqual(len(world.server.hub.roster.get(1).session._exchange._outbox._waiting), 6)
        world.run(2)
        replies = [text for text in heard if text.startswith("PUSH_REPLY")]
        self.assertLessEqual(len(replies), (world.now - began) / 30 + 1)
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
        self.assertTrue(world.passes(client))

    def test_rate(self) -> None:
        """S-14: of messages of one byte no more than 200 a second are looked at after the first few hundred."""
        world, client = self.connect()
        session = world.server.hub.roster.get(1).session
        looked: list[float] = []
        self.patch(session, "_message", lambda text, now: looked.append(now))
        number = 3000 * self.TIMES
        for _ in range(number):
            self.say(client, b"x\0")
        began = world.now
        client.flush()
        self.assertTrue(world.run(number, lambda: len(looked) == number))
        # A packet is taken whole, and those that came before it in the wrong order with it.
        for count, at in enumerate(looked):
            self.assertLess(count, CONTROL_BURST + CONTROL_RATE * (at - began) + 700)
        self.assertGreater(world.server.hub.drops["control-rate"], 0)
        world.run(5)
        self.assertTrue(world.passes(client))

    def test_unterminated(self) -> None:
        """S-14: a message without an end is kept nowhere, and the session goes on."""
        world, client = self.connect()
        session = world.server.hub.roster.get(1).session
        for _ in range(20 * self.TIMES):
            self.say(client, b"x" * 16384)
        client.flush()
        tls = session._exchange.tls
        most = 0
        for _ in range(40 * self.TIMES):
            world.run(1)
            most = max(most, tls._connection.pending() + len(session._exchange._inbox._early) * 2048)
        self.assertTrue(client.hub.session.settled)
        self.assertLessEqual(most, 65536)
        heard = self.heard(client)
        world.run(30)
        self.say(client, encode_message(PUSH_REQUEST))
        client.flush()
        world.run(2)
        self.assertEqual([text.partition(",")[0] for text in heard], ["PUSH_REPLY"])
        self.assertTrue(world.passes(client))

    def test_control_characters(self) -> None:
        """S-16: line ends behind a message are cut off; one with CR, LF, ESC or NUL within is nobody's message."""
        for inside in ("\r", "\n", "\x1b", "\x07", "\x7f", "\u202e", "\u2028"):
            for word in ("AUTH_FAILED", "INFO", "INFO_PRE"):
                self.assertEqual(list(decode_messages(f"{word},a{inside}b\0".encode())), [], repr(inside))
        self.assertEqual(list(decode_messages(b"AUTH_FAILED,a\0b\0")), ["AUTH_FAILED,a", "b"])
        self.assertEqual(list(decode_messages(b"AUTH_FAILED,no\r\n\0")), ["AUTH_FAILED,no"])
        world, client = self.connect()
        session = world.server.hub.roster.get(1).session
        for text in ("AUTH_FAILED,\x1b[2Jgone", "AUTH_FAILED,a\nMay 1 root: b", "RESTART,\x07"):
            session.send_message(text)
        self.speak(world)
        self.assertEqual(client.told(Disconnected), [])
        session.send_message("AUTH_FAILED,no\r\n")
        self.speak(world)
        self.assertEqual([gone.reason for gone in client.told(Disconnected)], ["the server refused us: no"])


class RenegotiationTests(BudgetCase):
    def forged(self, client: Node, key_id: int) -> bytes:
        packet = ControlPacket(Opcode.SOFT_RESET, key_id, client.hub.session.session_id, message_id=0)
        return Unwrapped().wrap(Stamp(0, 0), packet.header, packet.encode_body())

    def test_soft_resets(self) -> None:
        """S-06: a thousand soft resets a second are one renegotiation at a time, at 5 % of a core at the most."""
        world, client = self.connect(peer_info={"IV_PROTO": "6", "IV_NCP": "2"})
        session = world.server.hub.roster.get(1).session
        seconds, spent, exchanges = min(5 * self.TIMES, 50), 0.0, set()
        for number in range(1000 * seconds):
            datagram = self.forged(client, number % 8)
            before = time.thread_time()
            world.server.hub.receive(world.server.hub.roster.get(1).endpoint, datagram, world.now)
            spent += time.thread_time() - before
            exchanges.add(session._exchange.key_id)
            world.now += 0.001
        self.assertEqual(exchanges, {0, 1}, "one began, and nothing else did while it was not done")
        if self.TIMES > 1:
            self.assertLess(spent / seconds, 0.05)
        self.assertEqual(world.server.told(Left), [])

    def test_genuine_renegotiations(self) -> None:
        """S-06: a client that renegotiates without pause gets a new key once a second, and keeps its session."""
        world, client = self.connect()
        begin, seconds = len(world.trace), 5 * self.TIMES
        for _ in range(seconds * 50):
            client.hub.session.renegotiate(world.now)
            client.flush()
            world.run(0.02)
        resets = [
            data for _, sender, _, data in world.trace[begin:]
            if sender == SERVER_PLACE and data[0] >> 3 == Opcode.SOFT_RESET
        ]  # fmt: skip
        self.assertTrue(2 <= len(resets) <= seconds + 1, len(resets))
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
        self.assertTrue(world.passes(client))


class FarewellTests(BudgetCase):
    def refused(self, world: World, client: Node) -> None:
        """The plane knows neither the client nor its key any more."""
        world.server.delivered.clear()
        sent = ipv4_packet(address_of(client), SERVER_ADDRESS, b"still here")
        client.plane.outward([(b"", sent)], world.now)
        for *_, buffer in client.plane.take()[1]:
            world.server.plane.inward("wire", [(client.place, b"", 0, buffer)], world.now)
        self.assertEqual(world.server.plane.take()[0], [])
        self.assertIsNone(world.server.plane.endpoint(0))

    def test_exits(self) -> None:
        """S-12: EXIT over and over is one goodbye: data is refused at once, five seconds later nothing is left."""
        world, client = self.connect()
        for _ in range(1000 * self.TIMES):
            self.say(client, encode_message(EXIT))
        client.flush()
        said = world.now
        self.assertTrue(world.run(1, lambda: bool(world.server.told(Left))))
        self.refused(world, client)
        self.assertTrue(world.run(10, lambda: not len(world.server.hub.roster)))
        self.assertLessEqual(world.now - said, 6)
        self.assertEqual([left.reason for left in world.server.told(Left)], ["left"])

    def test_talking_on(self) -> None:
        """S-12: whom the server has ended may talk on as it likes: keys are dead at once, the tombstone after 5 s."""
        world, client = self.connect()
        self.patch(client.hub.session, "_message", lambda text, now: None)
        world.server.hub.disconnect(1, "enough", world.now)
        world.server.flush()
        self.refused(world, client)
        for number in range(60):
            self.say(client, encode_message(PUSH_REQUEST if number % 2 else EXIT))
            client.flush()
            world.run(0.1)
            if number == 40:
                self.assertEqual(len(world.server.hub.roster), 1)
        self.assertEqual(len(world.server.hub.roster), 0)
        self.assertEqual(len(world.server.told(Left)), 1)


class AdmissionTests(BudgetCase):
    def test_nothing_before_the_verdict(self) -> None:
        """S-10: while a verdict is out neither PUSH_REQUESTs nor data get the client anything, however many."""
        world = World(Options(verdict=lambda _: None))
        client = world.client()
        self.assertTrue(world.run(5, lambda: bool(world.server.told(VerdictRequest))))
        world.run(1)
        heard = self.heard(client)
        for number in range(100):
            self.say(client, encode_message(PUSH_REQUEST))
            world.server.receive(client.place, b"\x48" + bytes(3) + number.to_bytes(4, "big") + bytes(60))
            world.server.receive(client.place, b"\x30" + number.to_bytes(4, "big") + bytes(60))
        client.flush()
        world.run(10)
        self.assertEqual((heard, world.server.delivered, world.server.told(Joined)), ([], [], []))
        self.assertEqual(world.server.plane.strays.drops, {"peer-unknown": 200})
        world.server.hub.verdict(1, Verdict(True), world.now)
        world.server.flush()
        self.assertTrue(world.run(2, world.connected(client)))
        self.assertEqual(len([text for text in heard if text.startswith("PUSH_REPLY")]), 1)
        self.assertTrue(world.passes(client))

    def test_two_verdicts(self) -> None:
        """S-11: of two verdicts a single no is enough, whichever comes first and however late the other one is."""
        for verdicts in ((False, True), (True, False)):
            world = World(Options(verdict=lambda _: None))
            client = world.client()
            self.assertTrue(world.run(5, lambda world=world: bool(world.server.told(VerdictRequest))))
            for accepted in verdicts:
                world.server.hub.verdict(1, Verdict(accepted, "no", "no"), world.now)
                world.server.flush()
                world.run(1)
            world.run(10)
            self.assertEqual(len(world.server.hub.roster), 0, str(verdicts))
            self.assertEqual(bool(client.told(Connected)), verdicts[0])
            self.assertEqual([gone.reason for gone in client.told(Disconnected)], ["the server refused us: no"])
            self.assertIsNone(world.server.plane.endpoint(0))

    def test_peer_info(self) -> None:
        """S-13: of a flood of peer info at most fifty variables in four kilobytes are kept, all of them printable."""
        flood = {f"UV_{number:04}": "\x1b[2J$(reboot)`\xe9" for number in range(600)}
        world, _ = self.connect(peer_info={**LIVELY, **flood})
        kept = world.server.hub.roster.get(1).session.peer_info
        self.assertEqual(len(kept), MOST_PEER_INFO)
        self.assertLessEqual(sum(len(name) + len(value) for name, value in kept.items()), LONGEST_PEER_INFO)
        self.assertEqual({name: kept[name] for name in LIVELY}, LIVELY)
        self.assertEqual({value for name, value in kept.items() if name not in LIVELY}, {"_[2J__reboot)__"})

    def test_endless_peer_info(self) -> None:
        """S-13: sixty kilobytes of it are more than a key exchange may say: the client is refused."""
        world = World(Options(peer_info={**LIVELY, "UV_LONG": "x" * 60_000}))
        client = world.client()
        world.run(10)
        self.assertEqual(client.told(Connected), [])
        self.assertIn("runs past its end", world.server.told(Left)[0].reason)
        self.assertEqual(len(world.server.hub.roster), 0)


class ReplayTests(BudgetCase):
    def recorded(self, protection: str) -> tuple[World, Node, list[bytes]]:
        """A world after a client has come and gone, and all the control packets it said."""
        world, client = self.connect(protection)
        said = [data for _, sender, _, data in world.trace if sender == client.place]
        client.hub.stop("", world.now)
        client.flush()
        world.run(10)
        del world.nodes[client.place]
        self.assertEqual(len(world.server.hub.roster), 0)
        return world, client, said

    def test_from_elsewhere(self) -> None:
        """S-08: a whole handshake over and over from another address is never more than asked for a cookie."""
        world, _, said = self.recorded("tls-crypt-v2")
        for number in range(300 * self.TIMES):
            for datagram in said:
                world.server.receive(("203.0.113.66", 1000 + number % 50), datagram)
            self.assertEqual(len(world.server.hub.roster), 0)

    def test_from_its_own_place(self) -> None:
        """S-02: a cookie brought again from its own address, during the session or after, is one session at most."""
        for protection in ("none", "tls-crypt", "tls-crypt-v2"):
            world, client, said = self.recorded(protection)
            for _ in range(50 * self.TIMES):
                for datagram in said:
                    world.server.receive(client.place, datagram)
                    self.assertLessEqual(len(world.server.hub.roster), 1, protection)
            world.run(70)
            self.assertEqual((len(world.server.hub.roster), len(world.server.told(Joined))), (0, 1), protection)
