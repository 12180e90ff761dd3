"""The routes of one tunnel in the kernel: what the plan asks for is made, what it no longer asks for is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.paths import Address, Entry, Surroundings, plan, unreachable
from tvpn.hub.pushed import Tunnel
from tvpn.hub.redirect import Way
from tvpn.net.netlink import Netlink
from tvpn.service.journal import Journal

IPV6_OFF = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")


def ipv6_is_off() -> bool:
    """Whether this machine speaks no IPv6: then nothing can leave by it, and there is nothing to route."""
    try:
        return IPV6_OFF.read_text().strip() != "0"
    except OSError:
        return True


class RoutingTable:
    """Our entries. Those into the device vanish with it; the others are in the journal before they are made."""

    _log = Logger()

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: dict[Entry, None] = {}
        self._device = ""
        self._index = 0

    def lay(self, netlink: Netlink, tunnel: Tunnel, device: str, server: Address, own: Sequence[Address]) -> None:
        """What this tunnel needs, as things are now; ``own``: the machine's own name servers. Raises TvpnError."""
        former, self._device, self._index = self._index, device, netlink.index(device)
        around = self._look(netlink, tunnel, server, own)
        for route in unreachable(tunnel, around):
            self._log.warn("cannot route {network} past the tunnel: there is no default gateway", network=route.network)
        wanted = plan(tunnel, self._index, around)
        if ipv6_is_off():
            wanted = [entry for entry in wanted if entry.network.version == 4]
        self._note([*self._entries, *wanted])
        places = {(entry.network, entry.metric) for entry in wanted}
        obsolete = self._entries.keys() - wanted
        # One at the same place would be in the way; the others go when what takes over from them is there, and so do
        # those into a former device, lest a packet leaves in the open.
        yielding = {entry for entry in obsolete if entry.hop.device == former != self._index}
        in_the_way = [entry for entry in obsolete - yielding if (entry.network, entry.metric) in places]
        self._remove(netlink, in_the_way)
        shared = {(entry.network, entry.metric) for entry in yielding}
        for entry in wanted:
            self._add(netlink, entry, beside=(entry.network, entry.metric) in shared)
        self._remove(netlink, obsolete)
        self._note(self._entries)

    def _look(self, netlink: Netlink, tunnel: Tunnel, server: Address, own: Sequence[Address]) -> Surroundings:
        lasting = [entry for entry in self._entries if entry.hop.device != self._index]
        flags = frozenset[str]() if tunnel.redirect is None else tunnel.redirect.flags
        bypassed = own if "bypass-dns" in flags else ()
        ways = {host: way for host in (server, *bypassed) if (way := netlink.way(host, self._index, lasting))}
        # Looking through the whole table may take its time: only for those who want to know.
        asked = (4, 6) if "block-local" in flags or any(route.by is Way.PAST for route in tunnel.routes) else ()
        hops = {version: netlink.gateway(version, self._index, lasting) for version in asked}
        gateways = {version: hop for version, hop in hops.items() if hop is not None}
        devices = {version: hop.device for version, hop in gateways.items() if hop.device is not None}
        lans = [lan for version, device in devices.items() for lan in netlink.lans(device) if lan.version == version]
        return Surroundings(server, ways, gateways, lans, bypassed)

    def _remove(self, netlink: Netlink, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry in self._entries:
                netlink.remove(entry)
                del self._entries[entry]

    def _add(self, netlink: Netlink, entry: Entry, beside: bool) -> None:
        lasts, ours = entry.hop.device != self._index, entry in self._entries
        if ours and not lasts:
            return
        try:
            made = netlink.add(entry, beside)
        except TvpnError as error:
            if entry.needed:
                raise
            self._log.warn("{error}", error=str(error))
            return
        if made or ours:
            self._entries[entry] = None
        elif entry.needed and not lasts:
            raise TvpnError(
                f"cannot send everything into the tunnel: {entry.network} is routed elsewhere already; "
                "end the other VPN, or remove its routes"
            )
        elif not lasts:
            self._log.warn("{network} is routed already, and stays where it is", network=entry.network)

    def _note(self, entries: Iterable[Entry]) -> None:
        try:
            self._journal.write(dict.fromkeys(entry for entry in entries if entry.hop.device != self._index))
        except TvpnError as error:
            self._log.warn("{error}", error=str(error))

    def clear(self) -> None:
        """Take all of it back; what is gone already is no error. The device is closed by now. What cannot be taken back
        is told, and stays in the journal.
        """
        if not self._entries:
            return
        try:
            self._take_back()
        except TvpnError as error:
            self._log.warn("{error}; put back what is left with: tvpn disconnect", error=str(error))
        else:
            self._note([])
        self._entries = {}

    def _take_back(self) -> None:
        with Netlink() as netlink:
            stands = netlink.has(self._device)
            for entry in reversed([*self._entries]):
                if stands or entry.hop.device != self._index:
                    netlink.remove(entry)
