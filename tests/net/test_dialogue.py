"""What both dialogues with proxies have in common."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.net.dialogue import LONGEST_REASON, ProxyLogin, printable, shown


class TextTests(SynchronousTestCase):
    """What comes into a sentence."""

    def test_shown(self) -> None:
        """An IPv6 address is in brackets, so that its port can be told from it."""
        self.assertEqual(shown("192.0.2.9", 3128), "192.0.2.9:3128")
        self.assertEqual(shown("2001:db8::9", 443), "[2001:db8::9]:443")

    def test_printable(self) -> None:
        """Foreign text has no control characters, nothing beyond ASCII, and an end."""
        self.assertEqual(printable(b"No\x1b[2J way\x07\xff"), "No?[2J way??")
        self.assertEqual(printable(b"x" * 1000), "x" * LONGEST_REASON)

    def test_secret(self) -> None:
        """User name and password are in no repr and no text of a login."""
        login = ProxyLogin("alice", "s3cret")
        for text in (repr(login), str(login), f"{login}", repr([login])):
            self.assertNotIn("s3cret", text)
            self.assertNotIn("alice", text)
