"""A device is ours, and others may still lay hands on it: renamed, down or without its addresses it carries
nothing, and nobody would be told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.net.monitor import Monitor

IFF_UP = 0x1


class Warden:
    """Watches one device from ``start`` on. ``harmed`` hears once what has become of it."""

    _log = Logger()

    def __init__(
        self, reactor: Any, device: str, addresses: Collection[IPv4Interface | IPv6Interface],
        harmed: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._device = device
        self._addresses = frozenset(str(address.ip) for address in addresses)
        self._harmed = harmed
        self._monitor = Monitor(reactor, self._look)
        self._index = 0

    def start(self) -> None:
        """It is as it should be now."""
        with IPRoute() as ip:
            self._index = next(iter(ip.link_lookup(ifname=self._device)), 0)
        try:
            self._monitor.start()
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))

    def stop(self) -> None:
        self._monitor.stop()

    def _look(self) -> None:
        harm = self._harm()
        if harm is not None:
            self.stop()
            self._harmed(f"the device {self._device} {harm}")

    def _harm(self) -> str | None:
        with IPRoute() as ip:
            try:
                [link] = ip.get_links(self._index)
            except NetlinkError:
                return "was deleted"
            name = dict(link["attrs"])["IFLA_IFNAME"]
            if name != self._device:
                return f"was renamed to {name}"
            if not link["flags"] & IFF_UP:
                return "was taken down"
            present = {self._own(message) for message in ip.get_addr(index=self._index)}
        lost = self._addresses - present
        return f"has lost its address {', '.join(sorted(lost))}" if lost else None

    @staticmethod
    def _own(message: Any) -> str:
        attributes = dict(message["attrs"])
        return str(attributes.get("IFA_LOCAL", attributes.get("IFA_ADDRESS")))
