"""The whole machine's attachment in a namespace: what ``ip`` shows while a tunnel stands, and that nothing is left."""

from __future__ import annotations

import sys
import textwrap

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import RESOLV_CONF, Lab, skip_unless_possible

PREAMBLE = """
import os, subprocess, sys
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, formatEvent
from tvpn.errors import TvpnError
from tvpn.hub.pushed import read_pushed
from tvpn.service.attachment import MachineAttachment

globalLogBeginner.beginLoggingTo([lambda event: print("log:", formatEvent(event))], redirectStandardIO=False)
OWN = ["topology subnet", "ifconfig 10.9.0.2 255.255.255.0", "ifconfig-ipv6 fd00:9::2/64 fd00:9::1"]
FAR, FAR_V6, NEAR = "198.51.100.7", "2001:db8:7::7", "192.0.2.9"
passed = []

def show(*words):
    print(subprocess.check_output(["ip", *words], text=True))

def routes():
    show("route")
    show("-6", "route")

def way(host):
    print("way", subprocess.run(["ip", "route", "get", host], text=True, capture_output=True).stdout.split(" uid")[0])

def open(*options, server=FAR, own=OWN):
    return attachment.open(read_pushed([*own, *options]), (server, 1194), passed.extend, print)

attachment = MachineAttachment(reactor, "tun7", 1500)
"""


class AttachmentCase(SynchronousTestCase):
    """A machine with a router, which is its default gateway by both families."""

    skip = skip_unless_possible()

    def setUp(self) -> None:
        self.lab = Lab()
        self.addCleanup(self.lab.close)
        self.lab.host("here")
        self.lab.host("router")
        self.device, _ = self.lab.wire(
            "here", ["192.0.2.2/24", "2001:db8::2/64"], "router", ["192.0.2.1/24", "2001:db8::1/64"]
        )
        self.lab.ip("here", "route", "add", "default", "via", "192.0.2.1")
        self.lab.ip("here", "-6", "route", "add", "default", "via", "2001:db8::1")
        self.before = self.state()

    def state(self) -> tuple[str, str, bytes]:
        """Routes of both families and the bytes of resolv.conf."""
        return self.lab.ip("here", "route"), self.lab.ip("here", "-6", "route"), self.resolv_conf

    @property
    def resolv_conf(self) -> bytes:
        return self.lab.resolv_conf("here").read_bytes()

    def do(self, body: str, check: bool = True) -> str:
        """Run these lines beside an ``attachment``; what they print, and that all is as before at the end."""
        program = PREAMBLE + textwrap.dedent(body) + "\nattachment.close()\n"
        run = [f"RUNTIME_DIRECTORY={self.lab.folder / 'run'}", sys.executable, "-c", program]
        said = self.lab.run("here", "env", *run).stdout
        if check:
            self.assertEqual(self.state(), self.before, said)
        return said


