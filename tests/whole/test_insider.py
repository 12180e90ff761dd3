"""What a client with a good certificate, or a bad server, may try within the handshake and the session."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.whole.simulation import SIGNER, Connected, Disconnected, Joined, Left, Node, Options, World
from tests.whole.stranger import PINGED, StrangerTestCase
from tvpn.crypto.replay import Stamp
from tvpn.crypto.wrap import TLSCrypt
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.wire.control import ControlPacket
from tvpn.wire.header import Opcode
from tvpn.wire.keyexchange import KeyExchangeMessage, KeySource

HEAD = 5 + 48 + 64


@dataclass(frozen=True)
class Said:
    """What a client says instead of its key-method-2 message."""

    source: KeySource
    data: bytes

    def encode(self) -> bytes:
        return self.data


class InsiderTestCase(StrangerTestCase):
    def genuine(self, **changed: str) -> KeyExchangeMessage:
        fields = {"options": "V4,tls-client", "peer_info": "IV_PROTO=6\nIV_NCP=2\n", **changed}
        return KeyExchangeMessage(KeySource(b"1" * 32, b"2" * 32, b"p" * 48), **fields)

    def say(self, data: bytes, number: int = 2) -> tuple[Node, str]:
        """A client that says this, half a minute long; (the client, why the server ended it, or nothing)."""
        world = self.world
        world.server.events.clear()
        client = world.client(number, SIGNER.issue("mallory"))
        exchange = client.hub.session._exchange
        exchange.own = Said(exchange.own.source, data)  # type: ignore[assignment]
        world.run(30)
        ends = [left.reason for left in world.server.told(Left)]
        self.assertLessEqual(len(ends), 1)
        del world.nodes[client.place]
        for member in world.server.hub.roster:
            if member.endpoint.address == client.place:
                world.server.hub.disconnect(member.number, "", world.now)
        world.run(6)
        self.assertEqual(len(world.server.hub.roster), 1)
        return client, ends[0] if ends else ""


class KeyExchangeTests(InsiderTestCase):
    def test_length_fields(self) -> None:
        """W-12: each length of a string 0, 1, odd, too large: what cannot be read ends the session once, in words."""
        self.meet("tls-crypt-v2")
        data = self.genuine(username="mallory", password="x").encode()
        at = HEAD
        for field in range(4):
            [length] = struct.unpack_from("!H", data, at)
            for value in (0, 1, length - 1, length + 1, length + 2, 0x7FFF, 0xFFFE, 0xFFFF):
                _, reason = self.say(data[:at] + struct.pack("!H", value) + data[at + 2 :])
                if value > len(data):
                    self.assertIn("runs past its end", reason, f"{field} {value}")
            at += 2 + length
        self.world.server.events.clear()
        self.unharmed()

    def test_cut_short(self) -> None:
        """W-12: a message cut within what must be there, of another method, or none at all, ends the session."""
        self.meet("none")
        data = self.genuine().encode()
        for size in (1, 4, 5, 52, 53, 116, HEAD, HEAD + 1):
            self.assertTrue(self.say(data[:size])[1], size)
        for head in (b"\0\0\0\0\1", b"\0\0\0\0\3", b"GET /"):
            self.assertIn("key method 2", self.say(head + data[5:])[1])
        self.world.server.events.clear()
        self.unharmed()

    def test_two_records(self) -> None:
        """W-12: a message in two TLS records is no message (pitfalls A 19), nor is one larger than a record."""
        self.meet("none")
        [length] = struct.unpack_from("!H", self.genuine().encode(), HEAD)
        large = self.genuine(username="x" * 65534).encode()
        self.assertGreater(len(large), 65536)
        self.assertIn("runs past its end", self.say(large)[1])
        client = self.world.client(3, SIGNER.issue("mallory"))
        tls = client.hub.session._exchange.tls
        whole = tls.send
        cut = HEAD + 2 + length // 2
        tls.send = lambda record: (whole(record[:cut]), whole(record[cut:]))  # type: ignore[assignment,func-returns-value]
        self.world.server.events.clear()
        self.world.run(10)
        self.assertIn("runs past its end", self.world.server.told(Left)[0].reason)

    def test_long_names(self) -> None:
        """W-12: a user name or a password over the limit is refused in words, never cut and accepted."""
        self.meet("none")
        for field in ("username", "password"):
            for size, told in ((127, ""), (128, "user name or password is too long"), (5000, "too long")):
                client, reason = self.say(self.genuine(**{field: "x" * size}).encode())
                self.assertIn(told, reason)
                self.assertEqual(bool(reason), bool(told), f"{field} {size}")
                self.assertIn(told, "".join(end.reason for end in client.told(Disconnected)))

    def test_embedded_zero(self) -> None:
        """W-12: a name ends at its first NUL, with or without a last one: there is one view of it."""
        self.meet("none")
        source = self.genuine().encode()[:HEAD]
        for name in (b"mallory\0root\0", b"mallory\0", b"mallory", b"mallory\0\0\0"):
            strings = (b"V4\0", name, b"\0", b"IV_NCP=2\nIV_PROTO=6\n\0")
            said = source + b"".join(struct.pack("!H", len(string)) + string for string in strings)
            self.assertEqual(self.say(said)[1], "")
            [request] = self.world.server.told(VerdictRequest)[:1]
            self.assertEqual(request.wanted.username, "mallory")

    def test_challenge_answers(self) -> None:
        """A password that looks like an answer to a challenge, whole or not, is a password (pitfalls B 35)."""
        self.meet("none")
        for password in ("SCRV1:eA==:eQ==", "SCRV1:", "SCRV1", "SCRV1::::", "SCRV1:!:!", "CRV1::", "CRV1:R,E:x::y"):
            self.assertEqual(self.say(self.genuine(username="mallory", password=password).encode())[1], "")
            [request] = self.world.server.told(VerdictRequest)
            self.assertEqual(request.wanted.password, password)

    def test_control_characters(self) -> None:
        """Names with control characters are refused, and what a log may say of them has none."""
        self.meet("none")
        for name in ("mall\nory", "\x1b[31mmallory", "mallory\r", "mall\tory"):
            _, reason = self.say(self.genuine(username=name).encode())
            self.assertEqual(reason, "mallory: the user name has control characters")


class MessageTests(InsiderTestCase):
    def test_before_the_verdict(self) -> None:
        """S-10: while the verdict is out no pull is answered, no key is installed and no data taken."""
        world = World(Options("tls-crypt", verdict=lambda _: None))
        client = world.client()
        self.assertTrue(world.run(10, lambda: bool(world.server.told(VerdictRequest))))
        for _ in range(100):
            client.hub.session.send_message("PUSH_REQUEST")
        client.flush()
        world.server.receive(client.place, b"\x48" + bytes(3) + bytes(60))
        world.run(30)
        self.assertEqual((client.told(Connected), world.server.told(Joined), world.server.delivered), ([], [], []))
        [request] = world.server.told(VerdictRequest)
        world.server.hub.verdict(request.member, Verdict(True), world.now)
        world.server.flush()
        self.assertTrue(world.run(10, world.connected(client)))

    def test_noise(self) -> None:
        """64 kB without a NUL, escape sequences, empty ones, 100 kB of an answer nobody asked for: ignored."""
        self.meet("tls-crypt")
        exchange = self.bystander.hub.session._exchange
        unasked = b"CR_RESPONSE," + b"!" * 100_000 + b"\0"
        records = (b"A" * 16384 * 4, b"\x1b[2J\0", b"\0" * 1000, b"PUSH_REQUEST", unasked)
        for record in records:
            for at in range(0, len(record), 16384):
                exchange.tls.send(record[at : at + 16384])
        self.bystander.flush()
        self.world.run(60)
        self.unharmed()

    def test_talks_after_the_end(self) -> None:
        """S-12: who was refused and keeps saying EXIT is gone after five seconds, and his data is refused at once."""
        world = World(Options("tls-crypt", rules=PINGED))
        client = world.client()
        self.assertTrue(world.run(10, world.connected(client)))
        world.run(1)
        [member] = world.server.hub.roster
        member.session.refuse("revoked", "revoked", world.now)
        world.server.hub._follow(member, world.now)
        begin = world.now
        while len(world.server.hub.roster) and world.now < begin + 20:
            client.hub.session._exchange.send_message("EXIT")
            world.nodes[client.place].flush()
            world.run(0.1)
        self.assertLess(world.now - begin, 5.2)
        self.assertEqual(len(world.server.told(Left)), 1)
        self.assertIsNone(world.server.plane.endpoint(0))


class WrappedKeyTests(InsiderTestCase):
    def test_again_in_a_session(self) -> None:
        """Packets with wrapped keys within a session, whole, cut or empty, and its reset again, do it no harm
        (CVE-2025-2704, CVE-2026-35058).
        """
        self.meet("tls-crypt-v2")
        client, world = self.bystander, self.world
        session = client.hub.session
        wrapped = session._key.wrapped
        world.run(1)
        reset, control = Opcode.HARD_RESET_CLIENT_V3, Opcode.CONTROL_WKC
        for _ in range(20):
            for opcode, number in ((reset, 0), (reset, 7), (control, 1), (control, 0), (control, 500)):
                for trailer in (wrapped, wrapped[:-3], b"", wrapped * 2, bytes(288) + b"\1\x22"):
                    packet = ControlPacket(opcode, 0, session.session_id, (), b"", number, b"")
                    datagram = session._envelope.seal(packet.header, packet.encode_body())
                    world.server.receive(client.place, datagram + trailer)
        world.run(1)
        dropped = {"wrapped-key-length", "tls-crypt-forged", "message-id-of-reset"}
        self.assertEqual(set(self.drops), dropped)
        self.assertEqual(self.drops["message-id-of-reset"], 20 * 2 * 2)
        self.unharmed()

    def test_key_id_before_its_key(self) -> None:
        """Packets of key 1 while there is no key for them yet are dropped, and the handshake goes on
        (CVE-2026-13117).
        """
        tried = 0
        for steps in range(2, 14):
            world = World(Options("tls-crypt"))
            client = world.client()
            for _ in range(steps):
                world.step(world.now + 1)
            session = client.hub.session
            if not world.server.hub.roster or session.agreement is not None:
                continue
            tried += 1
            for opcode in (Opcode.SOFT_RESET, Opcode.CONTROL, Opcode.ACK):
                number = None if opcode is Opcode.ACK else int(opcode is Opcode.CONTROL)
                packet = ControlPacket(opcode, 1, session.session_id, (0,), session.remote_id or bytes(8), number)
                datagram = session._envelope.seal(packet.header, packet.encode_body())
                world.server.receive(client.place, datagram)
            self.assertTrue(world.run(10, world.connected(client)), f"after {steps} steps")
            self.assertTrue(world.passes(client))
        self.assertGreater(tried, 4)


class ServerResetTests(InsiderTestCase):
    def test_early_negotiation(self) -> None:
        """What a server's reset carries: unknown types are skipped; a malformed list is no answer at all."""
        flags, unknown = b"\0\1\0\2\0\1", b"\0\7\0\3abc"
        table = [
            (flags, True), (unknown + flags, True), (flags + unknown, True), (b"", True),
            (b"\0\1\0\3\0\0\1", False), (b"\0\1\xff\xff\0\1", False), (flags + b"\0", False), (b"\0\7\0\4abc", False),
        ]  # fmt: skip
        for payload, understood in table:
            world = World(Options("tls-crypt-v2"))
            client = world.client()
            session = client.hub.session
            answer = ControlPacket(
                Opcode.HARD_RESET_SERVER_V2, 0, b"serverid", (0,), session.session_id, 0, payload
            )
            wrapping = TLSCrypt(world.client_keys.tls_crypt_v2.key, server=True)
            client.receive(world.server.place, wrapping.wrap(Stamp(1, 1), answer.header, answer.encode_body()))
            self.assertEqual(bool(session.remote_id), understood, payload)
            if not understood:
                self.assertEqual(client.hub.drops, {"early-negotiation-malformed": 1})
                self.assertTrue(world.run(10, world.connected(client)))
