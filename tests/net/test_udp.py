"""UDP sockets over loopback: local addresses, bursts, and what must not stop them."""

from __future__ import annotations

import errno
import json
import socket
import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, missing, skip_unless_possible
from tests.net.readers import Readers
from tvpn.errors import TvpnError
from tvpn.net.udp import (
    BUDGET,
    BUFFER_SIZE,
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    SOL_UDP,
    UDP_SEGMENT,
    UDPLink,
    open_udp,
)
from tvpn.plane.verbs import Arrival

# Sends a burst over loopback, and prints what came of it and what was counted.
BURST = """
import json, socket, sys
from tvpn.net.udp import UDPLink, open_udp
family, host = (socket.AF_INET6, "::1") if sys.argv[1] == "6" else (socket.AF_INET, "127.0.0.1")
asker = socket.socket(family, socket.SOCK_DGRAM)
asker.bind((host, 0))
asker.settimeout(5)
link = UDPLink(open_udp(family, host, 0, several_addresses=True), None, None)
link.send(asker.getsockname(), b"", 1500, b"".join(bytes([number]) * 1500 for number in range(5)) + b"last")
came = [asker.recv(9000) for _ in range(6)]
print(json.dumps([[(len(one), one[0]) for one in came], link.counters.drops]))
"""


