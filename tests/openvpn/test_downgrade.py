"""C-14: a genuine peer that speaks only what is weak: no tunnel, and our log says why."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import READY, Case, Ends

WEAK = "tls-cert-profile insecure"
#: What a peer is made to speak, and what our log says of it.
TLS = (
    (("tls-version-min 1.0", "tls-version-max 1.0"), "no common TLS version"),
    (("tls-version-min 1.0", "tls-version-max 1.1"), "no common TLS version"),
    (("tls-version-max 1.2", "tls-cipher eNULL:@SECLEVEL=0"), "no common TLS cipher"),
    (("tls-version-max 1.2", "tls-cipher aNULL:@SECLEVEL=0"), "no common TLS cipher"),
    (("tls-version-max 1.2", "tls-cipher AES128-SHA:@SECLEVEL=0"), "no common TLS cipher"),
)
DATA = (
    (("data-ciphers none", "cipher none"), "no common cipher"),
    (("data-ciphers BF-CBC", "providers legacy default"), "no common cipher"),
    (("data-ciphers AES-256-CBC", "auth none"), "no common cipher"),
)

AES_128, AES_256 = "ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"
#: What our server is told to speak, one peer that does and one that does not, and what our log says of the latter.
CHOSEN = (
    ("tls-version-min 1.3", "tls-version-min 1.3", "tls-version-max 1.2", "no common TLS version"),
    ("tls-version-max 1.2", "tls-version-max 1.2", "tls-version-min 1.3", "no common TLS version"),
    (f"tls-version-max 1.2\ntls-cipher TLS-{AES_256}", f"tls-cipher TLS-{AES_256}", f"tls-cipher TLS-{AES_128}",
     "no common TLS cipher"),
    ("tls-version-min 1.3\ntls-ciphersuites TLS_AES_256_GCM_SHA384", "tls-ciphersuites TLS_AES_256_GCM_SHA384",
     "tls-ciphersuites TLS_AES_128_GCM_SHA256", "no common TLS cipher"),
)  # fmt: skip


class DowngradeTests(SynchronousTestCase):
    skip = skip_unless_possible("openvpn")

    def test_weak_clients(self) -> None:
        """C-14: our server lets none of these clients in, and its log says of each what is not common."""
        with two_hosts() as lab:
            server = Ends(lab, Case("tls-crypt", server_lines=("verb 4",))).serve()
            for number, (lines, reason) in enumerate((*TLS, *DATA)):
                seen = server.output.count(reason)
                case = Case("tls-crypt", client_lines=(WEAK, *lines))
                config = Ends(lab, case).client_config(f"weak-{number}.conf")
                client = lab.spawn("client", "openvpn", str(config), name=f"weak-{number}")
                server.wait_for(reason, 10, seen + 1)
                client.stop()
                self.assertNotIn(READY, client.output, lines)
            self.assertNotIn("joined", server.output)
            self.assertNotIn("Traceback", server.output)

    def test_weak_servers(self) -> None:
        """C-14: our client joins none of these servers and says why; some, sharing no TLS with us, just fall silent."""
        silent, refused = "the TLS handshake did not finish", "refused us: Data channel cipher negotiation failed"

        def scene(case: tuple[tuple[str, ...], str]) -> None:
            lines, reason = case
            with two_hosts() as lab:
                Ends(lab, Case("tls-crypt", server_lines=(WEAK, *lines))).serve_stock()
                config = Ends(lab, Case("tls-crypt", client_lines=("hand-window 3",))).client_config()
                client = lab.twistd("client", config, "tvpn-client")
                client.wait_for(f"disconnected: .*{reason}", 10)
                self.assertNotIn("connected: device", client.output)

        abreast(scene, [
            *((lines, silent) for lines, _ in (TLS[1], TLS[2])),
            *((lines, refused) for lines, _ in DATA),
        ])  # fmt: skip

    def test_chosen(self) -> None:
        """Versions and ciphers that our server was told to speak are the only ones: who shares them joins, else not."""

        def scene(case: tuple[str, str, str, str]) -> None:
            chosen, good, bad, reason = case
            with two_hosts() as lab:
                server = Ends(lab, Case("tls-crypt", server_lines=(chosen,))).serve()
                other = Ends(lab, Case("tls-crypt", client_lines=(bad,))).client_config("bad.conf")
                client = lab.spawn("client", "openvpn", str(other), name="bad")
                server.wait_for(f"did not get in: .*{reason}", 10)
                client.stop()
                self.assertNotIn(READY, client.output, bad)
                Ends(lab, Case("tls-crypt", client_lines=(good,))).join_stock().stop()

        abreast(scene, CHOSEN)
