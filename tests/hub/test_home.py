"""Fixed addresses and networks behind clients: each belongs to one, and the plane accepts exactly these."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from itertools import combinations
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.hub.test_server import RULES
from tests.whole.simulation import (
    SERVER_ADDRESS,
    SIGNER,
    Connected,
    Disconnected,
    Joined,
    Left,
    Node,
    Options,
    Verdict,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.config.clientfile import Addressing, ClientConfig, overlap, parse
from tvpn.hub.home import Clash, Homes
from tvpn.hub.pool import Pool
from tvpn.hub.rules import ServerRules

ADDRESSING = Addressing(RULES.ipv4, RULES.ipv6)
FIXED = "ifconfig-push 10.9.0.50 255.255.255.0\nifconfig-ipv6-push fd00:9::50/64"
BEHIND = bytes([192, 168, 7, 9])


def config(text: str) -> ClientConfig:
    return parse(text, Path("alice"), ADDRESSING)


class Files:
    """A world whose clients have files, by name."""

    def __init__(self, rules: ServerRules = RULES, **files: str) -> None:
        self.files = files
        self.world = World(Options(rules=rules, verdict=self.verdict))
        self._count = 0

    def verdict(self, request) -> Verdict:  # type: ignore[no-untyped-def]
        return Verdict(True, config=config(self.files.get(request.wanted.identity.name, "")))

    def join(self, name: str, credentials=None) -> Node:  # type: ignore[no-untyped-def]
        """A client of this name, which has had the time to connect."""
        self._count += 1
        client = self.world.client(self._count, credentials or SIGNER.issue(name))
        self.world.run(5, self.world.connected(client))
        return client

    def comes_in_from(self, client: Node, source: bytes) -> bool:
        """Whether a packet of this client with this source reaches the server's side."""
        server = self.world.server
        server.delivered.clear()
        client.send(ipv4_packet(source, SERVER_ADDRESS, b"inward"))
        self.world.run(1)
        return bool(server.delivered)

    def goes_to(self, client: Node, destination: bytes) -> bool:
        """Whether a packet for this destination reaches this client."""
        client.delivered.clear()
        self.world.server.send(ipv4_packet(SERVER_ADDRESS, destination, b"outward"))
        self.world.run(1)
        return bool(client.delivered)


