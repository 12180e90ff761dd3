"""A tunnel must not swallow itself: while no route leads to the server, what is sent to it goes into the tunnel as
everything does, would be sealed again, and again, a little larger each time.
"""

from __future__ import annotations

from ipaddress import ip_address

from tvpn.plane.verbs import Address, TunPacket
from tvpn.wire.ip import destination

PORT_AT = {4: 22, 6: 42}
"""Where the target's port stands behind a header without options."""


class Recursion:
    """Knows what goes to the server itself. ``begin``: where an IP packet begins, in frames."""

    def __init__(self, server: Address, begin: int = 0) -> None:
        host = ip_address(str(server[0]).partition("%")[0])
        self._host = host.packed
        self._begin = begin
        self._there = slice(begin + 16, begin + 20) if host.version == 4 else slice(begin + 24, begin + 40)
        self._at = begin + PORT_AT[host.version]
        self._port = int(server[1]).to_bytes(2, "big")

    def sift(self, packets: list[TunPacket]) -> list[TunPacket]:
        """What may go into the tunnel."""
        host, there = self._host, self._there
        if any(packet[there] == host for _, packet in packets):
            return [entry for entry in packets if not self._is_ours(entry[1])]
        return packets

    def _is_ours(self, packet: bytes) -> bool:
        return destination(packet[self._begin :]) == self._host and packet[self._at : self._at + 2] == self._port


