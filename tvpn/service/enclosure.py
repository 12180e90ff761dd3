"""Where the tunnel of ``tvpn exec`` comes out: a namespace with one program in it. The machine is never touched.

All that the program sends goes into the tunnel, whatever routes the server pushes; while there is no tunnel, it goes
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.pushed import LARGEST_MTU, Tunnel
from tvpn.net.enclosed import EnclosedProgram
from tvpn.net.names import machine_servers
from tvpn.net.namespace import DEVICE, PACKET, Inner
from tvpn.net.packet import PacketDevice
from tvpn.net.tun import TunDevice
from tvpn.plane.verbs import Address
from tvpn.service.attachment import Deliver, Vanished

NO_NAMES = (
    "the server names no DNS servers, and this machine has none that could be asked through the tunnel: the program "
    "cannot look up names"
)


class Enclosure:
    """An Attachment. ``device``: kind and descriptor, as the program's keeper handed them out; ``complain`` is told
    sentences for the person who started the program.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, program: EnclosedProgram, device: tuple[str, int], mtu: int,
        complain: Callable[[str], None],
        find_servers: Callable[[], Sequence[str]] = machine_servers,
    ) -> None:  # fmt: skip
        self.tun: TunDevice | None = None
        self._reactor = reactor
        self._program = program
        self._kind, self._descriptor = device
        self._mtu = mtu
        self._complain = complain
        self._find_servers = find_servers
        self._inner: Inner | None = None

    def open(self, tunnel: Tunnel, server: Address, deliver: Deliver, vanished: Vanished) -> TunDevice:
        """The same device from first to last; the program begins with the first call, later ones only change what is
        different.
        """
        inner = self._plan(tunnel)
        if inner != self._inner:
            self._program.arrange(inner)
            self._inner = inner
            addresses = ", ".join(str(address) for address in inner.addresses)
            self._log.info("connected: device {device} with {addresses}", device=DEVICE, addresses=addresses)
        if self.tun is None:
            kind = PacketDevice if self._kind == PACKET else TunDevice
            most = max(self._mtu, LARGEST_MTU)
            self.tun = kind(self._descriptor, DEVICE, most, self._reactor, deliver, vanished)
            self.tun.start()
            self._program.begin()
        return self.tun

    def _plan(self, tunnel: Tunnel) -> Inner:
        addresses = tuple(address for address in (tunnel.ipv4, tunnel.ipv6) if address is not None)
        if not addresses:
            raise TvpnError("the server gave no address, so there is no way into the tunnel; ask whoever runs it")
        versions = {address.version for address in addresses}
        servers = tuple(each for each in self._find_servers() if ip_address(each).version in versions)
        if not servers and self._inner is None:
            self._complain(NO_NAMES)
        return Inner(addresses, tunnel.mtu or self._mtu, tunnel.other_end, servers)

    def lose(self) -> None:
        """All stays as it is: what is sent meanwhile is lost."""

    def close(self) -> None:
        if self.tun is not None:
            self.tun.close()
            self.tun = None
