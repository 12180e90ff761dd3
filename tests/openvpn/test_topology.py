"""The older topologies, net30 and p2p, between our server and stock clients."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.peers import INNER_V4, INNER_V6, Case, Ends


class TopologyTests(SynchronousTestCase):
    """The later line wins over the lab's topology subnet."""

    skip = skip_unless_possible("openvpn", "ping")

    def _check(self, topology: str, address: str, version: str = "2.6") -> None:
        with two_hosts() as lab:
            ends = Ends(lab, Case(version=version, server_lines=(f"topology {topology}",)))
            server = ends.serve()
            client = ends.join_stock()
            self.assertIn(address, lab.ip("client", "addr", "show", "dev", "tun0"))
            self.assertEqual(lab.ping("client", INNER_V4), 3, client.output[-3000:] + server.output[-3000:])
            self.assertEqual(lab.ping("client", INNER_V6), 3, server.output[-3000:])
            self.assertIn("inet 10.99.0.1 peer 10.99.0.2/32", lab.ip("server", "addr", "show", "dev", "tun0"))
            self.assertEqual(lab.ping("server", address.split()[1]), 3, server.output[-3000:])
            self.assertNotIn("Traceback", client.output + server.output)

    def test_net30_server(self) -> None:
        """A stock client of our server with net30 has the first pair and reaches the server, and the reverse."""
        self._check("net30", "inet 10.99.0.6 peer 10.99.0.5/32")

    def test_p2p_server(self) -> None:
        """A stock client of our server with p2p is the other end of the server's address."""
        self._check("p2p", "inet 10.99.0.4 peer 10.99.0.1/32")

    def test_27(self) -> None:
        """The same with a 2.7 client."""
        self._check("net30", "inet 10.99.0.6 peer 10.99.0.5/32", version="2.7")
