"""The genuine openvpn over wires that lose a third of everything."""

from __future__ import annotations

import time
from itertools import cycle

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, skip_unless_possible
from tests.openvpn.peers import READY, SIGNER, Case, Ends, binary

#: On arrival, so that who sends does not notice.
LOSS = (
    "table inet loss {{ chain in {{ type filter hook input priority 0;"
    " udp {} 1194 numgen random mod 100 < 30 drop; }}; }}"
)
CLIENTS = range(1, 6)


class LossTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn", "nft")

    def test_five_clients(self) -> None:
        """F-01: at 30 % loss each way five of five stock clients, of 2.6 and of 2.7, connect within three minutes."""
        with Lab() as lab:
            lab.host("server")
            server = Ends(lab, Case()).serve()
            clients = {}
            for number in CLIENTS:
                name, outer = f"client{number}", f"198.51.{number}.1"
                lab.host(name)
                lab.wire("server", [f"{outer}/24"], name, [f"198.51.{number}.2/24"])
                self.lose(lab, name, "sport")
                config = Ends(lab, Case(outer=outer), SIGNER.issue(name)).client_config(f"{name}.conf")
                clients[name] = config
            self.lose(lab, "server", "dport")
            versions = cycle(("2.6", "2.7"))
            programs = [
                lab.spawn(name, binary(version), str(config), name=name)
                for (name, config), version in zip(clients.items(), versions, strict=False)
            ]
            until = time.monotonic() + 180
            for program in programs:
                program.wait_for(READY, until - time.monotonic())
            for name in clients:
                server.wait_for(f"{name} joined from", 5)
            self.assertNotIn("Traceback", server.output)

    def lose(self, lab: Lab, host: str, port: str) -> None:
        lab.run(host, "nft", "-f", str(lab.write(f"{host}.nft", LOSS.format(port))))
