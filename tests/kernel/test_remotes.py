"""A client whose first remotes lead nowhere."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, Site
from tests.lab import skip_unless_possible, two_hosts


class RemotesTests(SynchronousTestCase):
    """The next remote is tried, and what failed is said."""

    skip = skip_unless_possible("ping")

    def test_next(self) -> None:
        """Past an unknown name and a closed TCP port our client finds the server, with a sentence for each."""
        with two_hosts() as lab:
            site = Site(lab)
            site.serve()
            profile = site.device("alice")
            remotes = "remote no-such-host.invalid 1194 udp\nremote 198.51.100.1 1194 tcp\nremote 198.51.100.1 1194 udp"
            lines = [line for line in profile.read_text().splitlines() if not line.startswith("remote ")]
            client = lab.twistd("client", lab.write("alice.conf", "\n".join([remotes, "connect-retry 1 2", *lines])))
            said = client.wait_for(CONNECTED, 30)
            self.assertIn("cannot find the address of no-such-host.invalid: ", said)
            self.assertRegex(said, r"no connection to 198\.51\.100\.1, tcp port 1194: .*refused")
            self.assertEqual(said.count("next try in"), 2)
            self.assertEqual(lab.ping("client", INNER_V4, 1), 1)
            self.assertNotIn("Traceback", said)
