"""C-13: the same servers called by the genuine openvpn and by tvpn as clients with the same options.

Every server is a genuine one with a certificate of its own. Whom the one client refuses the other refuses, too.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible
from tests.openvpn.peers import READY
from tests.openvpn.visitor import Visit, encode
from tests.papers import (
    CLIENT,
    SERVER,
    USAGE,
    Extension,
    Issuer,
    Paper,
    purposes,
    self_signed,
    usage,
    version_one,
    with_sha1,
)

FIRST_PORT = 2000
ROOT, OTHER = Issuer(), Issuer("Other CA")
ALICE = ROOT.issue("alice")
BELOW = ROOT.below("Department")
MADE: tuple[Extension, ...] = (USAGE, purposes(SERVER))
REVOKED = ROOT.issue("home", extensions=MADE)
GOOD = {
    "P-256": ROOT.issue("home", extensions=MADE),
    "RSA 2048": ROOT.issue("home", extensions=MADE, key=rsa.generate_private_key(65537, 2048)),
    "with intermediate": BELOW.issue("home", extensions=MADE),
    "for both roles": ROOT.issue("home", extensions=(USAGE, purposes(CLIENT, SERVER))),
    "encipherment": ROOT.issue("home", extensions=(usage("key_encipherment", "digital_signature"), purposes(SERVER))),
}
BAD = {
    "revoked": REVOKED,
    "expired": ROOT.issue("home", extensions=MADE, begins=-30, ends=-3),
    "not yet valid": ROOT.issue("home", extensions=MADE, begins=3),
    "another CA's": OTHER.issue("home", extensions=MADE),
    "self-signed": self_signed("home", MADE),
    "a client's": ROOT.issue("home"),
    "no extended usage": ROOT.issue("home", extensions=(USAGE,)),
    "no key usage": ROOT.issue("home", extensions=(purposes(SERVER),)),
    "version 1": ROOT.issue("home", edit=version_one),
    "SHA-1": ROOT.issue("home", extensions=MADE, edit=with_sha1, digest=hashes.SHA1()),
    "intermediate missing": BELOW.issue("home", extensions=MADE).alone(),
    "another name": ROOT.issue("home2", extensions=MADE),
    "another name, too": ROOT.issue("hom", extensions=MADE),
    "in the other's place": ROOT.issue("O=home", "away", extensions=MADE),
    "no name": ROOT.issue("O=home", extensions=MADE),
}


class ServerMatrixTests(SynchronousTestCase):
    """Both clients, the same servers, the same verdicts."""

    skip = skip_unless_possible("openvpn")

    def test_servers(self) -> None:
        """C-13: a CA, a revocation list, remote-cert-tls and a name: whom the genuine client joins ours joins."""
        papers = {**GOOD, **BAD}
        with Lab() as lab:
            lab.host("hall")
            lab.write("crl.pem", ROOT.revoke(REVOKED.leaf))
            for number, paper in enumerate(papers.values(), 1):
                self.serve(lab, number, paper)
            own, stock = self.call_by_ours(lab, papers), self.call_by_stock(lab, papers)
        self.assertEqual([name for name in papers if stock[name] != (name in GOOD)], [], "openvpn decides otherwise")
        self.assertEqual([name for name in papers if own[name] != (name in GOOD)], [], "tvpn decides otherwise")

    def serve(self, lab: Lab, number: int, paper: Paper) -> None:
        lines = (
            f"port {FIRST_PORT + number}", "proto udp4", "local 127.0.0.1", "dev tun", "topology subnet", "dh none",
            f"server 10.{number}.0.0 255.255.255.0", "data-ciphers AES-256-GCM", "tls-cert-profile insecure",
            "duplicate-cn", "<ca>", ROOT.text, "</ca>", "<cert>", *paper.texts, "</cert>", "<key>", paper.key, "</key>",
        )  # fmt: skip
        path = lab.write(f"server-{number}.conf", "\n".join(lines))
        lab.spawn("hall", "openvpn", str(path), name="server").wait_for(READY)

    def config(self, lab: Lab, number: int) -> str:
        lines = (
            "client", "dev tun", f"remote 127.0.0.1 {FIRST_PORT + number} udp4", "nobind", "remote-cert-tls server",
            "verify-x509-name home name", f"crl-verify {lab.folder}/crl.pem", "data-ciphers AES-256-GCM",
            "<ca>", ROOT.text, "</ca>", "<cert>", *ALICE.texts, "</cert>", "<key>", ALICE.key, "</key>",
        )  # fmt: skip
        return str(lab.write(f"client-{number}.conf", "\n".join(lines)))

    def call_by_ours(self, lab: Lab, papers: Mapping[str, Paper]) -> dict[str, bool]:
        """What our client makes of each server."""
        visits = [
            Visit(str(number), FIRST_PORT + number, "127.0.0.1", [], "", self.config(lab, number))
            for number in range(1, len(papers) + 1)
        ]
        path = str(lab.write("visits.json", encode(visits)))
        visitor = lab.spawn("hall", sys.executable, "-m", "tests.openvpn.visitor", path, name="visitor")
        visitor.wait_for(r"(?m)^(no:)?\d+$", 15, len(visits))
        admitted = visitor.output.split()
        return {name: str(number) in admitted for number, name in enumerate(papers, 1)}

    def call_by_stock(self, lab: Lab, papers: Mapping[str, Paper]) -> dict[str, bool]:
        """What the genuine client makes of each server."""
        clients = {
            name: lab.spawn("hall", "openvpn", "--config", self.config(lab, number), "--ifconfig-noexec",
                            "--route-noexec", name="client")
            for number, name in enumerate(papers, 1)
        }  # fmt: skip
        return {name: self.joined(client) for name, client in clients.items()}

    def joined(self, client: Program) -> bool:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            if re.search(rf"{READY}|TLS handshake failed", client.output):
                return READY in client.output
            time.sleep(0.02)
        raise AssertionError(f"no verdict: {client.output[-2000:]}")
