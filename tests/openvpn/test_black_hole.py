"""A wire that swallows large datagrams and says nothing about it."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, Case, Ends

#: On arrival and without an answer, so that nobody learns of it. Control packets that are too large are counted.
HOLE = """table inet hole {
  counter swallowed { }
  counter control { }
  chain in {
    type filter hook input priority 0;
    meta l4proto udp th dport 1194 meta length > 1200 counter name swallowed drop
    meta l4proto udp th sport 1194 meta length > 1200 counter name swallowed drop
    meta l4proto udp meta length > 600 @th,64,5 != 9 counter name control
  }
}
"""
TRANSFER = "2M"
OWN, STOCK = ("max-packet-size 600", "mssfix 1200"), ("max-packet-size 600", "mssfix 1200 mtu")


class BlackHoleTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "nft", "iperf3", "ping")

    def counted(self, lab: Lab, host: str, name: str) -> int:
        shown = lab.run(host, "nft", "list", "counter", "inet", "hole", name).stdout
        match = re.search(r"packets (\d+)", shown)
        assert match is not None, shown
        return int(match[1])

    def check(self, ours: str, version: str = "2.6") -> None:
        with two_hosts() as lab:
            for host in ("server", "client"):
                lab.run(host, "nft", "-f", str(lab.write(f"{host}.nft", HOLE)))
                # Else a burst of segments crosses this wire as one large packet, as it would no real one.
                device = lab.ip(host, "-br", "link", "show", "type", "veth").split("@")[0]
                lab.ip(host, "link", "set", "dev", device, "gso_max_segs", "1")
            sides = (OWN, STOCK) if ours == "server" else (STOCK, OWN)
            ends = Ends(lab, Case(version=version, server_lines=sides[0], client_lines=sides[1]))
            server = ends.serve() if ours == "server" else ends.serve_stock()
            client = ends.join_stock() if ours == "server" else ends.join()
            self.assertEqual([self.counted(lab, host, "control") for host in ("server", "client")], [0, 0])
            for target in (INNER_V4, INNER_V6):
                for way in ((), ("-R",)):
                    # One for each: a listener that has not finished with the last transfer refuses the next.
                    listener = lab.spawn("server", "iperf3", "-s", "-1", "--forceflush", name="iperf3")
                    listener.wait_for("listening")
                    done = lab.run("client", "iperf3", "-c", target, "-n", TRANSFER, *way, seconds=20, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr + client.output[-2000:])
                    listener.process.wait(10)
            self.assertEqual([self.counted(lab, host, "swallowed") for host in ("server", "client")], [0, 0])
            words = ("ping", "-c2", "-i0.2", "-W1", "-s", "1300", INNER_V4)
            self.assertIn(" 0 received", lab.run("client", *words, check=False).stdout, server.output[-2000:])
            self.assertGreater(self.counted(lab, "server", "swallowed"), 0)

    def test_server(self) -> None:
        """F-11: a stock client connects to our server by control packets of at most 600 bytes, TCP flows both ways over
        v4 and v6, and nothing of it is too large; what is too large is gone, so the hole is one.
        """
        self.check("server")

    def test_client(self) -> None:
        """F-11: the same for our client with stock servers, 2.6 and 2.7."""
        self.check("client")
        self.check("client", "2.7")
