"""What a client is offered: the options of all clients, its own, and what belongs to its addresses (protocol:
push-and-options.md 1 and 7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tvpn.config import pushable
from tvpn.config.given import Given
from tvpn.hub.home import Home
from tvpn.hub.rules import ServerRules, Verdict
from tvpn.session.update import UPDATABLE

#: What clients could change, but the server keeps in tables of its own.
_FIXED = frozenset({"ifconfig", "ifconfig-ipv6", "topology", "tun-mtu", "keepalive"})


def options_for(rules: ServerRules, home: Home, verdict: Verdict, peer_info: Mapping[str, str]) -> list[str]:
    """The options to push, in stock's order; what the agreement adds comes behind them."""
    config = home.config
    push = [*config.change(_for_all(rules, home)), *verdict.push]
    if config.ifconfig_ipv6 is not None and not config.withholds("ifconfig-ipv6"):
        push.append(f"ifconfig-ipv6 {config.ifconfig_ipv6[0]} {config.ifconfig_ipv6[1]}")
    if config.ifconfig is not None and not config.withholds("ifconfig"):
        push.append(f"ifconfig {config.ifconfig[0]} {config.ifconfig[1]}")
    if "IV_MTU" in peer_info:
        push.append(f"tun-mtu {rules.tun_mtu}")
    return push


def read_changes(changes: Sequence[str]) -> list[str]:
    """Changes of a push, checked and in OpenVPN's text: ``option``, ``-word``, ``?option``; raises ValueError."""
    found = []
    for change in changes:
        mark = next(mark for mark in ("-?", "-", "?", "") if change.startswith(mark))
        text = change.removeprefix(mark)
        word = text.partition(" ")[0]
        if word not in UPDATABLE - _FIXED:
            raise ValueError(f"{word!r} cannot change while a client is connected; hub.disconnect lets it come back")
        if not mark.startswith("-"):
            text = pushable.line(Given("push", (text,), Path(), 0))
        elif word != text:
            raise ValueError(f"{change!r} takes all of {word} away; write {mark}{word} alone")
        found.append(mark + text)
    return found


def _for_all(rules: ServerRules, home: Home) -> list[str]:
    """The list that a client's own file may change."""
    has_ipv6 = home.config.ifconfig_ipv6 is not None
    push: list[str] = []
    if rules.gateway is not None:
        push.append(f"route-gateway {rules.gateway}")
    elif rules.ipv4 is not None and rules.topology == "subnet":
        push.append(f"route-gateway {rules.ipv4.network_address + 1}")
    if rules.ipv4 is not None and rules.topology != "subnet" and rules.plane.client_to_client:
        push.append(f"route {rules.ipv4.network_address} {rules.ipv4.netmask}")
    elif rules.ipv4 is not None and rules.topology == "net30":
        push.append(f"route {rules.ipv4.network_address + 1}")
    if home.config.ifconfig is not None and not rules.is_tap:
        push.append(f"topology {rules.topology}")
    if has_ipv6:
        push.append("tun-ipv6")
    return [*push, *(option for option in rules.push if has_ipv6 or not option.startswith("route-ipv6 "))]
