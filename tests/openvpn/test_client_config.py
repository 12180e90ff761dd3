"""Files of client-config-dir on our server, and stock clients that live by them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, SIGNER, Case, Ends

LINES = (
    "client-config-dir ccd", 'push "dhcp-option DNS 192.0.2.53"', 'push "route 10.55.0.0 255.255.0.0"',
    'push "route 192.168.7.0 255.255.255.0"', "route 192.168.7.0 255.255.255.0",
)  # fmt: skip


def write(lab: Lab, name: str, *lines: str) -> Path:
    folder = lab.folder / "ccd"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join([*lines, ""]))
    return path


def pushed(output: str) -> list[str]:
    """The options of the last push in a stock client's output."""
    message = output.rpartition("PUSH: Received control message: 'PUSH_REPLY,")[2]
    return message.partition("'")[0].split(",")


class ClientConfigTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "ping")

    def test_fixed_addresses(self) -> None:
        """A stock client has the addresses of its file, and traffic flows with them."""
        with two_hosts() as lab:
            write(lab, "alice", "ifconfig-push 10.99.0.77 255.255.255.0", "ifconfig-ipv6-push fd00:99::77/64")
            ends = Ends(lab, Case(server_lines=LINES))
            server = ends.serve()
            client = ends.join_stock()
            addresses = lab.ip("client", "-br", "addr", "show", "dev", "tun0")
            self.assertIn("10.99.0.77/24", addresses)
            self.assertIn("fd00:99::77/64", addresses)
            self.assertEqual([lab.ping("client", inner) for inner in (INNER_V4, INNER_V6)], [3, 3], client.output)
            self.assertIn("alice joined from 198.51.100.2", server.output)
            self.assertIn("as 10.99.0.77, fd00:99::77", server.output)

    def test_fixed_pair(self) -> None:
        """With net30 a stock client has the pair of its file, and the pool keeps off it."""
        with two_hosts() as lab:
            write(lab, "alice", "ifconfig-push 10.99.0.6 10.99.0.5", "ifconfig-ipv6-push fd00:99::6/64")
            ends = Ends(lab, Case(server_lines=("topology net30", "client-config-dir ccd")))
            server = ends.serve()
            client = ends.join_stock()
            self.assertIn("inet 10.99.0.6 peer 10.99.0.5/32", lab.ip("client", "addr", "show", "dev", "tun0"))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:])
            lab.host("other")
            lab.wire("other", ["203.0.113.2/24"], "server", ["203.0.113.1/24"])
            other = Ends(lab, Case(outer="203.0.113.1"), SIGNER.issue("bob"))
            other.join_stock("other", "other.conf")
            self.assertIn("inet 10.99.0.10 peer 10.99.0.9/32", lab.ip("other", "addr", "show", "dev", "tun0"))
            self.assertEqual(lab.ping("other", INNER_V4), 3, server.output[-3000:])

    def test_network_behind(self) -> None:
        """A host behind the client and one behind the server reach each other through the tunnel; the client is not
        pushed the route to its own network.
        """
        with two_hosts() as lab:
            for name, gateway, network in (("behind", "client", "192.168.7"), ("office", "server", "10.55.0")):
                lab.host(name)
                lab.wire(name, [f"{network}.9/24"], gateway, [f"{network}.1/24"])
                lab.ip(name, "route", "add", "default", "via", f"{network}.1")
                lab.run(gateway, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            write(lab, "alice", "iroute 192.168.7.0 255.255.255.0")
            ends = Ends(lab, Case(server_lines=LINES))
            server = ends.serve()
            client = ends.join_stock()
            self.assertEqual(lab.ping("office", "192.168.7.9"), 3, client.output[-3000:] + server.output[-3000:])
            self.assertEqual(lab.ping("behind", "10.55.0.9"), 3, server.output[-3000:])
            self.assertIn("route 10.55.0.0 255.255.0.0", pushed(client.output))
            self.assertNotIn("route 192.168.7.0 255.255.255.0", pushed(client.output))

    def test_push_list(self) -> None:
        """What a stock client is pushed: with push-remove, with push-reset and with an option of its own."""
        own = 'push "dhcp-option DOMAIN alice.example"'
        table = [
            (["push-remove dhcp-option", own], "dhcp-option DOMAIN alice.example", "dhcp-option DNS 192.0.2.53"),
            (['push-remove "route 10."'], "route 192.168.7.0 255.255.255.0", "route 10.55.0.0 255.255.0.0"),
            (["push-reset", 'push "topology subnet"', own], "topology subnet", "ping 10"),
        ]
        with two_hosts() as lab:
            ends = Ends(lab, Case(server_lines=LINES))
            write(lab, "DEFAULT", 'push "echo by default"')
            ends.serve()
            for lines, there, gone in table:
                write(lab, "alice", *lines)
                client = ends.join_stock()
                options = pushed(client.output)
                self.assertIn(there, options)
                self.assertNotIn(gone, options)
                self.assertNotIn("echo by default", options)
                self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:])
                client.stop()

    def test_disabled_broken_and_mended(self) -> None:
        """A disabled client is refused and reads why; with a broken file it tries again until that is mended."""
        with two_hosts() as lab:
            path = write(lab, "alice", "disable")
            ends = Ends(lab, Case(server_lines=LINES))
            server = ends.serve()
            client = lab.spawn("client", "openvpn", str(ends.client_config()), name="disabled")
            client.wait_for("AUTH_FAILED,this client is disabled")
            write(lab, "alice", "ifconfig-push 10.99.0.77 255.255.255.0", "up /bin/sh")
            broken = lab.spawn("client", "openvpn", str(ends.client_config()), name="broken")
            broken.wait_for("AUTH_FAILED,TEMP:the server's file for you is wrong")
            server.wait_for(f"{path}:2: up: cannot stand in a client's file")
            write(lab, "alice", "ifconfig-push 10.99.0.77 255.255.255.0")
            broken.wait_for("Initialization Sequence Completed", 30)
            self.assertEqual(lab.ping("client", INNER_V4), 3, broken.output[-3000:])

    def test_exclusive(self) -> None:
        """With ccd-exclusive a client without a file of its own is refused."""
        with two_hosts() as lab:
            write(lab, "DEFAULT")
            ends = Ends(lab, Case(server_lines=("client-config-dir ccd", "ccd-exclusive")))
            ends.serve()
            client = lab.spawn("client", "openvpn", str(ends.client_config()), name="unknown")
            client.wait_for("AUTH_FAILED,unknown client")
            write(lab, "alice")
            self.assertEqual(lab.ping("client", INNER_V4, 1), 0)
            client.stop()
            ends.join_stock()
            self.assertEqual(lab.ping("client", INNER_V4), 3)
