"""One set of lines about proxies in the genuine openvpn and in our client, by the same proxies to either server."""

from __future__ import annotations

import signal

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible
from tests.openvpn.peers import INNER_V4, INNER_V6, Case, Ends
from tests.proxied import HTTP_PORT, LOGIN, NAME, PROXY, SERVER, SOCKS_PORT, start_proxy, three_hosts


class ProxyCase(SynchronousTestCase):
    """A tunnel to a server that only the proxy reaches."""

    skip = skip_unless_possible("openvpn", "ping")
    kind = ""

    def _join(self, lab: Lab, ends: Ends, stock: bool) -> Program:
        client = ends.join_stock() if stock else ends.join()
        self.assertEqual(lab.ping("client", INNER_V4, 5, 0.05), 5, client.output[-3000:])
        self.assertEqual(lab.ping("client", INNER_V6, 1), 1, client.output[-3000:])
        return client

    def _check(self, case: Case, *, stock_server: bool, stock_client: bool, words: tuple[str, ...] = ()) -> str:
        """What the proxy said of it."""
        with three_hosts() as lab:
            username, _, password = LOGIN.partition(":")
            lab.write("login", f"{username}\n{password}\n")
            proxy = start_proxy(lab, self.kind, "--login", LOGIN, *words)
            ends = Ends(lab, Case(case.protection, proto=case.proto, outer=case.outer, client_lines=tuple(
                line.replace("login", str(lab.folder / "login")) for line in case.client_lines
            )))  # fmt: skip
            server = ends.serve_stock() if stock_server else ends.serve()
            client = self._join(lab, ends, stock_client)
            client.stop(signal.SIGTERM)
            self.assertNotIn("Traceback", client.output + server.output)
            return proxy.output


class HTTPTests(ProxyCase):
    """http-proxy, with a login, to a server whose name only the proxy knows."""

    kind = "http"
    case = Case("tls-crypt", proto="tcp", outer=NAME, client_lines=(
        f"http-proxy {PROXY} {HTTP_PORT} login basic", "http-proxy-option AGENT tester/1",
        'http-proxy-option CUSTOM-HEADER X-Two "a b"',
    ))  # fmt: skip

    def _told(self, said: str) -> None:
        """What the proxy was told: the name itself, and the header fields of the file."""
        for words in (f"CONNECT {NAME}:1194", "User-Agent: tester/1", "X-Two: a b"):
            self.assertIn(words, said)

    def test_stock(self) -> None:
        """The genuine client gets through to our server."""
        self._told(self._check(self.case, stock_server=False, stock_client=True))

    def test_ours(self) -> None:
        """So does ours."""
        self._told(self._check(self.case, stock_server=False, stock_client=False))

    def test_to_stock(self) -> None:
        """Ours gets through to a genuine server."""
        self._check(self.case, stock_server=True, stock_client=False)


class SOCKSTests(ProxyCase):
    """socks-proxy over TCP."""

    kind = "socks"
    case = Case(proto="tcp", outer=NAME, client_lines=(f"socks-proxy {PROXY} {SOCKS_PORT} login",))

    def test_stock(self) -> None:
        """The genuine client gets through to our server."""
        self.assertIn(f"connect {SERVER} 1194", self._check(self.case, stock_server=False, stock_client=True))

    def test_to_stock(self) -> None:
        """Ours gets through to a genuine server."""
        self.assertIn(f"connect {SERVER} 1194", self._check(self.case, stock_server=True, stock_client=False))


class SOCKSDatagramTests(ProxyCase):
    """socks-proxy over UDP."""

    kind = "socks"
    lines = (f"socks-proxy {PROXY} {SOCKS_PORT} login",)

    def test_stock(self) -> None:
        """The genuine client gets through to our server."""
        case = Case(outer=SERVER, client_lines=self.lines)
        self.assertIn("associate", self._check(case, stock_server=False, stock_client=True))

    def test_to_stock(self) -> None:
        """Ours gets through to a genuine server, whose name only the proxy knows."""
        case = Case(outer=NAME, client_lines=self.lines)
        self.assertIn("associate", self._check(case, stock_server=True, stock_client=False))

    def test_renegotiates(self) -> None:
        """New keys every few seconds through the relay: not one ping is lost."""
        with three_hosts() as lab:
            start_proxy(lab, "socks")
            line = f"socks-proxy {PROXY} {SOCKS_PORT}"
            ends = Ends(lab, Case(outer=SERVER, server_lines=("reneg-sec 3 3",), client_lines=(line, "reneg-sec 0")))
            server = ends.serve_stock()
            client = ends.join()
            self.assertEqual(lab.ping("client", INNER_V4, 200, 0.04), 200, client.output[-3000:])
            server.wait_for("Control Channel: TLSv", 5, 3)
