"""M-12: somebody between client and server who has another certificate of the same CA."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.crypto.test_tls import VERSIONS, talk
from tests.papers import CLIENT, SERVER, USAGE, Issuer, Paper, purposes
from tvpn.crypto.certificate import Requirements, judge
from tvpn.crypto.tls import TLS, Credentials, Strength, build_context
from tvpn.errors import PeerError

ROOT = Issuer()
OWN = ROOT.issue("alice")
#: What the impostor may have got hold of, and how far it comes without remote-cert-tls.
HOME = ROOT.issue("home", extensions=(USAGE, purposes(SERVER)))
ANOTHER_CLIENT = ROOT.issue("bob", extensions=(USAGE, purposes(CLIENT)))
FOR_NOTHING = ROOT.issue("bob", extensions=(USAGE,))


class ImpostorTests(SynchronousTestCase):
    def verdict(self, server: Paper, role: str | None, version: str) -> str:
        """What our client makes of this server; empty: it goes on."""
        strength = Strength(maximum=version)
        client = TLS(build_context(Credentials(ROOT.text, *OWN.texts, OWN.key), strength), server=False)
        there = TLS(build_context(Credentials(ROOT.text, *server.texts, server.key), strength), server=True)
        try:
            talk(client, there)
            judge(client.chain, Requirements(role), datetime.now(UTC).timestamp())
        except PeerError as error:
            return str(error)
        self.assertTrue(client.established)
        return ""

    def test_told_to_look(self) -> None:
        """M-12: with remote-cert-tls server only a certificate made for servers will do."""
        for version in VERSIONS:
            self.assertEqual(self.verdict(HOME, "server", version), "")
            for paper in (ANOTHER_CLIENT, FOR_NOTHING):
                self.assertNotEqual(self.verdict(paper, "server", version), "")

    def test_not_told(self) -> None:
        """M-12: without it OpenSSL still refuses one made for clients; one made for nothing is let through, as by
        stock, and the start has warned of that (tests/config).
        """
        for version in VERSIONS:
            self.assertEqual(self.verdict(HOME, None, version), "")
            self.assertIn("not made for its role", self.verdict(ANOTHER_CLIENT, None, version))
            self.assertEqual(self.verdict(FOR_NOTHING, None, version), "")
