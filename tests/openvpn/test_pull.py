"""pull-filter at the genuine openvpn and at ours: the same is taken of the same push."""

from __future__ import annotations

import re
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.hub.test_pull import VECTORS, filters
from tests.lab import Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends
from tvpn.errors import PeerError
from tvpn.hub.pull import PullRules
from tvpn.wire.message import PushReply

PUSH = (
    "route 10.1.0.0 255.255.0.0", "route-ipv6 fd00:1::/64", "dhcp-option DNS 192.0.2.53", "redirect-gateway def1",
    "dhcp-option DOMAIN example.org", "block-ipv6", "dns server 0 address 192.0.2.53",
)  # fmt: skip
AT_ONCE = 13


def lines_of(texts: Sequence[str]) -> list[str]:
    return [f'pull-filter {each.action} "{each.text}"' for each in filters(*texts)]


class FilterTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")

    def pushed(self, client: Program) -> list[str]:
        """What the server has sent to this client."""
        found = re.findall(r"PUSH: Received control message: '(PUSH_REPLY,.*)'\n", client.output)
        reply = PushReply()
        for message in found:
            options = reply.add(message)
            if options is not None:
                return options
        raise AssertionError(client.output)

    def test_same_as_stock(self) -> None:
        """M-04: for every order stock removes or rejects exactly what our rules do."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(server_lines=tuple(f'push "{option}"' for option in PUSH)))
            ends.serve_stock()
            orders = [texts for texts, _ in VECTORS]
            while orders:
                some, orders = orders[:AT_ONCE], orders[AT_ONCE:]
                clients = [self.join(ends, *texts) for texts in some]
                for client, texts in zip(clients, some, strict=True):
                    client.wait_for("Initialization Sequence Completed|process restarting")
                    self.compare(client, PullRules(filters=filters(*texts)))
                    client.stop()

    def join(self, ends: Ends, *texts: str) -> Program:
        """A stock client with these filters, and without a device."""
        ends.case = Case(client_lines=("route-noexec", "ifconfig-noexec", *lines_of(texts)))
        config = ends.client_config()
        config.write_text(config.read_text().replace("dev tun\n", "dev null\n"))
        client = ends.lab.spawn("client", "openvpn", str(config), name="client")
        client.wait_for("OpenVPN 2")
        return client

    def compare(self, client: Program, rules: PullRules) -> None:
        removed, rejected = [], []
        for option in self.pushed(client):
            try:
                if not rules.admits(option):
                    removed.append(option)
            except PeerError:
                rejected.append(option)
                break
        # What follows is another attempt.
        first = client.output.split("process restarting")[0]
        self.assertEqual(re.findall(r"Pushed option rejected by filter: '(.*?)'", first), rejected, first)
        self.assertEqual(re.findall(r"Pushed option removed by filter: '(.*?)'", first), removed, first)


class OwnTests(SynchronousTestCase):
    """Our client at a stock server."""

    skip = skip_unless_possible("openvpn", "ping")

    def test_routes(self) -> None:
        """Own lines take effect beside what filters leave; with route-nopull they are all there are."""
        with two_hosts() as lab:
            push = ('push "route 10.55.0.0 255.255.0.0"', 'push "route 10.56.0.0 255.255.0.0"')
            Ends(lab, Case(server_lines=push)).serve_stock()
            for lines, there, missing in (
                ((), ("10.55.0.0/16", "10.56.0.0/16"), ("10.57.0.0/16",)),
                (("route 10.57.0.0 255.255.0.0", 'pull-filter ignore "route 10.56."'),
                 ("10.55.0.0/16", "10.57.0.0/16"), ("10.56.0.0/16",)),
                (("route 10.57.0.0 255.255.0.0", "route-nopull"), ("10.57.0.0/16",), ("10.55.0.0/16", "10.56.0.0/16")),
                (("redirect-gateway def1", "route 10.58.0.0 255.255.0.0 net_gateway", "route-metric 7"),
                 ("0.0.0.0/1", "128.0.0.0/1"), ("10.58.0.0/16 dev tun",)),
                (("route 10.57.0.0 255.255.0.0", "route-noexec"), (), ("10.55.0.0/16", "10.56.0.0/16", "10.57.0.0/16")),
            ):  # fmt: skip
                client = Ends(lab, Case(client_lines=lines)).join()
                routes = lab.ip("client", "route")
                for network in there:
                    self.assertIn(f"{network} ", routes, lines)
                for network in missing:
                    self.assertNotIn(network, routes, lines)
                self.assertEqual(lab.ping("client", INNER_V4, 2), 2, client.output)
                client.stop()

    def test_rejected(self) -> None:
        """A rejected option ends the connection, and the client calls again."""
        with two_hosts() as lab:
            Ends(lab, Case()).serve_stock()
            config = Ends(lab, Case(client_lines=('pull-filter reject "route-gateway"',))).client_config()
            client = lab.twistd("client", config)
            client.wait_for("disconnected: the server pushed 'route-gateway 10.99.0.1', which pull-filter rejects")
            client.wait_for("next try")
            self.assertNotIn("connected: device", client.output)
