"""User name and password as the file has them, and the person at the terminal who is asked for the rest."""

from __future__ import annotations

from typing import Any

from tvpn.config.login import StaticChallenge
from tvpn.net.terminal import Question
from tvpn.service.narrator import clean
from tvpn.wire.challenge import Answer, Challenge


class Login:
    """What a client says of itself beside its certificate. ``challenge``: what the file wants asked with the password.

    One question at a time: a new one takes the place of the one before it, whose asker gets a CancelledError.
    """

    def __init__(
        self, reactor: Any, username: str = "", password: str = "", challenge: StaticChallenge | None = None
    ) -> None:
        self._reactor = reactor
        self._username = username
        self._password = password
        self._challenge = challenge
        self._answer: tuple[str, str] | None = None
        self._question: Question | None = None

    async def credentials(self, has_token: bool) -> tuple[str, str] | None:
        """User name and password of the next connection, None where they are what the file says."""
        answer, self._answer = self._answer, None
        challenge = self._challenge
        if answer is not None or challenge is None or has_token:
            return answer
        response = await self.ask(challenge.text, challenge.echo)
        appended = self._password + response
        return self._username, appended if challenge.appended else Answer(self._password, response).encode()

    async def meet(self, challenge: Challenge) -> None:
        """Have the server's question answered; the answer is the password of the next connection."""
        response = await self.ask(challenge.text, challenge.echo) if challenge.wants_response else ""
        username = challenge.username or self._username
        self._answer = username, Answer(response=response, state=challenge.state).encode()

    async def ask(self, text: str, echo: bool) -> str:
        """What the person at the terminal answers; raises TvpnError where there is nobody."""
        self.withdraw()
        question = self._question = Question(self._reactor, clean(text), echo)
        try:
            return await question.answered
        finally:
            if self._question is question:
                self._question = None

    def withdraw(self) -> None:
        """Nobody waits for an answer any more."""
        if self._question is not None:
            self._question.answered.cancel()
