"""The shell around a TUN device; a pair of sockets stands in for the descriptor where the kernel is not the point."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible
from tests.net.readers import Readers
from tvpn.errors import TvpnError
from tvpn.net import tun
from tvpn.net.tun import BUDGET, TunDevice, open_tap, open_tun
from tvpn.plane.merge import PLAIN
from tvpn.plane.verbs import TunPacket

MTU = 1500


class DeviceTests(SynchronousTestCase):
    """Batches in, batches out."""

    def setUp(self) -> None:
        ours, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.kernel.close)
        ours.setblocking(False)
        self.kernel.setblocking(False)
        self.batches: list[list[TunPacket]] = []
        self.vanished: list[str] = []
        self.reactor = Readers()
        self.device = self.build(ours.detach(), self.batches.append)
        self.device.start()
        self.addCleanup(self.device.close)

    def build(self, descriptor: int, deliver: Callable[[list[TunPacket]], None]) -> TunDevice:
        return TunDevice(descriptor, "tun7", MTU, self.reactor, deliver, self.vanished.append)

    def read(self, turns: int) -> list[TunPacket]:
        """What so many turns of the reactor have delivered: a turn may take one packet or many."""
        for _ in range(turns):
            self.device.doRead()
        return [packet for batch in self.batches for packet in batch]

    def received(self) -> list[bytes]:
        packets = []
        try:
            while True:
                packets.append(self.kernel.recv(4096))
        except BlockingIOError:
            return packets

    def test_batch(self) -> None:
        """What lies ready comes in order, the kernel's header taken off, up to the size of the device's packets."""
        packets = [b"one", b"x" * MTU, b"three"]
        for packet in packets:
            self.kernel.send(b"ten bytes." + packet)
        self.assertEqual(self.read(3), [(PLAIN, packet) for packet in packets])

    def test_budget(self) -> None:
        """One turn takes BUDGET packets at most and leaves the rest for the next; all come, in order, in batches."""
        sent = [b"packet %d" % number for number in range(2 * BUDGET + 3)]
        for packet in sent:
            self.kernel.send(PLAIN + packet)
        self.assertEqual([packet for _, packet in self.read(len(sent))], sent)
        self.assertEqual(max(len(batch) for batch in self.batches), BUDGET)

    def test_nothing_ready(self) -> None:
        """A turn with nothing to read delivers nothing and ends nothing."""
        self.device.doRead()
        self.assertEqual((self.batches, self.vanished, self.device.counters.drops), ([], [], {}))
        self.assertEqual(self.reactor.readers, [self.device])

    def test_delivery_fails(self) -> None:
        """An error of ours while a batch is carried on is logged with its traceback, and reading goes on."""
        ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(kernel.close)
        ours.setblocking(False)
        seen: list[int] = []

        def deliver(batch: list[TunPacket]) -> None:
            seen.append(len(batch))
            raise ZeroDivisionError

        device = self.build(ours.detach(), deliver)
        device.start()
        self.addCleanup(device.close)
        for _ in range(2):
            kernel.send(b"packet")
            device.doRead()
        self.assertEqual(seen, [1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertIn(device, self.reactor.readers)
        self.assertEqual(self.vanished, [])

    def test_write(self) -> None:
        """Packets are written each for itself, a header before its packet."""
        self.device.write([(PLAIN, b"one"), (b"head", b"two")])
        self.assertEqual(self.received(), [PLAIN + b"one", b"headtwo"])

    def test_write_refused(self) -> None:
        """What the kernel does not take is counted by reason; the packets behind it still go."""
        real, number = os.writev, 0

        def write(descriptor: int, data: tuple[bytes, bytes]) -> int:
            nonlocal number
            number += 1
            if number == 2:
                raise OSError(errno.EINVAL, "Invalid argument")
            return real(descriptor, data)

        with mock.patch.object(tun.os, "writev", write):
            self.device.write([(b"", b"one"), (b"", b"two"), (b"", b"three")])
        self.assertEqual(self.received(), [b"one", b"three"])
        self.assertEqual(self.device.counters.drops, {"tun-EINVAL": 1})

    def test_full(self) -> None:
        """A queue that is full costs the packets that do not fit, not the process its time."""
        self.device.write([(b"", bytes(MTU))] * 5000)
        taken = len(self.received())
        self.assertLess(0, taken)
        self.assertEqual(self.device.counters.drops, {"tun-EAGAIN": 5000 - taken})

    def test_close(self) -> None:
        """Closed is closed once: reader gone, descriptor back, later packets counted, nobody told it vanished."""
        descriptor = self.device.fileno()
        self.device.close()
        self.device.close()
        self.assertEqual(self.reactor.readers, [])
        self.assertRaises(OSError, os.fstat, descriptor)
        self.device.write([(b"", b"late"), (b"", b"later")])
        self.assertEqual(self.device.counters.drops, {"tun-closed": 2})
        self.assertEqual(self.vanished, [])

    def test_vanished(self) -> None:
        """A device that is gone (EBADFD) is told once, by name and reason, after what was read is delivered."""
        reads = [PLAIN + b"last words", OSError(errno.EBADFD, "File descriptor in bad state")]
        with mock.patch.object(tun.os, "read", side_effect=reads):
            self.device.doRead()
        self.device.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.batches, [[(PLAIN, b"last words")]])
        self.assertEqual(self.vanished, ["the TUN device tun7 vanished (File descriptor in bad state)"])
        self.assertEqual(self.reactor.readers, [])

    def test_down(self) -> None:
        """A device that is down (EIO) is counted and stays ours."""
        with mock.patch.object(tun.os, "read", side_effect=OSError(errno.EIO, "Input/output error")):
            self.device.doRead()
        self.assertEqual((self.vanished, self.device.counters.drops), ([], {"tun-down": 1}))
        self.assertEqual(self.reactor.readers, [self.device])

    def test_dropped_by_reactor(self) -> None:
        """A reactor that gives the descriptor up has found the device gone."""
        self.device.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.vanished, ["the TUN device tun7 vanished"])

    def test_frames(self) -> None:
        """A TAP device takes a whole frame with its tag beside the packets' size, and is named as what it is."""
        tap = TunDevice(self.device.fileno(), "tap7", MTU, self.reactor, self.batches.append, self.vanished.append,
                        b"\2\0\0\0\0\1")  # fmt: skip
        frame = b"f" * (MTU + 18)
        self.kernel.send(PLAIN + frame)
        tap.doRead()
        self.assertEqual(self.batches, [[(PLAIN, frame)]])
        with mock.patch.object(tun.os, "read", side_effect=OSError(errno.EBADFD, "gone")):
            tap.doRead()
        self.assertEqual(self.vanished, ["the TAP device tap7 vanished (gone)"])
        self.device._descriptor = -1


