"""``tvpn device revoke`` beside a running server."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import skip_unless_possible, two_hosts

REFUSED = "the server refused us: this device is revoked"


class RevokeTests(SynchronousTestCase):
    """A device that is connected, and one that comes later."""

    skip = skip_unless_possible("ping")

    def test_revoked(self) -> None:
        """At the next renegotiation the session ends with a sentence on both sides; coming back is refused alike."""
        with two_hosts() as lab:
            site = Site(lab, control=("reneg-sec = 5",))
            server = site.serve()
            alice = site.device("alice")
            client = site.join(alice)
            self.assertEqual(lab.ping("client", INNER_V4), 3)
            self.assertIn("alice: revoked", site.tvpn("device", "revoke", "alice"))
            server.wait_for(r"alice \(198\.51\.100\.2:\d+\) left: this device is revoked", 12)
            self.assertIn(REFUSED, client.wait_for("gave up", 5))
            self.assertEqual(client.process.wait(10), 1)
            self.assertNotIn("tun", lab.ip("client", "-br", "link"))
            again = lab.twistd("client", alice, "again")
            self.assertIn(REFUSED, again.wait_for("gave up", 10))
            server.wait_for(r"alice .* did not get in: this device is revoked", 5)
            self.assertNotIn("Traceback", server.output + client.output + again.output)

    def test_others(self) -> None:
        """A device of another name, and a new one of the same name, come in while the old profile does not."""
        with two_hosts() as lab:
            site = Site(lab)
            server = site.serve()
            old = site.device("alice").rename(lab.folder / "old.ovpn")
            site.tvpn("device", "revoke", "alice")
            for name in ("bob", "alice"):
                client = site.join(site.device(name))
                self.assertEqual(lab.ping("client", INNER_V4), 3)
                client.stop()
            refused = lab.twistd("client", old, "old")
            refused.wait_for(REFUSED, 10)
            self.assertEqual(server.wait_for("did not get in", 5).count("did not get in"), 1)
