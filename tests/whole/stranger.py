"""A server with a bystander who works, and a stranger who may try what he likes."""

from __future__ import annotations

import os
from ipaddress import IPv4Network

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import STATIC_KEY, V2_KEY, Joined, Left, Options, World
from tvpn.crypto.replay import Stamp
from tvpn.crypto.statickey import TLSCryptV2ClientKey
from tvpn.crypto.wrap import EARLY_NEGOTIATION_START, TLSAuth, TLSCrypt, Unwrapped, Wrapping
from tvpn.hub.rules import ServerRules
from tvpn.plane.verbs import Endpoint, PeerSpec
from tvpn.wire.control import HEADER_SIZE, ControlPacket
from tvpn.wire.header import CARRIES_WRAPPED_KEY, DATA_FIRST_BYTES, Opcode, decode_first_byte

OWN_ID = b"stranger"
#: Clients are told to ping, so that a quiet minute is no death.
PINGED = ServerRules(IPv4Network("10.9.0.0/24"), None, ("ping 10",), PeerSpec(ping=10, timeout=60))


class Stranger:
    """Somebody at an address of his own, with the group's key or a tls-crypt-v2 key, but with no certificate."""

    def __init__(self, world: World, protection: str, place: tuple[str, int] = ("203.0.113.66", 666)) -> None:
        self.world = world
        self.place = place
        self.key: TLSCryptV2ClientKey | None = V2_KEY.issue(os.urandom, 1) if protection == "tls-crypt-v2" else None
        self.wrapping = self._wrapping(protection)
        self.packet_id = EARLY_NEGOTIATION_START if self.key else 0

    def _wrapping(self, protection: str) -> Wrapping:
        if self.key is not None:
            return TLSCrypt(self.key.key, server=False)
        if protection == "tls-crypt":
            return TLSCrypt(STATIC_KEY, server=False)
        if protection.startswith("tls-auth"):
            return TLSAuth(STATIC_KEY, 1 if protection == "tls-auth-directed" else None, "SHA256")
        return Unwrapped()

    def wrap(self, header: bytes, body: bytes) -> bytes:
        """An authentic datagram of whatever body, with the wrapped key where the opcode has one."""
        self.packet_id += 1
        datagram = self.wrapping.wrap(Stamp(self.packet_id, 1), header, body)
        try:
            opcode, _ = decode_first_byte(header[0])
        except ValueError:
            return datagram
        return datagram + (self.key.wrapped if self.key and opcode in CARRIES_WRAPPED_KEY else b"")

    def packet(self, opcode: Opcode, key_id: int = 0, **fields: object) -> bytes:
        packet = ControlPacket(opcode, key_id, fields.pop("session_id", OWN_ID), **fields)  # type: ignore[arg-type]
        return self.wrap(packet.header, packet.encode_body())

    def reset(self, **changed: object) -> bytes:
        """The reset that a genuine client sends, but for what is changed."""
        opcode = Opcode.HARD_RESET_CLIENT_V3 if self.key else Opcode.HARD_RESET_CLIENT_V2
        return self.packet(**{"opcode": opcode, "message_id": 0, **changed})  # type: ignore[arg-type]

    def send(self, *datagrams: bytes) -> None:
        server = self.world.server
        for datagram in datagrams:
            if datagram[:1] and datagram[0] in DATA_FIRST_BYTES:
                server.plane.inward("wire", [(self.place, b"", 0, datagram)], self.world.now)
            else:
                server.hub.receive(Endpoint("wire", self.place), datagram, self.world.now)
            server.flush()

    @property
    def answers(self) -> list[bytes]:
        """What the server has sent to him."""
        return [data for _, sender, receiver, data in self.world.trace if receiver == self.place]

    def cookie(self) -> bytes:
        """The session id that his reset is answered with."""
        self.send(self.reset())
        answer = self.answers[-1]
        self.wrapping.unwrap(answer)
        return answer[1:HEADER_SIZE]


class StrangerTestCase(SynchronousTestCase):
    def meet(self, protection: str) -> Stranger:
        """The stranger; the bystander is connected."""
        self.world = World(Options(protection, rules=PINGED))
        self.bystander = self.world.client()
        self.assertTrue(self.world.run(10, self.world.connected(self.bystander)))
        self.world.server.events.clear()
        return Stranger(self.world, protection)

    @property
    def drops(self) -> dict[str, int]:
        return self.world.server.hub.drops

    def unharmed(self, why: str = "") -> None:
        """The bystander works, nobody joined or left, and nobody else has state."""
        hub = self.world.server.hub
        self.assertEqual(self.world.server.told(Joined) + self.world.server.told(Left), [], why)
        self.assertEqual(len(hub.roster), 1, why)
        self.assertTrue(self.world.passes(self.bystander), why)

    def silent(self, stranger: Stranger, why: str = "") -> None:
        self.assertEqual(stranger.answers, [], why)
        self.unharmed(why)
