"""Where a tunnel comes out for one program, around a stand-in for the program."""

from __future__ import annotations

import os
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.net.readers import Readers
from tvpn.errors import TvpnError
from tvpn.hub.pushed import Tunnel, read_pushed
from tvpn.net.namespace import PACKET, TUN, Inner
from tvpn.net.packet import PacketDevice
from tvpn.net.tun import TunDevice
from tvpn.service.enclosure import NO_NAMES, Enclosure

V4, V6 = IPv4Interface("10.8.0.2/24"), IPv6Interface("fd00:8::2/64")
SERVER = ("198.51.100.1", 1194)


class Program:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def arrange(self, inner: Inner) -> None:
        self.told.append(inner)

    def begin(self) -> None:
        self.told.append("begin")


class EnclosureCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.program = Program()
        self.complaints: list[str] = []
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.machine = (self.folder / "resolv.conf", self.folder / "upstream")
        self.enclosure = self.build(TUN)

    def build(self, kind: str) -> Enclosure:
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        enclosure = Enclosure(
            Readers(), self.program, (kind, reading), 1500, self.complaints.append, self.machine
        )  # type: ignore[arg-type]
        self.addCleanup(enclosure.close)
        return enclosure

    def open(self, tunnel: Tunnel) -> TunDevice:
        return self.enclosure.open(tunnel, SERVER, lambda packets: None, lambda reason: None)

    def inner(self, tunnel: Tunnel) -> Inner:
        """What the program was told of it last."""
        self.open(tunnel)
        return [told for told in self.program.told if isinstance(told, Inner)][-1]


class OpenTests(EnclosureCase):
    """The life of the tunnel."""

    def test_first(self) -> None:
        """First the namespace is as the server wants it, then the program begins."""
        self.open(Tunnel(V4, V6, mtu=1400))
        self.assertEqual(self.program.told, [Inner((V4, V6), 1400), "begin"])

    def test_again(self) -> None:
        """The same once more changes nothing; something else changes the namespace, and the device stays."""
        device = self.open(Tunnel(V4))
        self.assertIs(self.open(Tunnel(V4)), device)
        self.assertEqual(len(self.program.told), 2)
        self.enclosure.lose()
        self.enclosure.release()
        self.assertIs(self.open(Tunnel(None, V6)), device)
        self.assertEqual(self.program.told[2:], [Inner((V6,), 1500)])

    def test_kinds(self) -> None:
        """The device is of the kind that could be had."""
        self.assertEqual(type(self.open(Tunnel(V4))), TunDevice)
        self.enclosure = self.build(PACKET)
        self.assertEqual(type(self.open(Tunnel(V4))), PacketDevice)

    def test_no_address(self) -> None:
        """Without an address there is no tunnel, in words, and the program does not begin."""
        error = self.assertRaises(TvpnError, self.open, Tunnel())
        self.assertIn("gave no address", str(error))
        self.assertEqual(self.program.told, [])

    def test_routes(self) -> None:
        """Whatever the server routes past the tunnel, or not at all, has no effect: all goes into it."""
        pushed = ["topology subnet", "ifconfig 10.8.0.2 255.255.255.0", "route 192.0.2.0 255.255.255.0 net_gateway"]
        self.assertEqual(self.inner(read_pushed(pushed)), Inner((V4,), 1500))

    def test_block_ipv6(self) -> None:
        """Where IPv6 is to be blocked there is none."""
        self.assertEqual(self.inner(Tunnel(V4, V6, blocks_ipv6=True)).addresses, (V4,))

    def test_close(self) -> None:
        """Closed, the descriptor is given back."""
        device = self.open(Tunnel(V4))
        descriptor = device.fileno()
        self.enclosure.close()
        self.assertRaises(OSError, os.fstat, descriptor)


class NameTests(EnclosureCase):
    """Who is asked."""

    def test_pushed(self) -> None:
        """Those that were pushed, of the families the tunnel has, and none of the machine's beside them."""
        self.machine[0].write_text("nameserver 192.0.2.99\n")
        pushed = ["dhcp-option DNS 192.0.2.53", "dhcp-option DNS 2001:db8::53", "dhcp-option DOMAIN example.org"]
        inner = self.inner(read_pushed(["topology subnet", "ifconfig 10.8.0.2 255.255.255.0", *pushed]))
        self.assertEqual((inner.servers, inner.domains), (("192.0.2.53",), ("example.org",)))

    def test_machine(self) -> None:
        """Else the machine's, those on loopback left out: then those that systemd-resolved itself asks."""
        self.machine[0].write_text("nameserver 192.0.2.99\n")
        self.machine[1].write_text("nameserver 192.0.2.100\n")
        self.assertEqual(self.inner(Tunnel(V4)).servers, ("192.0.2.99",))
        self.machine[0].write_text("nameserver 127.0.0.53\n")
        self.assertEqual(self.inner(Tunnel(V4)).servers, ("192.0.2.100",))
        self.assertEqual(self.complaints, [])

    def test_none(self) -> None:
        """With none at all the program begins all the same, and that is said once."""
        self.machine[0].write_text("nameserver 127.0.0.53\n")
        self.assertEqual(self.inner(Tunnel(V4)).servers, ())
        self.open(Tunnel(V4, V6))
        self.assertEqual(self.complaints, [NO_NAMES])
