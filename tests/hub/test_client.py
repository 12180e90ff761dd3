"""The client role: addresses it listens to, and what it makes of a push."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import SERVER_PLACE, Connected, Disconnected, Options, World
from tvpn.config.address import Own
from tvpn.hub.client import ClientHub, Variant
from tvpn.hub.event import Moved
from tvpn.plane.verbs import Endpoint, PeerSpec


class ClientTests(SynchronousTestCase):
    def test_listens_to_its_server_only(self) -> None:
        """Control packets from elsewhere are dropped, genuine ones too."""
        world = World(Options(fate=lambda *_: []))
        client = world.client()
        world.server.receive(client.place, world.trace[0][3])
        answer = world.trace[-1][3]
        client.receive(("203.0.113.1", 1194), answer)
        self.assertEqual(client.hub.drops, {"wrong-address": 1})
        self.assertEqual(client.hub.session.remote_id, b"")
        client.receive(SERVER_PLACE, answer)
        self.assertEqual(client.hub.session.remote_id, answer[1:9])

    def test_before_and_after(self) -> None:
        """Without a session everything is dropped and nothing is due."""
        world = World()
        client = world.client()
        world.run(1, world.connected(client))
        client.hub.stop("", world.now)
        client.flush()
        world.run(10)
        self.assertIsNone(client.hub.session)
        self.assertIsNone(client.hub.deadline())
        self.assertEqual(client.hub.transmit(world.now), [])
        client.receive(SERVER_PLACE, b"\x40" + bytes(20))
        self.assertEqual(client.hub.drops.get("wrong-address"), 1)

    def test_pushed_timers(self) -> None:
        """Pushed ping and ping-restart hold for the tunnel; without them our own do."""
        for push, wait, gone in ((("ping 5", "ping-restart 20"), 21, True), ((), 100, False), ((), 121, True)):
            cut = False
            rules = replace(Options().rules, push=push, plane=PeerSpec())
            world = World(Options(rules=rules, fate=lambda *_: [] if cut else [0.0]))
            client = world.client()
            world.run(1, world.connected(client))
            cut = True
            world.run(wait)
            self.assertEqual(bool(client.told(Disconnected)), gone, f"{push} {wait}")

    def test_reconnect(self) -> None:
        """A lost client can begin again with the same hub; its new session has another id."""
        world = World(Options(rules=replace(Options().rules, ipv4=IPv4Network("10.9.0.0/24"))))
        client = world.client()
        world.run(1, world.connected(client))
        former = client.hub.session.session_id
        client.hub.connect(Endpoint("wire", SERVER_PLACE), world.now)
        client.flush()
        self.assertNotEqual(client.hub.session.session_id, former)
        self.assertTrue(world.run(1, lambda: len(client.told(Connected)) == 2))
        self.assertTrue(world.passes(client))

    def test_own(self) -> None:
        """A connection with sizes of its own has them, the next one without has the usual ones again."""
        own = Own(None, None, None, None, 1200, 1300)
        world = World()
        client = world.client()
        hub = ClientHub(
            client.hub._terms, world.client_keys, client.plane, spec=PeerSpec(timeout=120), mssfix=1492,
            variants={own: Variant(world.client_keys, 1200, 1300)},
        )  # fmt: skip
        client.hub = hub
        sizes = []
        for each, stream in ((own, False), (None, False), (own, True)):
            hub.connect(Endpoint("wire", SERVER_PLACE), world.now, stream, own=each)
            client.flush()
            with mock.patch.object(client.plane, "add", wraps=client.plane.add) as added:
                before = len(client.told(Connected))
                world.run(2, lambda before=before: len(client.told(Connected)) > before)
            spec = added.call_args.args[2]
            sizes.append((spec.fragment, spec.mss))
        self.assertEqual([fragment for fragment, _ in sizes], [1200, 0, 0])
        # The header of a fragment has four bytes.
        self.assertEqual(sizes[1][1] - sizes[0][1], 1492 - 1300 + 4)

    def test_told_where_to_go(self) -> None:
        """RESTART says by its flag whether another server is to be called; a refusal may, too."""
        for text, advance in (
            ("RESTART", None), ("RESTART,[P]:bye", None), ("RESTART,[N]", True), ("HALT", None),
            ("AUTH_FAILED,TEMP[advance remote]:full", True), ("AUTH_FAILED,TEMP[advance no]:busy", False),
        ):  # fmt: skip
            world = World()
            client = world.client()
            world.run(1, world.connected(client))
            [member] = world.server.hub.roster
            member.session.send_message(text)
            world.server.flush()
            world.run(1)
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.advance, gone.silent), (advance, False), text)

    def test_silence(self) -> None:
        """Who was never answered hears that nothing was heard; who was answered and then no more does not."""
        for answered in (False, True):
            number = 0

            def fate(at: int, sender: tuple, datagram: bytes, answered: bool = answered) -> list[float]:
                nonlocal number
                number += sender == SERVER_PLACE
                return [0.0] if answered and number < 2 else []

            world = World(Options(fate=fate))
            client = world.client()
            world.run(70)
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.silent, gone.retry), (not answered, True))

    def test_lost(self) -> None:
        """A session that is given up leaves nothing, and the next one begins as any."""
        world = World()
        client = world.client()
        self.assertTrue(client.hub.unanswered)
        client.hub.lose("no answer", silent=True)
        client.flush()
        self.assertEqual(client.told(Disconnected), [Disconnected("no answer", True, silent=True)])
        self.assertEqual((client.hub.session, client.hub.unanswered, client.hub.deadline()), (None, False, None))
        client.hub.connect(Endpoint("wire", SERVER_PLACE), world.now)
        client.flush()
        self.assertTrue(world.run(1, world.connected(client)))


class ProbeTests(SynchronousTestCase):
    """Our packets come from elsewhere now."""

    def test_followed(self) -> None:
        """By one probe the server finds us where we are, and what we hear from it tells that it has."""
        world = World()
        client = world.client()
        world.run(3, world.connected(client))
        world.run(3)
        self.assertTrue(client.hub.can_be_followed)
        del world.nodes[client.place]
        client.place = ("192.0.2.99", 50000)
        world.nodes[client.place] = client
        client.hub.probe(world.now)
        client.flush()
        self.assertFalse(client.hub.probed)
        self.assertTrue(world.run(2, lambda: client.hub.probed))
        self.assertEqual([moved.endpoint.address for moved in world.server.told(Moved)], [client.place])
        self.assertTrue(world.passes(client))
        self.assertEqual(client.told(Disconnected), [])

    def test_unanswered(self) -> None:
        """A server that is gone does not answer."""
        cut = False
        world = World(Options(fate=lambda *_: [] if cut else [0.0]))
        client = world.client()
        world.run(3, world.connected(client))
        cut = True
        client.hub.probe(world.now)
        client.flush()
        world.run(3)
        self.assertFalse(client.hub.probed)

    def test_before(self) -> None:
        """Before there are keys nobody can follow, and a probe is nothing."""
        world = World(Options(fate=lambda *_: []))
        client = world.client()
        self.assertFalse(client.hub.can_be_followed)
        sent = len(world.trace)
        client.hub.probe(world.now)
        client.flush()
        self.assertEqual(len(world.trace), sent)