def has_ipv6() -> bool:
    """Whether ::1 can be bound here."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


class UDPCase(SynchronousTestCase):
    """A link that listens everywhere, and a plain socket that asks."""

    family, everywhere = socket.AF_INET, "0.0.0.0"

    def setUp(self) -> None:
        self.batches: list[list[Arrival]] = []
        self.reactor = Readers()
        self.link = self.build(self.everywhere)
        self.link.start()
        self.asker = socket.socket(self.family, socket.SOCK_DGRAM)
        self.addCleanup(self.asker.close)
        self.asker.settimeout(5)

    def build(self, host: str, port: int = 0, several_addresses: bool = True) -> UDPLink:
        sock = open_udp(self.family, host, port, several_addresses=several_addresses)
        link = UDPLink(sock, self.reactor, lambda _, batch: self.batches.append(batch))
        self.addCleanup(link.close)
        return link

    def answers(self, number: int) -> list[bytes]:
        return [self.asker.recv(9000) for _ in range(number)]

    def silence(self) -> None:
        """Nothing more has come to the asker."""
        self.asker.setblocking(False)
        self.assertRaises(BlockingIOError, self.asker.recv, 9000)


class LocalAddressTests(UDPCase):
    """The address that was called is the one that answers."""

    def test_reply(self) -> None:
        """Asked at 127.0.0.2, a socket bound to everything notes that address and answers from it."""
        self.asker.sendto(b"question", ("127.0.0.2", self.link.port))
        self.link.doRead()
        [[(address, local, segment, datagram)]] = self.batches
        self.assertEqual((local, segment, datagram), (bytes([127, 0, 0, 2]), 0, b"question"))
        self.assertEqual(address[1], self.asker.getsockname()[1])
        self.link.send(address, local, 6, b"answer")
        self.assertEqual(self.asker.recvfrom(100), (b"answer", ("127.0.0.2", self.link.port)))

    def test_burst_reply(self) -> None:
        """A burst in one call, too, leaves from the address that was called."""
        self.asker.sendto(b"question", ("127.0.0.3", self.link.port))
        self.link.doRead()
        [[(address, local, _, _)]] = self.batches
        self.link.send(address, local, 4, b"aaaabbbbcc")
        told = [self.asker.recvfrom(100) for _ in range(3)]
        self.assertEqual([datagram for datagram, _ in told], [b"aaaa", b"bbbb", b"cc"])
        self.assertEqual({source for _, source in told}, {("127.0.0.3", self.link.port)})

    def test_not_asked_for(self) -> None:
        """Without several addresses none is noted, and the answer goes by the routing table."""
        link = self.build("0.0.0.0", several_addresses=False)
        self.asker.sendto(b"question", ("127.0.0.2", link.port))
        link.doRead()
        [[(address, local, _, _)]] = self.batches
        self.assertEqual(local, b"")
        link.send(address, local, 6, b"answer")
        self.assertEqual(self.asker.recvfrom(100), (b"answer", ("127.0.0.1", link.port)))


class IPv6Tests(UDPCase):
    """The same on ::1."""

    skip = None if has_ipv6() else "there is no ::1 here"
    family, everywhere = socket.AF_INET6, "::"

    def test_reply(self) -> None:
        """The address that was called is noted as 16 bytes and answers, single and in bursts."""
        self.asker.sendto(b"question", ("::1", self.link.port))
        self.link.doRead()
        [[(address, local, _, datagram)]] = self.batches
        self.assertEqual((local, datagram), (bytes(15) + b"\1", b"question"))
        self.link.send(address, local, 6, b"answer")
        self.link.send(address, local, 4, b"aaaabb")
        told = [self.asker.recvfrom(100) for _ in range(3)]
        self.assertEqual([datagram for datagram, _ in told], [b"answer", b"aaaa", b"bb"])
        self.assertEqual({source[:2] for _, source in told}, {("::1", self.link.port)})

    def test_both_families(self) -> None:
        """The IPv6 socket leaves the port of IPv4 free: a server listens on both."""
        other = open_udp(socket.AF_INET, "0.0.0.0", self.link.port, several_addresses=True)
        self.addCleanup(other.close)
        self.assertEqual(other.getsockname()[1], self.link.port)

    def test_port_in_use(self) -> None:
        """The sentence has the address in brackets."""
        error = self.assertRaises(TvpnError, self.build, "::", self.link.port)
        self.assertIn(f"cannot listen on udp [::]:{self.link.port}: ", str(error))


class ReadTests(UDPCase):
    """What comes in."""

    def ask(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.asker.sendto(datagram, ("127.0.0.1", self.link.port))

    def read(self, turns: int) -> list[bytes]:
        """What so many turns of the reactor have delivered: a turn may take one datagram or many."""
        for _ in range(turns):
            self.link.doRead()
        return [arrival[3] for batch in self.batches for arrival in batch]

    def test_budget(self) -> None:
        """One turn takes BUDGET datagrams at most and leaves the rest for the next; all come, in order, in batches."""
        sent = [b"%d" % number for number in range(2 * BUDGET + 5)]
        self.ask(*sent)
        self.assertEqual(self.read(len(sent)), sent)
        sizes = [len(batch) for batch in self.batches]
        self.assertEqual(max(sizes), BUDGET)

    def test_put_together(self) -> None:
        """What one sender sent in one call may come as one buffer, its segment size beside it; nothing is lost."""
        sent = bytes(range(100)) * 30
        segment = (SOL_UDP, UDP_SEGMENT, (100).to_bytes(2, sys.byteorder))
        self.asker.sendmsg((sent,), [segment], 0, ("127.0.0.1", self.link.port))
        found = b"".join(self.read(40))
        self.assertEqual(found, sent)
        for _, local, size, buffer in (arrival for batch in self.batches for arrival in batch):
            self.assertEqual((local, size if len(buffer) > 100 else 100), (b"\x7f\0\0\1", 100))

    def test_empty(self) -> None:
        """A datagram without a byte is no arrival, and hides none that follows."""
        self.ask(b"", b"full", b"")
        self.assertEqual(self.read(4), [b"full"])
        self.assertEqual(len(self.batches), 1)

    def test_delivery_fails(self) -> None:
        """An error of ours loses its batch, with a traceback in the log, and not the reader."""
        with mock.patch.object(self.link, "_deliver", side_effect=ZeroDivisionError):
            self.ask(b"bad")
            self.link.doRead()
        self.ask(b"good")
        self.link.doRead()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([arrival[3] for arrival in self.batches[0]], [b"good"])
        self.assertEqual(self.reactor.readers, [self.link])

    def test_port_unreachable(self) -> None:
        """An ICMP error for what we sent, which anybody can forge, closes nothing and hides no datagram."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = closed.getsockname()
        for _ in range(3):
            self.link.send(nobody, b"", 5, b"hello")
            self.link.doRead()
        self.ask(b"still here")
        self.link.doRead()
        self.assertEqual([[arrival[3] for arrival in batch] for batch in self.batches], [[b"still here"]])
        self.assertEqual(self.link.counters.drops, {})

    def test_receive_error(self) -> None:
        """An error of the socket is counted by its name and ends nothing."""
        broken = mock.Mock(wraps=self.link._socket)
        broken.recvmsg.side_effect = OSError(errno.ENOMEM, "no")
        with mock.patch.object(self.link, "_socket", broken):
            self.link.doRead()
        self.assertEqual(self.link.counters.drops, {"receive-ENOMEM": 1})
        self.assertEqual(self.reactor.readers, [self.link])


