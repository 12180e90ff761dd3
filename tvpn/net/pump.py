"""The pump: one place where descriptors, plane, hub and the one timer meet.

After a stimulus it does the same each time: let the plane's events reach the hub, send what both want to send, tell the
service what happened, and set the timer anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol, cast

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tvpn.hub.event import HangUp, HubEvent
from tvpn.net.device import Device
from tvpn.net.link import Link
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Arrival, Endpoint, PlaneEvent, TunPacket
from tvpn.wire.header import DATA_FIRST_BYTES, FIRST_BYTES

RECOVERY = 1.0
"""Seconds until time is looked at again after an error of ours: one bad peer must not stop everybody's clock."""


class Hub(Protocol):
    """What both hubs have in common."""

    def receive(self, endpoint: Endpoint, datagram: bytes, now: float) -> bool: ...
    def observe(self, event: PlaneEvent, now: float) -> None: ...
    def transmit(self, now: float) -> list[tuple[Endpoint, bytes]]: ...
    def take_events(self) -> list[HubEvent]: ...
    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> None: ...


def link_of(endpoint: Endpoint) -> Link:
    """Below the line a link is only something to compare; up here it is ours."""
    return cast(Link, endpoint.link)


def _one_by_one(arrival: Arrival) -> list[Arrival]:
    """A buffer of several datagrams, taken apart."""
    address, local, segment, buffer = arrival
    return [(address, local, 0, buffer[at : at + segment]) for at in range(0, len(buffer), segment)]


class Pump:
    """Moves batches between the floors. ``tell`` hears every hub event."""

    _log = Logger()

    def __init__(
        self, plane: Userspace, hub: Hub, reactor: IReactorTime, now: Callable[[], float],
        tell: Callable[[HubEvent], None],
    ) -> None:  # fmt: skip
        self._plane = plane
        self._hub = hub
        self._reactor = reactor
        self._now = now
        self._tell = tell
        self._tun: Device | None = None
        self._timer: IDelayedCall | None = None

    def attach(self, tun: Device, addresses: Collection[IPv4Address | IPv6Address]) -> None:
        """The device that inward packets are written to, and its own addresses; without one they are dropped."""
        self._tun = tun
        # Packets for these are merged.
        self._plane.attach(frozenset(address.packed for address in addresses if tun.merges), tun.lladdr)

    def from_tun(self, batch: list[TunPacket]) -> None:
        now = self._now()
        self._plane.outward(batch, now)
        self._settle(now)

    def from_network(self, link: Link, batch: list[Arrival]) -> None:
        now = self._now()
        data: list[Arrival] = []
        control: list[Arrival] = []
        noise = 0
        for arrival in batch:
            if arrival[2] and not DATA_FIRST_BYTES.issuperset(arrival[3][:: arrival[2]]):
                # The kernel looks at sizes only when it puts datagrams together.
                self.from_network(link, _one_by_one(arrival))
                continue
            first_byte = arrival[3][0]
            if first_byte in DATA_FIRST_BYTES:
                data.append(arrival)
            elif first_byte in FIRST_BYTES:
                control.append(arrival)
            else:
                noise += 1
        if noise:
            self._plane.strays.drop("opcode-unknown", noise)
        if data:
            self._plane.inward(link, data, now)
        stirred = False
        for address, local, _, datagram in control:
            stirred = self._hub.receive(Endpoint(link, address, local), datagram, now) or stirred
        if stirred:
            self.flush(now)
        else:
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Data, and what leads nowhere, only make the plane's deadline later: the rest can sleep on."""
        if self._plane.eventful:
            self.flush(now)
        else:
            self._carry()

    def stir(self) -> None:
        """Whoever called the hub or the plane from above lets the consequences happen."""
        self.flush(self._now())

    def flush(self, now: float) -> None:
        """Everything that follows from a stimulus."""
        for event in self._plane.take_events():
            self._hub.observe(event, now)
        self._send(now)
        for told in self._hub.take_events():
            if isinstance(told, HangUp):
                link_of(told.endpoint).close()
            else:
                self._tell(told)
        self._set_timer(now)

    def _send(self, now: float) -> None:
        for endpoint, datagram in self._hub.transmit(now):
            link_of(endpoint).send(endpoint.address, endpoint.local, len(datagram), datagram)
        self._carry()

    def _carry(self) -> None:
        """Take what the plane has to where it goes."""
        packets, departures = self._plane.take()
        link: Any  # below the line only something to compare, up here a Link
        for (link, address, local), segment, buffer in departures:
            link.send(address, local, segment, buffer)
        if packets and self._tun is not None:
            self._tun.write(packets)
            # What this machine itself is asked it has answered by now: that saves going to sleep and being woken.
            self._tun.doRead()

    def _set_timer(self, now: float) -> None:
        deadlines = [at for at in (self._plane.deadline(), self._hub.deadline()) if at is not None]
        if not deadlines:
            return
        delay = max(min(deadlines) - now, 0)
        if self._timer is None or not self._timer.active():
            self._timer = self._reactor.callLater(delay, self._on_timer)
        else:
            self._timer.reset(delay)

    def _on_timer(self) -> None:
        try:
            self._tick(self._now())
        except Exception:
            self._log.failure("a timer's work failed")
            self._timer = self._reactor.callLater(RECOVERY, self._on_timer)

    def _tick(self, now: float) -> None:
        plane_due, hub_due = self._plane.deadline(), self._hub.deadline()
        if plane_due is not None and plane_due <= now:
            self._plane.tick(now)
        if hub_due is not None and hub_due <= now:
            self._hub.tick(now)
        self.flush(now)

    def stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
