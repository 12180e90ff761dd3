"""Datagrams through a relay, over loopback: plain sockets are the proxy."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.net.readers import Readers
from tvpn.net.association import SILENCE, Association
from tvpn.net.socks import datagram_header
from tvpn.net.udp import SOL_UDP, UDP_SEGMENT, open_udp
from tvpn.plane.verbs import Arrival

HERE = "127.0.0.1"
SERVER = ("198.51.100.1", 1194)
HEADER = datagram_header(*SERVER)
NAMED = datagram_header("vpn.example", 1194)
LARGEST_DATAGRAM = 9000


class Transport(StringTransport):
    """With what a TCP connection has beside bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.getHandle: Any = mock.Mock()
        self.setTcpKeepAlive: Any = mock.Mock()



class AssociationCase(SynchronousTestCase):
    """A link to this server through a relay that is a socket of ours."""

    target = SERVER

    def setUp(self) -> None:
        self.relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.relay.close)
        self.relay.bind((HERE, 0))
        self.relay.settimeout(5)
        self.reactor = Readers()
        self.batches: list[list[Arrival]] = []
        self.ended: list[Association] = []
        opened = open_udp(socket.AF_INET, HERE, 0, several_addresses=False)
        self.place = opened.getsockname()
        self.link = Association(
            opened, self.reactor, self.target, self.relay.getsockname(),  # type: ignore[arg-type]
            lambda _, batch: self.batches.append(batch), self.ended.append,
        )  # fmt: skip
        self.transport = Transport()
        self.link.makeConnection(self.transport)
        self.addCleanup(self.link.close)

    def came(self, number: int) -> list[bytes]:
        """What the relay was sent."""
        return [self.relay.recv(LARGEST_DATAGRAM) for _ in range(number)]

    def hear(self, *datagrams: bytes, sender: socket.socket | None = None) -> list[bytes]:
        """What these datagrams from the relay are delivered as."""
        for datagram in datagrams:
            (sender or self.relay).sendto(datagram, self.place)
        for _ in datagrams:
            self.link._udp.doRead()
        batches, self.batches = self.batches, []
        for batch in batches:
            for address, local, segment, _ in batch:
                self.assertEqual((address, local, segment), (self.relay.getsockname(), b"", 0))
        return [arrival[3] for batch in batches for arrival in batch]


class SendTests(AssociationCase):
    """What goes out."""

    def test_single(self) -> None:
        """One datagram has the server's header in front."""
        self.link.send(("ignored", 0), b"", 5, b"hello")
        self.assertEqual(self.came(1), [HEADER + b"hello"])

    def test_burst(self) -> None:
        """Each of a burst has it, the last, shorter one too, and the kernel is asked once."""
        with mock.patch.object(self.link, "_udp", wraps=self.link._udp) as udp:
            self.link.send(("ignored", 0), b"", 1000, b"a" * 1000 + b"b" * 1000 + b"c" * 7)
        self.assertEqual(udp.send.call_count, 1)
        self.assertEqual(self.came(3), [HEADER + b"a" * 1000, HEADER + b"b" * 1000, HEADER + b"c" * 7])
        self.assertEqual(self.link.counters.drops, {})

    def test_large(self) -> None:
        """Where headers make a burst larger than the kernel takes it goes in two, in order, and none is lost."""
        number = 64
        sent = [bytes((at,)) * 1015 for at in range(number)]
        with mock.patch.object(self.link, "_udp", wraps=self.link._udp) as udp:
            self.link.send(("ignored", 0), b"", 1015, b"".join(sent))
        self.assertEqual(udp.send.call_count, 2)
        self.assertEqual(self.came(number), [HEADER + each for each in sent])
        self.assertEqual(self.link.counters.drops, {})

    def test_overhead(self) -> None:
        """What each datagram grows by is told."""
        self.assertEqual(self.link.overhead, 10)


class ReceiveTests(AssociationCase):
    """What comes in."""

    def test_stripped(self) -> None:
        """The header is taken off, and where it came from is the relay."""
        self.assertEqual(self.hear(HEADER + b"one", HEADER + b"two"), [b"one", b"two"])

    def test_put_together(self) -> None:
        """Of datagrams that the kernel has put together each has its header."""
        sent = b"".join(HEADER + bytes((at,)) * 90 for at in range(20))
        self.relay.sendmsg((sent,), [(SOL_UDP, UDP_SEGMENT, b"\x64\0")], 0, self.place)
        found = self.hear(*[b""] * 20)
        self.assertEqual(found, [bytes((at,)) * 90 for at in range(20)])

    def test_mapped(self) -> None:
        """A proxy that listens for IPv6 may say an IPv4 address in its way."""
        mapped = datagram_header("::ffff:198.51.100.1", 1194)
        self.assertEqual(self.hear(mapped + b"one", HEADER + b"two", mapped + b"three"), [b"one", b"two", b"three"])

    def test_others(self) -> None:
        """What another host sent to the relay, a fragment and junk are dropped, counted; a mere header is nothing."""
        other = datagram_header("198.51.100.2", 1194)
        found = self.hear(other + b"x", NAMED + b"x", b"\0\0\1" + HEADER[3:] + b"x", b"junk", HEADER, HEADER + b"good")
        self.assertEqual(found, [b"good"])
        self.assertEqual(self.link.counters.drops, {"wrong-address": 2, "proxy-header": 2})

    def test_not_the_relay(self) -> None:
        """What does not come from the relay is dropped, whatever it says of itself."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            self.assertEqual(self.hear(HEADER + b"x", sender=stranger), [])
        self.assertEqual(self.link.counters.drops, {"wrong-address": 1})


class NameTests(AssociationCase):
    """A server whose address only the proxy knows."""

    target = ("vpn.example", 1194)

    def test_both_ways(self) -> None:
        """The name goes out; whatever address comes back with a datagram is the server's."""
        self.link.send(("ignored", 0), b"", 5, b"hello")
        self.assertEqual(self.came(1), [NAMED + b"hello"])
        v6 = datagram_header("2001:db8::1", 1194)
        self.assertEqual(self.hear(HEADER + b"1", v6 + b"2", NAMED + b"3", HEADER + b"4"), [b"1", b"2", b"3", b"4"])
        self.assertEqual(self.link.overhead, 18)


class ConnectionTests(AssociationCase):
    """The connection that the relay belongs to."""

    def test_alive(self) -> None:
        """The kernel sees to it that a silent connection is not forgotten on its way."""
        self.transport.setTcpKeepAlive.assert_called_once_with(True)
        setting = self.transport.getHandle().setsockopt
        setting.assert_called_once_with(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE)
        self.assertEqual(self.reactor.readers, [self.link._udp])

    def test_lost(self) -> None:
        """When it ends so does the link: its socket is closed, and that is told, once."""
        self.link.connectionLost()
        self.assertEqual((self.ended, self.reactor.readers, self.link._udp.fileno()), ([self.link], [], -1))
        self.link.close()
        self.assertEqual(self.ended, [self.link])

    def test_closed(self) -> None:
        """When the link is closed the connection is."""
        self.link.close()
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual((self.reactor.readers, self.link._udp.fileno()), ([], -1))

    def test_chatter(self) -> None:
        """What the proxy says on it is not kept, and no harm."""
        self.link.dataReceived(b"x" * 100000)
        self.assertEqual(self.hear(HEADER + b"one"), [b"one"])
