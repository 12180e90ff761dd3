"""Who may come in: an async function of a verdict request, the store as its book, and the operator's own policy file.

With tvpn's own CA the store is an allow-list: a serial it does not know is refused. With a CA that was given it is a
deny-list: only what is revoked here is refused. A policy file has the last word::

    async def authenticate(client):
        if client.username != "alice" or not await right_password(client.password):
            return "user name or password is wrong"     # refused, and the client reads this
        return True                                     # let in; False refuses without a word

It may have questions, too (``tvpn.service.interview``): ``await client.ask(...)``, or a ``Challenge`` as its answer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.internet.task import deferLater

from tvpn.crypto.certificate import Identity
from tvpn.crypto.token import TokenState
from tvpn.errors import TvpnError
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.service.clientfiles import ClientFiles
from tvpn.service.guesses import Guesses
from tvpn.service.interview import Authenticate, CannotAskError, Client, Interview
from tvpn.store.database import Cursor, Database
from tvpn.store.device import find_by_serial
from tvpn.wire.challenge import Challenge
from tvpn.wire.message import LONGEST_INFO

ACCEPTED = Verdict(accepted=True)
REFUSAL = 1.0
"""Seconds after which a wrong password is refused, however soon the policy knew: how long it took tells nothing."""
#: hub.pend: a member's number, the method, seconds -> seconds that are left.
Pend = Callable[[int, str, int], float]


def load_policy(path: Path) -> Authenticate:
    """The ``authenticate`` of a policy file; raises TvpnError."""
    specification = importlib.util.spec_from_file_location("tvpn_policy", path)
    if specification is None or specification.loader is None:
        raise TvpnError(f"{path}: is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise TvpnError(f"{path}: cannot be run: {type(error).__name__}: {error}") from error
    authenticate: Authenticate | None = getattr(module, "authenticate", None)
    if not callable(authenticate):
        raise TvpnError(f"{path}: has no function authenticate; write: async def authenticate(client): ...")
    return authenticate


def judge_device(cursor: Cursor, identity: Identity, allow_list: bool) -> Verdict:
    """The store's opinion of a device."""
    device = find_by_serial(cursor, identity.issuer, identity.serial)
    if device is None and allow_list:
        reason = f"{identity.name}: this certificate is not in the store (serial {identity.serial:x})"
        return Verdict(False, reason, "unknown device")
    if device is not None and device.revoked is not None:
        return Verdict(False, f"{identity.name}: this device is revoked", "this device is revoked")
    return ACCEPTED


class Policy:
    """``database`` None: there is no store, and whoever the CA has signed may come in as far as it is concerned.

    ``authenticate`` has ``deadline`` seconds; who takes longer, raises or answers anything else has said no. Whoever
    shows a good token is not asked again, unless ``judges_tokens``.
    """

    def __init__(
        self, database: Database | None, allow_list: bool, authenticate: Authenticate | None = None,
        deadline: float = 60.0, reactor: Any = None, judges_tokens: bool = False,
        client_files: ClientFiles | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._allow_list = allow_list
        self._authenticate = authenticate
        self._deadline = deadline
        self._reactor = reactor
        self._judges_tokens = judges_tokens
        self._client_files = client_files
        self._interviews: dict[int, Interview] = {}
        self._guesses = Guesses()

    async def authenticate(self, request: VerdictRequest, pend: Pend) -> Verdict:
        """May this client come in, or stay at its renegotiation? Anything that goes wrong is a no."""
        verdict, wanted = ACCEPTED, request.wanted
        if self._database is not None and wanted.identity.issuer:
            verdict = await self._database.run(judge_device, wanted.identity, self._allow_list)
        known = wanted.token is TokenState.AUTHENTICATED and not self._judges_tokens
        if verdict.accepted and self._authenticate is not None and not known:
            verdict = await self._judge_password(self._authenticate, request, pend)
        if verdict.accepted and self._client_files is not None and wanted.key_id == 0:
            verdict = self._client_files.grant(verdict, wanted.common_name)
        return verdict

    async def _judge_password(self, authenticate: Authenticate, request: VerdictRequest, pend: Pend) -> Verdict:
        """The policy's word, unless this source has guessed too often."""
        wanted, address, began = request.wanted, request.endpoint.address, self._now()
        who = wanted.username or wanted.identity.key
        if not wanted.password:
            return await self._interview(authenticate, request, pend)
        if self._guesses.is_banned(address, who, began):
            reason = f"{wanted.identity.name}: too many wrong passwords for user {wanted.username!r}"
            verdict = Verdict(False, reason, "too many attempts; try again later")
        else:
            # It counts from the start: many at once are many, too.
            self._guesses.was_wrong(address, who, began)
            verdict = await self._interview(authenticate, request, pend)
            if verdict.accepted:
                self._guesses.was_right(address, who)
            elif not verdict.guess:
                self._guesses.was_none(address, who)
        if not verdict.accepted and self._reactor is not None:
            await deferLater(self._reactor, max(began + REFUSAL - self._now(), 0.0))
        return verdict

    def _now(self) -> float:
        return 0.0 if self._reactor is None else float(self._reactor.seconds())

    async def _interview(self, authenticate: Authenticate, request: VerdictRequest, pend: Pend) -> Verdict:
        member, name = request.member, request.wanted.identity.name
        interview = Interview(request, lambda method, seconds: pend(member, method, seconds), self._reactor)
        self._interviews[member] = interview
        try:
            answer = await interview.hold(authenticate, self._deadline)
        except TimeoutError:
            reason = f"{name}: the policy did not answer in time"
            return Verdict(False, reason, "try again later", temporary=True)
        except CannotAskError as error:
            return Verdict(False, f"{name}: {error}", f"Authentication failed, {error}")
        finally:
            if self._interviews.get(member) is interview:
                del self._interviews[member]
        return _verdict_of(answer, interview.client)

    def forget(self, member: int) -> None:
        """This client is gone: nobody waits for its answers any more."""
        if member in self._interviews:
            self._interviews.pop(member).cancel()

    def respond(self, member: int, text: str) -> None:
        """This client has answered the question it was asked."""
        if member in self._interviews:
            self._interviews[member].respond(text)


def _fit(told: str) -> str:
    """What a client can be told; raises ValueError."""
    if not told.isprintable() or len(told.encode()) > LONGEST_INFO:
        raise ValueError(f"what the policy tells a client has control characters or more than {LONGEST_INFO} bytes")
    return told


def _verdict_of(answer: object, client: Client) -> Verdict:
    if answer is True:
        return ACCEPTED
    if answer is False:
        return Verdict(False, f"{client.name}: refused by the policy", guess=True)
    if isinstance(answer, Challenge):
        told = _fit(replace(answer, username=client.username).encode_refusal())
        return Verdict(False, f"{client.name}: has to answer {answer.text!r}", told)
    if isinstance(answer, str):
        return Verdict(False, f"{client.name}: refused by the policy: {answer}", _fit(answer), guess=True)
    raise TypeError(
        f"the policy must answer True, False, a text for the client or a Challenge, not {type(answer).__name__}"
    )
