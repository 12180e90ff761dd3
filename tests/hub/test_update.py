"""Pushed options that change in a connection, and words for the user: both hubs and what they tell the service."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from tests.hub.test_server import RULES
from tests.whole.simulation import SIGNER, Connected, Disconnected, Node, Options, World
from tvpn.hub.event import Announced, Changed
from tvpn.hub.offer import read_changes
from tvpn.hub.redirect import Route
from tvpn.session.negotiation import own_peer_info
from tvpn.wire.option import Proto

PUSH = ("ping 10", "ping-restart 60", "route 10.1.0.0 255.255.0.0")
OLD_PROTOCOL = int(~(Proto.PUSH_UPDATE | Proto.NCP_P2P) & 0xFFF)
OLD_CLIENT = {**own_peer_info(("AES-256-GCM",), "old"), "IV_PROTO": str(OLD_PROTOCOL)}


class ChangeTests(SynchronousTestCase):
    def test_fit(self) -> None:
        """What can change is written as it is pushed: routes in OpenVPN's form, marks kept."""
        changes = ["route 10.1.0.0/16", "-dns", "?dhcp-option DNS 192.0.2.1", "-?route-ipv6", "redirect-gateway def1"]
        self.assertEqual(read_changes(changes), ["route 10.1.0.0 255.255.0.0", *changes[1:]])

    def test_unfit(self) -> None:
        """What cannot change, does not read, or would break the message is refused in words."""
        table = [
            ("ifconfig 10.9.0.9 255.255.255.0", "cannot change while a client is connected"), ("-topology", "cannot"),
            ("tun-mtu 1400", "cannot"), ("ping 5", "cannot"), ("peer-id 7", "cannot"), ("", "cannot"), ("-", "cannot"),
            ("?-route", "cannot"), ("-route 10.1.0.0", "write -route alone"), ("route", "does not read so"),
            ("route 10.1.0.1/16", "write 10.1.0.0/16"), ("dhcp-option DNS x", "takes one address"),
            ("dns search-domains a,route 0.0.0.0", "comma"), ("dns search-domains a\0b", "control character"),
        ]  # fmt: skip
        for change, part in table:
            self.assertIn(part, str(self.assertRaises(ValueError, read_changes, ["-dns", change])), change)


class HubTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(Options(rules=replace(RULES, push=PUSH)))
        self.alice, self.bob = self.world.client(1), self.world.client(2, SIGNER.issue("bob"))
        self.world.run(1, self.world.connected(self.alice, self.bob))

    def update(self, *changes: str, number: int | None = None) -> list[str]:
        told = self.world.server.hub.push_update(changes, self.world.now, number)
        self.world.server.flush()
        self.world.run(1)
        return told

    def routes(self, client: Node) -> list[str]:
        """The routes after the last change, none without one."""
        changed = client.told(Changed)
        return [str(route) for route in changed[-1].tunnel.routes] if changed else []

    def test_all_and_one(self) -> None:
        """An update reaches all clients, or the one that is named; the connection goes on."""
        self.assertEqual(self.update("route 10.2.0.0/16", "route 10.3.0.0/16"), ["alice", "bob"])
        for client in (self.alice, self.bob):
            self.assertEqual(self.routes(client), ["10.2.0.0/16", "10.3.0.0/16"])
        self.assertEqual(self.update("-route", number=2), ["bob"])
        self.assertEqual((self.routes(self.alice), self.routes(self.bob)), (["10.2.0.0/16", "10.3.0.0/16"], []))
        self.assertEqual(self.update("-route", number=99), [])
        tunnel = self.bob.told(Changed)[-1].tunnel
        self.assertEqual(tunnel, replace(self.bob.told(Connected)[0].tunnel, routes=[]))
        for client in (self.alice, self.bob):
            self.assertTrue(self.world.passes(client))
            self.assertEqual(client.told(Disconnected), [])

    def test_long(self) -> None:
        """An update of three hundred routes arrives whole."""
        self.update(*(f"route 10.{number // 256}.{number % 256}.0/24" for number in range(300)))
        self.assertEqual(len(self.routes(self.alice)), 300)
        self.assertEqual(len(self.alice.told(Changed)), 1)

    def test_wrong(self) -> None:
        """A wrong change is refused before anybody is told anything."""
        self.assertRaises(ValueError, self.update, "-route", "peer-id 9")
        self.world.run(1)
        self.assertEqual(self.alice.told(Changed) + self.bob.told(Changed), [])

    def test_old_client(self) -> None:
        """Who does not announce it is left alone, and so is who is not in yet."""
        world = World(Options(peer_info=OLD_CLIENT))
        client = world.client()
        self.assertEqual(world.server.hub.push_update(["-route"], world.now), [])
        world.run(1, world.connected(client))
        self.assertEqual(world.server.hub.push_update(["-route"], world.now), [])
        self.assertEqual(world.server.hub.inform("hello", world.now), ["alice"])

    def test_keepalive(self) -> None:
        """A server that changes the keepalive changes the client's timers."""
        self.say(1, "PUSH_UPDATE,keepalive 3 7")
        tunnel = self.alice.told(Changed)[-1].tunnel
        self.assertEqual((tunnel.ping, tunnel.ping_restart), (3, 7))
        spec = self.alice.plane._peers[0].spec
        self.assertEqual((spec.ping, spec.timeout), (3, 7))

    def test_new_connection(self) -> None:
        """What cannot change ends the connection, and the client tries again; others are not concerned."""
        self.say(1, "PUSH_UPDATE,route 10.2.0.0 255.255.0.0,cipher none")
        [gone] = self.alice.told(Disconnected)
        self.assertEqual((gone.reason, gone.retry), ("the update 'cipher none' takes a new connection", True))
        self.assertEqual(self.alice.told(Changed), [])
        self.assertTrue(self.world.passes(self.bob))

    def test_continued(self) -> None:
        """Nothing changes before the last part is in."""
        self.say(1, "PUSH_UPDATE,route 10.2.0.0 255.255.0.0,push-continuation 2")
        self.assertEqual(self.alice.told(Changed), [])
        self.say(1, "PUSH_UPDATE,route 10.3.0.0 255.255.0.0,push-continuation 1")
        self.assertEqual(self.routes(self.alice), ["10.2.0.0/16", "10.3.0.0/16"])

    def test_information(self) -> None:
        """Words for the user reach the service, before the rest and beside it."""
        self.assertEqual(self.world.server.hub.inform("back at eight, or nine", self.world.now, 1), ["alice"])
        self.world.server.flush()
        self.world.run(1)
        self.say(2, "INFO_PRE,please wait")
        texts = [[event.text for event in client.told(Announced)] for client in (self.alice, self.bob)]
        self.assertEqual(texts, [["back at eight, or nine"], ["please wait"]])
        self.assertRaises(ValueError, self.world.server.hub.inform, "a\nb", self.world.now)

    def say(self, number: int, message: str) -> None:
        """The server's session says this, whatever it is."""
        member = self.world.server.hub.roster.get(number)
        self.assertIsNotNone(member)
        if member is not None:
            member.session.send_message(message)
            self.world.server.hub._speaking[number] = member
        self.world.server.flush()
        self.world.run(1)


class RepeatTests(SynchronousTestCase):
    def test_push_repeated(self) -> None:
        """Who asks again after an update is told what holds now."""
        world = World(Options(rules=replace(RULES, push=PUSH)))
        client = world.client()
        world.run(1, world.connected(client))
        world.server.hub.push_update(["route 10.2.0.0/16"], world.now)
        member = world.server.hub.roster.get(1)
        self.assertIn("route 10.2.0.0 255.255.0.0", member.session._push if member else [])
        self.assertNotIn("route 10.1.0.0 255.255.0.0", member.session._push if member else [])
        self.assertEqual(client.told(Connected)[0].tunnel.routes, [Route(IPv4Network("10.1.0.0/16"))])
