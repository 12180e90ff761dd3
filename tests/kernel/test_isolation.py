"""Who is in the VPN speaks for its own address alone, and to the server alone."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, INNER_V6, Site
from tests.lab import Lab, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.service.prompt import MANHOLE, login, make_key

# Prints the source of each IP packet that comes out of the tunnel.
SNIFFER = """
import ipaddress, socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
sock.bind(("tun0", 3))
print("ready", flush=True)
while True:
    packet, (_, _, kind, *_) = sock.recvfrom(2000)
    if kind != socket.PACKET_OUTGOING:
        source = packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
        print("from", ipaddress.ip_address(source), flush=True)
"""


class SourceTests(SynchronousTestCase):
    """Inner source addresses."""

    skip = skip_unless_possible("ping", "ssh", "ssh-keygen")

    def test_spoofed(self) -> None:
        """Packets from an address that is not the client's never come out of the tunnel, and are counted as its own."""
        with two_hosts() as lab:
            lab.write("authorized_keys", make_key(lab.folder / "operator"))
            site = Site(lab, manhole=MANHOLE)
            site.serve()
            site.join(site.device("alice"))
            sniffer = lab.spawn("server", sys.executable, "-c", SNIFFER, name="sniffer")
            sniffer.wait_for("ready")
            own = [address.partition("/")[0] for address in site.address()]
            for address in ("10.87.0.77/32", "fd00:87::77/128"):
                lab.ip("client", "addr", "add", address, "dev", "tun0", *(["nodad"] if ":" in address else []))
            for source, target in (("10.87.0.77", INNER_V4), ("fd00:87::77", INNER_V6)):
                done = lab.run("client", "ping", "-c3", "-i0.1", "-W1", "-I", source, target, check=False)
                self.assertIn(" 0 received", done.stdout)
            for source, target in zip(own, (INNER_V4, INNER_V6), strict=True):
                done = lab.run("client", "ping", "-c3", "-i0.1", "-W1", "-I", source, target)
                self.assertIn(" 3 received", done.stdout)
                sniffer.wait_for(f"from {source}\n", 5, 3)
            self.assertNotIn(":77\n", sniffer.output)
            self.assertNotIn(".77\n", sniffer.output)
            self.assertGreaterEqual(self.counted(lab), 6)

    def counted(self, lab: Lab) -> int:
        """What alice's counters say of spoofed packets, read in the process."""
        typed = "[alice] = peers\rfor one in plane.counters(alice.peer).drops.items(): print('drop', *one)\r\r\x04"
        said = login(lab, "server", lab.folder / "operator", typed).stdout
        drops = dict(line.split()[1:3] for line in said.splitlines() if line.startswith("drop "))
        return int(drops.get("foreign-source", 0))


class NeighbourTests(SynchronousTestCase):
    """Clients among themselves."""

    skip = skip_unless_possible("ping", "nft")

    def test_neighbours(self) -> None:
        """I-04: with the kernel forwarding, for NAT or because somebody else has told it to, two clients reach the
        server, and no packet of one the other: v4, v6, broadcast.
        """
        abreast(self.look, ("yes", "no"))

    def look(self, nat: str) -> None:
        with two_hosts() as lab:
            lab.host("other")
            lab.wire("server", ["192.0.2.1/24"], "other", ["192.0.2.2/24"])
            site = Site(lab, tunnel=(f"nat = {nat}",))
            for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                lab.run("server", "sh", "-c", f"echo 1 > /proc/sys/net/{switch}")
            site.serve()
            site.join(site.device("alice"))
            site.join(site.device("bob", "192.0.2.1"), "other")
            own, other = ([one.partition("/")[0] for one in site.address(host)] for host in ("client", "other"))
            self.assertEqual((len(own), len({*own, *other})), (2, 4))
            sniffer = lab.spawn("other", sys.executable, "-c", SNIFFER, name="sniffer")
            sniffer.wait_for("ready")
            for host, target in (("client", INNER_V4), ("client", INNER_V6), ("other", INNER_V4), ("other", INNER_V6)):
                self.assertEqual(lab.ping(host, target), 3)
            sniffer.wait_for(f"from {INNER_V6}\n", 5, 3)

            def call(target: str) -> None:
                words = ("ping", "-n", "-q", "-b", "-c2", "-i0.1", "-W1", "-I", "tun0", target)
                self.assertIn("2 packets transmitted", lab.run("client", *words, check=False).stdout)

            def call_back(target: str) -> None:
                self.assertEqual(lab.ping("other", target, 2), 0)

            abreast(call, (*other, "10.87.0.255", "255.255.255.255", "224.0.0.1", "ff02::1%tun0"))
            abreast(call_back, own)
            shown = lab.ip("server", "-br", "addr", "show", "dev", "tun0").split()[2:]
            allowed = {"ready", "from", *(address.partition("/")[0] for address in shown)}
            self.assertEqual(set(sniffer.output.split()) - allowed, set())
