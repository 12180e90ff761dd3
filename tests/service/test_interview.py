"""What a policy sees, and its questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tvpn.crypto.certificate import Identity
from tvpn.crypto.token import TokenState
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.plane.verbs import Endpoint
from tvpn.service.interview import Client
from tvpn.service.policy import Policy
from tvpn.session.event import VerdictWanted
from tvpn.wire.challenge import Challenge

WANTED = VerdictWanted(0, Identity("issuer", 10, "alice"), "al", "secret", {"IV_SSO": "webauth,crtext"})
REQUEST = VerdictRequest(7, Endpoint("wire", ("192.0.2.7", 4000)), WANTED)


class InterviewTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[tuple[int, str, int]] = []
        self.left = 30.0

    def pend(self, member: int, method: str, seconds: int) -> float:
        self.said.append((member, method, seconds))
        return self.left

    def begin(
        self, authenticate: Callable[[Client], object], judges_tokens: bool = False, **wanted: object
    ) -> tuple[Policy, Deferred[Verdict]]:
        policy = Policy(None, False, authenticate, 10.0, self.clock, judges_tokens)
        request = replace(REQUEST, wanted=replace(WANTED, **wanted))  # type: ignore[arg-type]
        return policy, ensureDeferred(policy.authenticate(request, self.pend))

    def test_question(self) -> None:
        """The policy waits for the answer of the very member it has asked."""

        async def authenticate(client: Client) -> bool:
            return await client.ask("code?", echo=True, seconds=20) == "42"

        policy, verdict = self.begin(authenticate)
        self.assertEqual(self.said, [(7, "CR_TEXT:R,E:code?", 20)])
        policy.respond(8, "42")
        self.assertNoResult(verdict)
        policy.respond(7, "42")
        self.assertTrue(self.successResultOf(verdict).accepted)
        policy.respond(7, "42")

    def test_two_questions(self) -> None:
        """One after the other, each with its own answer."""

        async def authenticate(client: Client) -> bool:
            return [await client.ask("one"), await client.ask("two")] == ["1", "2"]

        policy, verdict = self.begin(authenticate)
        policy.respond(7, "1")
        policy.respond(7, "2")
        self.assertTrue(self.successResultOf(verdict).accepted)

    def test_deadline_moves(self) -> None:
        """A question gives the policy nearly the time that the protocol gives: the client has to hear of it."""

        async def authenticate(client: Client) -> bool:
            return bool(await client.ask("code?"))

        for seconds, answers in ((26.9, True), (27.1, False)):
            policy, verdict = self.begin(authenticate)
            self.clock.advance(seconds)
            policy.respond(7, "42")
            self.assertEqual(self.successResultOf(verdict).accepted, answers)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_page(self) -> None:
        """A page is told, and the policy goes on at once."""

        async def authenticate(client: Client) -> bool:
            await client.open("https://x.example")
            return True

        _, verdict = self.begin(authenticate)
        self.assertTrue(self.successResultOf(verdict).accepted)
        self.assertEqual(self.said, [(7, "WEB_AUTH::https://x.example", 300)])

    def test_app_that_cannot(self) -> None:
        """The policy may look first; when it does not, the client is refused with the reason."""
        seen: list[bool] = []

        async def authenticate(client: Client) -> bool:
            seen.append(client.can_be_asked)
            return bool(await client.ask("code?"))

        _, verdict = self.begin(authenticate, peer_info={"IV_SSO": "webauth"})
        self.clock.advance(1)
        refused = self.successResultOf(verdict)
        self.assertEqual((refused.accepted, refused.temporary, seen), (False, False, [False]))
        self.assertEqual(refused.told, "Authentication failed, required pending auth method 'crtext' not supported")
        self.assertEqual(self.said, [])

    def test_refusing_question(self) -> None:
        """A Challenge as the answer asks with the refusal, for the user who came."""
        challenge = Challenge("code?", state="s1")
        _, verdict = self.begin(lambda client: challenge)
        self.clock.advance(1)
        refused = self.successResultOf(verdict)
        self.assertEqual((refused.accepted, refused.told), (False, "CRV1:R:s1:YWw=:code?"))

    def test_typed(self) -> None:
        """Answers to challenges come apart; an ordinary password stays as it is."""
        seen: list[tuple[str, str, str]] = []

        def authenticate(client: Client) -> bool:
            seen.append((client.password, client.response, client.state))
            return True

        for password in ("secret", "SCRV1:cmlnaHQ=:NDI=", "CRV1::s1::42"):
            self.begin(authenticate, password=password)
        self.assertEqual(seen, [("secret", "", ""), ("right", "42", ""), ("", "42", "s1")])

    def test_tokens(self) -> None:
        """Who shows a good token is not asked again, unless the policy judges tokens; a bad one is never enough."""
        for state in TokenState:
            for judges in (False, True):
                asked: list[str] = []
                _, verdict = self.begin(lambda client, asked=asked: asked.append(client.token), judges, token=state)
                if state is TokenState.AUTHENTICATED and not judges:
                    self.assertTrue(self.successResultOf(verdict).accepted)
                    self.assertEqual(asked, [])
                else:
                    self.failureResultOf(verdict, TypeError)
                    self.assertEqual(asked, [state.value])

    def test_gone(self) -> None:
        """A client that goes while it is asked leaves nothing behind, and nobody waits for it."""

        async def authenticate(client: Client) -> bool:
            return bool(await client.ask("code?"))

        policy, verdict = self.begin(authenticate)
        policy.forget(8)
        self.assertNoResult(verdict)
        policy.forget(7)
        self.failureResultOf(verdict, CancelledError)
        self.assertEqual((self.clock.getDelayedCalls(), policy._interviews), ([], {}))

    def test_own_error(self) -> None:
        """What the policy raises reaches the caller, who refuses; nothing of it stays behind."""

        async def authenticate(client: Client) -> bool:
            await client.ask("code?")
            raise ZeroDivisionError

        policy, verdict = self.begin(authenticate)
        policy.respond(7, "42")
        self.failureResultOf(verdict, ZeroDivisionError)
        self.assertEqual((self.clock.getDelayedCalls(), policy._interviews), ([], {}))
