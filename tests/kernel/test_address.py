"""A device finds its addresses again."""

from __future__ import annotations

import signal

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import skip_unless_possible, two_hosts


class AddressTests(SynchronousTestCase):
    """After a new connection, and after a new start of the server."""

    skip = skip_unless_possible("ping")

    def test_same_again(self) -> None:
        """Devices have their addresses again, whoever comes first, also where the server was killed in between."""
        with two_hosts() as lab:
            site = Site(lab)
            server = site.serve()
            alice, bob = site.device("alice"), site.device("bob")
            first = {}
            for profile in (alice, bob, alice):
                client = site.join(profile)
                addresses = site.address()
                self.assertEqual(first.setdefault(profile.stem, addresses), addresses)
                client.stop()
            self.assertEqual([len(addresses) for addresses in first.values()], [2, 2])
            self.assertEqual(len(set(first["alice"] + first["bob"])), 4)
            for number in (signal.SIGTERM, signal.SIGKILL):
                server.stop(number)
                server = site.serve()
                for profile in (bob, alice):
                    client = site.join(profile)
                    self.assertEqual(site.address(), first[profile.stem])
                    client.stop()

    def test_server_back(self) -> None:
        """A client whose server was killed finds it again by itself, with the same addresses, and works."""
        with two_hosts() as lab:
            site = Site(lab, tunnel=("keepalive = 1 4",))
            server = site.serve()
            client = site.join(site.device("alice"))
            before = site.address()
            server.stop(signal.SIGKILL)
            client.wait_for("disconnected: ", 10)
            site.serve().wait_for("alice joined", 20)
            client.wait_for("disconnected: ", 1)
            tries = (lab.ping("client", INNER_V4, 1) for _ in range(10))
            self.assertTrue(any(tries), client.output)
            self.assertEqual(site.address(), before)
