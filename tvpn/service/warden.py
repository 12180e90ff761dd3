"""A device is ours, and others may still lay hands on it: renamed, down or without its addresses it carries
nothing, and nobody would be told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.net.monitor import Monitor
from tvpn.net.netlink import Netlink


class Warden:
    """Watches one device from ``start`` on. ``harmed`` hears once what has become of it."""

    _log = Logger()

    def __init__(
        self, reactor: Any, device: str, addresses: Collection[IPv4Interface | IPv6Interface],
        harmed: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._device = device
        self._addresses = frozenset(address.ip for address in addresses)
        self._harmed = harmed
        self._monitor = Monitor(reactor, self._look)
        self._index = 0

    def start(self) -> None:
        """It is as it should be now. Raises TvpnError."""
        with Netlink() as netlink:
            self._index = netlink.index(self._device)
        try:
            self._monitor.start()
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))

    def stop(self) -> None:
        self._monitor.stop()

    def _look(self) -> None:
        try:
            harm = self._harm()
        except TvpnError as error:
            # Nothing is known now; the next news lead to another look.
            self._log.warn("{error}", error=str(error))
            return
        if harm is not None:
            self.stop()
            self._harmed(f"the device {self._device} {harm}")

    def _harm(self) -> str | None:
        with Netlink() as netlink:
            link = netlink.link(self._index)
        if link is None:
            return "was deleted"
        if link.name != self._device:
            return f"was renamed to {link.name}"
        if not link.is_up:
            return "was taken down"
        lost = self._addresses - frozenset(link.addresses)
        return f"has lost its address {', '.join(sorted(map(str, lost)))}" if lost else None
