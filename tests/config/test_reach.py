"""Others must not reach the prompt by oversight."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.reach import is_private


class ReachTests(SynchronousTestCase):
    def test_private(self) -> None:
        """Loopback of both families, in each spelling, and a unix socket for its owner are private."""
        for listen in (
            "tcp:2222:interface=127.0.0.1", "tcp4:2222:interface=127.8.8.8", "tcp:2222:interface=localhost",
            r"tcp6:2222:interface=\:\:1", "tcp:2222:backlog=5:interface=127.0.0.1", "unix:/run/tvpn/prompt:mode=600",
            "unix:/run/tvpn/prompt:mode=0600",
        ):  # fmt: skip
            self.assertTrue(is_private(listen), listen)

    def test_reachable(self) -> None:
        """Every address, no address and another's address are not, nor is a socket that others may open."""
        for listen in (
            "tcp:2222", "tcp:2222:interface=0.0.0.0", r"tcp6:2222:interface=\:\:", "tcp:2222:interface=192.0.2.1",
            "tcp:2222:interface=", "tcp:2222:interface=127.0.0.1.example.org", "unix:/run/prompt",
            "unix:/run/prompt:mode=666", "unix:/run/prompt:mode=660",
        ):  # fmt: skip
            self.assertFalse(is_private(listen), listen)

    def test_unknown(self) -> None:
        """What cannot be judged is refused with what to write."""
        for listen in ("ssl:2222:interface=127.0.0.1", "systemd:domain=INET:index=0", "", "2222", "tcp", "unix:"):
            self.assertIn("write tcp:2222", str(self.assertRaises(ValueError, is_private, listen)))
