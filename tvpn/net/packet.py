"""A packet socket at the far end of a veth pair in the place of a TUN device: frames instead of packets.

The other end resolves no addresses (IFF_NOARP), so that every frame that is read is a packet for the tunnel.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from tvpn.net.namespace import MAC
from tvpn.net.tun import BUDGET, TunDevice
from tvpn.plane.merge import PLAIN
from tvpn.plane.verbs import TunPacket

#: In front of a packet: to the other end, from its kind; by the packet's first four bits.
FRAMES = {4: MAC + MAC + b"\x08\x00", 6: MAC + MAC + b"\x86\xdd"}
_FRAME_SIZE = 14
_KINDS = frozenset(frame[12:] for frame in FRAMES.values())


class PacketDevice(TunDevice):
    """The face of a TUN device. It takes each packet for itself: nothing in front of it could say that it is many."""

    merges = False

    def doRead(self) -> None:
        batch: list[TunPacket] = []
        left = BUDGET
        try:
            while left:
                frame = os.read(self._descriptor, self._size)
                if frame[12:_FRAME_SIZE] in _KINDS:
                    batch.append((PLAIN, frame[_FRAME_SIZE:]))
                left -= 1
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(error)
        self._hand_on(batch)

    def _lost(self, error: OSError) -> None:
        # Said once when the link goes down, and by a socket that goes on.
        if error.errno == errno.ENETDOWN:
            self.counters.drop("tun-down")
        else:
            super()._lost(error)

    def write(self, packets: Sequence[TunPacket]) -> None:
        descriptor, counters = self._descriptor, self.counters
        if descriptor < 0:
            counters.drop("tun-closed", len(packets))
            return
        for _, packet in packets:
            frame = FRAMES.get(packet[0] >> 4)
            if frame is None:
                counters.drop("tun-EINVAL")
                continue
            try:
                os.writev(descriptor, (frame, packet))
            except OSError as error:
                counters.drop(f"tun-{errno.errorcode.get(error.errno or 0, 'error')}")