class RedirectTests(AttachmentCase):
    """Everything goes into the tunnel, but the server."""

    def test_halves(self) -> None:
        """def1: two halves and a way for the server; the default route is as it was."""
        said = self.do("open('redirect-gateway def1')\nroutes()\nway(FAR)\nway('203.0.113.9')")
        for line in ("0.0.0.0/1 dev tun7", "128.0.0.0/1 dev tun7", "198.51.100.7 via 192.0.2.1", "default via 192.0.2"):
            self.assertIn(f"\n{line}", f"\n{said}")
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said)
        self.assertIn("way 203.0.113.9 dev tun7", said)
        self.assertNotIn("2000::/4", said)

    def test_default(self) -> None:
        """Without def1 the default route is ours; the one there was stands behind it, and is alone at the end."""
        said = self.do("open('redirect-gateway')\nroutes()\nway(FAR)\nway('203.0.113.9')")
        self.assertIn("default dev tun7", said)
        self.assertNotIn("0.0.0.0/1 dev", said)
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said)
        self.assertIn("way 203.0.113.9 dev tun7", said)

    def test_ipv6(self) -> None:
        """With ``ipv6`` all of that, too, and a server that is called by IPv6 keeps its way; with !ipv4 that alone."""
        said = self.do(
            "open('redirect-gateway def1 ipv6 !ipv4', server=FAR_V6)\nroutes()\nway(FAR_V6)\nway('2001:db8:9::9')"
        )
        self.assertNotIn("0.0.0.0/1", said)
        for network in ("::/3", "2000::/4", "3000::/4", "fc00::/7"):
            self.assertIn(f"\n{network} dev tun7", said)
        self.assertRegex(said, r"way 2001:db8:7::7 (from :: )?via 2001:db8::1 ")
        self.assertRegex(said, r"way 2001:db8:9::9 (from :: )?dev tun7 ")

    def test_on_link(self) -> None:
        """A server on the same wire needs no route of its own, with ``local``, ``autolocal`` and without."""
        for flag in ("local", "autolocal", ""):
            said = self.do(f"open('redirect-gateway def1 {flag}', server=NEAR)\nroutes()\nway(NEAR)")
            self.assertNotIn("\n192.0.2.9 ", said)
            self.assertIn(f"way 192.0.2.9 dev {self.device}", said)

    def test_far_although_local(self) -> None:
        """M-08: a server that is not on the same wire keeps its way, even where it says that it is."""
        for flag in ("local", "autolocal"):
            said = self.do(f"open('redirect-gateway def1 {flag}')\nway(FAR)")
            self.assertIn("way 198.51.100.7 via 192.0.2.1", said)

    def test_swallowed_on_link(self) -> None:
        """M-08: networks that cover a server on the same wire do not swallow it."""
        said = self.do(
            "open('route 192.0.2.0 255.255.255.128', 'route 192.0.2.8 255.255.255.254', server=NEAR)\n"
            "routes()\nway(NEAR)\nway('192.0.2.8')"
        )
        self.assertIn(f"way 192.0.2.9 dev {self.device}", said)
        self.assertIn("way 192.0.2.8 dev tun7", said)

    def test_own_address(self) -> None:
        """M-08: routes to the server itself, to the tunnel's own peer and network, and a default with a metric: the
        tunnel stands, the server keeps its way.
        """
        said = self.do(
            "open('route 198.51.100.7', 'route 198.51.100.7 255.255.255.255 192.0.2.66', 'route 198.51.100.6 "
            "255.255.255.254 192.0.2.66', 'route 10.9.0.1', 'route 10.9.0.0 255.255.255.0', "
            "'route 0.0.0.0 0.0.0.0 vpn_gateway 50', 'route 127.0.0.0 255.0.0.0')\nroutes()\nway(FAR)\nway('10.9.0.1')"
        )
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said)
        self.assertIn("way 10.9.0.1 dev tun7", said)
        self.assertIn("default dev tun7 proto 119 scope link metric 50", said)
        self.assertNotIn("log: cannot", said)

    def test_block_local(self) -> None:
        """block-local: the wire's network goes into the tunnel, but for the gateway and a server there."""
        said = self.do(
            "open('redirect-gateway def1 ipv6 block-local', server=NEAR)\nroutes()\n"
            "for host in (NEAR, '192.0.2.1', '192.0.2.77', '2001:db8::1', '2001:db8::77'): way(host)"
        )
        for host in ("192.0.2.9", "192.0.2.1"):
            self.assertIn(f"way {host} dev {self.device}", said)
        self.assertIn("way 192.0.2.77 dev tun7", said)
        self.assertRegex(said, rf"way 2001:db8::1 (from :: )?dev {self.device}")
        self.assertRegex(said, r"way 2001:db8::77 (from :: )?dev tun7")

    def test_private(self) -> None:
        """redirect-private sends nothing into the tunnel, yet its other flags count."""
        said = self.do("open('redirect-private def1 block-local')\nroutes()\nway('203.0.113.9')\nway('192.0.2.77')")
        self.assertIn("way 203.0.113.9 via 192.0.2.1", said)
        self.assertIn("way 192.0.2.77 dev tun7", said)

    def test_bypass_dns(self) -> None:
        """bypass-dns: the machine's own name servers are asked past the tunnel."""
        self.lab.resolv_conf("here").write_text("nameserver 203.0.113.53\nnameserver 127.0.0.53\n")
        self.before = self.state()
        said = self.do("open('redirect-gateway def1 bypass-dns')\nway('203.0.113.53')\nway('203.0.113.54')")
        self.assertIn("way 203.0.113.53 via 192.0.2.1", said)
        self.assertIn("way 203.0.113.54 dev tun7", said)