class FixedAddressTests(SynchronousTestCase):
    def test_exactly_that(self) -> None:
        """A client with fixed addresses has them and no other; the pool keeps off them while others come."""
        files = Files(alice=FIXED)
        alice = files.join("alice")
        tunnel = alice.told(Connected)[0].tunnel
        self.assertEqual([str(tunnel.ipv4), str(tunnel.ipv6)], ["10.9.0.50/24", "fd00:9::50/64"])
        self.assertTrue(files.world.passes(alice))
        for other in (bytes([10, 9, 0, 2]), bytes([10, 9, 0, 51]), SERVER_ADDRESS):
            self.assertFalse(files.comes_in_from(alice, other))
        server = files.world.server
        self.assertEqual(server.told(Joined)[0].addresses, ("10.9.0.50", "fd00:9::50"))
        self.assertEqual([member.home.texts for member in server.hub.roster], [("10.9.0.50", "fd00:9::50")])

    def test_one_family(self) -> None:
        """What the file does not fix comes from the pool."""
        tunnel = Files(alice="ifconfig-push 10.9.0.50 255.255.255.0").join("alice").told(Connected)[0].tunnel
        self.assertEqual([str(tunnel.ipv4), str(tunnel.ipv6)], ["10.9.0.50/24", "fd00:9::1000/64"])
        tunnel = Files(alice="ifconfig-ipv6-push fd00:9::50/64").join("alice").told(Connected)[0].tunnel
        self.assertEqual([str(tunnel.ipv4), str(tunnel.ipv6)], ["10.9.0.2/24", "fd00:9::50/64"])

    def test_outside(self) -> None:
        """A fixed address may lie outside the clients' network."""
        files = Files(alice="ifconfig-push 172.16.5.5 255.255.255.0")
        self.assertTrue(files.world.passes(files.join("alice")))

    def test_untold(self) -> None:
        """push-remove ifconfig: the client is not told its address, and has it all the same."""
        files = Files(alice="ifconfig-push 10.9.0.50 255.255.255.0\npush-remove ifconfig\npush-remove ifconfig-ipv6")
        alice = files.join("alice")
        tunnel = alice.told(Connected)[0].tunnel
        self.assertEqual((tunnel.ipv4, tunnel.ipv6), (None, None))
        self.assertTrue(files.comes_in_from(alice, IPv4Address("10.9.0.50").packed))

    def test_two_at_one_address(self) -> None:
        """Who claims the address of a living client of another identity is refused for now, and the first keeps it."""
        files = Files(alice=FIXED, bob="ifconfig-push 10.9.0.50 255.255.255.0")
        alice, bob = files.join("alice"), files.join("bob")
        self.assertEqual(bob.told(Disconnected)[0].reason, "the server refused us: your address is in use")
        [left] = files.world.server.told(Left)
        self.assertIn("alice lives at 10.9.0.50/32 already", left.reason)
        self.assertTrue(files.world.passes(alice))
        files.world.server.hub.disconnect(1, "", files.world.now)
        files.world.server.flush()
        files.world.run(10)
        self.assertEqual(address_of(files.join("bob")), IPv4Address("10.9.0.50").packed)

    def test_from_the_pool(self) -> None:
        """Who has a fixed address of another's by chance keeps it until it leaves, and gets another one then."""
        files = Files(bob="ifconfig-push 10.9.0.2 255.255.255.0")
        credentials = SIGNER.issue("alice")
        alice = files.join("alice", credentials)
        self.assertEqual(address_of(alice), bytes([10, 9, 0, 2]))
        self.assertIn("in use", files.join("bob").told(Disconnected)[0].reason)
        again = files.join("alice", credentials)
        self.assertEqual(address_of(again), bytes([10, 9, 0, 3]))
        self.assertEqual(address_of(files.join("bob")), bytes([10, 9, 0, 2]))

    def test_same_device(self) -> None:
        """The same device replaces itself at its address, also where certificates may come twice."""
        for rules in (RULES, replace(RULES, duplicate_cn=True)):
            files = Files(rules, alice=FIXED)
            credentials = SIGNER.issue("alice")
            files.join("alice", credentials)
            second = files.join("alice", credentials)
            [left] = files.world.server.told(Left)
            self.assertEqual(left.reason, "replaced by a newer connection")
            self.assertTrue(files.world.passes(second))


class TopologyTests(SynchronousTestCase):
    def test_pairs(self) -> None:
        """By pairs a client is told the other end: the address below its own, or the server's; and the way to the
        server, or to its neighbours where it may talk to them.
        """
        for topology, connected, local, other_end, routes in (
            ("net30", False, "10.9.0.6", "10.9.0.5", ["10.9.0.1/32"]),
            ("p2p", False, "10.9.0.4", "10.9.0.1", []),
            ("net30", True, "10.9.0.6", "10.9.0.5", ["10.9.0.0/24"]),
            ("p2p", True, "10.9.0.4", "10.9.0.1", ["10.9.0.0/24"]),
        ):
            plane = replace(RULES.plane, client_to_client=connected)
            files = Files(replace(RULES, topology=topology, plane=plane))
            alice = files.join("alice")
            tunnel = alice.told(Connected)[0].tunnel
            self.assertEqual((str(tunnel.ipv4), str(tunnel.other_end)), (f"{local}/32", other_end))
            self.assertEqual(([str(route) for route in tunnel.routes], tunnel.gateway), (routes, None))
            self.assertTrue(files.world.passes(alice))


