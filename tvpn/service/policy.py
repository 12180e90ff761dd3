"""Who may come in: an async function of a verdict request, the store as its book, and the operator's own policy file.

With tvpn's own CA the store is an allow-list: a serial it does not know is refused. With a CA that was given it is a
deny-list: only what is revoked here is refused. A policy file has the last word::

    async def authenticate(client):
        if client.username != "alice" or not await right_password(client.password):
            return "user name or password is wrong"     # refused, and the client reads this
        return True                                     # let in; False refuses without a word
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred

from tvpn.crypto.certificate import Identity
from tvpn.errors import TvpnError
from tvpn.hub.event import VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.service.clientfiles import ClientFiles
from tvpn.store.database import Cursor, Database
from tvpn.store.device import find_by_serial

ACCEPTED = Verdict(accepted=True)


@dataclass(frozen=True, slots=True)
class Client:
    """What a policy file sees: the name of the certificate, what the user typed, where from, and what the app says."""

    name: str
    identity: str
    username: str
    password: str = field(repr=False)
    address: str
    peer_info: Mapping[str, str]
    renegotiation: bool


Authenticate = Callable[[Client], Awaitable[bool | str] | bool | str]


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

    ``authenticate`` has ``deadline`` seconds; who takes longer, raises or answers anything else has said no.
    """

    def __init__(
        self, database: Database | None, allow_list: bool, authenticate: Authenticate | None = None,
        deadline: float = 60.0, reactor: Any = None, client_files: ClientFiles | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._allow_list = allow_list
        self._authenticate = authenticate
        self._deadline = deadline
        self._reactor = reactor
        self._client_files = client_files

    async def authenticate(self, request: VerdictRequest) -> Verdict:
        """May this client come in, or stay at its renegotiation? Anything that goes wrong is a no."""
        verdict = ACCEPTED
        if self._database is not None:
            verdict = await self._database.run(judge_device, request.wanted.identity, self._allow_list)
        if verdict.accepted and self._authenticate is not None:
            verdict = await self._ask(self._authenticate, request)
        if verdict.accepted and self._client_files is not None and request.wanted.key_id == 0:
            verdict = self._client_files.grant(verdict, request.wanted.identity.name)
        return verdict

    async def _ask(self, authenticate: Authenticate, request: VerdictRequest) -> Verdict:
        name = request.wanted.identity.name
        answer = authenticate(client_of(request))
        if inspect.isawaitable(answer):
            try:
                answer = await self._in_time(answer)
            except TimeoutError:
                reason = f"{name}: the policy did not answer within {self._deadline:g} seconds"
                return Verdict(False, reason, "try again later", temporary=True)
        if answer is True:
            return ACCEPTED
        if answer is False:
            return Verdict(False, f"{name}: refused by the policy")
        if isinstance(answer, str) and answer.isprintable():
            return Verdict(False, f"{name}: refused by the policy: {answer}", answer)
        raise TypeError(f"the policy must answer True, False or a text for the client, not {type(answer).__name__}")

    def _in_time(self, answer: Awaitable[bool | str]) -> Deferred[bool | str]:
        waiting = ensureDeferred(answer) if inspect.iscoroutine(answer) else cast("Deferred[bool | str]", answer)
        return waiting.addTimeout(self._deadline, self._reactor)


def client_of(request: VerdictRequest) -> Client:
    """The policy's view of a request."""
    wanted = request.wanted
    return Client(
        wanted.identity.name,
        wanted.identity.key,
        wanted.username,
        wanted.password,
        str(request.endpoint.address[0]),
        wanted.peer_info,
        wanted.key_id > 0,
    )
