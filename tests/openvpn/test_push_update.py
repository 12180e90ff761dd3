"""PUSH_UPDATE and INFO between our ends and a genuine 2.7: what was pushed changes while the connection lasts."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, Site
from tests.kernel.scene import INNER_V4 as INNER
from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, READY, Case, Ends, binary
from tests.service.prompt import MANHOLE, login, make_key

PUSH = ('push "route 10.55.0.0 255.255.0.0"', 'push "route 10.56.0.0 255.255.0.0"')
#: Stock sends an update only once it looks at the client again for another reason: here that is every second.
MANAGED = (*PUSH, "management 127.0.0.1 7505", "disable-dco", "keepalive 1 10")
#: Says one line to an OpenVPN management interface, and prints what it answers.
SAY = """
import socket, sys
with socket.create_connection(("127.0.0.1", 7505), 5) as management:
    stream = management.makefile("rw")
    stream.readline()
    stream.write(sys.argv[1] + "\\n")
    stream.flush()
    for line in stream:
        if line.startswith(("SUCCESS", "ERROR")):
            print(line, end="")
            break
"""


def until(lab: Lab, host: str, wanted: str, present: bool = True) -> str:
    """The routes of a host once this one is there, or gone; at most some seconds later."""
    routes = ""
    for _ in range(50):
        routes = lab.ip(host, "route")
        if (wanted in routes) is present:
            return routes
        lab.run(host, "sleep", "0.1")
    raise AssertionError(f"{wanted} {'is missing from' if present else 'stays in'}\n{routes}")


class ServerTests(SynchronousTestCase):
    """Our server, told at its prompt what to change."""

    skip = skip_unless_possible("openvpn", "ping", "ssh", "ssh-keygen")

    def serve(self, lab: Lab) -> Path:
        """Our server with its prompt; the profile of a device."""
        key = lab.folder / "operator"
        lab.write("authorized_keys", make_key(key))
        site = Site(lab, push=("route 10.55.0.0/16", "route 10.56.0.0/16"), manhole=MANHOLE)
        profile = site.device("alice")
        site.serve()
        return profile

    def type(self, lab: Lab, line: str) -> str:
        """What the prompt answers to a line."""
        return login(lab, "server", lab.folder / "operator", f"{line}\r\x04").stdout

    def join_stock(self, lab: Lab, profile: Path, version: str) -> Program:
        client = lab.spawn("client", binary(version), "--config", str(profile), "--disable-dco", "--verb", "4")
        client.wait_for(READY)
        return client

    def test_stock_client(self) -> None:
        """Routes of a 2.7 client are replaced and taken away while it stays connected; a text reaches its log."""
        with two_hosts() as lab:
            client = self.join_stock(lab, self.serve(lab), "2.7")
            until(lab, "client", "10.55.0.0/16")
            told = self.type(lab, "vpn.push_update('route 10.57.0.0/16', 'route 10.58.0.0/16', '-dhcp-option')")
            self.assertIn("['alice']", told)
            until(lab, "client", "10.55.0.0/16", present=False)
            until(lab, "client", "10.57.0.0/16")
            until(lab, "client", "10.58.0.0/16")
            self.type(lab, "vpn.push_update('-route', client=1)")
            until(lab, "client", "10.57.0.0/16", present=False)
            self.type(lab, "vpn.inform('back at eight')")
            client.wait_for("Info command was pushed by server .*back at eight")
            self.assertEqual(lab.ping("client", INNER), 3, client.output[-3000:])
            self.assertEqual(client.output.count("Peer Connection Initiated"), 1)

    def test_explained(self) -> None:
        """The prompt tells the next session packet by packet: TLS's steps, what was agreed, no secrets."""
        with two_hosts() as lab:
            profile = self.serve(lab)
            self.type(lab, "told = explain('198.51.100.2'); import builtins; builtins.told = told")
            self.join_stock(lab, profile, "2.6")
            said = self.type(lab, "told")
            for step in ("TLS ClientHello", "TLS Finished", "key method 2, inside TLS", "PUSH_REPLY: the config"):
                self.assertIn(step, said)

    def test_older_client(self) -> None:
        """A 2.6 client does not know it and is left alone; it hears a text all the same."""
        with two_hosts() as lab:
            client = self.join_stock(lab, self.serve(lab), "2.6")
            self.assertIn("[]", self.type(lab, "vpn.push_update('-route')"))
            self.assertIn("['alice']", self.type(lab, "vpn.inform('back at eight')"))
            client.wait_for("Info command was pushed by server .*back at eight")
            self.assertIn("10.55.0.0/16", lab.ip("client", "route"))

    def test_halt(self) -> None:
        """Clients of both versions end when they are told to halt, and come back when it was only a restart."""
        for version in ("2.6", "2.7"):
            with two_hosts() as lab:
                client = self.join_stock(lab, self.serve(lab), version)
                self.type(lab, "vpn.disconnect(1, 'come back')")
                client.wait_for(READY, 30, 2)
                self.type(lab, "vpn.disconnect(2, 'not today', halt=True)")
                self.assertEqual(client.process.wait(20), 0, client.output[-3000:])

    def test_own_client(self) -> None:
        """Our own client does the same, and says so; what cannot be changed is refused at the prompt."""
        with two_hosts() as lab:
            client = lab.twistd("client", self.serve(lab))
            client.wait_for(CONNECTED)
            self.type(lab, "vpn.push_update('route 10.57.0.0/16')")
            self.assertIn("10.57.0.0/16", until(lab, "client", "10.55.0.0/16", present=False))
            self.type(lab, "vpn.push_update('redirect-gateway def1')")
            self.assertIn("10.57.0.0/16", until(lab, "client", "128.0.0.0/1 dev tun0"))
            self.type(lab, "vpn.push_update('-redirect-gateway')")
            self.assertIn("10.57.0.0/16", until(lab, "client", "128.0.0.0/1", present=False))
            self.type(lab, "vpn.inform('back at eight')")
            client.wait_for("the server says: back at eight")
            self.assertIn("ValueError: 'ping' cannot change", self.type(lab, "vpn.push_update('ping 7')"))
            self.assertEqual(lab.ping("client", INNER), 3, client.output[-3000:])


