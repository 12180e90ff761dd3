"""What is agreed with genuine peers, old ways and new: ciphers, flags, many options, MTU, and the words of parting."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends, binary

REFUSAL = r"AUTH_FAILED,Data channel cipher negotiation failed \(no shared cipher\)"
ROUTES = tuple(f'push "route 10.{number}.0.0 255.255.0.0"' for number in range(100, 200))

# Says one line to the management port of a genuine server and waits for the answer.
MANAGE = """
import socket, sys
with socket.create_connection(("127.0.0.1", 7505), 5) as sock:
    sock.settimeout(5)
    sock.sendall(sys.argv[1].encode() + b"\\n")
    heard = b""
    while b"SUCCESS" not in heard and b"ERROR" not in heard:
        heard += sock.recv(1000)
print(heard.decode())
"""


class UnnegotiatedTests(SynchronousTestCase):
    """Genuine clients that negotiate nothing (``tls-client`` without ``pull``): the cipher is the one they name."""

    skip = skip_unless_possible("openvpn", "ping")

    @contextlib.contextmanager
    def _met(self, case: Case) -> Iterator[tuple[Lab, Program, Program]]:
        with two_hosts() as lab:
            ends = Ends(lab, case)
            server = ends.serve()
            config = ends.client_config()
            # What a server pushes does not reach such a client: it knows its address by itself.
            alone = "tls-client\ntopology subnet\nifconfig 10.99.0.2 255.255.255.0\n"
            config.write_text(config.read_text().replace("client\n", alone, 1))
            yield lab, server, lab.spawn("client", binary(case.version), str(config), name="client")
            self.assertNotIn("Traceback", server.output)

    def test_named(self) -> None:
        """C-15: 2.6 names a cipher of ours: it comes in with keys of the PRF, without a peer id, and pings."""
        case = Case("tls-crypt", "AES-128-GCM", client_lines=("cipher AES-128-GCM",))
        with self._met(case) as (lab, server, client):
            client.wait_for("Initialization Sequence Completed", 15)
            self.assertIn("TLS_export=0, DATA_v2=0", client.output)
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:] + server.output[-3000:])
            self.assertRegex(client.output, r"Data Channel: cipher 'AES-128-GCM'\n")

    def test_named_27(self) -> None:
        """C-15: so does 2.7, over TCP, through renegotiations and up to its goodbye in the data channel."""
        lines = ("data-ciphers-fallback CHACHA20-POLY1305", "reneg-sec 3")
        case = Case("tls-auth", "CHACHA20-POLY1305", version="2.7", proto="tcp", client_lines=lines)
        with self._met(case) as (lab, _, client):
            client.wait_for("Initialization Sequence Completed", 15)
            self.assertEqual(lab.ping("client", INNER_V4, 220, 0.03), 220, client.output[-3000:])
            client.wait_for("Control Channel: TLSv", 10, 3)

    def test_goodbye(self) -> None:
        """Its explicit-exit-notify, which is a data packet, is heard."""
        lines = ("cipher AES-256-GCM", "explicit-exit-notify 1")
        with self._met(Case("tls-crypt", client_lines=lines)) as (_, server, client):
            client.wait_for("Initialization Sequence Completed", 15)
            client.stop(signal.SIGTERM)
            server.wait_for(r"alice .* left", 5)

    def test_other(self) -> None:
        """C-15: a cipher that is not ours is refused, though ``data-ciphers`` of the client has one that is; both read
        why. A fallback of ours is not for who names a cipher.
        """
        case = Case(
            "tls-crypt", "AES-128-GCM", server_lines=("data-ciphers-fallback CHACHA20-POLY1305",),
            client_lines=("data-ciphers AES-256-GCM:AES-128-GCM", "cipher AES-256-GCM"),
        )  # fmt: skip
        with self._met(case) as (_, server, client):
            server.wait_for("did not get in: no common cipher: client offers AES-256-GCM, server allows AES-128-GCM")
            client.wait_for(REFUSAL)
            self.assertNotIn("alice joined", server.output)

    def test_blowfish(self) -> None:
        """C-14: who names nothing names BF-CBC, OpenVPN's old default, and is refused."""
        with self._met(Case("tls-crypt")) as (_, server, client):
            server.wait_for("did not get in: no common cipher: client offers BF-CBC, server allows AES-256-GCM")
            client.wait_for(REFUSAL)