class RouteTests(AttachmentCase):
    """Routes of their own."""

    def test_words(self) -> None:
        """Metrics, and gateways in the tunnel, past it and elsewhere."""
        said = self.do(
            "open('route-metric 7', 'route 10.20.0.0 255.255.0.0', 'route 10.21.0.0 255.255.0.0 vpn_gateway 9', "
            "'route 10.22.0.0 255.255.0.0 net_gateway', 'route 10.23.0.0 255.255.0.0 192.0.2.66', "
            "'route 10.24.0.0 255.255.0.0 10.9.0.1', 'route-ipv6 fd00:20::/32', "
            "'route-ipv6 fd00:21::/32 net_gateway')\nroutes()"
        )
        for line in (
            "10.20.0.0/16 dev tun7 proto 119 scope link metric 7",
            "10.21.0.0/16 dev tun7 proto 119 scope link metric 9",
            f"10.22.0.0/16 via 192.0.2.1 dev {self.device} proto 119 metric 7",
            f"10.23.0.0/16 via 192.0.2.66 dev {self.device} proto 119 metric 7",
            "10.24.0.0/16 dev tun7 proto 119 scope link metric 7", "fd00:20::/32 dev tun7 proto 119 metric 7",
            f"fd00:21::/32 via 2001:db8::1 dev {self.device} proto 119 metric 7",
        ):  # fmt: skip
            self.assertIn(line, said)

    def test_in_the_way(self) -> None:
        """A route that another one is in the way of is a warning, and stays whose it was."""
        self.lab.ip("here", "route", "add", "10.20.0.0/16", "via", "192.0.2.66")
        self.before = self.state()
        said = self.do(
            "open('route 10.20.0.0 255.255.0.0', 'route 10.21.0.0 255.255.0.0 203.0.113.1')\nway('10.20.0.1')"
        )
        self.assertIn("log: 10.20.0.0/16 is routed already, and stays where it is", said)
        self.assertIn("log: cannot route 10.21.0.0/16: ", said)
        self.assertIn("way 10.20.0.1 via 192.0.2.66", said)

    def test_another_vpn(self) -> None:
        """Where another VPN has everything already the tunnel is refused in a sentence, and nothing is left of it."""
        self.lab.ip("here", "route", "add", "0.0.0.0/1", "via", "192.0.2.66")
        self.before = self.state()
        said = self.do(
            """
            try:
                open('redirect-gateway def1')
            except TvpnError as error:
                print("refused:", error)
            print(os.path.exists("/sys/class/net/tun7"))
            """
        )
        self.assertIn("refused: cannot send everything into the tunnel: 0.0.0.0/1 is routed elsewhere already", said)

    def test_many(self) -> None:
        """M-07: a thousand routes take less than a second, there and back."""
        said = self.do(
            """
            import time
            begin = time.process_time()
            open(*[f'route 10.{number >> 8}.{number & 255}.0 255.255.255.0' for number in range(100_000)])
            attachment.close()
            print("seconds", time.process_time() - begin)
            """
        )
        self.assertLess(float(said.split("seconds")[1]), 1)


