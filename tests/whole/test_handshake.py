"""Whole handshakes over a simulated wire, from the first reset to the first packet each way."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import (
    CIPHERS,
    PROTECTIONS,
    SIGNER,
    Connected,
    Disconnected,
    Havoc,
    Joined,
    Left,
    Options,
    World,
    keys_of,
)
from tvpn.session.negotiation import Agreement
from tvpn.wire.header import Opcode

MINUTE = 60.0


class MatrixTests(SynchronousTestCase):
    def test_every_protection_and_version(self) -> None:
        """Each wrapping with each TLS version connects within a tenth of a second and passes data both ways."""
        for protection in PROTECTIONS:
            for tls in ("1.2", "1.3"):
                world = World(Options(protection, tls=tls))
                client = world.client()
                self.assertTrue(world.run(0.1, world.connected(client)), f"{protection} {tls}: {client.events}")
                self.assertTrue(world.passes(client), f"{protection} {tls}")
                self.assertEqual((world.server.hub.drops, client.hub.drops), ({}, {}), f"{protection} {tls}")
                [joined] = world.server.told(Joined)
                self.assertEqual((joined.name, joined.addresses), ("alice", ("10.9.0.2", "fd00:9::1000")))

    def test_every_cipher(self) -> None:
        """Each data cipher is agreed on where it is the only common one, and it carries data."""
        for cipher in CIPHERS:
            world = World(Options(client_ciphers=(cipher,)))
            client = world.client()
            self.assertTrue(world.run(1, world.connected(client)))
            self.assertEqual(client.hub.session.agreement.cipher, cipher)
            self.assertTrue(world.passes(client))

    def test_server_chooses(self) -> None:
        """Of several common ciphers the server's first one is taken."""
        world = World(Options(data_ciphers=CIPHERS[::-1]))
        client = world.client()
        self.assertTrue(world.run(1, world.connected(client)))
        self.assertEqual(client.hub.session.agreement.cipher, "CHACHA20-POLY1305")

    def test_no_common_cipher_is_told(self) -> None:
        """Without a common cipher the client reads why, and the server's log has both lists."""
        world = World(Options(data_ciphers=("AES-256-GCM",), client_ciphers=("CHACHA20-POLY1305",)))
        client = world.client()
        world.run(10)
        [gone] = client.told(Disconnected)
        self.assertIn("no shared cipher", gone.reason)
        [left] = world.server.told(Left)
        self.assertEqual(left.reason, "no common cipher: client offers CHACHA20-POLY1305, server allows AES-256-GCM")
        self.assertEqual(world.server.told(Joined), [])

    def test_client_without_new_abilities(self) -> None:
        """A 2.4-like client (no exporter, no early push, no exit message) connects with PRF keys and pulls."""
        info = {"IV_VER": "2.4.12", "IV_PROTO": "2", "IV_NCP": "2"}
        for protection in PROTECTIONS:
            world = World(Options(protection, peer_info=info))
            client = world.client()
            self.assertTrue(world.run(10, world.connected(client)), protection)
            self.assertFalse(client.hub.session.agreement.exporter)
            self.assertTrue(world.passes(client))

    def test_client_without_negotiation(self) -> None:
        """C-15: without IV_CIPHERS and IV_PROTO the cipher that the client names decides, if it is the server's; then
        the server's fallback, for who names none; everybody else is refused, and both sides say why.
        """
        one, other = "AES-128-GCM", "CHACHA20-POLY1305"
        for named, ours, fallback, agreed in (
            (one, CIPHERS, None, one),
            (one, CIPHERS, other, one),
            (None, (one,), other, other),
            (None, (one,), one, one),
            (None, CIPHERS, None, None),
            (other, (one,), None, None),
            (other, (one,), other, None),
            ("BF-CBC", CIPHERS, one, None),
        ):
            case = f"{named} {ours} {fallback}"
            options = Options(data_ciphers=ours, named=named, fallback=fallback, peer_info={"IV_VER": "2.3.18"})
            world = World(options)
            client = world.client()
            self.assertIs(world.run(10, world.connected(client)), agreed is not None, case)
            if agreed is None:
                shown = f"no common cipher: client offers {named or 'nothing'}, server allows {':'.join(ours)}"
                self.assertEqual([left.reason for left in world.server.told(Left)], [shown])
                self.assertIn("no shared cipher", client.told(Disconnected)[0].reason)
                continue
            [member] = world.server.hub.roster
            self.assertEqual(member.session.agreement, Agreement(agreed, False, False, False, None), case)
            self.assertTrue(world.passes(client), case)

    def test_each_ability(self) -> None:
        """Each bit of IV_PROTO alone, and all but each: exactly what the client can do is pushed, and data passes."""
        pushes = {1: "peer-id 0", 3: "key-derivation tls-ekm"}
        pushes |= {7: "protocol-flags cc-exit", 9: "protocol-flags dyn-tls-crypt"}
        bare = ["route-gateway 10.9.0.1", "topology subnet", "tun-ipv6", "ifconfig-ipv6 fd00:9::1000/64 fd00:9::1"]
        bare += ["ifconfig 10.9.0.2 255.255.255.0"]
        # Bit 5 is that of clients that do not pull.
        for bit in sorted({*range(16)} - {5}):
            found = self._pushed(1 << bit)
            self.assertEqual(found, {*bare, "cipher AES-256-GCM", *([pushes[bit]] if bit in pushes else [])}, bit)
        for bit in (0, 2, 4, 6, 8, 10, 11, 12):
            found = self._pushed(0x1FFF & ~(1 << 5) & ~(1 << bit))
            flags = "protocol-flags cc-exit tls-ekm dyn-tls-crypt" + ("" if bit == 10 else " aead-epoch")
            self.assertEqual(found, {*bare, "cipher AES-256-GCM", "peer-id 0", flags}, bit)

    def _pushed(self, protocol: int) -> set[str]:
        """The options that a client which announces this gets, once data has passed."""
        info = {"IV_VER": "2.6.14", "IV_PROTO": str(protocol), "IV_CIPHERS": "AES-256-GCM"}
        world = World(Options(peer_info=info))
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)), protocol)
        self.assertTrue(world.passes(client), protocol)
        [member] = world.server.hub.roster
        return set(member.session._push)

    def test_client_without_peer_id(self) -> None:
        """A client that does not know V2 packets gets no peer id and speaks V1."""
        world = World(Options(peer_info={"IV_NCP": "2"}))
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        begin = len(world.trace)
        self.assertTrue(world.passes(client))
        self.assertEqual({datagram[0] >> 3 for *_, datagram in world.trace[begin:]}, {int(Opcode.DATA_V1)})

    def test_control_packets_fit(self) -> None:
        """No control datagram is larger than max-packet-size less the outer headers."""
        for protection in PROTECTIONS:
            world = World(Options(protection))
            client = world.client()
            world.run(1, world.connected(client))
            self.assertLessEqual(max(len(datagram) for *_, datagram in world.trace), 1250 - 48)

    def test_wrapped_key_again(self) -> None:
        """Message 1 has the wrapped key each time it is sent, and no later one has (pitfalls A 10)."""
        lost: list[bytes] = []

        def fate(_number: int, _sender: tuple, datagram: bytes) -> list[float]:
            if datagram[0] >> 3 == Opcode.CONTROL_WKC and len(lost) < 2:
                lost.append(datagram)
                return []
            return [0.0]

        world = World(Options("tls-crypt-v2", fate=fate))
        client = world.client()
        self.assertTrue(world.run(MINUTE, world.connected(client)))
        own = [data for _, sender, _, data in world.trace if sender == client.place]
        with_key = [data for data in own if data[0] >> 3 == Opcode.CONTROL_WKC]
        wrapped = client.hub.session._key.wrapped
        self.assertEqual(len(with_key), 3)
        self.assertEqual({data.endswith(wrapped) for data in with_key}, {True})
        others = [data for data in own if data[0] >> 3 in (Opcode.CONTROL, Opcode.ACK)]
        self.assertTrue(others)
        self.assertEqual({data.endswith(wrapped) for data in others}, {False})

    def test_other_protections_key(self) -> None:
        """A client of another group, or with another protection, is not even answered."""
        for server, client_protection in (
            ("tls-crypt", "none"),
            ("tls-auth", "tls-crypt"),
            ("tls-crypt-v2", "tls-crypt"),
        ):
            world = World(Options(server))
            _, keys = keys_of(client_protection)
            client = world.client(keys=keys)
            world.run(MINUTE + 1)
            self.assertEqual({sender for _, sender, _, _ in world.trace}, {client.place})
            [gone] = client.told(Disconnected)
            self.assertTrue(gone.retry)
            self.assertEqual(gone.reason, "the TLS handshake did not finish within 60 seconds")


