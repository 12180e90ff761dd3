"""The end of a tunnel that belongs to no machine: it pings the server through the tunnel and looks for the answer.

So a tunnel can be tried without any right to make a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tvpn.hub.pushed import Tunnel
from tvpn.plane.merge import PLAIN
from tvpn.plane.verbs import Address, TunPacket
from tvpn.service.attachment import Deliver, Vanished
from tvpn.wire.icmp import echo_request, is_echo_reply

TRIES, INTERVAL = 4, 1.0
#: ``on_packet(sent, size, text)``; ``on_end(answered)``.
OnPacket = Callable[[bool, int, str], None]


class Probe:
    """An Attachment, and the device it opens. ``on_end`` hears once whether a ping was answered."""

    device = ""
    merges = False
    lladdr = b""

    def __init__(self, reactor: Any, on_packet: OnPacket, on_end: Callable[[bool], None]) -> None:
        self._reactor = reactor
        self._on_packet = on_packet
        self._on_end = on_end
        self._deliver: Deliver = lambda batch: None
        self._request = b""
        self._target = ""
        self._left = TRIES
        self._timer: IDelayedCall | None = None

    # Attachment

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> Probe:
        self._deliver = deliver
        if self._timer is None and self._left:
            ends = _ends(tunnel)
            if ends is not None:
                self._target = str(ends[1])
                self._request = echo_request(*ends)
            self._timer = self._reactor.callLater(0, self._ping)
        return self

    def prepare(self) -> None:
        """Nothing was changed here, ever."""

    def routes_changed(self, server: Address) -> None:
        """No route leads here."""

    def lose(self) -> None:
        self._stop()

    def release(self) -> None:
        self._stop()

    def close(self) -> None:
        self._stop()

    def _ping(self) -> None:
        self._timer = None
        if not self._left or not self._request:
            self._finish(False)
            return
        self._left -= 1
        self._on_packet(True, len(self._request), f"a ping to {self._target}")
        self._timer = self._reactor.callLater(INTERVAL, self._ping)
        self._deliver([(PLAIN, self._request)])

    def _finish(self, answered: bool) -> None:
        self._left = 0
        self._stop()
        self._on_end(answered)

    def _stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # Device

    def write(self, packets: Sequence[TunPacket]) -> None:
        """What comes out of the tunnel."""
        for _, packet in packets:
            if self._left or self._timer is not None:
                answers = is_echo_reply(packet, self._request)
                self._on_packet(False, len(packet), f"{self._target} answers" if answers else "a packet for us")
                if answers:
                    self._finish(True)

    def doRead(self) -> None:
        """Nothing waits."""


def _ends(tunnel: Tunnel) -> tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address] | None:
    """Our address and the server's in the tunnel: the pushed gateway, the other end of a pair, or the first address."""
    if tunnel.ipv4 is not None:
        first = tunnel.ipv4.network.network_address + 1
        return tunnel.ipv4.ip, tunnel.gateway or tunnel.other_end or first
    if tunnel.ipv6 is not None:
        return tunnel.ipv6.ip, tunnel.ipv6.network.network_address + 1
    return None
