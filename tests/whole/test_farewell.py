"""How sessions end: goodbyes, silences, refusals, and coming back afterwards."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Signer
from tests.whole.simulation import (
    PROTECTIONS,
    SERVER_PLACE,
    SIGNER,
    Disconnected,
    Joined,
    Left,
    Options,
    World,
    address_of,
)
from tvpn.crypto.tls import Credentials
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import ServerRules
from tvpn.plane.verbs import Endpoint, PeerSpec

RULES = ServerRules(
    IPv4Network("10.9.0.0/24"),
    IPv6Network("fd00:9::/64"),
    ("ping 10", "ping-restart 60"),
    PeerSpec(ping=10, timeout=60),
)


def foreign(role: str) -> Credentials:
    """Credentials of another CA, whose owner trusts ours."""
    made = Signer("Foreign CA").issue("mallory", role)
    return Credentials(SIGNER.pem, made.certificate, made.key)


class RefusedCertificateTests(SynchronousTestCase):
    def ends(self, options: Options, credentials: Credentials | None = None) -> tuple[World, str, list[str]]:
        """(the world, why the client gave up, why the server did) after ten seconds."""
        world = World(options)
        client = world.client() if credentials is None else world.client(credentials=credentials)
        world.run(10)
        [gone] = client.told(Disconnected)
        return world, gone.reason, [left.reason for left in world.server.told(Left)]

    def test_expired_client(self) -> None:
        """The server's log says how long ago, and the client reads that it expired; it never joins."""
        for protection in PROTECTIONS:
            for tls in ("1.2", "1.3"):
                late = SIGNER.issue("late", begins=-30, ends=-3)
                world, client, server = self.ends(Options(protection, tls=tls), late)
                self.assertEqual(client, "the server refused us: certificate expired")
                self.assertEqual(server, ["late: certificate expired 3 days ago"])
                self.assertEqual(world.server.told(Joined), [])
                self.assertEqual(len(world.server.hub.roster), 0)

    def test_expired_server(self) -> None:
        """The client refuses by itself, says which certificate and how long ago, and has said no password."""
        late = SIGNER.issue("server", "server", begins=-30, ends=-3)
        for tls in ("1.2", "1.3"):
            world, client, _ = self.ends(Options(server_credentials=late, tls=tls))
            self.assertEqual(client, "server: certificate expired 3 days ago")
            self.assertEqual(world.server.told(VerdictRequest), [])

    def test_foreign_client(self) -> None:
        """Both sides name the CA as the reason; the client learns it from the alert."""
        for tls in ("1.2", "1.3"):
            world, client, server = self.ends(Options("tls-crypt", tls=tls), foreign("client"))
            self.assertIn("the peer does not know the CA that signed our certificate", client)
            self.assertEqual(len(server), 1)
            self.assertIn("not signed by our CA", server[0])
            self.assertEqual(world.server.told(Joined), [])

    def test_foreign_server(self) -> None:
        """Both sides name the CA as the reason; the server learns it from the alert."""
        for tls in ("1.2", "1.3"):
            _, client, server = self.ends(Options("tls-crypt", tls=tls, server_credentials=foreign("server")))
            self.assertIn("not signed by our CA", client)
            self.assertEqual(len(server), 1)
            self.assertIn("the peer does not know the CA that signed our certificate", server[0])

    def test_client_certificate_as_server(self) -> None:
        """No client can play the server for another one."""
        _, client, _ = self.ends(Options(server_credentials=SIGNER.issue("mallory")))
        self.assertIn("not made for its role", client)

    def test_without_key_usage(self) -> None:
        """A certificate without key usage is refused on both sides, though TLS itself would take it."""
        bare = SIGNER.issue("bare", "server", usage=False)
        _, client, _ = self.ends(Options(server_credentials=bare))
        self.assertEqual(client, "bare: certificate is not made for a server")
        _, client, server = self.ends(Options(), SIGNER.issue("bare", usage=False))
        self.assertEqual(client, "the server refused us: certificate is not made for a client")
        self.assertEqual(server, ["bare: certificate is not made for a client"])

    def test_place_stays_free(self) -> None:
        """Who was refused is gone after the linger time, and its place is not taken."""
        world, _, _ = self.ends(Options(), SIGNER.issue("late", begins=-30, ends=-3))
        client = world.client(2)
        self.assertTrue(world.run(1, world.connected(client)))
        self.assertEqual(world.server.told(Joined)[0].addresses[0], "10.9.0.2")


