"""A TAP device in a bridge: clients in a network that is there already, with a third host in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, INNER_V6, SERVER_V4, Site
from tests.kernel.test_transfer import exchange
from tests.lab import Lab, Program, skip_unless_possible, two_hosts

STATIONS = str(Path(__file__).with_name("stations.py"))
THIRD, THIRD_V6 = "192.168.44.1", "fd00:44::1"
BY_DHCP = "server-bridge = dhcp"
WITH_POOL = f"server-bridge = {THIRD} 255.255.255.0 192.168.44.200 192.168.44.220"


@contextmanager
def bridged(*ethernet: str, tunnel: tuple[str, ...] = ()) -> Iterator[tuple[Lab, Site, str]]:
    """A server whose TAP device is in a bridge, in which a third host is, too; its device there."""
    with two_hosts() as lab:
        lab.host("third")
        port, third = lab.wire("server", [], "third", [f"{THIRD}/24", f"{THIRD_V6}/64"])
        lab.ip("server", "link", "add", "br0", "up", "type", "bridge", "mcast_snooping", "0")
        lab.ip("server", "link", "set", port, "master", "br0")
        yield lab, Site(lab, tunnel=("dev = tap", *tunnel), ethernet=("bridge = br0", *ethernet), network=()), third


def station(lab: Lab, host: str, *words: str) -> str:
    return lab.run(host, sys.executable, STATIONS, *words).stdout


def stand(lab: Lab, host: str, *words: str) -> Program:
    program = lab.spawn(host, sys.executable, STATIONS, *words, name=words[0])
    program.wait_for("ready")
    return program


def hardware(lab: Lab, host: str, device: str) -> str:
    return lab.run(host, "cat", f"/sys/class/net/{device}/address").stdout.strip()


class BridgeTests(SynchronousTestCase):
    skip = skip_unless_possible("ping")

    def test_dhcp(self) -> None:
        """A client is given its address by the DHCP server of that network, and then is in it: IPv4, ARP, IPv6, frames
        of an unknown type, small and full ones.
        """
        with bridged(BY_DHCP) as (lab, site, third):
            server = site.serve()
            self.assertIn("device tap0 in the bridge br0", server.output)
            client = site.join(site.device("alice"))
            self.assertIn("an address of whoever gives them there", client.output)
            stand(lab, "third", "give", third, THIRD)
            said = station(lab, "client", "ask", "tap0", "5")
            self.assertEqual(said, f"given 192.168.44.2 by {THIRD}\n", server.output)
            lab.ip("client", "addr", "add", "192.168.44.2/24", "dev", "tap0")
            lab.ip("client", "addr", "add", "fd00:44::2/64", "dev", "tap0", "nodad")
            self.assertEqual([lab.ping("client", THIRD), lab.ping("client", THIRD_V6)], [3, 3], server.output)
            self.assertEqual(lab.ping("third", "192.168.44.2"), 3)
            # ARP has found the host itself, nobody in between.
            self.assertIn(hardware(lab, "third", third), lab.ip("client", "neigh", "show", THIRD))
            stand(lab, "third", "echo", third)
            said = station(lab, "client", "call", "tap0", "ff:ff:ff:ff:ff:ff")
            self.assertEqual(said, f"same {hardware(lab, 'third', third)}\n" * 2, server.output)
            self.assertNotIn("Traceback", server.output + client.output)

    def test_pool(self) -> None:
        """With addresses to give the server gives them, and its clients are told of the gateway there."""
        with bridged(WITH_POOL) as (lab, site, _):
            server = site.serve()
            client = site.join(site.device("alice"))
            self.assertIn("192.168.44.200/24", lab.ip("client", "-br", "addr", "show", "dev", "tap0"), client.output)
            self.assertEqual([lab.ping("client", THIRD), lab.ping("third", "192.168.44.200")], [3, 3], server.output)
            self.assertIn("as 192.168.44.200", server.output)

    def test_rogue(self) -> None:
        """I-16: a client that gives addresses is heard by nobody, unless the guard is switched off."""
        for guard, heard in (("yes", "nothing\n"), ("no", "given 192.168.44.67 by 192.168.44.66\n")):
            with bridged(BY_DHCP, f"guard = {guard}") as (lab, site, third):
                server = site.serve()
                site.join(site.device("alice"))
                lab.ip("client", "addr", "add", "192.168.44.66/24", "dev", "tap0")
                self.assertEqual(lab.ping("client", THIRD), 3)
                stand(lab, "client", "give", "tap0", "192.168.44.66")
                self.assertEqual(station(lab, "third", "ask", third, "2"), heard, server.output)

    def test_vlan(self) -> None:
        """A client's file puts it into a VLAN: it is in that one and in no other; who has no file is in none."""
        with bridged(BY_DHCP, "vlan-tagging = yes", tunnel=("client-config-dir = ccd",)) as (lab, site, third):
            (lab.folder / "ccd").mkdir()
            lab.write("ccd/alice", "vlan-pvid 7\n")
            server = site.serve()
            own = hardware(lab, "third", third)
            for name, vlan in (("alice", "7"), ("bob", "0")):
                client = site.join(site.device(name))
                for other in ("0", "7", "8"):
                    echo = stand(lab, "third", "echo", third, other)
                    expected = f"same {own}\n" * 2 if other == vlan else "nothing\n"
                    said = station(lab, "client", "call", "tap0", "ff:ff:ff:ff:ff:ff", "5" if other == vlan else "1")
                    self.assertEqual(said, expected, f"{name} {other}: {server.output}")
                    echo.stop()
                client.stop()

    def test_two_sites(self) -> None:
        """A client whose TAP device is in a bridge of its own brings the hosts there along."""
        with bridged(BY_DHCP) as (lab, site, _):
            lab.host("fourth")
            port, fourth = lab.wire("client", [], "fourth", ["192.168.44.4/24"])
            lab.ip("client", "link", "add", "br1", "up", "type", "bridge", "mcast_snooping", "0")
            lab.ip("client", "link", "set", port, "master", "br1")
            server = site.serve()
            profile = site.device("alice", SERVER_V4)
            lab.write(profile.name, f"bridge br1\n{profile.read_text()}")
            client = lab.twistd("client", profile, "client")
            client.wait_for(CONNECTED)
            self.assertIn("in the bridge br1", client.output)
            self.assertEqual([lab.ping("fourth", THIRD), lab.ping("third", "192.168.44.4")], [3, 3], server.output)
            self.assertIn(hardware(lab, "fourth", fourth), lab.ip("third", "neigh", "show", "192.168.44.4"))

    def test_transfer(self) -> None:
        """Streams are the same to the byte in both directions: past the machine, to its bridge, and to a device with an
        address of its own.
        """
        with bridged(WITH_POOL) as (lab, site, _):
            lab.ip("server", "addr", "add", "192.168.44.77/24", "dev", "br0")
            server = site.serve()
            site.join(site.device("alice"))
            for far, host in (("third", THIRD), ("server", "192.168.44.77")):
                self.assertEqual(exchange(lab, far, host), [[True, True]], server.output[-2000:])
        with two_hosts() as lab:
            site = Site(lab, tunnel=("dev = tap",))
            server = site.serve()
            site.join(site.device("alice"))
            self.assertEqual(exchange(lab, "server", INNER_V4, INNER_V6), [[True, True]] * 2, server.output[-2000:])

    def test_no_bridge(self) -> None:
        """A bridge that is not there, or is none, is said before anything is served."""
        with two_hosts() as lab:
            lab.ip("server", "link", "add", "ve0", "type", "veth", "peer", "name", "ve1")
            for name in ("br7", "ve0"):
                site = Site(lab, tunnel=("dev = tap",), ethernet=(BY_DHCP, f"bridge = {name}"), network=())
                server = site.start()
                server.wait_for(f"there is no bridge {name}; make it with")
                self.assertEqual(server.process.wait(10), 1)