class CipherTests(SynchronousTestCase):
    """Clients and servers that negotiate."""

    skip = skip_unless_possible("openvpn", "ping")

    def test_compatible_client(self) -> None:
        """C-15: a 2.6 client that makes itself older (compat-mode 2.3.0) gets a cipher of its list and pings."""
        lines = ("compat-mode 2.3.0", "cipher AES-128-GCM")
        with two_hosts() as lab:
            ends = Ends(lab, Case(cipher="AES-128-GCM", client_lines=lines))
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4), 3, server.output[-3000:])
            self.assertIn("Data Channel: cipher 'AES-128-GCM'", client.output)

    def test_compatible_server(self) -> None:
        """Our client joins a 2.6 server that makes itself older and has a cipher for who cannot negotiate."""
        lines = ("compat-mode 2.3.0", "cipher AES-256-CBC", "data-ciphers-fallback AES-256-CBC")
        with two_hosts() as lab:
            ends = Ends(lab, Case(cipher="AES-128-GCM", server_lines=lines))
            server = ends.serve_stock()
            client = ends.join()
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output)
            server.wait_for("Data Channel: cipher 'AES-128-GCM'", 5)

    def test_flags(self) -> None:
        """In both roles 2.6 and 2.7 agree with us on the same flags; epochs are for 2.7 alone."""
        for version, epochs in (("2.6", ""), ("2.7", " aead-epoch")):
            agreed = f"Protocol options: protocol-flags cc-exit tls-ekm dyn-tls-crypt{epochs}\n"
            for stock_serves in (False, True):
                with two_hosts() as lab:
                    ends = Ends(lab, Case(version=version))
                    ours = ends.serve if not stock_serves else ends.join
                    stock = ends.serve_stock() if stock_serves else None
                    ours()
                    said = (stock or ends.join_stock()).wait_for("Protocol options: .*\n", 5)
                    self.assertIn(agreed, said.replace("explicit-exit-notify 1, ", ""))

    def test_no_digest(self) -> None:
        """C-14: 2.6 and 2.7 with ``auth none`` and a cipher that would need a digest are refused in words."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                lines = ("data-ciphers AES-256-CBC", "cipher AES-256-CBC", "auth none")
                ends = Ends(lab, Case("none", version=version, client_lines=lines))
                server = ends.serve()
                client = lab.spawn("client", binary(version), str(ends.client_config()), name="client")
                server.wait_for("no common cipher: client offers AES-256-CBC, server allows AES-256-GCM")
                client.wait_for(REFUSAL)

    def test_server_without_ours(self) -> None:
        """C-14: a 2.6 server with nothing but CBC and ``auth none``: our client says why it does not get in."""
        with two_hosts() as lab:
            lines = ("data-ciphers AES-256-CBC", "cipher AES-256-CBC", "auth none")
            ends = Ends(lab, Case("none", server_lines=lines))
            ends.serve_stock()
            client = lab.twistd("client", ends.client_config(), "client")
            client.wait_for("disconnected: the server refused us: Data channel cipher negotiation failed")
            self.assertNotIn("tun", lab.ip("client", "-br", "link"))


class PushTests(SynchronousTestCase):
    """Options that are many, and the MTU."""

    skip = skip_unless_possible("openvpn", "ping")

    def _routed(self, lab: Lab) -> int:
        return len(set(re.findall(r"^10\.1\d\d\.0\.0/16 .*dev tun0", lab.ip("client", "route"), re.MULTILINE)))

    def test_many_to_stock(self) -> None:
        """A hundred routes arrive whole, in several messages, at 2.6 and at 2.7."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                ends = Ends(lab, Case(version=version, server_lines=ROUTES))
                ends.serve()
                client = ends.join_stock()
                self.assertIn("push-continuation 2", client.output)
                self.assertIn("push-continuation 1", client.output)
                self.assertEqual(self._routed(lab), 100)
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_many_from_stock(self) -> None:
        """A hundred routes of a 2.6 and of a 2.7 server, in several messages, reach our client."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                ends = Ends(lab, Case(version=version, server_lines=ROUTES))
                server = ends.serve_stock()
                ends.join()
                server.wait_for("push-continuation 2", 5)
                self.assertEqual(self._routed(lab), 100)
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def _mtu(self, lab: Lab, host: str) -> str:
        found = re.search(r"mtu (\d+)", lab.ip(host, "link", "show", "dev", "tun0"))
        return found[1] if found else ""

    def test_mtu_to_stock(self) -> None:
        """Our tun-mtu is pushed, and becomes that of the device of 2.6 and of 2.7."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                ends = Ends(lab, Case(version=version, server_lines=("tun-mtu 1380",)))
                ends.serve()
                client = ends.join_stock()
                self.assertIn("tun-mtu 1380", client.output)
                self.assertEqual((self._mtu(lab, "server"), self._mtu(lab, "client")), ("1380", "1380"))
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_mtu_from_stock(self) -> None:
        """The tun-mtu of a 2.6 and of a 2.7 server becomes that of our device."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                ends = Ends(lab, Case(version=version, server_lines=("tun-mtu 1380",)))
                ends.serve_stock()
                ends.join()
                self.assertEqual(self._mtu(lab, "client"), "1380")
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_too_large(self) -> None:
        """A tun-mtu above what our client has announced (IV_MTU) does not take effect, and the log says so."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(server_lines=("tun-mtu 2000",)))
            server = ends.serve_stock()
            client = ends.join()
            server.wait_for(r"reported maximum MTU from client \(1600\) is lower", 5)
            client.wait_for("has no effect here: .*tun-mtu 2000")
            self.assertEqual(self._mtu(lab, "client"), "1500")
            self.assertEqual(lab.ping("client", INNER_V4), 3)


