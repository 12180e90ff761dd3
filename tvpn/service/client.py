"""The client as a Twisted service: one remote after the other, and the tunnel once a server lets us in."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from tvpn.config.login import StaticChallenge
from tvpn.errors import TvpnError
from tvpn.hub.client import Backoff, ClientHub
from tvpn.hub.event import ChallengeAsked, Changed, Connected, Disconnected, HubEvent
from tvpn.hub.pushed import Tunnel
from tvpn.net.clock import now
from tvpn.net.pump import Pump
from tvpn.net.tcp import TCPFactory, TCPLink
from tvpn.net.terminal import Question
from tvpn.net.udp import UDPLink, open_udp
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Address, Endpoint
from tvpn.service.attachment import Attachment
from tvpn.service.ending import fail
from tvpn.service.narrator import clean, sentence
from tvpn.wire.challenge import Answer, Challenge

CONNECT_TIMEOUT = 15.0
FAREWELL = 1.0
"""Seconds for the server to hear that we leave."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the file says of user name and password, and what is asked beside them."""

    username: str = ""
    password: str = field(default="", repr=False)
    challenge: StaticChallenge | None = None


class ClientService(Service):
    """``twistd tvpn`` as a client. ``remotes``: (udp or tcp, host, port, family or 0)."""

    _log = Logger()
    name = "vpn"

    def __init__(
        self, reactor: Any, hub: ClientHub, plane: Userspace, remotes: Sequence[tuple[str, str, int, int]],
        attachment: Attachment, backoff: Backoff, login: Login,
    ) -> None:  # fmt: skip
        self.hub = hub
        self.plane = plane
        self.pump = Pump(plane, hub, reactor, now, self._tell)
        self.link: UDPLink | TCPLink | None = None
        self.attachment = attachment
        self._reactor = reactor
        self._remotes = remotes
        self._next = 0
        self._backoff = backoff
        self._login = login
        self._credentials: tuple[str, str] | None = None
        self._question: Question | None = None
        self._retry: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._attempt()

    # Connecting

    def _attempt(self) -> None:
        self._retry = None
        ensureDeferred(self._connect()).addErrback(self._connect_failed)

    async def _connect(self) -> None:
        attempt, which = divmod(self._next, len(self._remotes))
        protocol, host, port, family = self._remotes[which]
        self._next += 1
        family, address = await deferToThread(resolve, host, port, family, attempt)
        if not self.running:
            return
        self._log.info("connecting to {host}, {protocol} port {port}", host=address[0], protocol=protocol, port=port)
        self._close_link()
        credentials = await self._ask_for_credentials()
        if protocol == "tcp":
            link = await self._open_stream(str(address[0]), port)
            self.hub.connect(Endpoint(link, link.address), now(), True, credentials)
        else:
            self.hub.connect(Endpoint(self._open_socket(family), address), now(), False, credentials)
        self.pump.stir()

    # Questions

    async def _ask_for_credentials(self) -> tuple[str, str] | None:
        """User name and password of the next connection, where they are not what the file says."""
        credentials, self._credentials = self._credentials, None
        challenge, login = self._login.challenge, self._login
        if credentials is not None or challenge is None or self.hub.has_token:
            return credentials
        response = await self._ask(challenge.text, challenge.echo)
        appended = login.password + response
        return login.username, appended if challenge.appended else Answer(login.password, response).encode()

    async def _ask(self, text: str, echo: bool) -> str:
        # One question at a time: a new one takes the place of the one before it.
        self._withdraw_question()
        question = self._question = Question(self._reactor, clean(text), echo)
        try:
            return await question.answered
        finally:
            if self._question is question:
                self._question = None

    async def _meet(self, challenge: Challenge) -> None:
        """Call the same remote again, the answer to its challenge instead of the password."""
        response = await self._ask(challenge.text, challenge.echo) if challenge.wants_response else ""
        username = challenge.username or self._login.username
        self._credentials = username, Answer(response=response, state=challenge.state).encode()
        self._next -= 1
        if self.running and challenge.wants_response:
            self._attempt()
        elif self.running:
            self._try_again()

    async def _answer(self, challenge: Challenge) -> None:
        session = self.hub.session
        response = await self._ask(challenge.text, challenge.echo)
        if self.hub.session is session:
            self.hub.answer(response)
            self.pump.stir()

    def _withdraw_question(self) -> None:
        if self._question is not None:
            self._question.answered.cancel()

    def _stay_silent(self, failure: Any) -> None:
        """A question went unanswered; one that was withdrawn needs no answer."""
        if self.running and not failure.check(CancelledError):
            fail(self._reactor, failure.getErrorMessage())

    def _open_socket(self, family: int) -> UDPLink:
        any_address = "::" if family == socket.AF_INET6 else "0.0.0.0"
        opened = open_udp(family, any_address, 0, several_addresses=False)
        link = self.link = UDPLink(opened, self._reactor, self.pump.from_network)
        link.start()
        return link

    async def _open_stream(self, host: str, port: int) -> TCPLink:
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_TIMEOUT)
        build = partial(TCPLink, self._reactor, lambda link: None, self.pump.from_network, self._stream_ended)
        try:
            link = cast(TCPLink, await endpoint.connect(TCPFactory(build)))
        except ConnectError as error:
            raise TvpnError(f"no connection to {host}, tcp port {port}: {error}") from None
        self.link = link
        return link

    def _stream_ended(self, link: TCPLink) -> None:
        if link is self.link:
            self.link = None
            self.hub.disconnected(now())
            self.pump.stir()

    def _close_link(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def _connect_failed(self, failure: Any) -> None:
        if not self.running:
            return
        if failure.check(TvpnError):
            self._log.warn("{reason}", reason=failure.getErrorMessage())
        else:
            self._log.failure("the connection attempt failed", failure)
        self._try_again()

    def _try_again(self, wait: float = 0.0) -> None:
        if self.running and self._retry is None:
            delay = max(self._backoff.delay(), wait)
            self._log.info("next try in {delay} s", delay=delay)
            self._retry = self._reactor.callLater(delay, self._attempt)

    def _tell(self, event: HubEvent) -> None:
        said = sentence(event)
        if said is not None:
            self._log.info("{sentence}", sentence=said)
        if isinstance(event, ChallengeAsked) and event.challenge.wants_response:
            ensureDeferred(self._answer(event.challenge)).addErrback(self._stay_silent)
        elif isinstance(event, Connected | Changed):
            self._withdraw_question()
            self._backoff.reset()
            try:
                self._open_tunnel(event.tunnel)
            except TvpnError as error:
                fail(self._reactor, str(error))
        elif isinstance(event, Disconnected) and self.running:
            self._withdraw_question()
            self.attachment.lose()
            if event.challenge is not None:
                ensureDeferred(self._meet(event.challenge)).addErrback(self._stay_silent)
            elif event.retry:
                self._try_again(event.wait)
            else:
                fail(self._reactor, f"gave up: {event.reason}")

    # The tunnel

    def _open_tunnel(self, tunnel: Tunnel) -> None:
        if self.hub.endpoint is not None:
            tun = self.attachment.open(tunnel, self.hub.endpoint.address, self.pump.from_tun, self._vanished)
            self.pump.attach(tun, [own.ip for own in (tunnel.ipv4, tunnel.ipv6) if own is not None])

    def _vanished(self, reason: str) -> None:
        fail(self._reactor, f"{reason}; the client stops")

    # Stop

    def stopService(self) -> Deferred[None]:
        super().stopService()
        if self._retry is not None:
            self._retry.cancel()
        self._withdraw_question()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        session = self.hub.session
        self.hub.stop("leaving", now())
        self.pump.stir()
        until = now() + FAREWELL
        while session is not None and not session.settled and now() < until:
            await deferLater(self._reactor, 0.05)
        self.pump.stop()
        self.attachment.close()
        self._close_link()
        self._log.info("stopped")


def resolve(host: str, port: int, family: int, attempt: int) -> tuple[int, Address]:
    """(family, socket address) of a remote, looked up anew each time, the next of several with each attempt; raises
    TvpnError. Blocks: for a thread.
    """
    wanted = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[family]
    try:
        found = socket.getaddrinfo(host, port, wanted, socket.SOCK_DGRAM)
    except OSError as error:
        raise TvpnError(f"cannot find the address of {host}: {error.strerror or error}") from None
    choice = found[attempt % len(found)]
    return choice[0], cast(Address, choice[4])
