"""What a client says of itself, and what is asked for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tvpn.config.login import StaticChallenge, UserPass
from tvpn.service import login
from tvpn.service.login import Login
from tvpn.wire.challenge import Challenge


class Question:
    def __init__(self, text: str, echo: bool) -> None:
        self.text, self.echo = text, echo
        self.answered: Deferred[str] = Deferred()


class LoginTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.questions: list[Question] = []
        self.patch(login, "question", self.question)

    def question(self, reactor: Any, text: str, echo: bool) -> Question:
        self.questions.append(Question(text, echo))
        return self.questions[-1]

    def credentials(self, subject: Login, *answers: str, has_token: bool = False) -> object:
        """The credentials, when exactly these answers are given to exactly as many questions."""
        before = len(self.questions)
        asked = ensureDeferred(subject.credentials(has_token))
        for answer in answers:
            self.questions[-1].answered.callback(answer)
        self.assertEqual(len(self.questions) - before, len(answers))
        return self.successResultOf(asked)

    def test_by_certificate(self) -> None:
        """A client without auth-user-pass has none, and nobody is asked."""
        self.assertIsNone(self.credentials(Login(None)))

    def test_by_file(self) -> None:
        """What the file says is said each time."""
        subject = Login(None, UserPass("alice", "right"))
        for _ in range(2):
            self.assertEqual(self.credentials(subject), ("alice", "right"))

    def test_asked_once(self) -> None:
        """What the file lacks is asked, the name seen and the password unseen, and kept for later connections."""
        subject = Login(None, UserPass())
        self.assertEqual(self.credentials(subject, "alice", "right"), ("alice", "right"))
        self.assertEqual([(each.text, each.echo) for each in self.questions], [("Username", True), ("Password", False)])
        self.assertEqual(self.credentials(subject), ("alice", "right"))
        self.assertEqual(self.credentials(Login(None, UserPass("bob")), "right"), ("bob", "right"))

    def test_not_kept(self) -> None:
        """auth-nocache: asked again at each connection, nothing of it is left in the object; a token spares that."""
        subject = Login(None, UserPass("alice"), nocache=True)
        for answer in ("first answer", "second answer"):
            self.assertEqual(self.credentials(subject, answer), ("alice", answer))
            self.assertNotIn(answer, str(vars(subject)))
        self.assertEqual(self.credentials(subject, has_token=True), ("alice", ""))
        self.assertEqual(self.credentials(subject, "third"), ("alice", "third"))

    def test_refused(self) -> None:
        """auth-retry: none ends, nointeract says the same again, interact asks again, even what a file had."""
        for retry, again, answers, expected in (
            ("none", False, (), ("alice", "wrong")),
            ("nointeract", True, (), ("alice", "wrong")),
            ("interact", True, ("right",), ("alice", "right")),
        ):
            subject = Login(None, UserPass("alice", "wrong"), retry=retry)  # type: ignore[arg-type]
            self.assertEqual(self.credentials(subject), ("alice", "wrong"))
            self.assertEqual(subject.refused(), again)
            self.assertEqual(self.credentials(subject, *answers), expected, retry)
        subject = Login(None, UserPass(), retry="interact")
        self.credentials(subject, "alcie", "right")
        subject.refused()
        self.assertEqual(self.credentials(subject, "alice", "right"), ("alice", "right"))

    def test_challenge_of_the_file(self) -> None:
        """Asked with every password, not beside a token; in SCRV1 or behind the password."""
        for appended, password in ((True, "right42"), (False, "SCRV1:cmlnaHQ=:NDI=")):
            subject = Login(None, UserPass("alice", "right"), StaticChallenge("Code", True, appended))
            self.assertEqual(self.credentials(subject, "42"), ("alice", password))
            self.assertEqual(self.credentials(subject, has_token=True), ("alice", "right"))

    def test_challenge_of_the_server(self) -> None:
        """Its answer is the next connection's password, for the name that was shown, once."""
        subject = Login(None, UserPass(), nocache=True)
        self.credentials(subject, "alice", "right")
        met = ensureDeferred(subject.meet(Challenge("Code", False, True, "state", "")))
        self.questions[-1].answered.callback("42")
        self.successResultOf(met)
        self.assertEqual(self.credentials(subject), ("alice", "CRV1::state::42"))
        self.assertEqual(self.credentials(subject, "alice", "right"), ("alice", "right"))

    def test_one_question_at_a_time(self) -> None:
        """A new one takes the place of the one before it; one that is withdrawn is cancelled."""
        subject = Login(None)
        first, second = ensureDeferred(subject.ask("1", True)), ensureDeferred(subject.ask("2", True))
        self.failureResultOf(first, CancelledError)
        subject.withdraw()
        self.failureResultOf(second, CancelledError)
        subject.withdraw()
