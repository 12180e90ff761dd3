"""Much data through the tunnel, to the machine itself and past it, and packets that a kernel must not believe."""

from __future__ import annotations

import json
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, INNER_V6, Site
from tests.lab import Lab, skip_unless_possible, two_hosts

#: Sends what it draws by a seed, or receives and says what it got.
SERVE = """
import hashlib, json, random, socket, sys
listener = socket.create_server(("::", 5001), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
for number in range(int(sys.argv[1])):
    connection = listener.accept()[0]
    word = connection.recv(4)
    if word == b"send":
        connection.sendall(random.Random(number).randbytes(int(sys.argv[2])))
        connection.close()
    else:
        digest, data = hashlib.sha256(), b"x"
        while data:
            data = connection.recv(65536)
            digest.update(data)
        connection.sendall(digest.digest())
        connection.close()
"""
CALL = """
import hashlib, json, random, socket, sys
host, size = sys.argv[1], int(sys.argv[2])
same = []
for number in range(2):
    with socket.create_connection((host, 5001), 20) as connection:
        expected = random.Random(number + int(sys.argv[3])).randbytes(size)
        if number == 0:
            connection.sendall(b"send")
            found = b"".join(iter(lambda: connection.recv(65536), b""))
            same.append(found == expected)
        else:
            connection.sendall(b"take")
            connection.sendall(expected)
            connection.shutdown(socket.SHUT_WR)
            same.append(connection.recv(32) == hashlib.sha256(expected).digest())
print(json.dumps(same))
"""
SIZE = 6_000_000


def exchange(lab: Lab, far: str, *hosts: str) -> list[list[bool]]:
    """Bytes in both directions between the client and these addresses of the far host."""
    number = 2 * len(hosts)
    server = lab.spawn(far, sys.executable, "-c", SERVE, str(number), str(SIZE), name="serve")
    server.wait_for("ready")
    told = []
    for index, host in enumerate(hosts):
        done = lab.run("client", sys.executable, "-c", CALL, host, str(SIZE), str(2 * index))
        told.append(json.loads(done.stdout))
    return told


class TransferTests(SynchronousTestCase):
    skip = skip_unless_possible("nft")

    def test_to_the_machine(self) -> None:
        """Streams that end at the server or at the client are the same to the byte, over both families."""
        with two_hosts() as lab:
            site = Site(lab)
            profile = site.device("alice")
            server = site.serve()
            lab.twistd("client", profile, "client").wait_for("connected: device")
            told = exchange(lab, "server", INNER_V4, INNER_V6)
            self.assertEqual(told, [[True, True], [True, True]], server.output[-2000:])

    def test_past_the_machine(self) -> None:
        """So are those that go on to a third host behind the server."""
        with two_hosts() as lab:
            lab.host("third")
            lab.wire("server", ["192.168.77.1/24"], "third", ["192.168.77.2/24"])
            lab.ip("third", "route", "add", "default", "via", "192.168.77.1")
            site = Site(lab, tunnel=("nat = yes",), push=("route 192.168.77.0 255.255.255.0",))
            profile = site.device("alice")
            server = site.serve()
            lab.twistd("client", profile, "client").wait_for("connected: device")
            self.assertEqual(exchange(lab, "third", "192.168.77.2"), [[True, True]], server.output[-2000:])
