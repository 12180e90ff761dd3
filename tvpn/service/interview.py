"""What a policy file sees of a client, and how it asks the person there (protocol: key-exchange.md 8.3 and 8.4).

::

    async def authenticate(client):
        if not await right_password(client.username, client.password):
            return False
        code = await client.ask("Code of your token?", echo=True)       # on the control channel, while it waits
        return await right_code(client.username, code)

Apps that cannot do that (``client.can_be_asked``) can still be asked by a refusal, and come again with the answer::

        if client.state != state_of(client.username):
            return Challenge("Code of your token?", echo=True, state=state_of(client.username))
        return await right_code(client.username, client.response)
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, ensureDeferred
from twisted.internet.interfaces import IDelayedCall

from tvpn.hub.event import VerdictRequest
from tvpn.wire.challenge import Answer, Challenge, encode_page

IN_TIME = 0.9
"""Of the time there is: a refusal has to reach the client before its own patience ends."""
QUESTION, PAGE = "crtext", "webauth"
"""What an app announces in IV_SSO."""


class CannotAskError(Exception):
    """The client's app cannot do what the policy wants of it."""


@dataclass(frozen=True)
class Client:
    """Who asks to come in: the name of the certificate (with username-as-common-name the user's; empty without any of
    them), what the person typed, where from, and what the app says.

    ``response`` and ``state`` are of a challenge that was answered with the password; ``token`` is what a password of
    ours is: Initial (none), Authenticated, Expired or Invalid.
    """

    name: str
    identity: str
    username: str
    password: str = field(repr=False)
    response: str = field(repr=False)
    state: str
    address: str
    peer_info: Mapping[str, str]
    renegotiation: bool
    token: str
    _interview: Interview = field(repr=False, compare=False)

    @property
    def can_be_asked(self) -> bool:
        """``ask`` works with this app."""
        return QUESTION in self._methods

    @property
    def _methods(self) -> list[str]:
        return self.peer_info.get("IV_SSO", "").split(",")

    async def ask(self, text: str, echo: bool = False, seconds: int = 300) -> str:
        """Ask the person and wait for the answer, at most so many seconds; ``echo``: it may be seen while typed."""
        self._need(QUESTION)
        return await self._interview.ask(Challenge(text, echo).encode_question(), seconds)

    async def open(self, url: str, seconds: int = 300) -> None:
        """Have the person open a page. Returns at once; what happens there is the policy's to wait for."""
        self._need(PAGE)
        self._interview.pend(encode_page(url), seconds)

    def _need(self, method: str) -> None:
        if method not in self._methods:
            raise CannotAskError(f"required pending auth method {method!r} not supported")


Authenticate = Callable[[Client], Awaitable[object] | object]


class Interview:
    """The talk with one client while its verdict is out. ``pend``: method and seconds -> seconds that are left."""

    def __init__(self, request: VerdictRequest, pend: Callable[[str, int], float], reactor: Any) -> None:
        self._pend = pend
        self._reactor = reactor
        self._deadline: IDelayedCall | None = None
        self._waiting: Deferred[object] | None = None
        self._late = False
        self._response: Deferred[str] | None = None
        wanted = request.wanted
        typed = Answer.decode(wanted.password)
        self.client = Client(
            wanted.common_name, wanted.identity.key, wanted.username, typed.password, typed.response, typed.state,
            str(request.endpoint.address[0]), wanted.peer_info, wanted.key_id > 0, wanted.token.value, self,
        )  # fmt: skip

    async def hold(self, authenticate: Authenticate, seconds: float) -> object:
        """The policy's answer; raises TimeoutError when it takes longer than it may, CannotAskError, and its own."""
        answer = authenticate(self.client)
        if not inspect.isawaitable(answer):
            return answer
        # The policy may have a question at once: the clock runs before it does.
        self._deadline = self._reactor.callLater(seconds * IN_TIME, self._give_up)
        try:
            self._waiting = ensureDeferred(answer) if inspect.iscoroutine(answer) else cast("Deferred[object]", answer)
            return await self._waiting
        except CancelledError:
            if self._late:
                raise TimeoutError from None
            raise
        finally:
            if self._deadline is not None and self._deadline.active():
                self._deadline.cancel()

    def cancel(self) -> None:
        """The client is gone."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _give_up(self) -> None:
        self._late = True
        if self._waiting is not None:
            self._waiting.cancel()

    def pend(self, method: str, seconds: int) -> None:
        """Have the person do something; everything may take so much longer, within what the protocol allows."""
        left = self._pend(method, seconds)
        if self._deadline is not None and self._deadline.active():
            self._deadline.reset(left * IN_TIME)

    async def ask(self, method: str, seconds: int) -> str:
        """The person's answer."""
        self._response = Deferred()
        self.pend(method, seconds)
        return await self._response

    def respond(self, text: str) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.callback(text)
