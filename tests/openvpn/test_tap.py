"""Ethernet frames: genuine 2.6 and 2.7 clients and servers, and ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, SIGNER, Case, Ends

CASES = [
    Case("tls-crypt", cipher, version=version, proto=proto, dev="tap")
    for version in ("2.6", "2.7") for proto in ("udp", "tcp") for cipher in ("AES-256-GCM", "AES-128-CBC")
]  # fmt: skip
#: Fixed addresses, so that each knows where the other is.
ADDRESSES = {"one": "10.99.0.11", "two": "10.99.0.12"}


def answered(lab: Lab, host: str, target: str, size: int = 56) -> bool:
    return lab.ping(host, target, 2, 0.1, size) == 2


class PairTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def look(self, lab: Lab, server: Program, client: Program) -> None:
        """Both families, small and full frames, from both sides."""
        said = client.output[-3000:] + server.output[-3000:]
        for inner in (INNER_V4, INNER_V6):
            for size in (16, 1400):
                self.assertTrue(answered(lab, "client", inner, size), f"{size} bytes to {inner}:\n{said}")
        shown = lab.ip("client", "-br", "addr", "show", "dev", "tap0")
        self.assertIn("10.99.0.2/24", shown)
        self.assertTrue(answered(lab, "server", "10.99.0.2"), said)
        self.assertNotIn("Traceback", said)
        self.assertNotRegex(said, "WARNING: '(dev-type|tun-mtu)' is")

    def test_our_server(self) -> None:
        """Stock clients of our server: UDP and TCP, AEAD and CBC."""

        def scene(case: Case) -> None:
            with two_hosts() as lab:
                ends = Ends(lab, case)
                server = ends.serve()
                self.look(lab, server, ends.join_stock())

        abreast(scene, CASES)

    def test_our_client(self) -> None:
        """We as client of stock servers."""

        def scene(case: Case) -> None:
            with two_hosts() as lab:
                ends = Ends(lab, case)
                server = ends.serve_stock()
                self.look(lab, server, ends.join())

        abreast(scene, CASES)

    def test_gateway(self) -> None:
        """A route that is pushed leads to the gateway on the Ethernet, of our server and of a stock one."""

        def scene(ours: bool) -> None:
            with two_hosts() as lab:
                lines = ('push "route 10.55.0.0 255.255.0.0"', 'push "route-ipv6 fd00:55::/64"')
                ends = Ends(lab, Case("tls-crypt", dev="tap", server_lines=lines))
                _ = ends.serve() if ours else ends.serve_stock()
                lab.ip("server", "addr", "add", "10.55.0.1/16", "dev", "lo")
                lab.ip("server", "addr", "add", "fd00:55::1/64", "dev", "lo", "nodad")
                client = ends.join()
                for target in ("10.55.0.1", "fd00:55::1"):
                    self.assertTrue(answered(lab, "client", target), client.output)
                self.assertIn("via 10.99.0.1 dev tap0", lab.ip("client", "route", "get", "10.55.0.9"))

        abreast(scene, [True, False])


class NetworkOfOthersTests(SynchronousTestCase):
    """server-bridge without addresses: a DHCP server behind the server gives them, here nobody does."""

    skip = skip_unless_possible("openvpn", "ping")

    def test_no_address(self) -> None:
        """Stock clients of our server, and we as client of a stock one: up without an address, and frames flow."""

        def scene(case: tuple[str, bool]) -> None:
            version, ours = case
            with two_hosts() as lab:
                ends = Ends(lab, Case("tls-crypt", version=version, dev="tap"))
                text = re.sub(r"^server .*$", "server-bridge", ends.server_config().read_text(), flags=re.MULTILINE)
                text = re.sub(r"^(server-ipv6|topology) .*\n", "", text, flags=re.MULTILINE)
                if ours:
                    server = lab.twistd("server", lab.write("server.conf", text), "tvpn-server")
                    server.wait_for("listening on .* without an address")
                    client = ends.join_stock()
                    self.assertIn("route-gateway dhcp", client.output)
                else:
                    server = ends.serve_stock(text)
                    client = ends.join()
                    self.assertIn("an address of whoever gives them there", client.output)
                    self.assertNotIn("ignored", client.output)
                for host, address in (("server", "10.99.0.1/24"), ("client", "10.99.0.2/24")):
                    lab.ip(host, "link", "set", "tap0", "up")
                    lab.ip(host, "addr", "add", address, "dev", "tap0")
                self.assertTrue(answered(lab, "client", INNER_V4), client.output + server.output)
                self.assertNotIn("Traceback", client.output + server.output)

        abreast(scene, [(version, ours) for version in ("2.6", "2.7") for ours in (True, False)])


class ClientToClientTests(SynchronousTestCase):
    """Stock clients of our server among themselves."""

    skip = skip_unless_possible("openvpn", "ping")

    @contextmanager
    def two_clients(self, *server_lines: str) -> Iterator[Lab]:
        with Lab() as lab:
            lab.host("server")
            (lab.folder / "ccd").mkdir()
            for number, (host, address) in enumerate(ADDRESSES.items(), 1):
                lab.write(f"ccd/{host}", f"ifconfig-push {address} 255.255.255.0\n")
                lab.host(host)
                lab.wire("server", [f"198.51.{number}.1/24"], host, [f"198.51.{number}.2/24"])
            lines = ("client-config-dir ccd", *server_lines)
            server = Ends(lab, Case(dev="tap", server_lines=lines)).serve()
            for number, host in enumerate(ADDRESSES, 1):
                version = ("2.6", "2.7")[number - 1]
                ends = Ends(lab, Case(outer=f"198.51.{number}.1", dev="tap", version=version), SIGNER.issue(host))
                ends.join_stock(host, f"{host}.conf")
            yield lab
            self.assertNotIn("Traceback", server.output)

    def test_on(self) -> None:
        """They reach each other, and the server."""
        with self.two_clients("client-to-client") as lab:
            for host, target in (("one", ADDRESSES["two"]), ("two", ADDRESSES["one"]), ("one", INNER_V4)):
                self.assertTrue(answered(lab, host, target), f"{host} to {target}")

    def test_off(self) -> None:
        """They reach the server alone, even when they know each other's hardware addresses and the kernel bridges."""
        with self.two_clients() as lab:
            stations = {host: lab.run(host, "cat", "/sys/class/net/tap0/address").stdout.strip() for host in ADDRESSES}
            for host, other in (("one", "two"), ("two", "one")):
                self.assertFalse(answered(lab, host, ADDRESSES[other]))
                lab.ip(host, "neigh", "replace", ADDRESSES[other], "lladdr", stations[other], "dev", "tap0")
            lab.ip("server", "link", "add", "br0", "up", "type", "bridge")
            for hairpin in (False, True):
                if hairpin:
                    lab.ip("server", "addr", "flush", "dev", "tap0", "scope", "global")
                    lab.ip("server", "link", "set", "tap0", "master", "br0")
                    lab.ip("server", "addr", "add", f"{INNER_V4}/24", "dev", "br0")
                    lab.ip("server", "link", "set", "tap0", "type", "bridge_slave", "hairpin", "on")
                for host, other in (("one", "two"), ("two", "one")):
                    self.assertFalse(answered(lab, host, ADDRESSES[other]), f"{host} {hairpin}")
            for host in ADDRESSES:
                lab.ip(host, "neigh", "flush", "dev", "tap0")
            self.assertTrue(answered(lab, "one", INNER_V4))
