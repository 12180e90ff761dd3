"""Packet ids over whole lives of keys: none twice, none too many."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    CIPHERS,
    SERVER_ADDRESS,
    Left,
    Limits,
    Node,
    Options,
    World,
    address_of,
    ipv4_packet,
)
from tvpn.crypto import epoch, seal
from tvpn.crypto.seal import LAST_PACKET_ID, NEARLY_SPENT
from tvpn.session.negotiation import own_peer_info
from tvpn.wire.header import DATA_FIRST_BYTES
from tvpn.wire.option import Proto

OFTEN, NEVER = Limits(longest=5, shortest=5), Limits(longest=0, shortest=0)
BULK = 6_500


class Ledger:
    """Every (key, nonce) that anything was encrypted under."""

    def __init__(self) -> None:
        self.keys: dict[bytes, set[bytes]] = {}
        self.number = 0
        self._genuine = seal.aead

    def aead(self, cipher: str, key: bytes) -> mock.Mock:
        """In place of ``seal.aead``."""
        genuine, nonces = self._genuine(cipher, key), self.keys.setdefault(bytes(key), set())

        def encrypt(nonce: bytes, data: bytes, associated: bytes) -> bytes:
            nonces.add(nonce)
            self.number += 1
            return genuine.encrypt(nonce, data, associated)

        return mock.Mock(encrypt=encrypt, decrypt=genuine.decrypt)


def classic() -> dict[str, str]:
    """What a client before 2.7 says of itself: it has no epochs."""
    said = own_peer_info(CIPHERS, "test")
    return said | {"IV_PROTO": str(int(said["IV_PROTO"]) & ~Proto.DATA_EPOCH)}


class NonceTests(SynchronousTestCase):
    timeout = 300

    def crowd(self, world: World, client: Node) -> None:
        """Many packets each way, which the wire then loses."""
        own = address_of(client)
        for node, packet in (
            (client, ipv4_packet(own, SERVER_ADDRESS, b"")), (world.server, ipv4_packet(SERVER_ADDRESS, own, b"")),
        ):  # fmt: skip
            node.plane.outward([(b"", packet)] * BULK, world.now)
            node.plane.take()

    def float(self, world: World, client: Node, number: int) -> None:
        """The client's packets come from elsewhere from now on."""
        del world.nodes[client.place]
        client.place = ("203.0.113.9", 1024 + number)
        world.nodes[client.place] = client

    def test_never_twice(self) -> None:
        """C-01: of a million packets under 140 keys, with floats and new connections, no two share key and nonce."""
        for peer_info in (None, classic()):
            ledger = Ledger()
            for module in (seal, epoch):
                self.patch(module, "aead", ledger.aead)
            self.live(World(Options("tls-crypt-v2", server_limits=OFTEN, client_limits=NEVER, peer_info=peer_info)))
            self.assertGreater(ledger.number, 500_000)
            self.assertGreater(sum(1 for nonces in ledger.keys.values() if nonces), 70)
            self.assertEqual(sum(map(len, ledger.keys.values())), ledger.number)

    def live(self, world: World) -> None:
        """Two connections of one device, about twenty keys and twenty floats each."""
        for connection in range(2):
            client = world.client(connection + 1)
            self.assertTrue(world.run(10, world.connected(client)))
            for number in range(20):
                self.crowd(world, client)
                self.float(world, client, connection * 100 + number)
                client.send(ipv4_packet(address_of(client), SERVER_ADDRESS, b"from elsewhere"))
                world.run(0.1)
                self.assertTrue(world.passes(client), f"{connection} {number}")
                world.run(4)
            del world.nodes[client.place]

    def test_run_out(self) -> None:
        """C-02: at 0xFF000000 either end asks for new keys, while not a packet is lost."""
        for side in ("server", "client"):
            world = World(Options(server_limits=NEVER, client_limits=NEVER, peer_info=classic()))
            client = world.client()
            self.assertTrue(world.run(10, world.connected(client)))
            node, other = (world.server, client) if side == "server" else (client, world.server)
            [peer] = node.plane._peers.values()
            assert peer.slots.sending is not None
            peer.slots.sending.sealer.sent = NEARLY_SPENT - 16
            ends = (SERVER_ADDRESS, address_of(client)) if side == "server" else (address_of(client), SERVER_ADDRESS)
            packets = [ipv4_packet(*ends, b"%04d" % number) for number in range(200)]
            for packet in packets:
                node.send(packet)
                world.run(0.25)
            self.assertEqual(other.delivered, packets)
            own = [data for _, sender, _, data in world.trace if sender == node.place and data[0] in DATA_FIRST_BYTES]
            self.assertEqual({data[0] & 7 for data in own}, {0, 1}, side)
            highest = max(int.from_bytes(data[4:8], "big") for data in own if not data[0] & 7)
            self.assertLess(highest, LAST_PACKET_ID)
            self.assertEqual(world.server.told(Left), [])
