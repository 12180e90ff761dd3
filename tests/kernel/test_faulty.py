"""TCP connections that end, or stand still, anywhere in a handshake (F-15)."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import CONNECTED, INNER_V4, SERVER_V4, Site
from tests.lab import Program, skip_unless_possible, two_hosts

DEEDS = ("reset:1", "close:40", "half:700", "stall:60", "reset:1500", "close:2600", "stall:2000")


def descriptors(program: Program) -> int:
    return len(list(Path(f"/proc/{program.process.pid}/fd").iterdir()))


class FaultyTests(SynchronousTestCase):
    """Each time the client calls again, and nothing of the last call is left."""

    skip = skip_unless_possible("ping")

    def test_faults(self) -> None:
        """F-15: resets, ends, half an end and standstill after different numbers of bytes; then it connects, and has no
        descriptor more than one that connected at once.
        """
        with two_hosts() as lab:
            site = Site(lab, ("listen = tcp:1194",))
            site.serve()
            profile = site.device("alice", "127.0.0.1").read_text()
            faulty = lab.write("faulty.ovpn", f"connect-retry 1 1\nhand-window 2\n{profile}")
            relay = lab.spawn("client", sys.executable, "-m", "tests.kernel.faulty", "1194", SERVER_V4, *DEEDS)
            relay.wait_for("relaying")
            client = lab.twistd("client", faulty)
            said = client.wait_for(CONNECTED, 40)
            self.assertEqual(relay.output.count("did "), len(DEEDS), relay.output + said)
            self.assertEqual(said.count("disconnected: "), len(DEEDS), said)
            self.assertNotIn("Traceback", said)
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 3), 2)
            used = descriptors(client)
            client.stop()
            self.assertEqual(used, descriptors(site.join(faulty)))
