"""Judging certificates: the right one is accepted, each single thing wrong is refused with its reason."""

from __future__ import annotations

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import NOW, Signer
from tvpn.crypto.certificate import identify, judge
from tvpn.crypto.tls import Credentials
from tvpn.errors import PeerError

SIGNER, OTHER = Signer(), Signer("Other CA")
WALL = NOW.timestamp()


def chain_of(credentials: Credentials, signer: Signer = SIGNER) -> list[x509.Certificate]:
    return [*x509.load_pem_x509_certificates(credentials.certificate.encode()), signer.certificate]


class AcceptedTests(SynchronousTestCase):
    def test_right_one(self) -> None:
        """A valid certificate of the wanted role has an identity with its name."""
        for role in ("client", "server"):
            self.assertEqual(judge(chain_of(SIGNER.issue("alice", role)), role, WALL).name, "alice")

    def test_role_is_not_always_wanted(self) -> None:
        """Without remote-cert-tls neither usage nor role matter."""
        self.assertEqual(judge(chain_of(SIGNER.issue("old", None, usage=False)), None, WALL).name, "old")

    def test_dates_inclusive(self) -> None:
        """The first and the last second of its life are within it."""
        chain = chain_of(SIGNER.issue("alice", begins=-1, ends=1))
        for days in (-1, 1):
            self.assertEqual(judge(chain, "client", WALL + days * 86400).name, "alice")

    def test_names_that_print(self) -> None:
        """Any printable name is fine: letters of other alphabets, spaces, 64 characters."""
        for name in ("Jürgen Müller", "Ελένη", "a" * 64):
            self.assertEqual(judge(chain_of(SIGNER.issue(name)), "client", WALL).name, name)


class RefusedTests(SynchronousTestCase):
    def refusal(self, credentials: Credentials, role: str | None = "client", now: float = WALL) -> PeerError:
        return self.assertRaises(PeerError, judge, chain_of(credentials), role, now)

    def test_expired(self) -> None:
        """An expired one is refused with its name and how long ago, in the largest fitting unit."""
        alice = SIGNER.issue("alice", ends=1)
        ends = WALL + 86400
        table = [
            (3 * 86400 + 5, "alice: certificate expired 3 days ago"),
            (86400, "alice: certificate expired 1 day ago"),
            (2 * 3600, "alice: certificate expired 2 hours ago"),
            (60, "alice: certificate expired 1 minute ago"),
            (1, "alice: certificate expired less than a minute ago"),
        ]
        for seconds, reason in table:
            error = self.refusal(alice, now=ends + seconds)
            self.assertEqual((str(error), error.told), (reason, "certificate expired"))

    def test_not_yet_valid(self) -> None:
        """One that begins in future is refused, with a word about clocks."""
        error = self.refusal(SIGNER.issue("alice", begins=2))
        self.assertEqual(str(error), "alice: certificate is not valid yet, only in 2 days; look at both clocks")
        self.assertEqual(error.told, "certificate is not valid yet")

    def test_expired_authority(self) -> None:
        """Every certificate of the chain is judged by its dates."""
        self.assertRaises(PeerError, judge, chain_of(SIGNER.issue("alice", ends=9000)), "client", WALL + 4000 * 86400)

    def test_wrong_role(self) -> None:
        """A server's certificate is no client's, nor the reverse."""
        for role, wanted in (("server", "client"), ("client", "server")):
            error = self.refusal(SIGNER.issue("alice", role), wanted)
            self.assertEqual(str(error), f"alice: certificate is not made for a {wanted}")
            self.assertEqual(error.told, f"certificate is not made for a {wanted}")

    def test_no_usage(self) -> None:
        """Either extension absent is a refusal: what is made for nothing is not made for this."""
        for credentials in (SIGNER.issue("alice", usage=False), SIGNER.issue("alice", None)):
            self.assertIn("not made for a client", str(self.refusal(credentials)))

    def test_unprintable_name(self) -> None:
        """Line breaks, escape sequences and other control characters in the name are refused and not repeated."""
        for name in ("alice\nroot", "al\x1b[31mice", "al\tice", "al\x00ice", "al\u202eice"):
            error = self.refusal(SIGNER.issue(name))
            self.assertTrue(str(error).isprintable())

    def test_nobody(self) -> None:
        """No certificate is no identity."""
        self.assertRaises(PeerError, judge, [], None, WALL)


class IdentityTests(SynchronousTestCase):
    def test_not_the_name(self) -> None:
        """The same name issued twice is two identities; the same certificate is one."""
        first, second = SIGNER.issue("alice"), SIGNER.issue("alice")
        self.assertEqual(identify(chain_of(first)), identify(chain_of(first)))
        self.assertNotEqual(identify(chain_of(first)).key, identify(chain_of(second)).key)

    def test_issuer_counts(self) -> None:
        """The same serial from another CA's key is somebody else."""
        leaf = chain_of(SIGNER.issue("alice"))[0]
        ours, theirs = identify([leaf, SIGNER.certificate]), identify([leaf, OTHER.certificate])
        self.assertEqual(ours.serial, theirs.serial)
        self.assertNotEqual(ours.key, theirs.key)
