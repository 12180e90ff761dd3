"""C-13: the same certificates shown to the genuine openvpn and to tvpn as servers with the same options.

Each table says who gets in; both servers are asked, live. Where tvpn is stricter on purpose the table says so, and the
genuine one must still be the milder of the two.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from tests.lab import Lab, Program, skip_unless_possible
from tests.openvpn.peers import READY
from tests.openvpn.visitor import Visit, encode
from tests.papers import (
    ANY,
    CLIENT,
    ORDINARY,
    SERVER,
    USAGE,
    Issuer,
    Paper,
    as_version,
    constraint,
    purposes,
    self_signed,
    usage,
    version_one,
    with_bytes,
    with_sha1,
)

STOCK_PORT, OWN_PORT = 1194, 1195
ROOT, OTHER, IMPOSTOR = Issuer(), Issuer("Other CA"), Issuer()
OWN = ROOT.issue("server", extensions=(USAGE, purposes(SERVER)))
BELOW = ROOT.below("Department")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


@dataclass
class Table:
    """Papers by what becomes of them: both let them in, neither does, or only the genuine openvpn does."""

    good: Mapping[str, Paper]
    bad: Mapping[str, Paper]
    stricter: Mapping[str, Paper] = field(default_factory=dict)

    @property
    def papers(self) -> dict[str, Paper]:
        return {**self.good, **self.bad, **self.stricter}


def below(levels: int) -> Paper:
    """A client's certificate with so many authorities between it and the root."""
    issuer = ROOT
    for level in range(levels):
        issuer = issuer.below(f"Level {level}")
    return issuer.issue("alice")


def san(text: str) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectAlternativeName([x509.RFC822Name(text)]), False


GOOD = {
    "P-256": ROOT.issue("alice"),
    "P-384": ROOT.issue("alice", key=ec.generate_private_key(ec.SECP384R1())),
    "Ed25519": ROOT.issue("alice", key=ed25519.Ed25519PrivateKey.generate()),
    "RSA 2048": ROOT.issue("alice", key=rsa.generate_private_key(65537, 2048)),
    "RSA 1024": ROOT.issue("alice", key=rsa.generate_private_key(65537, 1024)),
    "for both roles": ROOT.issue("alice", extensions=(USAGE, purposes(SERVER, CLIENT))),
    "key agreement only": ROOT.issue("alice", extensions=(usage("key_agreement"), purposes(CLIENT))),
    "an authority's own": ROOT.issue("alice", extensions=(*ORDINARY, constraint(True))),
    "unknown extension": ROOT.issue("alice", extensions=(*ORDINARY, (UNKNOWN, False))),
    "with intermediate": BELOW.issue("alice"),
    "intermediate without a name": ROOT.below("O=Department").issue("alice"),
    "path length kept": ROOT.below("Last department", constraint(True, 0)).issue("alice"),
    "16 certificates": below(14),
}
GOOD_NAMES = {
    "UTF-8": ROOT.issue("Jürgen Müller"),
    "comma": ROOT.issue("alice, O=x"),
    "path": ROOT.issue("../alice"),
    "two names": ROOT.issue("alice", "bob"),
    "64 letters": ROOT.issue("x" * 64),
    "twice": ROOT.issue("alice"),
    "control-free SAN": ROOT.issue("alice", extensions=(*ORDINARY, san("a@b"))),
}
BAD = {
    "expired": ROOT.issue("alice", begins=-30, ends=-3),
    "not yet valid": ROOT.issue("alice", begins=3),
    "another CA's": OTHER.issue("alice"),
    "another CA's of the same name": IMPOSTOR.issue("alice"),
    "self-signed": self_signed("alice"),
    "self-signed in the CA's name": self_signed("Test CA"),
    "broken signature": ROOT.issue("alice", edit=list, digest=hashes.SHA384()),
    "SHA-1": ROOT.issue("alice", edit=with_sha1, digest=hashes.SHA1()),
    "a server's": ROOT.issue("alice", extensions=(USAGE, purposes(SERVER))),
    "any usage": ROOT.issue("alice", extensions=(USAGE, purposes(ANY))),
    "for code": ROOT.issue("alice", extensions=(USAGE, purposes(ExtendedKeyUsageOID.CODE_SIGNING))),
    "no extended usage": ROOT.issue("alice", extensions=(USAGE,)),
    "no key usage": ROOT.issue("alice", extensions=(purposes(CLIENT),)),
    "no extensions": ROOT.issue("alice", extensions=()),
    "encipherment only": ROOT.issue("alice", extensions=(usage("key_encipherment"), purposes(CLIENT))),
    "certificate signing only": ROOT.issue("alice", extensions=(usage("key_cert_sign"), purposes(CLIENT))),
    "version 1": ROOT.issue("alice", edit=version_one),
    "unknown critical extension": ROOT.issue("alice", extensions=(*ORDINARY, (UNKNOWN, True))),
}
BAD_CHAINS = {
    "intermediate missing": BELOW.issue("alice").alone(),
    "below no authority": ROOT.below("No CA", constraint(False)).issue("alice"),
    "below a client": ROOT.below("Client", *ORDINARY).issue("alice"),
    "below one that may not sign": ROOT.below("Mute", constraint(True), USAGE).issue("alice"),
    "path length exceeded": ROOT.below("Last", constraint(True, 0)).below("One more").issue("alice"),
    "17 certificates": below(15),
    "18 certificates": below(16),
    "20 certificates": below(18),
}
BAD_NAMES = {
    "no name": ROOT.issue("O=x"),
    "no subject": ROOT.issue(),
    "65 letters": ROOT.issue("x" * 65),
}
#: The genuine openvpn writes _ for some of these characters; here nobody with such a name comes in, nor with a name
#: that is empty or not Unicode, nor with a version that does not go with extensions (RFC 5280 section 4.1.2.1).
STRICTER = {
    "NUL": ROOT.issue("al\0ice"),
    "line feed": ROOT.issue("al\nice"),
    "carriage return": ROOT.issue("al\rice"),
    "escape": ROOT.issue("al\x1b[31mice"),
    "delete": ROOT.issue("al\x7fice"),
    "right to left": ROOT.issue("al\u202eice"),
    "NUL in SAN": ROOT.issue("alice", extensions=(*ORDINARY, san("a\0b@c"))),
    "line feed in SAN": ROOT.issue("alice", extensions=(*ORDINARY, san("a\nb@c"))),
    "line feed elsewhere": ROOT.issue("alice", "O=a\nb"),
    "empty name": ROOT.issue("CN="),
    "version 2": ROOT.issue("alice", edit=as_version(2)),
    "version 4": ROOT.issue("alice", edit=as_version(4)),
    "Latin-1": ROOT.issue("alicexyz", edit=with_bytes(b"\x0c\x08alicexyz", b"\x14\x08alic\xe9xyz")),
}
MALLORY = self_signed("mallory")


