"""Sessions of a server, watched from the prompt."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.whole.simulation import CLIENT_CREDENTIALS, SERVER_CREDENTIALS, Options, World
from tvpn.crypto.tls import Strength, build_context
from tvpn.errors import TvpnError
from tvpn.service.spectator import Spectator
from tvpn.service.terms import ContextHolder
from tvpn.session.renegotiation import Limits


class SpectatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(Options(protection="tls-crypt", client_limits=Limits(30, 30)))
        self.holder = ContextHolder(lambda: build_context(SERVER_CREDENTIALS, Strength()))
        self.spectator = Spectator(self.world.server.hub, self.holder)  # type: ignore[arg-type]

    def join(self, number: int) -> None:
        client = self.world.client(number, CLIENT_CREDENTIALS)
        self.assertTrue(self.world.run(20, self.world.connected(client)))

    def test_next(self) -> None:
        """The next session is told and the one behind it is not."""
        transcript = self.spectator.explain()
        self.join(1)
        told = str(transcript)
        self.assertIn("key method 2, inside TLS: two randoms", told)
        self.assertIn("PUSH_REPLY: the configuration", told)
        self.assertEqual(repr(transcript), told)
        self.join(2)
        self.assertEqual(str(transcript).count("PUSH_REPLY"), 1)

    def test_address(self) -> None:
        """Only the session from this address is told, however many come before it."""
        transcript = self.spectator.explain("192.0.2.2")
        self.join(1)
        self.assertEqual(transcript.lines, [])
        self.join(2)
        self.assertIn("PUSH_REPLY", str(transcript))

    def test_client(self) -> None:
        """Of a client that is here already the next key exchange is told; an unknown number is a sentence."""
        self.join(1)
        [member] = self.world.server.hub.roster  # type: ignore[union-attr]
        transcript = self.spectator.explain(client=member.number)
        self.world.run(40)
        self.assertIn("SOFT_RESET id 0, key id 1", str(transcript))
        error = self.assertRaises(TvpnError, self.spectator.explain, client=member.number + 1)
        self.assertIn("peers lists them", str(error))

    def test_narrated(self) -> None:
        """New handshakes tell their steps from then on; the context is exchanged once."""
        before = self.holder()
        self.spectator.explain()
        narrated = self.holder()
        self.assertIsNot(narrated, before)
        self.spectator.explain()
        self.assertIs(self.holder(), narrated)
