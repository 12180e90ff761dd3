"""D-14: whoever guesses passwords is slow, learns nothing, and is soon not heard any more."""

from __future__ import annotations

import random
from dataclasses import replace

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.service.test_policy_file import REQUEST, no_question
from tvpn.hub.rules import Verdict
from tvpn.plane.verbs import Endpoint
from tvpn.service.guesses import MOST, MOST_SOURCES, PENALTY, Guesses
from tvpn.service.interview import Client
from tvpn.service.policy import Policy
from tvpn.wire.challenge import Challenge

HERE, NEAR, ELSEWHERE = ("192.0.2.7", 4000), ("192.0.2.99", 5), ("198.51.100.7", 4000)


class GuessesTests(SynchronousTestCase):
    def banned(self, guesses: Guesses, now: float) -> list[bool]:
        """From here, from the neighbourhood, from elsewhere, and another user from here."""
        sources = ((HERE, "al"), (NEAR, "al"), (ELSEWHERE, "al"), (HERE, "bo"))
        return [guesses.is_banned(address, user, now) for address, user in sources]

    def test_banned(self) -> None:
        """Ten wrong ones: not heard for twenty minutes, about this user and from this prefix alone."""
        guesses = Guesses()
        for number in range(MOST):
            self.assertEqual(self.banned(guesses, float(number)), [False] * 4)
            guesses.was_wrong(HERE, "al", float(number))
        self.assertEqual(self.banned(guesses, 10.0), [True, True, False, False])
        self.assertTrue(guesses.is_banned(HERE, "al", MOST - 1 + PENALTY - 0.1))
        self.assertFalse(guesses.is_banned(HERE, "al", MOST - 1 + PENALTY))

    def test_forgiven(self) -> None:
        """A right one wipes the slate, and so do twenty minutes without a wrong one."""
        guesses = Guesses()
        for forgive in (lambda: guesses.was_right(HERE, "al"), lambda: None):
            for _ in range(MOST - 1):
                guesses.was_wrong(HERE, "al", 5.0)
            forgive()
            guesses.was_wrong(HERE, "al", 5.0 + PENALTY)
            self.assertFalse(guesses.is_banned(HERE, "al", 5.0 + PENALTY))

    def test_bounded(self) -> None:
        """A hundred thousand sources are remembered, no more."""
        guesses, dice = Guesses(), random.Random(1)
        for number in range(MOST_SOURCES + 1000):
            guesses.was_wrong((f"10.{dice.randrange(256)}.{dice.randrange(256)}.1", 1), str(number), 0.0)
        self.assertEqual(len(guesses._wrong), MOST_SOURCES)


class PolicyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.policy = Policy(None, False, self.authenticate, 30.0, self.clock)

    def authenticate(self, client: Client) -> bool | str:
        self.asked.append(client.password)
        return client.password == "right" or "wrong password"

    def verdict(self, password: str, username: str = "al", address: tuple[str, int] = HERE) -> Verdict:
        """The verdict, after the second that a refusal takes."""
        wanted = replace(REQUEST.wanted, username=username, password=password)
        request = replace(REQUEST, wanted=wanted, endpoint=Endpoint("wire", address))
        verdict = ensureDeferred(self.policy.authenticate(request, no_question))
        if password == "right" and not self.policy._guesses.is_banned(address, username, self.clock.seconds()):
            return self.successResultOf(verdict)
        self.assertNoResult(verdict)
        self.clock.advance(0.99)
        self.assertNoResult(verdict)
        self.clock.advance(0.02)
        return self.successResultOf(verdict)

    def test_hundred_guesses(self) -> None:
        """Each refusal takes a second; after ten the policy is not even asked, and the right password does not help."""
        told = [self.verdict(f"guess {number}").told for number in range(100)]
        self.assertEqual((set(told[:10]), set(told[10:])), ({"wrong password"}, {"too many attempts; try again later"}))
        self.assertFalse(self.verdict("right").accepted)
        self.assertEqual(len(self.asked), 10)
        self.assertTrue(self.verdict("right", address=ELSEWHERE).accepted)
        self.assertTrue(self.verdict("right", username="bo").accepted)
        self.clock.advance(PENALTY)
        self.assertTrue(self.verdict("right").accepted)

    def test_many_at_once(self) -> None:
        """Guesses that come at the same time count, too, although the policy has answered none of them yet."""
        slow = [Deferred[bool]() for _ in range(100)]
        waiting = iter(slow)
        policy = Policy(None, False, lambda client: next(waiting), 30.0, self.clock)
        verdicts = [ensureDeferred(policy.authenticate(REQUEST, no_question)) for _ in range(100)]
        self.assertEqual(len(list(waiting)), 100 - MOST)
        for answer in slow:
            answer.callback(False)
        self.clock.advance(1)
        told = [self.successResultOf(verdict).told for verdict in verdicts]
        self.assertEqual(told.count("too many attempts; try again later"), 100 - MOST)

    def test_no_name(self) -> None:
        """Who has a certificate and no user name is counted by the certificate."""
        for number in range(MOST):
            self.assertFalse(self.verdict(f"guess {number}", "").accepted)
        self.assertEqual(self.verdict("one more", "").told, "too many attempts; try again later")

    def test_no_guess(self) -> None:
        """A question as the answer is no wrong password."""
        policy = Policy(None, False, lambda client: Challenge("code?", state="s"), 30.0, self.clock)
        for _ in range(3 * MOST):
            verdict = ensureDeferred(policy.authenticate(REQUEST, no_question))
            self.clock.advance(1)
            self.assertIn("CRV1", self.successResultOf(verdict).told or "")

    def test_right_ones(self) -> None:
        """Who mistypes now and then is never locked out, and the right password is answered at once."""
        for _ in range(5):
            for _ in range(MOST - 1):
                self.assertFalse(self.verdict("wrong").accepted)
            self.assertTrue(self.verdict("right").accepted)
