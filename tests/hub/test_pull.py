"""Own lines, pull-filter, route-nopull and route-noexec."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import Connected, Disconnected, Node, Options, World
from tvpn.config.pushable import PullFilter
from tvpn.errors import PeerError
from tvpn.hub.event import Changed
from tvpn.hub.pull import PullRules

PUSHED = (
    "route 10.1.0.0 255.255.0.0",
    "route-ipv6 fd00:1::/64",
    "route-gateway 10.9.0.1",
    "dhcp-option DNS 192.0.2.53",
    "dhcp-option DOMAIN example.org",
    "redirect-gateway def1",
    "ping 10",
    " block-ipv6",
    "dns server 0 address 192.0.2.53",
)
#: (filters as ``+`` accept, ``-`` ignore and ``!`` reject before their text; which of PUSHED are left, or the number
#: of the one that ends the connection).
VECTORS: tuple[tuple[tuple[str, ...], str | int], ...] = (
    ((), "012345678"),
    (("-route",), "345678"),
    (("-route ",), "12345678"),
    (("-route-",), "0345678"),
    (("-route-ipv6",), "02345678"),
    (("-route-gateway",), "01345678"),
    (("-dhcp-option",), "0125678"),
    (("-dhcp-option DNS",), "01245678"),
    (("-dhcp-option DOMAIN",), "01235678"),
    (("-d",), "012567"),
    (("-dns",), "01234567"),
    (("-redirect-gateway",), "01234678"),
    (("-redirect",), "01234678"),
    (("-block-ipv6",), "01234568"),
    (("- block-ipv6",), "012345678"),
    (("-block",), "01234568"),
    (("-",), ""),
    (("+",), "012345678"),
    (("!nothing",), "012345678"),
    (("!route",), 0),
    (("!route-ipv6",), 1),
    (("!route-gateway",), 2),
    (("!dhcp-option DOMAIN",), 4),
    (("!block-ipv6",), 7),
    (("!",), 0),
    (("+route", "-"), "012"),
    (("+route ", "-"), "0"),
    (("+route-gateway", "-route"), "2345678"),
    (("-route", "+route-gateway"), "345678"),
    (("+ping", "+route-gateway", "-"), "26"),
    (("-", "+route"), ""),
    (("+", "-route"), "012345678"),
    (("-route", "!route"), "345678"),
    (("!route", "-route"), 0),
    (("+route", "!route"), "012345678"),
    (("+route ", "!route"), 1),
    (("-route-ipv6", "!route-"), 2),
    (("+dhcp-option DNS", "-dhcp-option"), "01235678"),
    (("+dhcp-option DNS", "!dhcp-option"), 4),
    (("-dhcp-option DNS", "+dhcp-option"), "01245678"),
    (("-dhcp-option", "+dhcp-option DNS"), "0125678"),
    (("-DHCP-OPTION",), "012345678"),
    (("-route  10",), "012345678"),
    (("-route 10.1.0.0 255.255.0.0",), "12345678"),
    (("-route 10.1.0.0 255.255.0.0 ",), "012345678"),
    (("-ping 1",), "01234578"),
    (("-ping 2",), "012345678"),
    (("-ping-restart",), "012345678"),
    (("-route", "-dhcp-option", "-redirect", "-block", "-dns"), "6"),
    (("+redirect-gateway def1", "-redirect", "-route "), "12345678"),
    (("+redirect-gateway local", "-redirect"), "01234678"),
    (("-redirect", "+ping", "-p", "!"), 0),
)
ACTIONS = {"+": "accept", "-": "ignore", "!": "reject"}


def filters(*texts: str) -> list[PullFilter]:
    return [PullFilter(ACTIONS[text[0]], text[1:]) for text in texts]  # type: ignore[arg-type]


class FilterTests(SynchronousTestCase):
    def test_orders(self) -> None:
        """M-04: the first filter whose text an option begins with decides, byte by byte; no filter means yes."""
        self.assertGreaterEqual(len(VECTORS), 50)
        for texts, left in VECTORS:
            rules = PullRules(filters=filters(*texts))
            if isinstance(left, int):
                error = self.assertRaises(PeerError, rules.apply, PUSHED)
                self.assertIn(repr(PUSHED[left].strip()), str(error), texts)
            else:
                self.assertEqual(rules.apply(PUSHED), [PUSHED[int(number)] for number in left], texts)

    def test_routes_not_pulled(self) -> None:
        """route-nopull takes what is about addresses of this machine and timers, no routes and no names."""
        self.assertEqual(PullRules(nopull=True).apply(PUSHED), [PUSHED[2], PUSHED[6]])
        self.assertEqual(PullRules(nopull=True).apply(['"route" 10.0.0.0', "\troute 10.0.0.0", "", "x"]), ["", "x"])

    def test_own_name_server(self) -> None:
        """A name server that is pushed replaces our own of its number, all of it; one that is filtered out does not,
        nor one of another number.
        """
        own = ("dns server 0 address 192.0.2.1", "dns server 0 dnssec yes", "dns server 1 address 192.0.2.2", "dns")
        pushed = ["dns server 0 address 192.0.2.53"]
        self.assertEqual(PullRules(own).apply(pushed), [*own[2:], *pushed])
        self.assertEqual(PullRules(own, filters("-dns")).apply(pushed), [*own])

    def test_own_lines(self) -> None:
        """They stand before what is pushed, and neither filters nor route-nopull touch them; route-noexec does."""
        own = ("route 10.7.0.0 255.255.0.0", "dhcp-option DNS 192.0.2.1")
        rules = PullRules(own, filters("-route", "-dhcp-option"), nopull=True)
        self.assertEqual(rules.apply(PUSHED), [*own, PUSHED[2 + 4]])
        self.assertEqual(PullRules(own).apply(PUSHED), [*own, *PUSHED])
        kept = [PUSHED[number] for number in (2, 3, 4, 6, 7, 8)]
        self.assertEqual(PullRules(own, noexec=True).apply(PUSHED), [own[1], *kept])


class ConnectionTests(SynchronousTestCase):
    """A whole client with a server that pushes."""

    def connect(self, rules: PullRules, *push: str) -> Node:
        world = World(Options(rules=replace(Options().rules, push=push), pull=rules))
        client = world.client()
        world.run(2, lambda: bool(client.told(Connected) or client.told(Disconnected)))
        return client

    def test_taken(self) -> None:
        """The tunnel is what own lines and filters leave of the push."""
        rules = PullRules(("route 10.7.0.0 255.255.0.0",), filters("-ping-restart"))
        client = self.connect(rules, "route 10.6.0.0 255.255.0.0", "ping 5", "ping-restart 50")
        tunnel = client.told(Connected)[0].tunnel
        self.assertEqual([str(network) for network in tunnel.routes], ["10.7.0.0/16", "10.6.0.0/16"])
        self.assertEqual((tunnel.ping, tunnel.ping_restart), (5, None))

    def test_not_seen_by_the_session(self) -> None:
        """What a filter keeps out has no effect below either: here what the server says of its own protocol."""
        for texts, says_goodbye in (((), True), (("-protocol-flags",), False)):
            client = self.connect(PullRules(filters=filters(*texts)))
            self.assertEqual(client.hub.session.agreement.exit_message, says_goodbye, texts)

    def test_rejected_token(self) -> None:
        """What is rejected is named, a token only by its word."""
        for option, shown in (("auth-token SECRET", "'auth-token',"), ('route-delay 5', "'route-delay 5',")):
            rules = PullRules(filters=[PullFilter("reject", "")])
            error = self.assertRaises(PeerError, rules.admits, option)
            self.assertIn(shown, str(error))
            self.assertNotIn("SECRET", str(error))

    def test_rejected(self) -> None:
        """A rejected option ends the connection with its text, and the client calls again, as stock does."""
        client = self.connect(PullRules(filters=filters("!route ")), "ping 5", "route 10.6.0.0 255.255.0.0")
        [lost] = client.told(Disconnected)
        self.assertIn("'route 10.6.0.0 255.255.0.0', which pull-filter rejects", lost.reason)
        self.assertEqual((lost.retry, client.told(Connected)), (True, []))

    def test_updates(self) -> None:
        """A change is filtered as the push was, whatever its mark; own lines outlast it, and a rejection ends it."""
        push = ("route 10.6.0.0 255.255.0.0", "dhcp-option DNS 192.0.2.1")
        rules = PullRules(("route 10.7.0.0 255.255.0.0",), filters("-route 10.8.", "-dhcp", "!redirect-private"))
        client = self.connect(rules, *push)
        server = client.world.server

        def change(*changes: str) -> None:
            server.hub.push_update(changes, client.world.now)
            server.flush()
            client.world.run(1)

        change("?route 10.8.0.0 255.255.0.0", "-?dhcp-option")
        self.assertEqual([str(route.network) for route in client.told(Changed)[-1].tunnel.routes],
                         ["10.7.0.0/16", "10.6.0.0/16"])  # fmt: skip
        change("route 10.8.0.0 255.255.0.0", "route 10.9.0.0 255.255.0.0")
        self.assertEqual([str(route.network) for route in client.told(Changed)[-1].tunnel.routes],
                         ["10.7.0.0/16", "10.9.0.0/16"])  # fmt: skip
        self.assertEqual(client.told(Disconnected), [])
        change("?redirect-private def1")
        [lost] = client.told(Disconnected)
        self.assertIn("which pull-filter rejects", lost.reason)
