"""New keys while data flows: nothing is lost."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    PROTECTIONS,
    SERVER_ADDRESS,
    SIGNER,
    Disconnected,
    Havoc,
    Left,
    Limits,
    Options,
    Verdict,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.hub.event import VerdictRequest
from tvpn.wire.header import DATA_FIRST_BYTES, Opcode

OFTEN, NEVER = Limits(longest=5, shortest=5), Limits(longest=0, shortest=0)


def limits_of(side: str) -> tuple[Limits, Limits]:
    """(server's, client's) limits when this side begins renegotiations."""
    return (OFTEN if side != "client" else NEVER), (OFTEN if side != "server" else NEVER)


class Accident:
    """This happens to one control datagram of the first renegotiation."""

    def __init__(self, victim: int, copies: list[float]) -> None:
        self.victim, self.copies, self.seen = victim, copies, 0

    def __call__(self, _number: int, _sender: tuple, datagram: bytes) -> list[float]:
        if datagram[0] in DATA_FIRST_BYTES or datagram[0] & 7 != 1:
            return [0.0]
        self.seen += 1
        return self.copies if self.seen == self.victim + 1 else [0.0]


class RenegotiationTests(SynchronousTestCase):
    def stream(self, world: World, rounds: int, pause: float) -> None:
        """A packet each way every ``pause`` seconds; all of them arrive, in order."""
        [client] = [node for node in world.nodes.values() if node is not world.server]
        own = address_of(client)
        away = [ipv4_packet(own, SERVER_ADDRESS, b"%06d" % number) for number in range(rounds)]
        back = [ipv4_packet(SERVER_ADDRESS, own, b"%06d" % number) for number in range(rounds)]
        for outgoing, incoming in zip(away, back, strict=True):
            client.send(outgoing)
            world.server.send(incoming)
            world.run(pause)
        world.run(1)
        self.assertEqual(world.server.delivered, away)
        self.assertEqual(client.delivered, back)
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])

    def test_no_packet_is_lost(self) -> None:
        """F-09: renegotiations every 5 s of a minute, by server, client or both: 0 lost, ids 0 to 7, then 1 to 4."""
        for protection in PROTECTIONS:
            for side in ("server", "client", "both"):
                server, client = limits_of(side)
                world = World(Options(protection, server_limits=server, client_limits=client))
                node = world.client()
                world.run(1, world.connected(node))
                self.stream(world, 1200, 0.05)
                key_ids = [datagram[0] & 7 for *_, datagram in world.trace if datagram[0] in DATA_FIRST_BYTES]
                newest = [key_id for at, key_id in enumerate(key_ids) if key_id not in key_ids[max(at - 20, 0) : at]]
                self.assertEqual(newest, [0, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4], f"{protection} {side}")

    def test_each_packet(self) -> None:
        """F-04: any single datagram of a renegotiation lost, doubled or five seconds late costs no data packet."""
        accidents = (("server", []), ("client", []), ("both", []), ("server", [0.0, 0.0]), ("client", [5.0]))
        for protection in ("none", "tls-crypt-v2"):
            for side, copies in accidents:
                number, seen = 0, 1
                while number < seen:
                    server, client = limits_of(side)
                    fate = Accident(number, copies)
                    world = World(Options(protection, server_limits=server, client_limits=client, fate=fate))
                    node = world.client()
                    world.run(1, world.connected(node))
                    self.stream(world, 120, 0.1)
                    self.assertGreater(node.hub.session._derived, 0, f"{protection} {side} {copies} {number}")
                    number, seen = number + 1, fate.seen
                self.assertGreater(seen, 8)

    def test_lossy_wire(self) -> None:
        """At 20 % loss, with doubles and reordering, the session survives ten minutes of renegotiations."""
        limits = Limits(longest=30, shortest=30)
        for seed in range(10):
            havoc = Havoc(drop=0.2, duplicate=0.1, reorder=0.1)
            world = World(Options("tls-crypt", havoc, seed, server_limits=limits, client_limits=limits))
            client = world.client()
            self.assertTrue(world.run(60, world.connected(client)), f"seed {seed}")
            for _ in range(60):
                client.send(ipv4_packet(address_of(client), SERVER_ADDRESS, b"alive"))
                world.server.send(ipv4_packet(SERVER_ADDRESS, address_of(client), b"alive"))
                world.run(10)
            ends = world.server.told(Left) + client.told(Disconnected)
            self.assertEqual(ends, [], f"seed {seed}")

    def test_dynamic_key(self) -> None:
        """With dynamic tls-crypt a soft reset is wrapped even where the first key's packets are not."""
        world = World(Options("none", server_limits=OFTEN, client_limits=NEVER))
        client = world.client()
        world.run(1, world.connected(client))
        world.run(8)
        resets = [data for *_, data in world.trace if data[0] >> 3 == Opcode.SOFT_RESET]
        self.assertTrue(resets)
        self.assertTrue(all(len(reset) >= 9 + 8 + 32 + 5 for reset in resets))

    def test_every_key_is_judged(self) -> None:
        """Each renegotiation asks for a verdict again, and one refusal ends the session with its reason told."""
        answers = [Verdict(True), Verdict(True), Verdict(False, "alice is revoked", "your device was revoked")]
        world = World(Options(server_limits=OFTEN, client_limits=NEVER, verdict=lambda _: answers.pop(0)))
        client = world.client()
        world.run(20)
        self.assertEqual([request.wanted.key_id for request in world.server.told(VerdictRequest)], [0, 1, 2])
        [left] = world.server.told(Left)
        self.assertEqual((left.reason, left.joined), ("alice is revoked", True))
        [gone] = client.told(Disconnected)
        self.assertEqual(gone.reason, "the server refused us: your device was revoked")
        self.assertFalse(gone.retry)

    def test_slow_verdict(self) -> None:
        """While a verdict is out, data goes on under the old key; when it comes, under the new one."""
        waiting: list[VerdictRequest] = []

        def verdict(request: VerdictRequest) -> Verdict | None:
            if request.wanted.key_id == 0:
                return Verdict(True)
            waiting.append(request)
            return None

        limits = Limits(longest=20, shortest=20)
        world = World(Options(server_limits=limits, client_limits=NEVER, verdict=verdict))
        client = world.client()
        self.assertTrue(world.run(30, lambda: bool(waiting)))
        for _ in range(5):
            self.assertTrue(world.passes(client))
        world.server.hub.verdict(waiting[0].member, Verdict(True), world.now)
        world.server.flush()
        begin = len(world.trace)
        self.assertTrue(world.passes(client))
        last = [data for _, sender, _, data in world.trace[begin:] if sender == world.server.place][-1]
        self.assertEqual(last[0] & 7, 1)

    def test_client_changes_its_certificate(self) -> None:
        """Who comes back as somebody else in a renegotiation is put out."""
        world = World(Options(server_limits=OFTEN, client_limits=NEVER))
        client = world.client()
        world.run(1, world.connected(client))
        client.hub.session.terms = world.terms(False, SIGNER.issue("bob"))
        world.run(10)
        [left] = world.server.told(Left)
        self.assertEqual(left.reason, "alice came back as bob in a renegotiation")

    def test_client_changes_its_user_name(self) -> None:
        """So is who comes back under another user name, with the same certificate (pitfalls B 29); under the same one
        a renegotiation is no news.
        """
        for name, reasons in (("alice", []), ("bob", ["alice came back as user 'bob', not 'alice'"])):
            world = World(Options(server_limits=OFTEN, client_limits=NEVER, login=("alice", "x")))
            client = world.client()
            world.run(1, world.connected(client))
            client.hub.session.terms = replace(client.hub.session.terms, username=name)
            world.run(10)
            self.assertEqual([left.reason for left in world.server.told(Left)], reasons)
            told = [gone.reason for gone in client.told(Disconnected)]
            self.assertEqual(told, ["the server refused us: user changed"] if reasons else [])
