"""A tunnel on a bad wire for hours: what is sent through it, and what comes out."""

from __future__ import annotations

import random

from tests.whole.simulation import (
    CIPHERS,
    SERVER_ADDRESS,
    Havoc,
    Limits,
    Node,
    Options,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.wire.header import DATA_FIRST_BYTES

NOISE = Havoc(reorder=1 / 8, drop=1 / 16, corrupt=1 / 32)
EVERY_QUARTER = Limits(longest=900, shortest=900)


def payload_of(number: int) -> bytes:
    """Bytes that belong to this number only, 8 to 200 of them."""
    return number.to_bytes(8, "big") + random.Random(number).randbytes(number % 193)


class NoisyTunnel:
    """Packets both ways, one pair every ``pause`` seconds, renegotiations every 900 s of the world's clock."""

    def __init__(
        self, protection: str, seed: int, havoc: Havoc = NOISE, pause: float = 0.5, cipher: str = CIPHERS[0],
        peer_info: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.world = World(Options(
            protection, havoc, seed, data_ciphers=(cipher,), client_ciphers=(cipher,), server_limits=EVERY_QUARTER,
            client_limits=EVERY_QUARTER, peer_info=peer_info,
        ))  # fmt: skip
        self.client = self.world.client()
        self.pause = pause
        self.sent = 0
        self.arrived = [0, 0]
        self.bad: list[bytes] = []
        self.key_ids: set[int] = set()
        self._seen: list[set[int]] = [set(), set()]

    def connect(self) -> bool:
        connected = self.world.run(60, self.world.connected(self.client))
        self._own = address_of(self.client) if connected else b""
        return connected

    def run(self, rounds: int) -> None:
        """So many packets each way; what arrives changed, doubled or from nowhere is kept in ``bad``."""
        world = self.world
        for _ in range(rounds):
            payload = payload_of(self.sent)
            self.client.send(ipv4_packet(self._own, SERVER_ADDRESS, payload))
            world.server.send(ipv4_packet(SERVER_ADDRESS, self._own, payload))
            self.sent += 1
            world.run(self.pause)
            self._collect()
        world.run(1)
        self._collect()

    def _collect(self) -> None:
        ends = ((self.world.server, self._own, SERVER_ADDRESS), (self.client, SERVER_ADDRESS, self._own))
        for way, (node, source, destination) in enumerate(ends):
            for packet in node.delivered:
                self._judge(way, packet, source, destination)
            node.delivered.clear()
        # A run of hours keeps no record of its wire.
        self.key_ids.update(data[0] & 7 for *_, data in self.world.trace if data[0] in DATA_FIRST_BYTES)
        self.world.trace.clear()

    def _judge(self, way: int, packet: bytes, source: bytes, destination: bytes) -> None:
        number = int.from_bytes(packet[20:28], "big")
        whole = packet == ipv4_packet(source, destination, payload_of(number)) and number < self.sent
        if not whole or number in self._seen[way]:
            self.bad.append(packet)
        self._seen[way].add(number)
        self.arrived[way] += 1

    @property
    def ends(self) -> tuple[Node, Node]:
        return self.world.server, self.client
