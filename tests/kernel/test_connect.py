"""``tvpn connect``: the machine joins in the foreground, told to a terminal, as JSON or to nobody."""

from __future__ import annotations

import json
import re
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, Site
from tests.lab import BIN, skip_unless_possible, two_hosts

TVPN = str(BIN / "tvpn")


class ConnectTests(SynchronousTestCase):
    skip = skip_unless_possible("ping", "script")

    def setUp(self) -> None:
        self.lab = self.enterContext(two_hosts())
        self.site = Site(self.lab)

    def test_json(self) -> None:
        """Each step is an object; traffic flows; SIGTERM ends it with 0 and the device is gone."""
        profile = self.site.device("alice")
        self.site.serve()
        client = self.lab.spawn("client", TVPN, "connect", "--json", str(profile))
        client.wait_for('"event": "connected"')
        self.assertEqual(self.lab.ping("client", INNER_V4), 3)
        self.assertEqual(client.stop(), 0, client.output)
        events = [json.loads(line) for line in client.output.splitlines()]
        names = [event["event"] for event in events]
        self.assertEqual(names[:5], ["calling", "advanced", "advanced", "advanced", "connected"])
        self.assertEqual([event["step"] for event in events[1:4]], ["answered", "secured", "keyed"])
        self.assertEqual(names[-1], "stopped")
        self.assertNotIn("tun", self.lab.ip("client", "-br", "link"))

    def test_terminal(self) -> None:
        """At a terminal the addresses stay and one line lives on, with rates."""
        profile = self.site.device("alice")
        self.site.serve()
        client = self.lab.spawn("client", "script", "-qfec", f"{TVPN} connect {profile}", "/dev/null")
        client.wait_for(r"connected: 10\.87\.0\.2/24")
        client.wait_for(r"up 0:00:0\d   ↓ .* bit/s   ↑ .* bit/s")

    def test_hung_up(self) -> None:
        """When its terminal is closed it puts everything back, and status and sentence say that nobody asked for it."""
        profile = self.site.device("alice")
        server = self.site.serve()
        client = self.lab.spawn("client", TVPN, "connect", str(profile))
        server.wait_for("alice joined from")
        self.assertEqual(client.stop(signal.SIGHUP), 1)
        self.assertEqual(client.output, "tvpn: SIGHUP came, as it does when a terminal is closed\n")
        server.wait_for("alice .*left")

    def test_reader_gone(self) -> None:
        """A program that reads no further ends nothing: the tunnel stands, and ends in order."""
        profile = self.site.device("alice")
        self.site.serve()
        command = f"{TVPN} connect --json {profile} | head -n 2"
        client = self.lab.spawn("client", "bash", "-c", f"{command}; echo status ${{PIPESTATUS[0]}}")
        client.wait_for('"answered"')
        for _ in range(100):
            # The device is there before it is up.
            if "10.87.0.0/24" in self.lab.ip("client", "route"):
                break
            time.sleep(0.1)
        self.assertEqual(self.lab.ping("client", INNER_V4), 3)
        self.lab.run("client", TVPN, "disconnect")
        client.wait_for("status 0")
        self.assertEqual(len(client.output.splitlines()), 3, client.output)

    def test_quiet(self) -> None:
        """Elsewhere it says nothing, as long as nothing is wrong; what is wrong is one sentence and status 1."""
        profile = self.site.device("alice")
        server = self.site.serve()
        client = self.lab.spawn("client", TVPN, "connect", str(profile))
        server.wait_for("alice joined from")
        self.assertEqual(client.stop(), 0)
        self.assertEqual(client.output, "")
        self.site.tvpn("device", "revoke", "alice")
        done = self.lab.run("client", TVPN, "connect", str(profile), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Atvpn: gave up: .*revoked.*\n\Z")
        done = self.lab.run("client", TVPN, "connect", str(self.site.config()), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(re.fullmatch(r"\S+/server.ini describes a server; name a client's profile\n", done.stderr))
