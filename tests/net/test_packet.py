"""The packet socket in a TUN device's place; a pair of sockets stands in for it."""

from __future__ import annotations

import errno
import socket
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.net.readers import Readers
from tvpn.net import packet
from tvpn.net.packet import FRAMES, PacketDevice
from tvpn.net.tun import BUDGET
from tvpn.plane.merge import PLAIN
from tvpn.plane.verbs import TunPacket

V4, V6 = b"\x45" + bytes(39), b"\x60" + bytes(59)
ARP = bytes(12) + b"\x08\x06" + bytes(28)


class PacketDeviceTests(SynchronousTestCase):
    """Frames on one side, packets on the other."""

    def setUp(self) -> None:
        ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.kernel.close)
        ours.setblocking(False)
        self.kernel.setblocking(False)
        self.batches: list[list[TunPacket]] = []
        self.vanished: list[str] = []
        self.device = PacketDevice(
            ours.detach(), "vpn0", 1500, Readers(), self.batches.append, self.vanished.append  # type: ignore[arg-type]
        )
        self.device.start()
        self.addCleanup(self.device.close)

    def test_read(self) -> None:
        """Packets of both kinds come without their frames; whatever else is in a frame does not."""
        for frame in (FRAMES[4] + V4, ARP, FRAMES[6] + V6):
            self.kernel.send(frame)
        self.device.doRead()
        self.assertEqual(self.batches, [[(PLAIN, V4), (PLAIN, V6)]])

    def test_budget(self) -> None:
        """One turn takes BUDGET frames at most, counted whether there is a packet in them or not."""
        for _ in range(BUDGET):
            self.kernel.send(ARP)
        self.kernel.send(FRAMES[4] + V4)
        self.device.doRead()
        self.assertEqual(self.batches, [])
        self.device.doRead()
        self.assertEqual(self.batches, [[(PLAIN, V4)]])

    def test_write(self) -> None:
        """A packet goes in a frame of its kind, without the header of a TUN device; one of no kind is counted."""
        self.device.write([(PLAIN, V4), (PLAIN, b"\x00" * 20), (PLAIN, V6)])
        self.assertEqual([self.kernel.recv(2000), self.kernel.recv(2000)], [FRAMES[4] + V4, FRAMES[6] + V6])
        self.assertRaises(BlockingIOError, self.kernel.recv, 2000)
        self.assertEqual(self.device.counters.drops, {"tun-EINVAL": 1})

    def test_write_refused(self) -> None:
        """What the kernel does not take is counted by reason; closed, all is."""
        with mock.patch.object(packet.os, "writev", side_effect=OSError(errno.ENOBUFS, "No buffer space")):
            self.device.write([(PLAIN, V4), (PLAIN, V4)])
        self.device.close()
        self.device.write([(PLAIN, V4)])
        self.assertEqual(self.device.counters.drops, {"tun-ENOBUFS": 2, "tun-closed": 1})

    def test_down(self) -> None:
        """A link that went down is not gone; one that vanished is."""
        with mock.patch.object(packet.os, "read", side_effect=OSError(errno.ENETDOWN, "Network is down")):
            self.device.doRead()
        self.assertEqual((self.device.counters.drops, self.vanished), ({"tun-down": 1}, []))
        with mock.patch.object(packet.os, "read", side_effect=OSError(errno.ENXIO, "No such device or address")):
            self.device.doRead()
        self.assertEqual(self.vanished, ["the TUN device vpn0 vanished (No such device or address)"])

    def test_never_merges(self) -> None:
        """It says that it takes no packets that stand for many."""
        self.assertFalse(self.device.merges)
