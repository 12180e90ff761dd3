"""Where the tunnel of ``tvpn exec`` comes out: a namespace with one program in it. The machine is never touched.

All that the program sends goes into the tunnel, whatever routes the server pushes; while there is no tunnel, it goes
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.paths import Address as Host
from tvpn.hub.pushed import LARGEST_MTU, Tunnel
from tvpn.net.enclosed import EnclosedProgram
from tvpn.net.namespace import DEVICE, PACKET, Inner
from tvpn.net.packet import PacketDevice
from tvpn.net.tun import TunDevice
from tvpn.plane.verbs import Address
from tvpn.service.attachment import Deliver, Vanished
from tvpn.service.resolvconf import RESOLV_CONF, name_servers, plain_servers

#: Where systemd-resolved says whom it asks itself.
UPSTREAM = Path("/run/systemd/resolve/resolv.conf")
NO_NAMES = (
    "neither the server nor this machine names a DNS server that could be asked through the tunnel: the program cannot "
    "look up names"
)


class Enclosure:
    """An Attachment. ``device``: kind and descriptor, as the program's keeper handed them out; ``complain`` is told
    sentences for the person who started the program; ``machine``: where the machine's own name servers stand.
    """

    _log = Logger()
    device = ""

    def __init__(
        self, reactor: Any, program: EnclosedProgram, device: tuple[str, int], mtu: int,
        complain: Callable[[str], None], machine: tuple[Path, ...] = (RESOLV_CONF, UPSTREAM),
    ) -> None:  # fmt: skip
        self.tun: TunDevice | None = None
        self._reactor = reactor
        self._program = program
        self._kind, self._descriptor = device
        self._mtu = mtu
        self._complain = complain
        self._machine = machine
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
        # Where IPv6 is to be blocked there is none: nothing has to be refused.
        ipv6 = None if tunnel.blocks_ipv6 else tunnel.ipv6
        addresses = tuple(address for address in (tunnel.ipv4, ipv6) if address is not None)
        if not addresses:
            raise TvpnError("the server gave no address, so there is no way into the tunnel; ask whoever runs it")
        versions = {address.version for address in addresses}
        # Those of the machine are asked through the tunnel, too: there is no other way.
        known = plain_servers(tunnel.names) if tunnel.names.servers else self._machine_servers()
        servers = tuple(str(server) for server in known if server.version in versions)
        if not servers and self._inner is None:
            self._complain(NO_NAMES)
        return Inner(addresses, tunnel.mtu or self._mtu, tunnel.other_end, servers, tunnel.names.search)

    def _machine_servers(self) -> list[Host]:
        return next((found for path in self._machine if (found := name_servers(path))), [])

    def prepare(self) -> None:
        """Nothing was left behind."""

    def routes_changed(self, server: Address) -> None:
        """The server is reached by the machine's own routes, which are no concern of the namespace."""

    def lose(self) -> None:
        """All stays as it is: what is sent meanwhile is lost."""

    def release(self) -> None:
        """Names of servers are looked up outside, in the open, anyway."""

    def close(self) -> None:
        if self.tun is not None:
            self.tun.close()
            self.tun = None
