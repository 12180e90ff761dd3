"""User name and password: what the file says, and the person who is asked for the rest."""

from __future__ import annotations

from typing import Any, Literal

from tvpn.config.login import StaticChallenge, UserPass
from tvpn.net.person import Asked, question
from tvpn.service.narrator import clean
from tvpn.wire.challenge import Answer, Challenge

AuthRetry = Literal["none", "nointeract", "interact"]


class Login:
    """What a client says of itself beside its certificate.

    ``said``: what the file has, None for a client that is known by its certificate alone; what it lacks is asked for at
    the first connection, and again at each one if ``nocache``. ``challenge``: what the file wants asked with the
    password. One question at a time: a new one takes the place of the one before it, whose asker gets a CancelledError.
    """

    def __init__(
        self, reactor: Any, said: UserPass | None = None, challenge: StaticChallenge | None = None, *,
        nocache: bool = False, retry: AuthRetry = "none",
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._said = said
        self._challenge = challenge
        self._nocache = nocache
        self._retry = retry
        self._username = said.username if said is not None else None
        self._password = said.password if said is not None else None
        self._shown = ""
        self._answer: tuple[str, str] | None = None
        self._question: Asked | None = None

    async def credentials(self, has_token: bool) -> tuple[str, str] | None:
        """User name and password of the next connection, None without any; raises TvpnError where nobody answers.

        ``has_token``: the server has given one, which is shown instead of a password.
        """
        answer, self._answer = self._answer, None
        if answer is not None or self._said is None:
            return answer
        if has_token and self._shown:
            return self._shown, self._password or ""
        if self._username is None:
            self._username = await self.ask("Username", True)
        if self._password is None:
            self._password = await self.ask("Password", False)
        credentials = self._shown, password = self._username, self._password
        if self._nocache:
            self._forget()
        challenge = self._challenge
        if challenge is None:
            return credentials
        response = await self.ask(challenge.text, challenge.echo)
        return self._shown, password + response if challenge.appended else Answer(password, response).encode()

    def refused(self) -> bool:
        """The server does not take them: whether to call again, and what it gets then, is auth-retry's business."""
        if self._retry == "interact" and self._said is not None:
            self._forget()
            self._password = None
        return self._retry != "none"

    def _forget(self) -> None:
        """Back to what the file says."""
        if self._said is not None:
            self._username, self._password = self._said.username, self._said.password

    async def meet(self, challenge: Challenge) -> None:
        """Have the server's question answered; the answer is the password of the next connection."""
        response = await self.ask(challenge.text, challenge.echo) if challenge.wants_response else ""
        self._answer = challenge.username or self._shown, Answer(response=response, state=challenge.state).encode()

    async def ask(self, text: str, echo: bool) -> str:
        """What the person answers; raises TvpnError where there is nobody."""
        self.withdraw()
        asked = self._question = question(self._reactor, clean(text), echo)
        try:
            return await asked.answered
        finally:
            if self._question is asked:
                self._question = None

    def withdraw(self) -> None:
        """Nobody waits for an answer any more."""
        if self._question is not None:
            self._question.answered.cancel()
