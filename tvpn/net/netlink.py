"""Addresses and routes by netlink (pyroute2), before the reactor runs or in short calls; never a shell."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST, ENODEV
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from socket import AF_INET, AF_INET6
from types import TracebackType
from typing import Any, NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tvpn.errors import TvpnError
from tvpn.hub.paths import Address, Entry, Hop
from tvpn.hub.redirect import Network

PROTOCOL = 119
"""Who made a route (``ip route show proto 119``): we take back none that was made by another."""
IFF_UP = 0x1
MAIN_TABLE, RT_SCOPE_LINK, RTN_UNICAST = 254, 253, 1
RTM_F_FIB_MATCH = 0x2000
RTNH_F_ONLINK, DEAD = 0x04, 0x01 | 0x10
#: (RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE): in front of others of the same network and metric.
PREPEND = (24, 0x405)
DEFAULT_V4, DEFAULT_V6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")


class Link(NamedTuple):
    """What others may change of a device."""

    name: str
    is_up: bool
    addresses: list[Address]


class Netlink:
    """One netlink socket; a context manager. Every failure is a TvpnError that names what was tried."""

    def __init__(self) -> None:
        with trying("speak to the kernel about its network"):
            self._ip = IPRoute()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ip.close()

    def set_up(
        self, device: str, mtu: int, *addresses: IPv4Interface | IPv6Interface | None,
        other_end: IPv4Address | None = None,
    ) -> None:  # fmt: skip
        """Give a device its addresses and MTU and bring it up; ``other_end`` is the pair of its IPv4 address."""
        index = self.index(device)
        for address in addresses:
            if address is not None:
                self._try(f"give {device} the address {address}", self._add_address, index, address, other_end)
        self._try(f"bring {device} up", self._ip.link, "set", index=index, mtu=mtu, state="up")

    def join(self, device: str, bridge: str) -> None:
        """Let a device be a port of a bridge that is there."""
        found = self._lookup(bridge)
        if found is None or self._kind(found) != "bridge":
            raise TvpnError(f"there is no bridge {bridge}; make it with: ip link add {bridge} up type bridge")
        index = self.index(device)
        self._try(f"let {device} join the bridge {bridge}", self._ip.link, "set", index=index, master=found)

    def lladdr(self, device: str) -> bytes:
        """The hardware address of a device that has one."""
        return bytes.fromhex(str(self._attributes(self.index(device))["IFLA_ADDRESS"]).replace(":", ""))

    def addresses(self, device: str) -> list[Address]:
        """All its IP addresses."""
        return self._addresses(self.index(device))

    def link(self, index: int) -> Link | None:
        """The device of this number as it is now, None where there is none any more."""
        with trying("look at a device"):
            try:
                [message] = self._ip.get_links(index)
            except NetlinkError as error:
                if error.code == ENODEV:
                    return None
                raise
        return Link(dict(message["attrs"])["IFLA_IFNAME"], bool(message["flags"] & IFF_UP), self._addresses(index))

    def _addresses(self, index: int) -> list[Address]:
        found = (dict(message["attrs"]) for message in self._address_messages(index))
        return [ip_address(str(attributes.get("IFA_LOCAL", attributes["IFA_ADDRESS"]))) for attributes in found]

    def _address_messages(self, index: int) -> list[Any]:
        with trying("read the addresses of a device"):
            return [*self._ip.get_addr(index=index)]

    def _attributes(self, index: int) -> dict[str, Any]:
        with trying("look at a device"):
            [message] = self._ip.get_links(index)
            return dict(message["attrs"])

    def _lookup(self, device: str) -> int | None:
        with trying(f"look for the device {device}"):
            return next(iter(self._ip.link_lookup(ifname=device)), None)

    def _kind(self, index: int) -> str | None:
        """What kind of virtual device it is, None for another."""
        information = self._attributes(index).get("IFLA_LINKINFO")
        return None if information is None else dict(information["attrs"]).get("IFLA_INFO_KIND")

    def clear(self, device: str) -> None:
        """Take all of its addresses from a device, and the default routes into it."""
        index = self.index(device)
        for message in self._address_messages(index):
            own = {name: value for name, value in message["attrs"] if name in ("IFA_ADDRESS", "IFA_LOCAL")}
            words = {name.removeprefix("IFA_").lower(): value for name, value in own.items()}
            with trying(f"take an address from {device}"), suppress(NetlinkError):
                self._ip.addr("del", index=index, prefixlen=message["prefixlen"], **words)
        for network in (DEFAULT_V4, DEFAULT_V6):
            with trying(f"take the route {network} to {device} back"), suppress(NetlinkError):
                self._ip.route("del", dst=str(network), oif=index)

    def add_route(self, network: Network, device: str) -> None:
        """A route into a device; one that is there already is no error."""
        index = self.index(device)
        self._try(f"route {network} to {device}", self._ip.route, "add", dst=str(network), oif=index)

    def add(self, entry: Entry, beside: bool = False) -> bool:
        """One entry of the main table, marked as ours; False where there is one already, unless it may stand ``beside``
        that. A default route without a metric stands in front of the one there is, which counts again when ours is
        gone, whatever ended it.
        """
        words = _words(entry)
        hop = entry.hop
        words |= {"type": "unicast"} | ({"flags": RTNH_F_ONLINK} if hop.onlink else {})
        words |= {} if hop.source is None else {"prefsrc": str(hop.source)}
        in_front = beside or (entry.network == DEFAULT_V4 and entry.metric is None)
        return self._try(f"route {entry.network}", self._ip.route, PREPEND if in_front else "add", **words)

    def remove(self, entry: Entry) -> None:
        """Take an entry of ours back; gone already is no error, and one that somebody else made stays."""
        with trying(f"take the route {entry.network} back"), suppress(NetlinkError):
            self._ip.route("del", **_words(entry))

    def way(self, host: Address, device: int | None = None, own: Collection[Entry] = ()) -> tuple[Hop, int] | None:
        """How a host is reached without this device and these entries: the hop, and the bits of the route that leads
        there; None if it is not.
        """
        found = self._asked(host)
        if found is None or device is None:
            return found
        hop, bits = found
        ours = any(entry.network.prefixlen == bits and host in entry.network for entry in own)
        if hop.device != device and not ours:
            return found
        there = IPv4Network(host) if isinstance(host, IPv4Address) else IPv6Network(host)
        return max(self._table(there, device, own), key=lambda each: each[1], default=None)

    def gateway(self, version: int, device: int | None = None, own: Collection[Entry] = ()) -> Hop | None:
        """The default way of IPv4 or IPv6 without this device and these entries."""
        everywhere = DEFAULT_V4 if version == 4 else DEFAULT_V6
        return next((hop for hop, _ in self._table(everywhere, device, own)), None)

    def lans(self, device: int) -> list[Network]:
        """The networks of a link's own addresses, link-local ones left out."""
        networks = []
        for message in self._address_messages(device):
            attributes = dict(message["attrs"])
            network = ip_interface(f"{attributes['IFA_ADDRESS']}/{message['prefixlen']}").network
            networks += [] if network.is_link_local else [network]
        return [*dict.fromkeys(networks)]

    def _asked(self, host: Address) -> tuple[Hop, int] | None:
        """The kernel's own answer, which knows all its rules and tables."""
        with trying(f"find the way to {host}"):
            try:
                [message, *_] = self._ip.route("get", dst=str(host), flags=RTM_F_FIB_MATCH)
            except (NetlinkError, ValueError):
                return None
        return _hop(message), int(message["dst_len"])

    def _table(
        self, target: Network, device: int | None, own: Collection[Entry]
    ) -> Iterator[tuple[Hop, int]]:
        """(hop, bits) of the main table's routes that cover this, those of the smallest metric first."""
        family = AF_INET if target.version == 4 else AF_INET6
        found = []
        with trying("read the table of routes"):
            messages = [*self._ip.get_routes(family=family, table=MAIN_TABLE)]
        for message in messages:
            attributes = dict(message["attrs"])
            bits = message["dst_len"]
            everywhere = DEFAULT_V4 if target.version == 4 else DEFAULT_V6
            network = ip_network(f"{attributes.get('RTA_DST', everywhere.network_address)}/{bits}")
            hop = _hop(message)
            usable = message["type"] == RTN_UNICAST and not message["flags"] & DEAD and hop.device is not None
            if not usable or hop.device == device or not covers(network, target):
                continue
            metric = attributes.get("RTA_PRIORITY", 0)
            if not any(each.network == network and each.hop.gateway == hop.gateway
                       and each.hop.device in (None, hop.device) for each in own):  # fmt: skip
                found.append((metric, hop, bits))
        return ((hop, bits) for _, hop, bits in sorted(found, key=lambda each: each[0]))

    def index(self, device: str) -> int:
        """The number of a device; raises TvpnError where there is none."""
        found = self._lookup(device)
        if found is None:
            raise TvpnError(f"there is no device {device}")
        return found

    def has(self, device: str) -> bool:
        return self._lookup(device) is not None

    def _add_address(
        self, index: int, address: IPv4Interface | IPv6Interface, other_end: IPv4Address | None
    ) -> None:
        # IFA_F_NODAD: nobody else can have an address on a point-to-point device, and waiting would lose packets.
        more: dict[str, Any] = {"flags": 0x02} if isinstance(address, IPv6Interface) else {}
        whole = str(address.ip)
        if isinstance(address, IPv4Interface) and other_end is not None:
            more, whole = {"local": whole}, str(other_end)
        self._ip.addr("add", index=index, address=whole, prefixlen=address.network.prefixlen, **more)

    def _try(self, what: str, call: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether there was something to do."""
        with trying(what):
            try:
                call(*args, **kwargs)
            except NetlinkError as error:
                if error.code == EEXIST:
                    return False
                raise
        return True


@contextmanager
def trying(what: str) -> Iterator[None]:
    """Whatever the kernel refuses here, or has no room for, is a TvpnError."""
    try:
        yield
    except (NetlinkError, OSError) as error:
        raise TvpnError(f"cannot {what}: {error.args[-1]}") from None


def covers(network: Network, other: Network) -> bool:
    """Whether all of the other, of the same family, lies in the network."""
    return network.prefixlen <= other.prefixlen and other.network_address in network


def _words(entry: Entry) -> dict[str, Any]:
    """What identifies an entry, in netlink's words."""
    hop = entry.hop
    words: dict[str, Any] = {"dst": str(entry.network), "proto": PROTOCOL, "table": MAIN_TABLE}
    words |= {} if hop.device is None else {"oif": hop.device}
    words |= {} if hop.gateway is None else {"gateway": str(hop.gateway)}
    words |= {} if entry.metric is None else {"priority": entry.metric}
    words |= {"scope": RT_SCOPE_LINK} if hop.gateway is None and entry.network.version == 4 else {}
    return words


def _hop(message: Any) -> Hop:
    """The hop of a route message; of several the first."""
    attributes = dict(message["attrs"])
    onlink = bool(message["flags"] & RTNH_F_ONLINK)
    several = attributes.get("RTA_MULTIPATH")
    if several:
        attributes |= dict(several[0]["attrs"]) | {"RTA_OIF": several[0]["oif"]}
    gateway, source = attributes.get("RTA_GATEWAY"), attributes.get("RTA_PREFSRC")
    return Hop(
        attributes.get("RTA_OIF"), gateway and ip_address(gateway), source and ip_address(source), onlink
    )
