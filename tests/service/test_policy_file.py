"""The operator's own policy file."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.errors import TvpnError
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.plane.verbs import Endpoint
from tvpn.service.interview import Client
from tvpn.service.policy import Policy, load_policy
from tvpn.session.event import VerdictWanted
from tvpn.wire.challenge import Challenge

REQUEST = VerdictRequest(
    7,
    Endpoint("wire", ("192.0.2.7", 4000)),
    VerdictWanted(1, Identity("issuer", 10, "alice"), "al", "secret", {"IV_VER": "2.6"}),
)


def no_question(member: int, method: str, seconds: int) -> float:
    raise AssertionError(f"nobody was to be asked {method}")


class PolicyFileTests(SynchronousTestCase):
    def _verdict(self, answer: object) -> Verdict:
        clock = Clock()
        policy = Policy(None, False, lambda client: answer, 5.0, clock)
        verdict = ensureDeferred(policy.authenticate(REQUEST, no_question))
        clock.advance(1)
        return self.successResultOf(verdict)

    def test_answers(self) -> None:
        """True lets in, False refuses, a text refuses and is told to the client."""
        self.assertTrue(self._verdict(True).accepted)
        self.assertEqual(self._verdict(False), Verdict(False, "alice: refused by the policy", guess=True))
        refused = self._verdict("wrong password")
        self.assertEqual((refused.accepted, refused.told), (False, "wrong password"))

    def test_anything_else_is_no(self) -> None:
        """None, numbers and texts with control characters are no answers; the caller refuses then."""
        for answer in (None, 1, 0, b"yes", "two\nlines", "x" * 901, Challenge("two\nlines", state="s")):
            policy = Policy(None, False, lambda client, answer=answer: answer, 5.0, Clock())  # type: ignore[misc]
            self.failureResultOf(ensureDeferred(policy.authenticate(REQUEST, no_question)), TypeError, ValueError)

    def test_sees(self) -> None:
        """The policy sees who asks, and the password stays out of the repr."""
        seen: list[Client] = []
        policy = Policy(None, False, lambda client: seen.append(client) is None, 5.0, Clock())
        self.successResultOf(ensureDeferred(policy.authenticate(REQUEST, no_question)))
        (client,) = seen
        self.assertEqual((client.name, client.username, client.password), ("alice", "al", "secret"))
        self.assertEqual((client.address, client.identity, client.renegotiation), ("192.0.2.7", "issuer:a", True))
        self.assertNotIn("secret", repr(client))

    def test_deadline(self) -> None:
        """An answer that does not come in time is a temporary no; one that does counts."""
        for seconds, accepted in ((4.4, True), (4.6, False)):
            clock = Clock()
            answer: Deferred[bool] = Deferred(lambda _: None)
            policy = Policy(None, False, lambda client, answer=answer: answer, 5.0, clock)  # type: ignore[misc]
            verdict = ensureDeferred(policy.authenticate(REQUEST, no_question))
            clock.advance(seconds)
            if accepted:
                answer.callback(True)
            self.assertEqual(self.successResultOf(verdict).accepted, accepted)


class LoadTests(SynchronousTestCase):
    def _load(self, text: str) -> object:
        path = Path(self.mktemp()).with_suffix(".py")
        path.write_text(text)
        return load_policy(path)

    def test_loaded(self) -> None:
        """A file with authenticate is a policy."""
        self.assertTrue(callable(self._load("async def authenticate(client):\n    return True\n")))

    def test_refused(self) -> None:
        """A file that cannot run, or has no authenticate, is a sentence that names it."""
        table = (("x = 1\n", "has no function authenticate"), ("1/0\n", "ZeroDivisionError"), ("def", "SyntaxError"))
        for text, part in table:
            self.assertIn(part, str(self.assertRaises(TvpnError, self._load, text)))
