"""Layer 2: the words of tap devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from tvpn.config import value
from tvpn.config.given import Given
from tvpn.config.option import option
from tvpn.wire.ethernet import LAST_VLAN

Accept = Literal["all", "tagged", "untagged"]
ACCEPT: Callable[[Given], Accept] = value.one_of("all", "tagged", "untagged")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_EXAMPLE = "192.168.4.1 255.255.255.0 192.168.4.200 192.168.4.220"


@dataclass(frozen=True, slots=True)
class ServerBridge:
    """Addresses of a network that is there already: those we give to clients, and its gateway. Without a network the
    clients ask the DHCP server there; ``tells`` whether they are told that their gateway comes from it.
    """

    gateway: IPv4Address | None = None
    network: IPv4Network | None = None
    first: IPv4Address | None = None
    last: IPv4Address | None = None
    tells: bool = True


def server_bridge(given: Given) -> ServerBridge:
    """``GATEWAY MASK FIRST LAST``, ``nogw`` or nothing (in an ini file: dhcp)."""
    if given.arguments in ((), ("dhcp",), ("nogw",)):
        return ServerBridge(tells=given.arguments != ("nogw",))
    if len(given.arguments) != 4:
        raise ValueError(f"takes a gateway, a netmask and two addresses; write for example: {_EXAMPLE}")
    try:
        gateway, mask, first, last = (IPv4Address(text) for text in given.arguments)
        network = IPv4Network((gateway, str(mask)), strict=False)
    except ValueError as error:
        raise ValueError(f"does not read so ({error}); write for example: {_EXAMPLE}") from None
    if network.netmask != mask or not 8 <= network.prefixlen <= 30:
        raise ValueError(f"cannot have the netmask {mask}; write for example: {_EXAMPLE}")
    for end in (first, last):
        if end not in network or end in (network.network_address, network.broadcast_address):
            raise ValueError(f"gives {end}, which is no host's address in {network}; write two of that network")
    if first > last or int(last) - int(first) >= 65536:
        raise ValueError(f"gives no addresses from {first} to {last}; write the lower one first, at most 65536 in all")
    if first <= gateway <= last:
        raise ValueError(f"would give the gateway's own address {gateway} away; leave it out of {first} to {last}")
    return ServerBridge(gateway, network, first, last)


def hardware_address(given: Given) -> bytes:
    """``02:00:00:00:00:01``, of one station."""
    text = value.single(given)
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError(f"cannot be {text!r}; write six bytes, for example 02:00:00:00:00:01")
    address = bytes.fromhex(text.replace(":", ""))
    if address[0] & 1 or not any(address):
        raise ValueError(f"cannot be {text}, which is no station's address; let the first byte be 02")
    return address


def bridge_name(given: Given) -> str:
    name = value.single(given)
    if _NAME.fullmatch(name) is None or name in (".", ".."):
        raise ValueError(f"cannot be {name!r}; write the name of a bridge of this machine, for example br0")
    return name


VLAN = value.number(1, LAST_VLAN)


@dataclass(frozen=True)
class Ethernet:
    """Layer 2 (dev tap): frames of any kind instead of IP packets."""

    server_bridge: ServerBridge | None = option(
        server_bridge, None, "serve in a network that is there: GATEWAY MASK FIRST LAST, or dhcp, or nogw"
    )
    bridge: str | None = option(bridge_name, None, "bridge of this machine that the tap device joins at the start")
    lladdr: bytes | None = option(hardware_address, None, "hardware address of the tap device; else a random one")
    guard: bool = option(
        value.flag, True, "let no client pose as a router, a DHCP server or a bridge; no lets them"
    )
    vlan_tagging: bool = option(value.flag, False, "tell VLANs apart; clients never see the tags")
    vlan_accept: Accept = option(ACCEPT, "all", "frames of the tap device that are taken: all, tagged or untagged")
    vlan_pvid: int = option(VLAN, 1, "VLAN of what has no tag, and of clients whose files say nothing else")
