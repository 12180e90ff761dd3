"""Our client with genuine 2.6 and 2.7 servers and with our own: every two values of what can be chosen meet once."""

from __future__ import annotations

import re

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import skip_unless_possible, two_hosts
from tests.openvpn.abreast import abreast
from tests.openvpn.peers import INNER_V4, INNER_V6, SERVER_V4, SERVER_V6, Case, Ends
from tests.pairs import Row, all_pairs, cover, pairs_of
from tests.papers import SERVER, USAGE, Issuer, Paper, purposes
from tvpn.crypto.tls import Credentials

FACTORS = {
    "server": ("2.6", "2.7", "tvpn"),
    "transport": ("udp", "tcp"),
    "outside": (SERVER_V4, SERVER_V6),
    "protection": ("none", "tls-auth", "tls-auth-directed", "tls-crypt", "tls-crypt-v2"),
    "cipher": ("AES-128-GCM", "AES-192-GCM", "AES-256-GCM", "CHACHA20-POLY1305",
               "AES-128-CBC", "AES-192-CBC", "AES-256-CBC"),
    "digest": ("SHA1", "SHA256", "SHA512"),
    "tls": ("1.2", "1.3"),
    "key": ("ECprime256v1", "RSA", "ED25519"),
}  # fmt: skip
ROWS = cover(FACTORS)
#: What a genuine server says of the wrapping of its control channel.
WRAPPINGS = {
    "none": r"^(?!(.|\n)*Control Channel (Authentication|Encryption): )",
    "tls-auth": r"key_direction = not set(.|\n)*Outgoing Control Channel Authentication: .* '{digest}'",
    "tls-auth-directed": r"key_direction = 0(.|\n)*Outgoing Control Channel Authentication: .* '{digest}'",
    "tls-crypt": r"\n\S+ \S+ us=\d+ Outgoing Control Channel Encryption: Cipher 'AES-256-CTR'",
    "tls-crypt-v2": "Control Channel: using tls-crypt-v2 key",
}
ROOT = Issuer()


def paper(name: str, kind: str, server: bool) -> Credentials:
    """A certificate with a key of this kind."""
    keys = {
        "ECprime256v1": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "ED25519": ed25519.Ed25519PrivateKey.generate,
    }
    made: Paper = ROOT.issue(name, key=keys[kind](), **({"extensions": (USAGE, purposes(SERVER))} if server else {}))
    return Credentials(ROOT.text, made.texts[0], made.key)


class MatrixTests(SynchronousTestCase):
    """Each row is a tunnel of its own."""

    skip = skip_unless_possible("openvpn", "ping")

    def check(self, row: Row) -> None:
        """A tunnel as the row says: packets go both ways, and the server has agreed on exactly that."""
        with two_hosts() as lab:
            case = Case(row["protection"], row["cipher"], row["tls"], row["server"], row["outside"], row["transport"],
                        digest=row["digest"])  # fmt: skip
            ends = Ends(lab, case, paper("alice", row["key"], False), paper("server", row["key"], True))
            server = ends.serve() if row["server"] == "tvpn" else ends.serve_stock()
            client = ends.join()
            answered = [lab.ping("client", inner, 3, 0.1) for inner in (INNER_V4, INNER_V6)]
            self.assertEqual(answered, [3, 3], client.output + server.output[-3000:])
            if row["server"] == "tvpn":
                # Neither end may do anything else, so that having joined says it all.
                self.assertIn(f"alice joined from {'[' if ':' in case.outer else ''}{case.outer[:-1]}2", server.output)
            else:
                # The last of what is agreed is logged some time later.
                self.assert_agreed(row, server.wait_for("Protocol options: .*\n", 10))
            self.assertNotIn("Traceback", client.output + server.output)

    def assert_agreed(self, row: Row, output: str) -> None:
        family = "6" if ":" in row["outside"] else ""
        cipher = f"cipher '{row['cipher']}'" + (f", auth '{row['digest']}'" if row["cipher"].endswith("CBC") else "")
        epochs = " aead-epoch" if row["server"] == "2.7" and not row["cipher"].endswith("CBC") else ""
        for expected in (
            WRAPPINGS[row["protection"]].format(digest=row["digest"]),
            rf"{row['transport'].upper()}v{family or '4'}(_SERVER)? link local",
            rf"\[alice\] Peer Connection Initiated with \[AF_INET{family}\]{re.escape(row['outside'][:-1])}2:",
            rf"Control Channel: TLSv{row['tls']}, .*peer certificate: \d+ bits {row['key']}",
            rf"Data Channel: {cipher}, peer-id: \d",
            rf"Protocol options: (explicit-exit-notify \d, )?protocol-flags cc-exit tls-ekm dyn-tls-crypt{epochs}\n",
        ):
            self.assertRegex(output, expected)

    def test_all_pairs(self) -> None:
        """The rows leave out no pair."""
        names = sorted(FACTORS, key=list(ROWS[0]).index)
        met = set().union(*map(pairs_of, ROWS))
        self.assertEqual(all_pairs({name: FACTORS[name] for name in names}) - met, set())

    def test_26(self) -> None:
        """A genuine 2.6 server: each wrapping, cipher, digest, TLS, kind of key, transport and family."""
        abreast(self.check, [row for row in ROWS if row["server"] == "2.6"])

    def test_27(self) -> None:
        """A genuine 2.7 server: the same, with its epochs."""
        abreast(self.check, [row for row in ROWS if row["server"] == "2.7"])

    def test_own(self) -> None:
        """Our own server: the same."""
        abreast(self.check, [row for row in ROWS if row["server"] == "tvpn"])
