"""The kill switch in the kernel: nothing leaves but what goes to the server, whatever happens to client and routes."""

from __future__ import annotations

import signal
import sys
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.kernel.scene import INNER_V4, INNER_V6, SERVER_V4, SERVER_V6, Site, tables
from tests.lab import BIN, Lab, Program, skip_unless_possible, two_hosts

TARGETS = ("203.0.113.7", "2001:db8:99::7")
PUSH = ("redirect-gateway def1 ipv6", "dhcp-option DNS 10.87.0.1")
TABLE = "table inet tvpn_kill"


class Yard:
    """A client behind the one wire to its server, which is its default gateway as well; and who listens there."""

    def __init__(self, lab: Lab, *tunnel: str) -> None:
        self.lab = lab
        self.device = lab.ip("server", "-br", "link", "show", "type", "veth").split("@")[0]
        self.near = lab.ip("client", "-br", "link", "show", "type", "veth").split("@")[0]
        for version, gateway in (("-4", SERVER_V4), ("-6", SERVER_V6)):
            lab.ip("client", version, "route", "add", "default", "via", gateway)
        self.site = Site(lab, tunnel=("keepalive = 1 3", *tunnel), push=PUSH)
        self.server = self.site.serve()
        profile = self.site.device("alice").read_text()
        self.profile = lab.write("closed.ovpn", f"kill-switch\n{profile}")

    def listen(self) -> Program:
        """Who hears what leaves the client, from now on."""
        program = self.lab.spawn(
            "server", sys.executable, "-m", "tests.kernel.capture", self.device, "1194", SERVER_V4, SERVER_V6
        )
        program.wait_for("capturing")
        return program

    def talk(self) -> Program:
        program = self.lab.spawn("client", sys.executable, "-m", "tests.kernel.chatter", *TARGETS)
        program.wait_for("talking")
        return program

    def tempt(self) -> None:
        """Routes as DHCP's option 121 would add them, past the tunnel."""
        for network in ("0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2", f"{TARGETS[0]}/32"):
            self.lab.ip("client", "route", "add", network, "via", SERVER_V4, "metric", "1")
        for network in ("2000::/5", f"{TARGETS[1]}/128"):
            self.lab.ip("client", "-6", "route", "add", network, "via", SERVER_V6, "metric", "1")

    def join(self) -> Program:
        return self.site.join(self.profile)


class LeakTests(SynchronousTestCase):
    """A machine that talks all the time, and its wire."""

    PAUSE = 1.2
    """Seconds for each state that might leak."""
    skip = skip_unless_possible("nft", "ping")

    def test_leaks(self) -> None:
        """I-10, I-12: with routes past the tunnel, with the server gone, with the client killed and started again not
        one packet of either family leaves but to the server; after an orderly stop they do.
        """
        with two_hosts() as lab:
            yard = Yard(lab)
            client = yard.join()
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 2), 1, client.output)
            wire = yard.listen()
            yard.talk()
            yard.tempt()
            time.sleep(self.PAUSE)
            yard.server.stop(signal.SIGKILL)
            client.wait_for("nothing heard for 3 seconds")
            time.sleep(self.PAUSE)
            client.stop(signal.SIGKILL)
            time.sleep(self.PAUSE)
            yard.site.serve()
            again = yard.join()
            time.sleep(self.PAUSE)
            self.assertEqual(wire.output.count("stray:"), 0, wire.output)
            self.assertNotIn("Traceback", client.output + again.output)
            self.assertEqual(again.stop(), 0, again.output)
            self.assertNotIn(TABLE, tables(lab, "client"))
            wire.wait_for("stray: protocol 17 to 203.0.113.7 53", 5)
            wire.wait_for("stray: protocol 6 to 2001:db8:99::7 443", 5)

    def test_link(self) -> None:
        """The same while the link goes down and up, and its routes are made anew."""
        with two_hosts() as lab:
            yard = Yard(lab)
            client = yard.join()
            wire = yard.listen()
            yard.talk()
            lab.ip("client", "link", "set", yard.near, "down")
            time.sleep(self.PAUSE / 2)
            lab.ip("client", "link", "set", yard.near, "up")
            lab.ip("client", "addr", "replace", "2001:db8:1::2/64", "dev", yard.near, "nodad")
            for version, gateway in (("-4", SERVER_V4), ("-6", SERVER_V6)):
                lab.ip("client", version, "route", "replace", "default", "via", gateway, "dev", yard.near)
            time.sleep(self.PAUSE * 2)
            self.assertEqual(wire.output.count("stray:"), 0, wire.output)
            self.assertGreaterEqual(lab.ping("client", INNER_V4, 5), 1, client.output)

    def test_tap(self) -> None:
        """With a tunnel of Ethernet frames: its own traffic passes, and not one packet past it, client or no client."""
        with two_hosts() as lab:
            yard = Yard(lab, "dev = tap")
            client = yard.join()
            wire = yard.listen()
            yard.talk()
            yard.tempt()
            self.assertEqual([lab.ping("client", inner, 2) for inner in (INNER_V4, INNER_V6)], [2, 2], client.output)
            client.stop(signal.SIGKILL)
            time.sleep(self.PAUSE)
            self.assertEqual(wire.output.count("stray:"), 0, wire.output)
            self.assertEqual(yard.join().stop(), 0)
            wire.wait_for("stray:", 5)


