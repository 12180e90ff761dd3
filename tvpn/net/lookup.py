"""Names to addresses, in a thread of its own for each name: the resolver blocks, and a dead name server for long.

The threads are daemons: one that still waits for an answer keeps no process from ending.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, NamedTuple, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as Late
from twisted.python.failure import Failure

from tvpn.errors import TvpnError
from tvpn.plane.verbs import Address

PATIENCE = 4.5
"""Seconds that a lookup may take; an answer that comes later is good for the next time."""
_FAMILIES = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Place(NamedTuple):
    """One address of a name: family and socket address."""

    family: int
    address: Address


class Query(NamedTuple):
    """What is looked up; ``family`` is 4, 6, or 0 for both."""

    host: str
    port: int
    family: int


def is_literal(host: str) -> bool:
    """An address, not a name."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def resolve(query: Query) -> list[Place]:
    """The addresses, the best first; raises TvpnError. Blocks unless the host is an address itself."""
    try:
        found = socket.getaddrinfo(query.host, query.port, _FAMILIES[query.family], socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TvpnError(f"cannot find the address of {query.host}: {reason}") from None
    return [Place(family, cast(Address, address)) for family, _, _, _, address in found]


class Directory:
    """Looks names up. ``heard`` is told every answer, late ones too."""

    def __init__(
        self, reactor: Any, heard: Callable[[Query, list[Place]], None], ask: Callable[[Query], list[Place]] = resolve
    ) -> None:
        self._reactor = reactor
        self._heard = heard
        self._ask = ask
        self._waiting: dict[Query, list[Deferred[list[Place]]]] = {}

    def find(self, query: Query) -> Deferred[list[Place]]:
        """The addresses; fails with a TvpnError, after a few seconds at the latest."""
        if is_literal(query.host):
            return succeed(query).addCallback(self._ask)
        answer: Deferred[list[Place]] = Deferred()
        asked = query in self._waiting
        self._waiting.setdefault(query, []).append(answer)
        if not asked:
            threading.Thread(target=self._work, args=(query,), daemon=True, name=f"lookup {query.host}").start()
        answer.addTimeout(PATIENCE, self._reactor)
        return answer.addErrback(self._late, query)

    def _late(self, failure: Failure, query: Query) -> list[Place]:
        failure.trap(TvpnError, Late)
        if failure.check(Late):
            raise TvpnError(f"cannot find the address of {query.host}: no name server has answered for {PATIENCE:g} s")
        raise cast(TvpnError, failure.value)

    def _work(self, query: Query) -> None:
        try:
            result: list[Place] | Failure = self._ask(query)
        except Exception:
            result = Failure()
        self._reactor.callFromThread(self._answer, query, result)

    def _answer(self, query: Query, result: list[Place] | Failure) -> None:
        if not isinstance(result, Failure):
            self._heard(query, result)
        for waiting in self._waiting.pop(query, ()):
            if not waiting.called:
                waiting.callback(result)  # a Failure goes to the errbacks