def accident(victim: int, copies: list[float]) -> Callable[[int, tuple, bytes], list[float]]:
    """This happens to one datagram, and nothing to the others."""
    return lambda number, _sender, _datagram: copies if number == victim else [0.0]


class SwappingWorld(World):
    """One datagram comes right behind the next one of the same sender."""

    def __init__(self, options: Options, victim: int) -> None:
        super().__init__(options)
        self._victim = victim
        self._number = 0
        self._held: tuple[tuple, tuple, bytes] | None = None

    def carry(self, sender: tuple, receiver: tuple, datagram: bytes) -> None:
        number, self._number = self._number, self._number + 1
        if number == self._victim:
            self._held = sender, receiver, datagram
            return
        super().carry(sender, receiver, datagram)
        if self._held is not None and self._held[0] == sender:
            held, self._held = self._held, None
            super().carry(*held)


class SinglePacketTests(SynchronousTestCase):
    """One datagram of the handshake, or of the first packets after it, has an accident: each one in turn."""

    def check(self, protection: str, seconds: float, build: Callable[[int], World]) -> None:
        number = 0
        while True:
            world = build(number)
            client = world.client()
            connected = world.run(seconds, world.connected(client))
            self.assertTrue(connected, f"{protection}, datagram {number}: {client.events} {client.hub.drops}")
            if len(world.trace) <= number:
                break
            world.run(6)
            self.assertTrue(world.passes(client), f"{protection}, datagram {number}")
            number += 1
        self.assertGreater(number, 8)

    def test_dropped(self) -> None:
        """F-04: any single datagram lost costs no more than a retransmission or the next pull."""
        for protection in (*PROTECTIONS, "tls-crypt-v2-2.5"):
            self.check(protection, 7, lambda number: World(Options(protection, fate=accident(number, []))))

    def test_doubled(self) -> None:
        """F-04: any single datagram doubled costs nothing."""
        for protection in (*PROTECTIONS, "tls-crypt-v2-2.5"):
            self.check(protection, 0.1, lambda number: World(Options(protection, fate=accident(number, [0.0, 0.0]))))

    def test_late(self) -> None:
        """F-04: any single datagram five seconds late is made good by retransmission, and harmless when it comes."""
        for protection in (*PROTECTIONS, "tls-crypt-v2-2.5"):
            self.check(protection, 7, lambda number: World(Options(protection, fate=accident(number, [5.0]))))

    def test_swapped(self) -> None:
        """F-04: any single datagram swapped with the next one of its sender costs no more than a retransmission."""
        for protection in (*PROTECTIONS, "tls-crypt-v2-2.5"):
            self.check(protection, 7, lambda number: SwappingWorld(Options(protection), number))

    def test_late_twice(self) -> None:
        """F-04: a second copy after the handshake changes nothing: the client is still connected and data passes."""
        for protection in ("tls-auth", "tls-crypt-v2"):
            for number in range(16):
                world = World(Options(protection, fate=accident(number, [0.0, 3.0])))
                client = world.client()
                world.run(10)
                self.assertEqual(len(world.server.told(Joined)), 1)
                self.assertEqual(world.server.told(Left) + client.told(Disconnected), [])
                self.assertTrue(world.passes(client))


class CrowdTests(SynchronousTestCase):
    def test_many_at_once(self) -> None:
        """Twenty devices connect at once over a lossy wire, each with an address of its own."""
        world = World(Options("tls-crypt-v2", Havoc(drop=0.1)))
        clients = [world.client(number, SIGNER.issue(f"device {number}")) for number in range(1, 21)]
        self.assertTrue(world.run(MINUTE, world.connected(*clients)))
        addresses = {client.told(Connected)[0].tunnel.ipv4.ip for client in clients}
        self.assertEqual(len(addresses), 20)