class GoodbyeTests(SynchronousTestCase):
    def test_explicit_exit(self) -> None:
        """A client that leaves frees its place at once and is gone five seconds later."""
        for protection in PROTECTIONS:
            world = World(Options(protection))
            client = world.client()
            world.run(1, world.connected(client))
            client.hub.stop("stopping", world.now)
            client.flush()
            world.run(0.1)
            [left] = world.server.told(Left)
            self.assertEqual((left.name, left.joined, left.reason), ("alice", True, "left"))
            world.run(6)
            self.assertEqual(len(world.server.hub.roster), 0)
            self.assertIsNone(client.hub.session)

    def test_exit_on_the_data_channel(self) -> None:
        """A client whose server does not know the exit message says goodbye on the data channel."""
        world = World(Options(peer_info={"IV_NCP": "2", "IV_PROTO": "2"}))
        client = world.client()
        world.run(10, world.connected(client))
        client.hub.stop("stopping", world.now)
        client.flush()
        world.run(0.1)
        self.assertEqual([left.reason for left in world.server.told(Left)], ["left"])
        self.assertEqual(len(world.server.hub.roster), 0)

    def test_server_stops(self) -> None:
        """Every client is told, and that it may come back."""
        world = World(Options("tls-crypt-v2"))
        clients = [world.client(number, SIGNER.issue(f"device {number}")) for number in (1, 2, 3)]
        world.run(1, world.connected(*clients))
        world.server.hub.stop("maintenance", world.now)
        world.server.flush()
        world.run(1)
        for client in clients:
            [gone] = client.told(Disconnected)
            self.assertEqual((gone.reason, gone.retry), ("the server said RESTART: maintenance", True))


class SilenceTests(SynchronousTestCase):
    def test_keepalive_keeps(self) -> None:
        """Ten idle minutes with keepalives: nobody leaves, and no ping reaches a device."""
        world = World(Options(rules=RULES))
        client = world.client()
        world.run(1, world.connected(client))
        world.run(600)
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
        self.assertEqual(world.server.delivered + client.delivered, [])
        self.assertTrue(world.passes(client))

    def test_ping_restart(self) -> None:
        """When the wire is cut both sides notice within ping-restart; the client will try again."""
        cut = False
        world = World(Options(rules=RULES, fate=lambda *_: [] if cut else [0.0]))
        client = world.client()
        world.run(1, world.connected(client))
        world.run(30)
        cut = True
        world.run(49)
        self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
        world.run(12)
        [left], [gone] = world.server.told(Left), client.told(Disconnected)
        self.assertEqual((left.reason, left.joined), ("nothing heard for 60 seconds", True))
        self.assertEqual((gone.reason, gone.retry), ("nothing heard for 60 seconds", True))
        self.assertEqual(len(world.server.hub.roster), 0)


class ReturnTests(SynchronousTestCase):
    def test_same_address(self) -> None:
        """A device that comes back gets its former address, though others came in between."""
        world = World()
        credentials = SIGNER.issue("phone")
        phone = world.client(1, credentials)
        world.run(1, world.connected(phone))
        address = address_of(phone)
        phone.hub.stop("", world.now)
        phone.flush()
        others = [world.client(number, SIGNER.issue(f"device {number}")) for number in (2, 3, 4)]
        world.run(1, world.connected(*others))
        again = world.client(5, credentials)
        world.run(1, world.connected(again))
        self.assertEqual(address_of(again), address)
        self.assertTrue(world.passes(again))

    def test_crashed_client(self) -> None:
        """S-04: a client that restarts at the same place replaces its old session, once it is authenticated."""
        world = World(Options("tls-crypt"))
        client = world.client()
        world.run(1, world.connected(client))
        first = address_of(client)
        client.events.clear()
        client.hub.connect(Endpoint("wire", SERVER_PLACE), world.now)
        client.flush()
        self.assertTrue(world.run(1, world.connected(client)))
        self.assertEqual([left.reason for left in world.server.told(Left)], ["replaced by a newer connection"])
        self.assertEqual(address_of(client), first)
        self.assertTrue(world.passes(client))
        self.assertEqual(len(world.server.hub.roster), 1)

    def test_duplicate_device(self) -> None:
        """The same profile at a second place replaces the first one and takes over its address."""
        world = World()
        first, second = world.client(1), world.client(2)
        world.run(1, world.connected(first, second))
        world.run(1)
        [left] = world.server.told(Left)
        self.assertEqual(left.reason, "replaced by a newer connection")
        self.assertEqual(address_of(first), address_of(second))
        self.assertEqual(world.server.hub.roster.admitted, 1)