class NetworkTests(SynchronousTestCase):
    def test_both_ways(self) -> None:
        """A network behind a client is reached through it, may send from there, and is gone with it."""
        files = Files(alice="iroute 192.168.7.0 255.255.255.0")
        alice, bob = files.join("alice"), files.join("bob")
        self.assertTrue(files.comes_in_from(alice, BEHIND))
        self.assertTrue(files.goes_to(alice, BEHIND))
        self.assertFalse(files.comes_in_from(bob, BEHIND))
        self.assertFalse(files.comes_in_from(alice, bytes([192, 168, 8, 9])))
        self.assertTrue(files.world.passes(alice))
        files.world.server.hub.disconnect(1, "", files.world.now)
        files.world.server.flush()
        self.assertFalse(files.goes_to(alice, BEHIND))

    def test_overlap(self) -> None:
        """I-05: a network that touches another client's is refused whole, larger or smaller; the first keeps its own,
        and what does not touch it comes in.
        """
        for network, refused in (
            ("192.168.7.0/24", True), ("192.168.0.0/16", True), ("192.168.7.128/25", True), ("192.168.7.9/32", True),
            ("192.168.6.0/24", False), ("192.168.8.0/21", False),
        ):  # fmt: skip
            files = Files(alice="iroute 192.168.7.0/24", bob=f"iroute {network}")
            alice, bob = files.join("alice"), files.join("bob")
            self.assertEqual(bool(bob.told(Disconnected)), refused, network)
            self.assertTrue(files.goes_to(alice, BEHIND))
            self.assertTrue(files.comes_in_from(alice, BEHIND))
            self.assertFalse(files.comes_in_from(bob, BEHIND))

    def test_address_behind(self) -> None:
        """I-05: a fixed address in another client's network is refused, and a network around another's address."""
        fixed, behind = "ifconfig-push 172.16.0.5 255.255.0.0", "iroute 172.16.0.0/12"
        for first, second in ((fixed, behind), (behind, fixed)):
            files = Files(alice=first, bob=second)
            files.join("alice")
            self.assertTrue(files.join("bob").told(Disconnected))

    def test_ipv6(self) -> None:
        """I-05: the same for IPv6; networks of the other family never touch."""
        homes = Homes(RULES, Pool(RULES.ipv4, RULES.ipv6, {}))
        homes.settle(1, "a", config("iroute-ipv6 2001:db8::/48\niroute 192.168.0.0/16"))
        clash = homes.clash(config("iroute-ipv6 2001:db8:0:7::/64"))
        self.assertEqual(clash, Clash(config("iroute-ipv6 2001:db8:0:7::/64").iroutes[0], 1))
        self.assertIsNone(homes.clash(config("iroute-ipv6 2001:db8:1::/48")))
        homes.leave(1)
        self.assertIsNone(homes.clash(config("iroute-ipv6 2001:db8::/32")))


CLAIMS = (
    ClientConfig(),
    *(ClientConfig(ifconfig=(IPv4Address(f"10.9.0.{last}"), IPv4Address("255.255.255.240"))) for last in range(2, 12)),
    *(ClientConfig(iroutes=(IPv4Network(text),)) for text in ("192.168.0.0/16", "192.168.7.0/24", "192.168.7.9/32")),
)
"""What members of the test below may have in their files."""


class HomeTests(SynchronousTestCase):
    def test_without_pool(self) -> None:
        """Who has both addresses from the file needs no place of the pool, even of an empty one."""
        rules = ServerRules(RULES.ipv4, RULES.ipv6)
        homes = Homes(rules, Pool(None, None, {}))
        home = homes.settle(1, "a", config(FIXED))
        self.assertIsNotNone(home)
        if home is not None:
            self.assertEqual((home.texts, home.lease), (("10.9.0.50", "fd00:9::50"), None))
            self.assertEqual(home.config.ifconfig_ipv6, (IPv6Interface("fd00:9::50/64"), IPv6Address("fd00:9::1")))

    def test_own_place(self) -> None:
        """Homes of the pool are given back to their owners' memory, or forgotten where certificates come twice."""
        for duplicate, index in ((False, 1), (True, 0)):
            rules = ServerRules(RULES.ipv4, None, duplicate_cn=duplicate)
            homes = Homes(rules, Pool(RULES.ipv4, None, {}))
            homes.settle(1, "a", ClientConfig())
            homes.leave(1)
            homes.leave(1)
            home = homes.settle(2, "b", ClientConfig())
            self.assertEqual(home.lease.index if home and home.lease else None, index)

    @settings(deadline=None, max_examples=300)
    @given(
        st.sampled_from(["subnet", "net30", "p2p"]),
        st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from(CLAIMS)), max_size=25),
    )
    def test_no_two_overlap(self, topology: Literal["subnet", "net30", "p2p"], steps: list[tuple]) -> None:
        """Whoever comes and goes with whatever file: no address and no network is two members' at once."""
        network = IPv4Network("10.9.0.0/28")
        homes = Homes(ServerRules(network, None, topology=topology), Pool(network, None, {}, topology))
        living: dict[int, list] = {}
        for comes, number, claims in steps:
            if not comes:
                homes.leave(number)
                living.pop(number, None)
            elif number not in living and homes.clash(claims) is None:
                home = homes.settle(number, str(number), claims)
                if home is not None:
                    living[number] = [*home.config.networks]
            taken = [each for networks in living.values() for each in networks]
            clashes = [pair for pair in combinations(taken, 2) if overlap(*pair)]
            self.assertEqual(clashes, [])
