"""A second session where there is, or was, a first: neither disturbs the other, and the first leaves nothing behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    PROTECTIONS,
    SERVER_PLACE,
    Joined,
    Left,
    Limits,
    Node,
    Options,
    Verdict,
    World,
)
from tests.whole.stranger import PINGED, StrangerTestCase
from tvpn.hub.event import VerdictRequest
from tvpn.plane.verbs import Endpoint, Gone
from tvpn.wire.control import HEADER_SIZE
from tvpn.wire.header import DATA_FIRST_BYTES, Opcode

TEARDOWN_POINTS = 24


class ResetTests(StrangerTestCase):
    """Valid resets where a client is established."""

    def test_from_its_own_address(self) -> None:
        """S-04: the old tunnel passes data at every step of a new handshake from the same address, until that one
        is authenticated; then the new one does.
        """
        for protection in PROTECTIONS:
            self.meet(protection)
            old = self.bystander
            fork = Fork(old, self.world.client())
            self.world.nodes[old.place] = fork  # type: ignore[assignment]
            steps = 0
            while (passed := self.world.passes(old)) and not self.world.server.told(Joined):
                fork.step()
                steps += 1
            self.assertTrue(self.world.server.told(Joined), f"{protection}: passed {passed} after {steps} steps")
            self.assertGreater(steps, 3)
            [left] = self.world.server.told(Left)
            self.assertEqual((left.reason, left.joined), ("replaced by a newer connection", True))
            self.world.nodes[old.place] = fork.new
            while fork.waiting:
                fork.step()
            self.world.run(2)
            self.assertTrue(self.world.passes(fork.new), protection)

    def test_half_way(self) -> None:
        """S-04: who resets from the address of an established client and never authenticates changes nothing."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            stranger.place = self.bystander.place
            opcode = Opcode.CONTROL_WKC if stranger.key else Opcode.CONTROL
            begin = len(self.world.trace)
            stranger.send(stranger.reset())
            [cookie] = [data[1:HEADER_SIZE] for *_, data in self.world.trace[begin:]]
            self.assertTrue(self.world.passes(self.bystander))
            stranger.send(stranger.packet(opcode, acks=(0,), remote_session_id=cookie, message_id=1))
            self.assertTrue(self.world.passes(self.bystander))
            self.world.run(70)
            self.assertEqual((self.world.server.told(Left), self.world.server.hub.drops["silent-start"]), ([], 1))
            self.world.server.events.clear()
            self.unharmed(protection)

    def test_spoofed(self) -> None:
        """S-05: resets, replays and guesses in a client's name by somebody else: not one of its packets is lost."""
        for protection in PROTECTIONS:
            stranger = self.meet(protection)
            own = [data for _, sender, _, data in self.world.trace if sender == self.bystander.place]
            stranger.place = self.bystander.place
            opcode = Opcode.CONTROL_WKC if stranger.key else Opcode.CONTROL
            for number in range(100):
                # The answers go to the client: the stranger can only guess at his cookie.
                stranger.send(stranger.reset(session_id=number.to_bytes(8, "little")[:7] + b"x"))
                fields = {"acks": (0,), "remote_session_id": number.to_bytes(8, "big"), "message_id": 1}
                stranger.send(stranger.packet(opcode, **fields), own[number % len(own)])
                if number % 10 == 0:
                    self.assertTrue(self.world.passes(self.bystander), f"{protection} {number}")
            self.unharmed(protection)


class Fork:
    """Two nodes at one place. What is not for the old one's session waits, to be given to the new one bit by bit."""

    def __init__(self, old: Node, new: Node) -> None:
        self.old, self.new = old, new
        self.waiting: list[bytes] = []

    def receive(self, place: tuple[str, int], datagram: bytes) -> None:
        if datagram[0] in DATA_FIRST_BYTES or datagram[1:HEADER_SIZE] == self.old.hub.session.remote_id:
            self.old.receive(place, datagram)
        else:
            self.waiting.append(datagram)

    def step(self) -> None:
        """The new one gets one datagram."""
        self.new.receive(SERVER_PLACE, self.waiting.pop(0))

    def deadline(self) -> float | None:
        return self.old.deadline()

    def tick(self) -> None:
        self.old.tick()


class AfterlifeTests(SynchronousTestCase):
    """The first session ends after each number of datagrams, and a second one begins at once at the same address."""

    def setUp(self) -> None:
        # What was there before is not looked through again at each point.
        gc.freeze()
        self.addCleanup(gc.unfreeze)

    def check(self, protection: str, point: int, end: Callable[[World, Node], None]) -> None:
        held: list[VerdictRequest] = []

        def verdict(request: VerdictRequest) -> Verdict | None:
            # The first session's second verdict is out when it ends.
            if request.wanted.key_id and request.member == 1:
                held.append(request)
                return None
            return Verdict(True)

        limits = Limits(longest=2, shortest=2)
        world = World(Options(protection, verdict=verdict, server_limits=limits, client_limits=limits, rules=PINGED))
        client = world.client()
        while len(world.trace) < point and world.step(world.now + 5):
            pass
        why = f"{protection}, after {len(world.trace)} datagrams"
        sessions = [member.session for member in world.server.hub.roster] + [client.hub.session]
        ids = {session.session_id for session in sessions}
        remains = [weakref.ref(thing) for session in sessions for thing in (session, session._exchange)]
        del sessions
        end(world, client)
        client.hub.connect(Endpoint("wire", SERVER_PLACE), world.now)
        client.flush()
        begin, joined = len(world.trace), len(world.server.told(Joined))
        self.assertTrue(world.run(10, lambda: len(world.server.told(Joined)) > joined), why)
        for request in held:
            world.server.hub.verdict(request.member, Verdict(True), world.now)
            world.server.flush()
        world.run(7)
        # What was half-open has its minute.
        self.assertTrue(world.run(70, lambda: len(world.server.hub.roster) == 1), why)
        self.assertTrue(world.passes(client), why)
        begin = max(begin, len(world.trace) - 10)
        spoken = {data[1:HEADER_SIZE] for *_, data in world.trace[begin:] if data[0] not in DATA_FIRST_BYTES}
        self.assertEqual(spoken & ids, set(), why)
        gc.collect()
        self.assertEqual([remain() for remain in remains if remain() is not None], [], why)

    def each_point(self, end: Callable[[World, Node], None]) -> None:
        for protection in ("none", "tls-crypt-v2"):
            for point in range(1, TEARDOWN_POINTS + 1):
                self.check(protection, point, end)

    def test_server_ends_it(self) -> None:
        """S-15: ended by the server at 24 points, with words for the client still under way: they reach no one."""

        def end(world: World, _client: Node) -> None:
            for member in world.server.hub.roster:
                world.server.hub.disconnect(member.number, "ended", world.now)
            world.server.flush()

        self.each_point(end)

    def test_silent_end(self) -> None:
        """S-15: ended by the plane, words that wait are dropped: nothing of the old session is said any more."""

        def end(world: World, _client: Node) -> None:
            for member in world.server.hub.roster:
                if member.peer is not None:
                    world.server.hub.observe(Gone(member.peer, "ended"), world.now)
                    self.assertEqual(member.session.transmit(world.now), [])

        self.each_point(end)

    def test_client_crashes(self) -> None:
        """S-15: the client just begins anew: the old session is replaced, and both sides forget it."""
        self.each_point(lambda _world, _client: None)
