"""An end that stands still for a while, and goes on (F-16)."""

from __future__ import annotations

import os
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, Site
from tests.lab import Lab, Program, skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast

BACK = 6.0
"""Seconds until packets pass again, for who has to connect anew."""


def frozen(program: Program, seconds: float) -> None:
    """Stop the process for so long."""
    os.kill(program.process.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(program.process.pid, signal.SIGCONT)


class FrozenTests(SynchronousTestCase):
    """Either the session goes on, or there is a clean new one."""

    SHORT, LONG = 1.5, 5.0
    skip = skip_unless_possible("ping")

    def answered(self, lab: Lab, client: Program) -> None:
        until = time.monotonic() + BACK
        while time.monotonic() < until:
            if lab.ping("client", INNER_V4, 2) == 2:
                return
        self.fail(f"no packet passes:\n{client.output}")

    def test_short(self) -> None:
        """Within the keepalive nobody notices: the same session goes on, whichever end it was."""
        with two_hosts() as lab:
            site = Site(lab, tunnel=("keepalive = 10 60",))
            server = site.serve()
            client = site.join(site.device("alice"))
            for end in (server, client):
                frozen(end, self.SHORT)
                self.answered(lab, client)
            self.assertNotIn("disconnected", client.output)
            self.assertEqual(client.output.count(CONNECTED), 1)

    def test_long(self) -> None:
        """Beyond it there is a new session: as soon as the server goes on, or we do."""

        def scene(end: str) -> None:
            with two_hosts() as lab:
                site = Site(lab, tunnel=("keepalive = 1 3",))
                server = site.serve()
                client = site.join(site.device("alice"))
                frozen(server if end == "server" else client, self.LONG)
                self.answered(lab, client)
                self.assertNotIn("Traceback", client.output + server.output)
                if end == "server":
                    self.assertIn("nothing heard for 3 seconds", client.output)

        abreast(scene, ("server", "client"))
