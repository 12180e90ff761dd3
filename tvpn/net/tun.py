"""The TUN or TAP device: batches of IP packets or of frames out of the kernel and back (Linux: tuntap.rst).

The descriptor is persistent in nothing: when it closes, the device is gone. A header in front of each packet tells the
kernel which of ours stand for many (plane/merge.py). It could hand over such packets, too, but then we would have to
sum up every segment: in Python that costs more than all the kernel does with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tvpn.errors import TvpnError
from tvpn.plane.merge import HEADER, PLAIN
from tvpn.plane.verbs import Counters, TunPacket

DEVICE = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x0002, 0x1000, 0x4000
SIOCGIFHWADDR, SIOCSIFHWADDR = 0x8927, 0x8924
_ARPHRD_ETHER = 1
#: Packets read in one turn of the reactor: the network and the timers want theirs, too.
BUDGET = 64
_HEADER_SIZE = HEADER.size


def open_tun(name: str) -> tuple[int, str]:
    """(descriptor, device name); ``tun`` takes the next free number. Raises TvpnError with what to do."""
    return _open(name, "tun", IFF_TUN)


def open_device(name: str, is_tap: bool, lladdr: bytes | None = None) -> tuple[int, str, bytes]:
    """Either of them; the hardware address of a TUN device is empty."""
    return open_tap(name, lladdr) if is_tap else (*open_tun(name), b"")


def open_tap(name: str, lladdr: bytes | None = None) -> tuple[int, str, bytes]:
    """The same for frames, ``tap`` for the next free number: (descriptor, device name, hardware address), the address
    being ``lladdr`` or one that the kernel makes up.
    """
    descriptor, name = _open(name, "tap", IFF_TAP)
    try:
        if lladdr is not None:
            fcntl.ioctl(descriptor, SIOCSIFHWADDR, struct.pack("16sH6s16x", name.encode(), _ARPHRD_ETHER, lladdr))
        answer = fcntl.ioctl(descriptor, SIOCGIFHWADDR, struct.pack("16s24x", name.encode()))
    except OSError as error:
        os.close(descriptor)
        raise TvpnError(f"the TAP device {name} cannot have this hardware address: {error.strerror}") from None
    return descriptor, name, answer[18:24]


def _open(name: str, kind: str, flag: int) -> tuple[int, str]:
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise TvpnError(f"{DEVICE} does not exist; load the kernel's tun module (modprobe tun)") from None
    except PermissionError:
        raise TvpnError(_NOT_ALLOWED) from None
    except OSError as error:
        raise TvpnError(f"cannot open {DEVICE}: {error.strerror}") from None
    template = f"{name}%d" if name == kind else name
    request = struct.pack("16sH22x", template.encode(), flag | IFF_NO_PI | IFF_VNET_HDR)
    try:
        answer = fcntl.ioctl(descriptor, TUNSETIFF, request)
    except OSError as error:
        os.close(descriptor)
        if error.errno == errno.EPERM:
            raise TvpnError(_NOT_ALLOWED) from None
        if error.errno == errno.EBUSY:
            raise TvpnError(f"the device {name} is in use by another process; choose another name for dev") from None
        raise TvpnError(f"cannot make the {kind.upper()} device {name}: {error.strerror}") from None
    return descriptor, answer[:16].rstrip(b"\0").decode()


_NOT_ALLOWED = (
    "tvpn needs root or the capability CAP_NET_ADMIN to make a TUN or TAP device; run it as root (sudo), "
    "or give its systemd unit AmbientCapabilities=CAP_NET_ADMIN"
)


@implementer(IReadDescriptor)
class TunDevice:
    """Reads batches for ``deliver``; writes at once or not at all, since a queue only adds delay.

    ``mtu`` is that of what is in an IP packet or a frame; ``lladdr``: the hardware address by which this machine is
    known behind a TAP device.
    """

    _log = Logger()
    merges = True

    def __init__(
        self, descriptor: int, name: str, mtu: int, reactor: IReactorFDSet,
        deliver: Callable[[list[TunPacket]], None], vanished: Callable[[str], None], lladdr: bytes = b"",
    ) -> None:  # fmt: skip
        self.name = name
        self.lladdr = lladdr
        self.counters = Counters.zero()
        self._descriptor = descriptor
        # The header of a frame and its tags find room, too.
        self._size = HEADER.size + mtu + 64
        self._reactor = reactor
        self._deliver = deliver
        self._vanished = vanished

    def start(self) -> None:
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return f"tun {self.name}"

    def doRead(self) -> None:
        batch: list[TunPacket] = []
        left = BUDGET
        try:
            while left:
                batch.append((PLAIN, os.read(self._descriptor, self._size)[_HEADER_SIZE:]))
                left -= 1
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error)
        self._hand_on(batch)

    def _hand_on(self, batch: list[TunPacket]) -> None:
        if batch:
            try:
                self._deliver(batch)
            except Exception:
                self._log.failure("a batch from the device failed and is lost")

    def _lost(self, error: OSError) -> None:
        # EIO: the link is down, not gone.
        if error.errno == errno.EIO:
            self.counters.drop("tun-down")
            return
        self.close()
        self._vanished(f"{self._described} vanished ({error.strerror})")

    @property
    def _described(self) -> str:
        return f"the {'TAP' if self.lladdr else 'TUN'} device {self.name}"

    def write(self, packets: Sequence[TunPacket]) -> None:
        descriptor, counters = self._descriptor, self.counters
        if descriptor < 0:
            counters.drop("tun-closed", len(packets))
            return
        for both in packets:
            try:
                os.writev(descriptor, both)
            except OSError as error:
                counters.drop(f"tun-{errno.errorcode.get(error.errno or 0, 'error')}")

    def connectionLost(self, reason: Failure) -> None:
        if self._descriptor >= 0:
            self.close()
            self._vanished(f"{self._described} vanished")

    def close(self) -> None:
        """Give the descriptor back, and with it the device."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1
