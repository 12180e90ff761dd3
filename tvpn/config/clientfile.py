"""A file of ``client-config-dir``: what one client gets beside what all get (protocol: push-and-options.md 7).

It stands in OpenVPN's syntax, one option a line. Whatever does not belong in it is refused, with file, line and word:
half a file would give somebody addresses or routes that nobody meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Literal

from tvpn.config import address, openvpn, pushable, value
from tvpn.config.ethernet import VLAN
from tvpn.config.given import Content, Given
from tvpn.config.kind import Topology

Network = IPv4Network | IPv6Network
#: Never behind a client: this network, loopback, link-local, multicast, reserved.
_NOWHERE = tuple(
    (IPv6Network if ":" in text else IPv4Network)(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8")
)


@dataclass(frozen=True, slots=True)
class PushStep:
    """One change to the options a client is pushed."""

    word: Literal["push", "push-remove", "push-reset"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Fixed addresses as they are pushed (local and netmask or other end; local with length and gateway), the networks
    behind the client, and changes to its push list in the order of the file.
    """

    ifconfig: tuple[IPv4Address, IPv4Address] | None = None
    ifconfig_ipv6: tuple[IPv6Interface, IPv6Address] | None = None
    iroutes: tuple[Network, ...] = ()
    steps: tuple[PushStep, ...] = ()
    disabled: bool = False
    vlan_pvid: int = 0
    """0 is the server's own."""

    @property
    def hosts(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """The client's own addresses."""
        ipv4 = () if self.ifconfig is None else (self.ifconfig[0],)
        return (*ipv4, *(() if self.ifconfig_ipv6 is None else (self.ifconfig_ipv6[0].ip,)))

    @property
    def networks(self) -> tuple[Network, ...]:
        """All that is this client's: its own addresses and the networks behind it."""
        own = (IPv4Network(host) if isinstance(host, IPv4Address) else IPv6Network(host) for host in self.hosts)
        return (*own, *self.iroutes)

    def change(self, options: Iterable[str]) -> list[str]:
        """The push list of all clients as it is for this one; a route to where the client is itself is left out."""
        changed = [*options]
        for step in self.steps:
            if step.word == "push":
                changed.append(step.text)
            else:
                # The start of the text counts, as in OpenVPN: `route` takes route-gateway away, too.
                removed = step.text if step.word == "push-remove" else ""
                changed = [option for option in changed if not option.startswith(removed)]
        return [option for option in changed if not self._leads_to_itself(option)]

    def withholds(self, word: Literal["ifconfig", "ifconfig-ipv6"]) -> bool:
        """Whether the address is not told to the client: ``push-remove`` with exactly this word."""
        return PushStep("push-remove", word) in self.steps

    def _leads_to_itself(self, option: str) -> bool:
        name, *rest = option.split()
        read = {"route": address.route, "route-ipv6": address.route_ipv6}.get(name)
        if read is None:
            return False
        try:
            return read(Given(name, tuple(rest), Path(), 0)).network in self.iroutes
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Addressing:
    """The server's networks inside the tunnel, of which the first address is its own, and how addresses are pushed."""

    ipv4: IPv4Network | None
    ipv6: IPv6Network | None
    topology: Topology = "subnet"
    own: IPv4Address | None = None
    """The address that no client may have, where it is not the first one: a gateway in the clients' network."""
    is_tap: bool = False
    has_vlans: bool = False

    def check_host(self, host: IPv4Address | IPv6Address) -> None:
        """Raises ValueError unless a client may have this address."""
        if any(host in forbidden for forbidden in _NOWHERE):
            raise ValueError(f"cannot be {host}, which is no host's address; write one of the tunnel's network")
        own = self.ipv4 if host.version == 4 else self.ipv6
        if own is None or host not in own:
            return
        if host == (own.network_address + 1 if self.own is None or host.version == 6 else self.own):
            raise ValueError(f"cannot be {host}, which is the server's own address; write another")
        if host in (own.network_address, own.broadcast_address) and host.version == 4:
            raise ValueError(f"cannot be {host}, which is no host's address in {own}; write another")

    def check_behind(self, network: Network) -> None:
        """Raises ValueError unless this network may lie behind a client."""
        for forbidden in _NOWHERE:
            if overlap(network, forbidden):
                raise ValueError(f"{network} overlaps {forbidden}, which lies behind nobody; write a smaller network")
        for own in (self.ipv4, self.ipv6):
            if own is not None and overlap(network, own):
                raise ValueError(f"{network} overlaps the clients' network {own}; write a network behind the client")


def overlap(network: Network, other: Network) -> bool:
    """Whether two networks of any families have an address in common."""
    return network.version == other.version and network.overlaps(other)


Reader = Callable[[ClientConfig, Given, Addressing], ClientConfig]


def parse(text: str, file: Path, addressing: Addressing) -> ClientConfig:
    """What a client's file says; raises ConfigError with file, line and word for whatever does not belong in it."""
    config = ClientConfig()
    for given in openvpn.read(text.removeprefix("\ufeff"), file, _read_nothing):
        reader = _READERS.get(given.word)
        if reader is None or given.inline is not None:
            raise given.error(f"cannot stand in a client's file; the words there are {', '.join(_READERS)}")
        try:
            config = reader(config, given, addressing)
        except ValueError as error:
            raise given.error(str(error)) from None
    return config


def _read_nothing(path: Path) -> Content:
    raise ValueError(f"cannot name the file {path} here; write the option itself")


def _push(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    line = pushable.line(given)
    pushable.check_topology(line, addressing.topology)
    return replace(config, steps=(*config.steps, PushStep("push", line)))


def _push_remove(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    return replace(config, steps=(*config.steps, PushStep("push-remove", value.text(given))))


def _push_reset(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    _alone(given)
    return replace(config, steps=(*config.steps, PushStep("push-reset")))


def _disable(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    _alone(given)
    return replace(config, disabled=True)


def _alone(given: Given) -> None:
    if given.arguments:
        raise ValueError(f"stands alone; remove {given.arguments[0]!r}")


def _ifconfig_push(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    subnet = addressing.topology == "subnet"
    second, example = ("a netmask", "255.255.255.0") if subnet else ("the other end's address", "10.87.0.49")
    if config.ifconfig is not None:
        raise ValueError("is given twice; delete one of the two")
    try:
        local, other = (IPv4Address(text) for text in given.arguments)
    except ValueError:
        raise ValueError(f"takes an address and {second}; write for example: 10.87.0.50 {example}") from None
    addressing.check_host(local)
    if subnet:
        _check_mask(local, other)
    elif other == local or other.packed[0] == 255:
        raise ValueError(f"needs {second} behind {local}, as topology is {addressing.topology}; {other} cannot be that")
    return replace(config, ifconfig=(local, other))


def _check_mask(local: IPv4Address, mask: IPv4Address) -> None:
    """Raises ValueError unless this is the mask of a network in which the address is a host's."""
    try:
        network = IPv4Network((local, str(mask)), strict=False)
    except ValueError:
        network = None
    if network is None or network.netmask != mask:
        raise ValueError(f"cannot have the netmask {mask}; write one such as 255.255.255.0 (topology is subnet)")
    if network.num_addresses > 2 and local in (network.network_address, network.broadcast_address):
        raise ValueError(f"cannot be {local}, which is no host's address in {network}; write another")


def _ifconfig_ipv6_push(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    example = "write for example: fd00:87::50/64"
    if config.ifconfig_ipv6 is not None:
        raise ValueError("is given twice; delete one of the two")
    if len(given.arguments) not in (1, 2) or "/" not in given.arguments[0]:
        raise ValueError(f"takes an address with its length and a gateway; {example}")
    try:
        local = IPv6Interface(given.arguments[0])
        gateway = None if len(given.arguments) == 1 else IPv6Address(given.arguments[1])
    except ValueError:
        raise ValueError(f"does not read {' '.join(given.arguments)!r}; {example}") from None
    if not 64 <= local.network.prefixlen <= 124:
        raise ValueError(f"has the length {local.network.prefixlen}; write one from 64 to 124")
    if gateway is None and addressing.ipv6 is None:
        raise ValueError("needs a gateway behind the address, since the server has no server-ipv6; add one")
    addressing.check_host(local.ip)
    if gateway is None and addressing.ipv6 is not None:
        gateway = addressing.ipv6.network_address + 1
    return config if gateway is None else replace(config, ifconfig_ipv6=(local, gateway))


def _iroute(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    if len(given.arguments) not in (1, 2):
        raise ValueError("takes a network; write for example: 192.168.7.0 255.255.255.0")
    text = "/".join(given.arguments)
    return _behind(config, address.ipv4_network(text if "/" in text else f"{text}/32"), addressing)


def _iroute_ipv6(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    return _behind(config, address.ipv6_network(value.single(given)), addressing)


def _behind(config: ClientConfig, network: Network, addressing: Addressing) -> ClientConfig:
    if addressing.is_tap:
        raise ValueError("has no effect on a tap device, where whoever is behind a client is heard; delete the line")
    addressing.check_behind(network)
    return replace(config, iroutes=(*config.iroutes, network))


def _vlan_pvid(config: ClientConfig, given: Given, addressing: Addressing) -> ClientConfig:
    if not addressing.has_vlans:
        raise ValueError("has no effect without the server's vlan-tagging; add it there or delete this line")
    return replace(config, vlan_pvid=VLAN(given))


_READERS: dict[str, Reader] = {
    "ifconfig-push": _ifconfig_push,
    "ifconfig-ipv6-push": _ifconfig_ipv6_push,
    "iroute": _iroute,
    "iroute-ipv6": _iroute_ipv6,
    "push": _push,
    "push-remove": _push_remove,
    "push-reset": _push_reset,
    "disable": _disable,
    "vlan-pvid": _vlan_pvid,
}
