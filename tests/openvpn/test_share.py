"""One TCP port for a genuine openvpn client and for a web browser."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from os import urandom

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, SERVER, SERVER_V4, SIGNER, Case, Ends

SIZE = 20_000_000
BEHIND = 8443

WEB_SERVER = """
import functools, http.server, ssl, sys
folder, port = sys.argv[1], int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/web.pem")
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder + "/web")
with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("serving", flush=True)
    server.serve_forever()
"""
# Several downloads at once, the certificate checked; prints a digest of each.
BROWSER = """
import concurrent.futures, hashlib, ssl, sys, urllib.request
host, authority, page, times = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.load_verify_locations(authority)
def fetch(_):
    with urllib.request.urlopen(f"https://{host}:1194/{page}", context=context, timeout=30) as answer:
        return hashlib.sha256(answer.read()).hexdigest()
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for digest in pool.map(fetch, range(int(times))):
        print(digest)
"""
# Connections that say a little and wait; prints how many of them the other side has ended after so many seconds.
LORIS = """
import socket, sys, time
start = bytes.fromhex(sys.argv[2])
socks = []
for _ in range(int(sys.argv[1])):
    sock = socket.create_connection(("198.51.100.1", 1194), 5)
    sock.setblocking(False)
    try:
        sock.send(start)
    except OSError:
        pass
    socks.append(sock)
    time.sleep(0.01)
print("connected", flush=True)
time.sleep(float(sys.argv[3]))
ended = 0
for sock in socks:
    try:
        ended += sock.recv(1) == b""
    except BlockingIOError:
        pass
    except OSError:
        ended += 1
print("ended", ended, flush=True)
"""


@dataclass
class Shared:
    """Both servers on one port, and a genuine client that is connected."""

    lab: Lab
    ends: Ends
    server: Program
    client: Program
    web: Program

    def fetch(self, page: str, times: int = 1) -> list[str]:
        """The digests of as many downloads from the other host."""
        authority = str(self.lab.write("authority.pem", SIGNER.pem))
        words = (sys.executable, "-c", BROWSER, SERVER_V4, authority, page, str(times))
        return self.lab.run("client", *words).stdout.split()

    def serve_web(self) -> Program:
        return _web(self.lab)


def _web(lab: Lab) -> Program:
    web = lab.spawn("server", sys.executable, "-c", WEB_SERVER, str(lab.folder), str(BEHIND), name="web")
    web.wait_for("serving")
    return web


@contextlib.contextmanager
def shared() -> Iterator[Shared]:
    with two_hosts() as lab:
        lab.write("web.pem", SERVER.certificate + SERVER.key)
        (lab.folder / "web").mkdir()
        web = _web(lab)
        ends = Ends(lab, Case(proto="tcp", server_lines=(f"port-share 127.0.0.1 {BEHIND}",)))
        server = ends.serve()
        yield Shared(lab, ends, server, ends.join_stock(), web)


class ShareTests(SynchronousTestCase):
    """What the two kinds of guests notice of each other: nothing."""

    skip = skip_unless_possible("openvpn", "ping")

    def test_both(self) -> None:
        """While a genuine client pings, 16 downloads of a page and one of 20 MB arrive byte for byte."""
        with shared() as here:
            pages = {"page": urandom(3000), "big": urandom(SIZE)}
            for name, text in pages.items():
                (here.lab.folder / "web" / name).write_bytes(text)
            digests = {name: sha256(text).hexdigest() for name, text in pages.items()}
            ping = here.lab.spawn("client", "ping", "-n", "-c", "60", "-i", "0.05", INNER_V4, name="ping")
            self.assertEqual(here.fetch("page", 16), [digests["page"]] * 16)
            self.assertEqual(here.fetch("big", 1), [digests["big"]])
            self.assertIn("60 received", ping.wait_for("received", 20))
            self.assertEqual(here.fetch("page"), [digests["page"]])
            self.assertEqual(here.client.output.count("Initialization Sequence Completed"), 1)
            self.assertNotIn("Traceback", here.server.output)
            self.assertEqual(here.server.stop(), 0, here.server.output)

    def test_web_server_down(self) -> None:
        """Without its web server a browser is refused at once, the client does not notice, and later all is well."""
        with shared() as here:
            (here.lab.folder / "web" / "page").write_bytes(b"hello")
            here.web.stop()
            refused = self.assertRaises(AssertionError, here.fetch, "page")
            self.assertRegex(str(refused), "reset by peer|UNEXPECTED_EOF|Remote end closed")
            said = f"198.51.100.2: connection to the web server 127.0.0.1:{BEHIND} refused"
            here.server.wait_for(said, 5)
            self.assertEqual(here.lab.ping("client", INNER_V4), 3)
            here.serve_web()
            self.assertEqual(here.fetch("page"), [sha256(b"hello").hexdigest()])
            self.assertNotIn("Traceback", here.server.output)

    def test_loris(self) -> None:
        """D-13: of fifty connections that say two bytes and wait, ten wait ten seconds; others come in meanwhile.
        Twenty that have begun with TLS are the web server's, and do not wait here.
        """
        with shared() as here:
            (here.lab.folder / "web" / "page").write_bytes(b"hello")
            here.lab.host("other")
            here.lab.wire("server", ["192.0.2.1/24"], "other", ["192.0.2.2/24"])
            words = (sys.executable, "-c", LORIS, "50", "0050")
            visitors = here.lab.spawn("client", sys.executable, "-c", LORIS, "20", "16030100", "2", name="visitors")
            visitors.wait_for("ended 0", 10)
            soon = here.lab.spawn("client", *words, "2", name="loris")
            soon.wait_for("ended 40", 10)
            late = here.lab.spawn("client", *words, "11.5", name="loris")
            late.wait_for("connected", 10)
            bob = Ends(here.lab, Case(proto="tcp", outer="192.0.2.1"), SIGNER.issue("bob"))
            bob.join_stock("other", "other.conf")
            self.assertEqual([here.lab.ping(host, INNER_V4) for host in ("client", "other")], [3, 3])
            late.wait_for("ended 50", 20)
            self.assertEqual(here.fetch("page"), [sha256(b"hello").hexdigest()])
            self.assertNotIn("Traceback", here.server.output)