class ChangeTests(AttachmentCase):
    """What happens to a tunnel that stands."""

    def test_in_place(self) -> None:
        """Routes and redirection come and go on the same device."""
        said = self.do(
            """
            first = open('route 10.20.0.0 255.255.0.0', 'route 10.21.0.0 255.255.0.0')
            second = open('route 10.21.0.0 255.255.0.0', 'route 10.22.0.0 255.255.0.0', 'redirect-gateway def1')
            print("same", first is second)
            routes()
            print("then")
            open('route 10.22.0.0 255.255.0.0')
            routes()
            """
        )
        self.assertIn("same True", said)
        during, after = said.split("then")
        for network in ("10.21.0.0/16 dev tun7", "10.22.0.0/16 dev tun7", "0.0.0.0/1 dev tun7", "198.51.100.7 via"):
            self.assertIn(network, during)
        self.assertNotIn("10.20.0.0/16", during)
        self.assertIn("10.22.0.0/16 dev tun7", after)
        for gone in ("10.21.0.0/16", "0.0.0.0/1", "198.51.100.7"):
            self.assertNotIn(gone, after)

    def exchanged(self, then: str, name: str = "tun") -> str:
        """What the kernel tells of routes from a first tunnel to a second, and how things stand after it."""
        return self.do(
            f"""
            import socket
            from pyroute2.netlink.rtnl.marshal import MarshalRtnl
            attachment = MachineAttachment(reactor, {name!r}, 1500)
            reset = attachment._resolver.reset
            attachment._resolver.reset = lambda device: (print("reset"), reset(device))
            first = open('redirect-gateway def1 ipv6', 'dhcp-option DNS 10.9.0.1')
            names = {{attachment._table._index: first.name}}
            news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
            news.bind((0, 0x40 | 0x400))
            OTHER = ["topology subnet", "ifconfig 10.10.0.2 255.255.255.0", *OWN[2:]]
            try:
                second = {then}
                names[attachment._table._index] = second.name
            except TvpnError as error:
                print("refused:", error)
            try:
                while True:
                    for message in MarshalRtnl().parse(news.recv(65536)):
                        route, device = message.get_attr("RTA_DST"), names.get(message.get_attr("RTA_OIF"))
                        print("heard", message["event"], f"{{route}}/{{message['dst_len']}}", device)
            except BlockingIOError:
                print("then")
            show("-br", "link")
            way("203.0.113.9")
            way("198.51.100.7")
            print(*__builtins__.open("/etc/resolv.conf"))
            """
        )

    def test_another_device(self) -> None:
        """Another address takes another device, whose routes stand before those of the first go; names stay set."""
        said = self.exchanged("open('redirect-gateway def1 ipv6', 'dhcp-option DNS 10.10.0.1', own=OTHER)")
        for network in ("0.0.0.0/1", "128.0.0.0/1", "2000::/4"):
            made, gone = (f"heard RTM_{what}ROUTE {network} tun{which}\n" for what, which in (("NEW", 1), ("DEL", 0)))
            self.assertLess(said.index(made), said.index(gone), said)
        self.assertNotIn("heard RTM_DELROUTE 198.51.100.7/32", said)
        self.assertNotIn("tun0", said.split("then")[1])
        self.assertIn("way 203.0.113.9 dev tun1", said)
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said)
        self.assertIn("nameserver 10.10.0.1", said)
        self.assertEqual(said.split("nameserver 10.10.0.1")[0].count("reset"), 0)

    def test_another_device_bare(self) -> None:
        """The second tunnel has neither routes nor names: nothing of the first is left."""
        said = self.exchanged("open(own=OTHER)")
        self.assertIn("way 203.0.113.9 via 192.0.2.1", said)
        self.assertIn("nameserver 192.0.2.53", said)

    def test_another_device_refused(self) -> None:
        """One that cannot be made leaves neither device."""
        said = self.exchanged(
            "open('redirect-gateway def1', own=['topology subnet', 'ifconfig 198.51.100.7 255.255.255.0'])"
        )
        self.assertIn("refused: the server wants 198.51.100.7 inside the tunnel", said)
        self.assertNotIn("tun", said.split("then")[1])

    def test_another_device_same_name(self) -> None:
        """With a name of its own the first device goes before the second comes."""
        said = self.exchanged("open('redirect-gateway def1 ipv6', own=OTHER)", "tun7")
        self.assertIn("heard RTM_NEWROUTE 0.0.0.0/1 tun7", said)
        self.assertIn("with 10.10.0.2/24", said)
        self.assertIn("way 203.0.113.9 dev tun7", said)

    def test_lost(self) -> None:
        """While the server is gone all stays; the same tunnel again changes nothing, and from another server the way
        moves.
        """
        said = self.do(
            """
            first = open('redirect-gateway def1')
            attachment.lose()
            way('203.0.113.9')
            attachment.routes_changed(("198.51.100.8", 1194))
            way("198.51.100.8")
            way("198.51.100.7")
            second = open('redirect-gateway def1', server="198.51.100.8")
            print("same", first is second)
            way("198.51.100.8")
            """
        )
        self.assertIn("way 203.0.113.9 dev tun7", said)
        self.assertEqual(said.count("way 198.51.100.8 via 192.0.2.1"), 2)
        self.assertIn("way 198.51.100.7 dev tun7", said)
        self.assertIn("same True", said)

    def test_released(self) -> None:
        """Released, all is as before, and a tunnel can be opened anew."""
        said = self.do(
            """
            open('redirect-gateway', 'dhcp-option DNS 10.9.0.1')
            attachment.release()
            routes()
            print(*[line for line in __builtins__.open('/etc/resolv.conf')])
            print("then")
            open('redirect-gateway', 'dhcp-option DNS 10.9.0.1')
            way('203.0.113.9')
            """
        )
        during, after = said.split("then")
        self.assertNotIn("tun7", during.split("log: connected")[1].partition("\n")[2])
        self.assertIn("nameserver 192.0.2.53", during)
        self.assertIn("way 203.0.113.9 dev tun7", after)

    def test_gateway_moved(self) -> None:
        """Another default gateway takes the server's way with it; none at all is a warning."""
        said = self.do(
            """
            open('redirect-gateway def1', 'route 10.22.0.0 255.255.0.0 net_gateway')
            show("route", "replace", "default", "via", "192.0.2.66")
            attachment.routes_changed((FAR, 1194))
            way(FAR)
            way("10.22.0.1")
            show("route", "del", "default")
            attachment.routes_changed((FAR, 1194))
            print("none")
            show("route", "add", "default", "via", "192.0.2.1")
            attachment.routes_changed((FAR, 1194))
            way(FAR)
            """
        )
        self.assertIn("way 198.51.100.7 via 192.0.2.66", said)
        self.assertIn("way 10.22.0.1 via 192.0.2.66", said)
        self.assertIn("log: cannot find the way to the server 198.51.100.7 that its routes leave", said)
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said.split("none")[1])

    def test_device_vanished(self) -> None:
        """A device that somebody else took away is no error at the end."""
        self.do("open('redirect-gateway def1', 'dhcp-option DNS 10.9.0.1')\nshow('link', 'del', 'tun7')")

    def test_standing_device(self) -> None:
        """From a device that was there before, and stays, routes are taken back one by one."""
        self.lab.ip("here", "tuntap", "add", "dev", "tun7", "mode", "tun", "vnet_hdr")
        self.before = self.state()
        self.do("open('redirect-gateway', 'route 10.20.0.0 255.255.0.0')\nroutes()", check=False)
        after = self.state()[0] + self.state()[1]
        self.assertNotIn("proto 119", after)
        self.assertNotIn("default dev tun7", after)

    def test_no_ipv6(self) -> None:
        """Where a machine speaks no IPv6, none has to be blocked, and the tunnel stands all the same."""
        for which in ("all", "default"):
            self.lab.run("here", "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
        self.before = self.state()
        said = self.do("open('redirect-gateway def1', 'block-ipv6', own=OWN[:2])\nway('203.0.113.9')")
        self.assertIn("way 203.0.113.9 dev tun7", said)
        self.assertNotIn("log: cannot", said)

    def test_way_vanished(self) -> None:
        """A way that the kernel dropped with the link is made again."""
        said = self.do(
            f"""
            open('redirect-gateway def1')
            show("link", "set", "{self.device}", "down")
            show("link", "set", "{self.device}", "up")
            show("route", "add", "default", "via", "192.0.2.1")
            attachment.routes_changed((FAR, 1194))
            way(FAR)
            """, check=False
        )  # fmt: skip
        self.assertIn("way 198.51.100.7 via 192.0.2.1", said)


class NamesTests(AttachmentCase):
    """resolv.conf, which is a mount of its own here."""

    def test_names(self) -> None:
        """While the tunnel stands the pushed servers are asked, whoever writes there meanwhile; an update counts."""
        said = self.do(
            """
            def names():
                print("names", [line.strip() for line in __builtins__.open('/etc/resolv.conf') if line[0] != '#'])
            open('dhcp-option DNS 10.9.0.1', 'dhcp-option DOMAIN corp.example')
            names()
            open('dns server 0 address 10.9.0.3 fd00:9::3', 'dhcp-option DNS 10.9.0.1')
            names()
            with __builtins__.open('/etc/resolv.conf', 'w') as file:
                file.write("# before\\nnameserver 192.0.2.53\\n")
            attachment.routes_changed((FAR, 1194))
            names()
            open()
            names()
            open('dns search-domains corp.example')
            names()
            """
        )
        names = [line for line in said.splitlines() if line.startswith("names")]
        self.assertEqual(names, [
            "names ['nameserver 10.9.0.1', 'search corp.example']",
            *["names ['nameserver 10.9.0.3', 'nameserver fd00:9::3']"] * 2,
            "names ['nameserver 192.0.2.53']",
            "names ['nameserver 192.0.2.53', 'search corp.example']",
        ])  # fmt: skip

    def test_failed_change(self) -> None:
        """Names do not outlive a change of the tunnel that fails."""
        self.do(
            """
            open('dhcp-option DNS 10.9.0.1')
            show("route", "add", "0.0.0.0/1", "via", "192.0.2.66")
            try:
                open('redirect-gateway def1')
            except TvpnError:
                show("route", "del", "0.0.0.0/1")
            """
        )

    def test_bad_names(self) -> None:
        """M-06: names that are none change no byte."""
        bad = [
            "dhcp-option DOMAIN a;reboot", "dhcp-option DOMAIN $(reboot)", "dhcp-option DNS 10.9.0.1;x",
            "dns search-domains `x`", "dns server 0 address fe80::1%eth0", "dhcp-option DOMAIN " + "a" * 300,
        ]  # fmt: skip
        said = self.do(f"open(*{bad!r})\nprint(repr(__builtins__.open('/etc/resolv.conf').read()))")
        self.assertIn(repr(RESOLV_CONF), said)