class ClientTests(SynchronousTestCase):
    """Our client at a genuine 2.7 server, told by its management interface."""

    skip = skip_unless_possible("openvpn", "ping")

    def setUp(self) -> None:
        self.script = Path(self.mktemp())
        self.script.write_text(SAY)

    def say(self, lab: Lab, line: str) -> None:
        said = lab.run("server", sys.executable, str(self.script.absolute()), line).stdout
        self.assertIn("SUCCESS", said)

    def join(self, lab: Lab, ends: Ends) -> Program:
        """Our client, which the server counts as connected, too: data has come back."""
        client = ends.join()
        self.assertEqual(lab.ping("client", INNER_V4), 3, client.output)
        return client

    def test_routes(self) -> None:
        """Routes are replaced, added and taken away on the living device."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7", server_lines=MANAGED))
            server = ends.serve_stock()
            client = self.join(lab, ends)
            index = lab.ip("client", "-o", "link", "show", "tun0").partition(":")[0]
            self.say(lab, 'push-update-broad "route 10.57.0.0 255.255.0.0, ?bogus 7"')
            self.assertIn("10.57.0.0/16", until(lab, "client", "10.55.0.0/16", present=False))
            self.say(lab, 'push-update-broad "-route"')
            until(lab, "client", "10.57.0.0/16", present=False)
            self.assertEqual(lab.ip("client", "-o", "link", "show", "tun0").partition(":")[0], index)
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output + server.output[-3000:])
            self.assertEqual(client.output.count("connected: device"), 1, client.output)

    def test_address(self) -> None:
        """Another address, size and keepalive take a new device, and no new connection."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7", server_lines=MANAGED))
            server = ends.serve_stock()
            client = self.join(lab, ends)
            self.say(lab, 'push-update-broad "ifconfig 10.99.0.99 255.255.255.0, tun-mtu 1400"')
            client.wait_for("connected: device tun1 with 10.99.0.99/24", 10)
            self.assertIn("mtu 1400", lab.ip("client", "link", "show", "dev", "tun1"))
            self.assertNotIn("tun0", lab.ip("client", "-br", "link"))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output + server.output[-3000:])
            self.assertEqual(client.output.count("connecting to"), 1, client.output)

    def test_cannot_change(self) -> None:
        """What takes a new connection gets one."""
        with two_hosts() as lab:
            ends = Ends(lab, Case(version="2.7", server_lines=MANAGED))
            ends.serve_stock()
            client = self.join(lab, ends)
            self.say(lab, 'push-update-broad "bogus 1"')
            client.wait_for("disconnected: the update 'bogus 1' takes a new connection", 10)
            client.wait_for("connecting to", 20, 2)
            self.assertTrue(any(lab.ping("client", INNER_V4, 1) for _ in range(20)), client.output)

