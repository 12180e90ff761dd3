"""Packets or frames: which layer a configuration is about, and whether all its words are about that one."""

from __future__ import annotations

from tvpn.config.draft import Draft


def fold_layer(made: Draft) -> None:
    """Which layer it is: what dev-type says, or the device's name."""
    tunnel = made.values["tunnel"]
    if not made.has("tunnel", "dev_type") and tunnel.get("dev", "").startswith("tap"):
        tunnel["dev_type"] = "tap"
    if tunnel.get("dev_type") == "tap":
        tunnel.setdefault("dev", "tap")
        if tunnel.get("topology", "subnet") != "subnet":
            made.warn(made.place("tunnel", "topology"), "has no effect on a tap device: all are in one network")
        tunnel["topology"] = "subnet"


def check_layer(made: Draft, role: str) -> None:
    """Raises ConfigError where a word belongs to the other layer, to the other role, or to a word that is missing."""
    tunnel, ethernet = made.values["tunnel"], made.values["ethernet"]
    name, is_tap = tunnel.get("dev", "tun"), tunnel.get("dev_type") == "tap"
    if not name.startswith(("tun", "tap")) and not made.has("tunnel", "dev_type"):
        given = made.place("tunnel", "dev")
        raise given.error(f"{name!r} begins neither with tun nor with tap; add dev-type tun or dev-type tap")
    words = [each for each in ethernet if made.has("ethernet", each)]
    if not is_tap:
        if words:
            raise made.place("ethernet", words[0]).error("is for tap devices; delete the line, or write dev = tap")
        if made.has("tunnel", "server") and tunnel["server"].prefixlen > 29:
            raise made.place("tunnel", "server").error("is a /30; write a network from /16 to /29")
        return
    if role == "server":
        _check_server(made)
    for word in words:
        if role == "client" and word not in ("bridge", "lladdr"):
            raise made.place("ethernet", word).error("is a server's word and this is a client; delete it")
        if word in ("vlan_accept", "vlan_pvid") and not ethernet.get("vlan_tagging"):
            raise made.place("ethernet", word).error("has no effect without vlan-tagging; add it or delete this line")


def _check_server(made: Draft) -> None:
    bridged = made.first_of("ethernet", "server_bridge")
    for word in ("server", "server_ipv6"):
        if bridged is not None and made.has("tunnel", word):
            raise made.place("tunnel", word).error("cannot stand beside server-bridge; keep one of the two")
    if made.has("ethernet", "bridge") and bridged is None:
        raise made.place("ethernet", "bridge").error(
            "puts the device into another network, and server gives it one of its own; write server-bridge instead"
        )
    if bridged is not None and made.values["tunnel"].get("nat", "no") != "no":
        raise made.place("tunnel", "nat").error("is for a network of its own; with server-bridge delete the line")
    routed = made.first_of("tunnel", "route", "route_ipv6")
    if routed is not None:
        raise routed.error("leads to no machine on an Ethernet; let the system route by one that is there")
