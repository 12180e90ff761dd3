"""Our client and our server with a proxy between them: what it costs, what it needs of the machine, what goes wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.kernel.test_transfer import CALL, SERVE, SIZE
from tests.lab import Lab, skip_unless_possible
from tests.proxied import HTTP_PORT, NAME, PROXY, PROXY_V6, SERVER, SOCKS_PORT, start_proxy, three_hosts

#: Our mssfix: no outer packet shall be larger.
MSSFIX = 1492
ELSEWHERE = "203.0.113.9"
"""Another address of the proxy, for which the client needs its default route."""


def profile_behind(lab: Lab, site: Site, *lines: str, remote: str = NAME, protocol: str = "udp") -> Path:
    """A profile with these lines in front of it, and one remote of this protocol."""
    text = re.sub("remote .*\n", "", site.device("alice", remote).read_text())
    text = f"remote {remote} 1194 {protocol}\n{text}"
    return lab.write("alice.conf", "\n".join([*lines, text]))


def fragments(lab: Lab, host: str) -> int:
    """How many packets of IPv4 this host has cut into fragments."""
    names, values = [
        line.split() for line in lab.run(host, "cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Ip:")
    ]
    return int(values[names.index("FragCreates")])


class ProxyCase(SynchronousTestCase):
    skip = skip_unless_possible("ping")


class DatagramTests(ProxyCase):
    """UDP through SOCKS."""

    def test_sizes(self) -> None:
        """Much data both ways, to a name that only the proxy knows: the same to the byte, and no outer packet is larger
        than mssfix, the proxy's header included. The proxy leaves out the address of its relay: it is its own.
        """
        with three_hosts(mtu=MSSFIX) as lab:
            site = Site(lab)
            start_proxy(lab, "socks", "--everywhere")
            site.serve()
            client = site.join(profile_behind(lab, site, f"socks-proxy {PROXY} {SOCKS_PORT}"))
            server = lab.spawn("server", sys.executable, "-c", SERVE, "2", str(SIZE), name="serve")
            server.wait_for("ready")
            done = lab.run("client", sys.executable, "-c", CALL, INNER_V4, str(SIZE), "0")
            self.assertEqual(json.loads(done.stdout), [True, True], client.output[-2000:])
            self.assertEqual([fragments(lab, host) for host in ("client", "proxy")], [0, 0])

    def test_over_ipv6(self) -> None:
        """The proxy is reached over IPv6, the server behind it over IPv4."""
        with three_hosts() as lab:
            site = Site(lab)
            start_proxy(lab, "socks", host=PROXY_V6)
            site.serve()
            client = site.join(profile_behind(lab, site, f"socks-proxy {PROXY_V6} {SOCKS_PORT}", remote=SERVER))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-2000:])
            self.assertIn(f"connecting to {SERVER}, udp port 1194, through proxy [{PROXY_V6}]:1080", client.output)

    def test_association_ends(self) -> None:
        """A relay that the proxy gives up is the end of the connection, at once; the next one stands a second later."""
        with three_hosts() as lab:
            site = Site(lab)
            start_proxy(lab, "socks", "--hold", "4")
            site.serve()
            client = site.join(profile_behind(lab, site, f"socks-proxy {PROXY} {SOCKS_PORT}"))
            client.wait_for("disconnected: the connection was closed", 6)
            client.wait_for("connecting to", 5, 2)
            self.assertTrue(any(lab.ping("client", INNER_V4, 1) for _ in range(2)), client.output[-2000:])


class RouteTests(ProxyCase):
    """Where everything goes into the tunnel."""

    def _redirect(self, kind: str, line: str, protocol: str) -> None:
        with three_hosts() as lab:
            lab.ip("proxy", "addr", "add", f"{ELSEWHERE}/32", "dev", "lo")
            lab.ip("client", "route", "add", "default", "via", PROXY)
            site = Site(lab, transport=(f"listen = {protocol}:1194",), push=("redirect-gateway def1",))
            start_proxy(lab, kind, host=ELSEWHERE)
            site.serve()
            client = site.join(profile_behind(lab, site, line, protocol=protocol))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-2000:])
            routes = lab.ip("client", "route")
            self.assertIn(f"{ELSEWHERE} via {PROXY}", routes)
            self.assertNotIn(SERVER, routes)
            self.assertIn("0.0.0.0/1 dev tun0", routes)

    def test_http(self) -> None:
        """It is the proxy that is reached past the tunnel: the connection through it goes on."""
        self._redirect("http", f"http-proxy {ELSEWHERE} {HTTP_PORT}", "tcp")

    def test_socks(self) -> None:
        """So it is with datagrams, relay and connection alike."""
        self._redirect("socks", f"socks-proxy {ELSEWHERE} {SOCKS_PORT}", "udp")


class FailureTests(ProxyCase):
    """What goes wrong is told, and the next remote is called."""

    def test_next_remote(self) -> None:
        """No proxy at that port, one that wants a password, one of another kind: a sentence each, and then the last."""
        with three_hosts() as lab:
            site = Site(lab, transport=("listen = tcp:1194",))
            start_proxy(lab, "socks", "--login", "a:b")
            start_proxy(lab, "http")
            site.serve()
            proxies = (f"http-proxy {PROXY} 3999", f"socks-proxy {PROXY} {SOCKS_PORT}",
                       f"http-proxy {PROXY} {SOCKS_PORT}", f"http-proxy {PROXY} {HTTP_PORT}")  # fmt: skip
            blocks = [f"<connection>\nremote {NAME} 1194 tcp\n{line}\n</connection>" for line in proxies]
            client = site.join(profile_behind(lab, site, "connect-retry 1 1", *blocks))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-2000:])
            for sentence in (
                f"no connection to the proxy {PROXY}:3999: Connection was refused by other side",
                f"proxy {PROXY}:{SOCKS_PORT} refused: it wants a user name and a password",
                f"proxy {PROXY}:{SOCKS_PORT} closed the connection before it had let us through",
            ):
                self.assertIn(sentence, client.output)
            self.assertEqual(client.output.count("next try in"), 3)
            self.assertNotIn("Traceback", client.output)
