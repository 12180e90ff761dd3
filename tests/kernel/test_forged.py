"""ICMP errors that anybody can forge change nothing (F-12, F-13)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.forger import ERRORS, ROUNDS
from tests.kernel.scene import CONNECTED, INNER_V4, LISTENING, SERVER_V4, Site
from tests.lab import BIN, Lab, Program, skip_unless_possible, two_hosts

CLIENT_V4, SERVICE = "198.51.100.2", 1194


def start(lab: Lab, host: str, config: Path, reactor: str) -> Program:
    """One end, on this reactor."""
    words = [str(BIN / "twistd"), f"--reactor={reactor}", "-n", "--pidfile=", "tvpn", "--config", str(config)]
    return lab.spawn(host, *words)


def port_of(client: Program) -> int:
    """The port of the client's socket, the only one in its namespace."""
    table = Path(f"/proc/{client.process.pid}/net/udp").read_text()
    return int(re.findall(r"^ *\d+: [0-9A-F]{8}:([0-9A-F]{4}) ", table, re.MULTILINE)[0], 16)


def heard(end: Program) -> int:
    """How many ICMP errors this end's kernel has taken for genuine."""
    lines = Path(f"/proc/{end.process.pid}/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Icmp:"))
    counted = dict(zip(names, values, strict=True))
    return int(counted["InDestUnreachs"]) + int(counted["InTimeExcds"]) - int(counted["InCsumErrors"])


class ForgedTests(SynchronousTestCase):
    """Ports stay open, datagrams keep their size, data flows."""

    skip = skip_unless_possible("ping")

    def survives(self, reactor: str) -> None:
        with two_hosts() as lab:
            site = Site(lab, tunnel=("keepalive = 1 3",))
            profile = site.device("alice")
            server = start(lab, "server", site.config(), reactor)
            server.wait_for(LISTENING)
            client = start(lab, "client", profile, reactor)
            client.wait_for(CONNECTED)
            port = port_of(client)
            for host, words in (
                ("server", (SERVER_V4, CLIENT_V4, port, SERVICE)),
                ("client", (CLIENT_V4, SERVER_V4, SERVICE, port)),
            ):
                lab.run(host, sys.executable, "-m", "tests.kernel.forger", *map(str, words))
            self.assertEqual([heard(end) for end in (server, client)], [ROUNDS * len(ERRORS)] * 2)
            large = lab.run(
                "client", "ping", "-n", "-c", "10", "-i", "0.2", "-s", "1400", "-W", "1", INNER_V4, check=False
            ).stdout
            self.assertIn(" 0% packet loss", large)
            for end in (server, client):
                self.assertNotRegex(end.output, "disconnected|Traceback|left:|error")
            self.assertIn("reactor class: twisted.internet." + reactor, client.output)

    def test_epoll(self) -> None:
        """On the reactor that is used by itself."""
        self.survives("epoll")

    def test_poll(self) -> None:
        """On poll, which tells errors otherwise."""
        self.survives("poll")

    def test_select(self) -> None:
        """On select."""
        self.survives("select")