class Court:
    """A genuine server and one of ours with the same options, in a namespace of their own."""

    def __init__(self, lab: Lab, lines: tuple[str, ...]) -> None:
        self.lab = lab
        self._stock = lab.spawn("court", "openvpn", str(self._config("stock.conf", STOCK_PORT, lines)), name="stock")
        self._own = lab.twistd("court", self._config("own.conf", OWN_PORT, lines), "tvpn")
        self._stock.wait_for(READY)
        self._own.wait_for("listening on")

    def _config(self, name: str, port: int, lines: tuple[str, ...]) -> object:
        fixed = (
            f"port {port}", "proto udp4", "local 127.0.0.1", "dev tun", "topology subnet", "dh none", "verb 4",
            f"server 10.{port - 1100}.0.0 255.255.255.0", "duplicate-cn", "data-ciphers AES-256-GCM",
            "<cert>", *OWN.texts, "</cert>", "<key>", OWN.key, "</key>",
        )  # fmt: skip
        return self.lab.write(name, "\n".join([*fixed, *lines, ""]))

    def verdicts(self, papers: Mapping[str, Paper]) -> tuple[dict[str, bool], dict[str, bool]]:
        """Who was let in by the genuine server, and by ours; an AssertionError unless each has decided about all."""
        visits = [
            Visit(f"{port}/{number}", port, f"127.0.{number}.1", paper.texts, paper.key)
            for number, paper in enumerate(papers.values(), 1)
            for port in (STOCK_PORT, OWN_PORT)
        ]
        file = self.lab.write("visits.json", encode(visits))
        visitor = self.lab.spawn("court", sys.executable, "-m", "tests.openvpn.visitor", str(file), name="visitor")
        until = time.monotonic() + 20
        while True:
            admitted = set(visitor.output.split())
            known = [visit for visit in visits if visit.name in admitted or self._refused(visit)]
            if len(known) == len(visits):
                break
            if time.monotonic() > until or visitor.process.poll() not in (None, 0):
                raise AssertionError(f"undecided: {[each.name for each in visits if each not in known]}")
            time.sleep(0.05)
        visitor.stop()
        stock, own = (
            {name: f"{port}/{number}" in admitted for number, name in enumerate(papers, 1)}
            for port in (STOCK_PORT, OWN_PORT)
        )
        return stock, own

    def _refused(self, visit: Visit) -> bool:
        if visit.port == STOCK_PORT:
            return re.search(rf"{visit.source}:\d+ .*TLS handshake failed", self._stock.output) is not None
        return re.search(rf"\({visit.source}:\d+\) did not get in", self._own.output) is not None

    @property
    def own(self) -> Program:
        return self._own