class PartingTests(SynchronousTestCase):
    """RESTART, HALT and EXIT, both ways."""

    skip = skip_unless_possible("openvpn", "ping")

    @contextlib.contextmanager
    def _joined(self, version: str) -> Iterator[tuple[Lab, Program, Program]]:
        """Our client with a genuine server that can be told things."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version=version, server_lines=("management 127.0.0.1 7505",)))
            server = ends.serve_stock()
            yield lab, server, ends.join()

    def _kill(self, lab: Lab, word: str) -> None:
        """The server ends its only client with this word."""
        said = lab.run("server", sys.executable, "-c", MANAGE, f"client-kill 0 {word}").stdout
        self.assertIn("SUCCESS", said)

    def test_restart(self) -> None:
        """A genuine server that says RESTART is left, and joined again soon."""
        for version in ("2.6", "2.7"):
            with self._joined(version) as (lab, _, client):
                self._kill(lab, "RESTART,[N]:maintenance")
                client.wait_for("disconnected: the server said RESTART: maintenance")
                client.wait_for("connected: device", 20, 2)
                self.assertEqual(lab.ping("client", INNER_V4), 3)

    def test_halt(self) -> None:
        """A genuine server that says HALT is left for good."""
        for version in ("2.6", "2.7"):
            with self._joined(version) as (lab, _, client):
                self._kill(lab, "HALT,closed")
                client.wait_for("gave up: the server said HALT: closed")
                self.assertEqual(client.process.wait(10), 1)
                self.assertNotIn("tun", lab.ip("client", "-br", "link"))

    def test_leave(self) -> None:
        """Our client's EXIT is heard at once by 2.6 and by 2.7."""
        for version in ("2.6", "2.7"):
            with self._joined(version) as (_, server, client):
                self.assertEqual(client.stop(), 0, client.output)
                server.wait_for("exit message received by peer", 5)

    def test_27_leaves(self) -> None:
        """A 2.7 client's EXIT is heard at once."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7", client_lines=("explicit-exit-notify 1",)))
            server = ends.serve()
            ends.join_stock().stop()
            server.wait_for(r"alice .* left", 5)

    def test_27_restarts(self) -> None:
        """When our server stops a 2.7 client reads RESTART and keeps its passwords; it comes back to the next one."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7"))
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(server.stop(), 0, server.output)
            client.wait_for(r"Connection reset command was pushed by server \('\[P\]:", 5)
            ends.serve()
            client.wait_for("Initialization Sequence Completed", 30, 2)
            self.assertEqual(lab.ping("client", INNER_V4), 3)