class SentenceTests(SynchronousTestCase):
    """What the operator reads when there is no device to be had."""

    def refusal(self, **failing: OSError) -> str:
        name, error = failing.popitem()
        where = {"open": tun.os, "ioctl": tun.fcntl}[name]
        with mock.patch.object(where, name, side_effect=error), mock.patch.object(tun.os, "close"):
            if name == "ioctl":
                with mock.patch.object(tun.os, "open", return_value=-1):
                    return str(self.assertRaises(TvpnError, open_tun, "tun7"))
            return str(self.assertRaises(TvpnError, open_tun, "tun7"))

    def test_sentences(self) -> None:
        """Each way to fail has its own sentence, and says what to do."""
        self.assertIn("modprobe tun", self.refusal(open=FileNotFoundError()))
        self.assertIn("CAP_NET_ADMIN", self.refusal(open=PermissionError()))
        self.assertIn("CAP_NET_ADMIN", self.refusal(ioctl=OSError(errno.EPERM, "no")))
        self.assertIn("tun7 is in use by another process", self.refusal(ioctl=OSError(errno.EBUSY, "busy")))
        self.assertIn("tun7: Invalid argument", self.refusal(ioctl=OSError(errno.EINVAL, "Invalid argument")))


class KernelTests(SynchronousTestCase):
    """The real device."""

    skip = skip_unless_possible()

    def test_names(self) -> None:
        """``tun`` takes a free number, a name is taken as it is, and a name in use is refused with a sentence."""
        first, name = open_tun("tun")
        self.addCleanup(os.close, first)
        second, other = open_tun("tun")
        self.addCleanup(os.close, second)
        self.assertRegex(name, r"\Atun[0-9]+\Z")
        self.assertNotEqual(name, other)
        error = self.assertRaises(TvpnError, open_tun, name)
        self.assertIn(f"{name} is in use by another process", str(error))

    def test_frames(self) -> None:
        """A TAP device has a hardware address, one that it was given or one of its own; never one for groups."""
        given = b"\2\0\0\0\xab\1"
        for wanted in (None, given):
            descriptor, name, lladdr = open_tap("tap", wanted)
            self.addCleanup(os.close, descriptor)
            self.assertRegex(name, r"\Atap[0-9]+\Z")
            self.assertEqual(lladdr.hex(":"), Path(f"/sys/class/net/{name}/address").read_text().strip())
            self.assertEqual(lladdr == given, wanted is not None)
            self.assertFalse(lladdr[0] & 1)
        error = self.assertRaises(TvpnError, open_tap, "tap", b"\1\0\0\0\0\1")
        self.assertIn("cannot have this hardware address", str(error))
        error = self.assertRaises(TvpnError, open_tap, name)
        self.assertIn("is in use by another process", str(error))