class EndTests(SynchronousTestCase):
    """Who opens it."""

    skip = skip_unless_possible("nft")

    def disconnect(self, lab: Lab) -> str:
        return lab.run("client", str(BIN / "tvpn"), "disconnect").stdout

    def test_disconnect(self) -> None:
        """``tvpn disconnect`` ends the client that runs, opens what a killed one has closed, and says what it did."""
        with two_hosts() as lab:
            yard = Yard(lab)
            client = yard.join()
            pid = client.process.pid
            self.assertIn(TABLE, tables(lab, "client"))
            self.assertEqual(self.disconnect(lab), f"the client (process {pid}) has ended\n")
            self.assertEqual(client.process.wait(1), 0)
            self.assertNotIn(TABLE, tables(lab, "client"))
            yard.join().stop(signal.SIGKILL)
            self.assertIn(TABLE, tables(lab, "client"))
            plain = lab.twistd("client", lab.folder / "alice.ovpn")
            plain.wait_for("a client that is gone stands in the way; open it with: tvpn disconnect", 20)
            self.assertEqual(plain.stop(), 0, plain.output)
            said = self.disconnect(lab)
            self.assertRegex(said, r"\Ano client is running here\nthe kill switch is open\n")
            self.assertNotIn(TABLE, tables(lab, "client"))
            self.assertEqual(self.disconnect(lab), "no client is running here\n")

    def test_refused(self) -> None:
        """A client that the server refuses for good leaves it closed, and says how it is opened."""
        with two_hosts() as lab:
            yard = Yard(lab)
            yard.site.tvpn("device", "revoke", "alice")
            client = lab.twistd("client", yard.profile)
            said = client.wait_for("the kill switch stays closed; .*tvpn disconnect", 20)
            self.assertEqual(client.process.wait(10), 1, said)
            self.assertIn(TABLE, tables(lab, "client"))

    def test_no_nft(self) -> None:
        """Without nft it does not start, and names the package."""
        with two_hosts() as lab:
            yard = Yard(lab)
            program = (
                "import sys\nfrom unittest import mock\nfrom tvpn.service import nft\n"
                "from tvpn.config import load\nfrom tvpn.service.build import build\n"
                "from tvpn.errors import TvpnError\n"
                "with mock.patch.object(nft.shutil, 'which', return_value=None):\n"
                "    try:\n        build(load(sys.argv[1]), mock.Mock())\n"
                "    except TvpnError as error:\n        print(error)\n"
            )
            said = lab.run("client", sys.executable, "-c", program, str(yard.profile)).stdout
            self.assertIn("kill-switch: there is no nft here; install the package nftables", said)


