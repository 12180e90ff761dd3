"""Somebody lays hands on the TUN device of a running client (F-17)."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import Site
from tests.lab import skip_unless_possible, two_hosts

#: What is done to it, and what is said of it.
DEEDS = (
    ((("link", "del", "tun0"),), "(vanished|was deleted)"),
    ((("link", "set", "tun0", "down"),), "was taken down"),
    ((("addr", "flush", "dev", "tun0"),), r"has lost its address 10\.87\.0\.2"),
    ((("link", "set", "tun0", "down"), ("link", "set", "tun0", "name", "tun7")), "was (renamed to tun7|taken down)"),
)


class HarmTests(SynchronousTestCase):
    """It ends within a second, with a sentence: a service manager starts it anew."""

    skip = skip_unless_possible()

    def test_harm(self) -> None:
        """F-17: deleted, down, without address, renamed: a sentence and exit status 1 within a second."""
        with two_hosts() as lab:
            site = Site(lab)
            site.serve()
            profile = site.device("alice")
            for deeds, sentence in DEEDS:
                client = site.join(profile)
                began = time.monotonic()
                for deed in deeds:
                    lab.ip("client", *deed)
                said = client.wait_for(f"the (TUN )?device tun0 {sentence}.*; the client stops", 3)
                taken = time.monotonic() - began
                self.assertLess(taken, 1.0, said)
                self.assertEqual(client.process.wait(5), 1, said)
                self.assertNotIn("Traceback", said)
                self.assertEqual(site.lab.ip("client", "-br", "link", "show", "type", "tun"), "")