@contextmanager
def court(*lines: str) -> Iterator[Court]:
    with Lab() as lab:
        lab.host("court")
        judges = Court(lab, lines)
        yield judges
        # Nobody waits for its goodbyes to those who got in.
        judges.own.stop(signal.SIGKILL)


def authorities(*issuers: Issuer) -> tuple[str, ...]:
    return ("<ca>", *(issuer.text for issuer in issuers), "</ca>")


def inline(word: str, *texts: str) -> tuple[str, ...]:
    return (f"<{word}>", *texts, f"</{word}>")


class MatrixTests(SynchronousTestCase):
    """Both servers, the same papers, the same verdicts."""

    skip = skip_unless_possible("openvpn")

    def judge(self, table: Table, *lines: str) -> None:
        """What the table says is what happens."""
        with court(*lines) as judges:
            stock, own = judges.verdicts(table.papers)
            self.assertNotIn("Traceback", judges.own.output)
        milder, ours = {**table.good, **table.stricter}, table.good
        self.assertEqual([name for name in stock if stock[name] != (name in milder)], [], "openvpn decides otherwise")
        self.assertEqual([name for name in own if own[name] != (name in ours)], [], "tvpn decides otherwise")

    def test_ordinary_server(self) -> None:
        """C-13: a CA, a revocation list and remote-cert-tls: keys, dates, chains, usages, extensions, names."""
        revoked, fallen = ROOT.issue("revoked"), ROOT.below("Fallen department")
        lists = ROOT.revoke(revoked.leaf, fallen.certificate)
        table = Table({**GOOD, **GOOD_NAMES}, {
            **BAD, **BAD_CHAINS, **BAD_NAMES, "revoked": revoked, "below a revoked one": fallen.issue("alice"),
        }, STRICTER)  # fmt: skip
        self.assertGreaterEqual(len(table.papers), 30)
        self.judge(table, *authorities(ROOT), *inline("crl-verify", lists), "remote-cert-tls client")

    def test_no_role_wanted(self) -> None:
        """C-13: without remote-cert-tls usages need not be there, but what they say still counts."""
        good = {
            "client": ROOT.issue("alice"),
            "without extended usage": ROOT.issue("alice", extensions=(USAGE,)),
            "without key usage": ROOT.issue("alice", extensions=(purposes(CLIENT),)),
            "without extensions": ROOT.issue("alice", extensions=()),
            "version 1": ROOT.issue("alice", edit=version_one),
            "an authority's own": ROOT.issue("alice", extensions=(constraint(True),)),
        }
        bad = {"a server's": BAD["a server's"], "any usage": BAD["any usage"], "self-signed": self_signed("alice")}
        self.judge(Table(good, bad), *authorities(ROOT))

    def test_name(self) -> None:
        """C-13: verify-x509-name NAME name: the whole last CN, letter by letter."""
        good = {"alice": ROOT.issue("alice"), "two names": ROOT.issue("bob", "alice"),
                "more around": ROOT.issue("O=x", "alice", "E=alice@x")}  # fmt: skip
        names = ("alic", "alice2", "Alice", "alice ", " alice", "alice, O=x", "O=x, CN=alice", "al\u0131ce", "*", "bob")
        bad = {name: ROOT.issue(name) for name in names}
        bad |= {"two names, the other last": ROOT.issue("alice", "bob"),
                "in another place": ROOT.issue("bob", extensions=(*ORDINARY, san("alice"))),
                "another CA's": OTHER.issue("alice")}  # fmt: skip
        self.judge(Table(good, bad), *authorities(ROOT), "verify-x509-name alice name")

    def test_prefix(self) -> None:
        """C-13: verify-x509-name NAME name-prefix: from the first letter on."""
        good = {name: ROOT.issue(name) for name in ("dev-", "dev-alice", "dev-, O=x")}
        bad = {name: ROOT.issue(name) for name in ("dev", "Dev-alice", " dev-alice", "xdev-alice", "CN=dev")}
        self.judge(Table(good, bad), *authorities(ROOT), "verify-x509-name dev- name-prefix")

    def test_subject(self) -> None:
        """C-13: verify-x509-name SUBJECT: every part in its order."""
        good = {"same": ROOT.issue("O=x", "alice")}
        bad = {
            "other order": ROOT.issue("alice", "O=x"), "more": ROOT.issue("O=x", "alice", "E=a@x"),
            "less": ROOT.issue("alice"), "letters": ROOT.issue("O=X", "alice"),
        }  # fmt: skip
        self.judge(Table(good, bad), *authorities(ROOT), 'verify-x509-name "O=x, CN=alice"')

    def test_usages(self) -> None:
        """C-13: remote-cert-ku and remote-cert-eku: one mask wholly contained, the purpose among those named."""
        signing = ExtendedKeyUsageOID.CODE_SIGNING
        both = usage("digital_signature", "key_agreement")
        good = {
            "contained": ROOT.issue("alice", extensions=(both, purposes(CLIENT, signing))),
            "the other mask": ROOT.issue("alice", extensions=(
                usage("digital_signature", "content_commitment"), purposes(signing, CLIENT))),
        }  # fmt: skip
        bad = {
            "half of a mask": ROOT.issue("alice", extensions=(USAGE, purposes(CLIENT, signing))),
            "no usage": ROOT.issue("alice", extensions=(purposes(CLIENT, signing),)),
            "another purpose": ROOT.issue("alice", extensions=(both, purposes(CLIENT))),
            "no purpose": ROOT.issue("alice", extensions=(both,)),
        }
        lines = "remote-cert-ku 88 c0", f"remote-cert-eku {signing.dotted_string}"
        self.judge(Table(good, bad), *authorities(ROOT), *lines)

    def test_profile(self) -> None:
        """C-13: tls-cert-profile preferred takes no RSA key below 2048 bits, wherever it stands."""
        good = {"RSA 2048": GOOD["RSA 2048"], "P-256": GOOD["P-256"]}
        bad = {"RSA 1024": GOOD["RSA 1024"], "SHA-1": BAD["SHA-1"]}
        self.judge(Table(good, bad), *authorities(ROOT), "tls-cert-profile preferred")

    def test_fingerprints_alone(self) -> None:
        """C-13: peer-fingerprint without a CA: whoever is listed, whatever else is wrong with it, and nobody else."""
        good = {
            "self-signed": self_signed("alice"), "expired": self_signed("alice", begins=-30, ends=-3),
            "not yet": self_signed("alice", begins=3), "a CA's": ROOT.issue("alice"),
            "another CA's": OTHER.below("Sub").issue("alice"), "RSA 1024": GOOD["RSA 1024"], "SHA-1": BAD["SHA-1"],
        }  # fmt: skip
        listed = {"a server's": self_signed("alice", (USAGE, purposes(SERVER))), "no usages": self_signed("alice", ())}
        behind = Paper((*MALLORY.chain, *good["self-signed"].chain), MALLORY.key)
        bad = {**listed, "unlisted": self_signed("alice"), "the CA's": ROOT.issue("bob"), "in front of one": behind}
        prints = [paper.fingerprint for paper in (*good.values(), *listed.values())]
        self.judge(Table(good, bad), *inline("peer-fingerprint", *prints), "remote-cert-tls client")

    def test_fingerprints_and_authority(self) -> None:
        """C-13: with a CA the certificate must be listed and good."""
        good = {"listed": ROOT.issue("alice"), "listed, in capitals": ROOT.issue("bob")}
        listed = {"self-signed": self_signed("alice"), "expired": BAD["expired"], "another CA's": OTHER.issue("alice")}
        prints = [paper.fingerprint for paper in (*listed.values(), good["listed"])]
        table = Table(good, {**listed, "unlisted": ROOT.issue("alice")})
        last = good["listed, in capitals"].fingerprint.upper()
        self.judge(table, *authorities(ROOT), *inline("peer-fingerprint", *prints), f"peer-fingerprint {last}")

    def test_hash_of_the_issuer(self) -> None:
        """C-13: verify-hash: the certificate that signed the client's is this one, not one above or beside it."""
        good = {"by that one": BELOW.issue("alice")}
        bad = {"by the root": ROOT.issue("alice"), "one more between": BELOW.below("Office").issue("alice"),
               "by another": ROOT.below("Other department").issue("alice")}  # fmt: skip
        sha1, sha256 = (BELOW.certificate.fingerprint(kind).hex(":") for kind in (hashes.SHA1(), hashes.SHA256()))
        for line in (f"verify-hash {sha1}", f"verify-hash {sha256} SHA256"):
            self.judge(Table(good, bad), *authorities(ROOT), line)

    def test_bad_lists(self) -> None:
        """C-13: a revocation list that is out of date, or that somebody else has signed, lets nobody of that CA in."""
        good = {"of a CA without list": OTHER.issue("alice")}
        bad = {"of the CA": ROOT.issue("alice")}
        for revoked in (ROOT.revoke(ends=-0.5), IMPOSTOR.revoke()):
            self.judge(Table(good, bad), *authorities(ROOT, OTHER), *inline("crl-verify", revoked))