class SendTests(UDPCase):
    """What goes out."""

    def setUp(self) -> None:
        super().setUp()
        self.asker.bind(("127.0.0.1", 0))
        self.target = self.asker.getsockname()

    def test_segments(self) -> None:
        """One buffer is as many datagrams as it has segments, the last one shorter, nothing after it."""
        self.link.send(self.target, b"", 1000, b"a" * 1000 + b"b" * 1000 + b"c" * 7)
        self.assertEqual(self.answers(3), [b"a" * 1000, b"b" * 1000, b"c" * 7])
        self.silence()

    def test_single(self) -> None:
        """A buffer of one segment is one datagram, whether it fills it or not."""
        self.link.send(self.target, b"", 4, b"full")
        self.link.send(self.target, b"", 100, b"short")
        self.assertEqual(self.answers(2), [b"full", b"short"])
        self.silence()

    def test_no_segmentation(self) -> None:
        """Where the kernel refuses a burst, its datagrams go one by one, and that is counted."""
        real = self.link._socket

        def sendmsg(buffers: list[bytes], ancillary: list[object], *rest: object) -> int:
            if any(kind == 103 for _, kind, _ in ancillary):
                raise OSError(errno.EIO, "no")
            return real.sendmsg(buffers, ancillary, *rest)

        stubborn = mock.Mock(wraps=real)
        stubborn.sendmsg.side_effect = sendmsg
        with mock.patch.object(self.link, "_socket", stubborn):
            self.link.send(self.target, b"", 4, b"aaaabbbbcc")
        self.assertEqual(self.answers(3), [b"aaaa", b"bbbb", b"cc"])
        self.assertEqual(self.link.counters.drops, {"send-unsegmented": 1})

    def test_full(self) -> None:
        """A full socket costs the datagrams of the burst, all counted, and nothing is kept for later."""
        full = mock.Mock(wraps=self.link._socket)
        full.sendmsg.side_effect = BlockingIOError(errno.EAGAIN, "full")
        with mock.patch.object(self.link, "_socket", full):
            self.link.send(self.target, b"", 4, b"aaaabbbbcc")
            self.link.send(self.target, b"", 4, b"dddd")
        self.assertEqual(self.link.counters.drops, {"send-EAGAIN": 4})
        self.silence()

    def test_unreachable(self) -> None:
        """An address that cannot be reached is counted, not raised."""
        self.link.send(("255.255.255.255", 9), b"", 4, b"data")
        [(reason, number)] = self.link.counters.drops.items()
        self.assertIn((reason, number), [("send-EACCES", 1), ("send-ENETUNREACH", 1)])

    def test_foreign_local_address(self) -> None:
        """A local address that is ours no longer is counted, not raised."""
        self.link.send(self.target, bytes([203, 0, 113, 9]), 4, b"data")
        [(reason, number)] = self.link.counters.drops.items()
        self.assertEqual((reason[:5], number), ("send-", 1))
        self.silence()


class PathTests(SynchronousTestCase):
    """A path that is smaller than what a burst is cut into."""

    skip = skip_unless_possible()

    def test_segments_too_large(self) -> None:
        """A burst that the kernel refuses (EMSGSIZE) goes out plainly, in order, and is counted; nothing is lost."""
        with Lab() as lab:
            lab.host("small")
            lab.ip("small", "link", "set", "lo", "mtu", "1280")
            for family in "46":
                said = lab.run("small", sys.executable, "-c", BURST, family).stdout
                sent = [[1500, number] for number in range(5)] + [[4, ord("l")]]
                self.assertEqual(json.loads(said), [sent, {"send-unsegmented": 1}], family)


class OpenTests(UDPCase):
    """The socket itself."""

    def test_buffers(self) -> None:
        """D-08: with the privilege for it the receive buffer has a megabyte; without, what the system allows; and a
        kernel that puts no datagrams together is good enough.
        """
        size = self.link._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        if missing() is None:
            self.assertGreaterEqual(size, BUFFER_SIZE)
        plain = mock.Mock()
        plain.setsockopt.side_effect = [PermissionError, None, PermissionError, None, OSError, None]
        with mock.patch("tvpn.net.udp.socket.socket", return_value=plain):
            open_udp(socket.AF_INET, "127.0.0.1", 0, several_addresses=False)
        asked = [call.args[1] for call in plain.setsockopt.call_args_list[:4]]
        self.assertEqual(asked, [SO_RCVBUFFORCE, socket.SO_RCVBUF, SO_SNDBUFFORCE, socket.SO_SNDBUF])

    def test_overflow(self) -> None:
        """D-08: what the kernel had no room for is counted, each datagram."""
        self.link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.assertEqual(self.link.overflowed, 0)
        for _ in range(100):
            self.asker.sendto(bytes(1000), ("127.0.0.1", self.link.port))
        while sum(map(len, self.batches)) + self.link.overflowed < 100:
            self.link.doRead()
        self.assertGreater(self.link.overflowed, 50)
        self.assertEqual(sum(map(len, self.batches)) + self.link.overflowed, 100)

    def test_port_in_use(self) -> None:
        """A port that is taken is a sentence with the port and a guess."""
        error = self.assertRaises(TvpnError, self.build, "0.0.0.0", self.link.port)
        self.assertIn(f"cannot listen on udp 0.0.0.0:{self.link.port}: Address already in use", str(error))
        self.assertIn("is another server running?", str(error))

    def test_foreign_address(self) -> None:
        """An address that is not ours is named."""
        error = self.assertRaises(TvpnError, self.build, "203.0.113.9", 1194)
        self.assertIn("cannot listen on udp 203.0.113.9:1194: Cannot assign requested address", str(error))

    def test_close(self) -> None:
        """Closed, the link is no reader and its port is free; closing twice is no error."""
        port = self.link.port
        self.link.close()
        self.link.close()
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.build("0.0.0.0", port).port, port)
