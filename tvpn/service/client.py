"""The client as a Twisted service: one remote after the other, and the tunnel once a server lets us in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from tvpn.config.address import Remote
from tvpn.errors import TvpnError
from tvpn.hub.client import Backoff, ClientHub
from tvpn.hub.event import ChallengeAsked, Changed, Connected, Disconnected, HubEvent
from tvpn.hub.pushed import Tunnel
from tvpn.net.clock import now
from tvpn.net.person import Unanswered
from tvpn.net.pump import Pump, link_of
from tvpn.plane.userspace import Userspace
from tvpn.service.attachment import Attachment
from tvpn.service.caller import Caller
from tvpn.service.ending import fail
from tvpn.service.login import Login
from tvpn.service.narrator import sentence
from tvpn.service.progress import CallFailed, Calling, Progress, Waiting
from tvpn.service.proxies import name_of
from tvpn.wire.challenge import Challenge

FAREWELL = 1.0
"""Seconds for the server to hear that we leave."""


class ClientService(Service):
    """``twistd tvpn`` as a client. ``watchers`` hear of its progress, beside the log."""

    _log = Logger()
    name = "vpn"

    def __init__(
        self, reactor: Any, hub: ClientHub, plane: Userspace, remotes: Sequence[Remote], attachment: Attachment,
        backoff: Backoff, login: Login,
    ) -> None:  # fmt: skip
        self.hub = hub
        self.plane = plane
        self.pump = Pump(plane, hub, reactor, now, self._follow)
        self.caller = Caller(reactor, remotes, self.pump.from_network, self._stream_ended, login.ask)
        self.attachment = attachment
        self.watchers: list[Callable[[Progress], None]] = []
        self._reactor = reactor
        self._backoff = backoff
        self._login = login
        self._retry: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self.attachment.prepare()
        self._attempt()

    # Connecting

    def _attempt(self) -> None:
        self._retry = None
        ensureDeferred(self._connect()).addErrback(self._connect_failed)

    async def _connect(self) -> None:
        destination = await self.caller.find()
        if not self.running:
            return
        remote, address = destination.remote, str(destination.address[0])
        proxy = "" if remote.proxy is None else name_of(remote.proxy)
        self._tell(Calling(remote.host, address, remote.protocol, remote.port, proxy))
        self.caller.close()
        self.attachment.routes_changed(destination.address)
        credentials = await self._login.credentials(self.hub.has_token)
        endpoint = await self.caller.open(destination)
        stream, overhead = remote.protocol == "tcp", link_of(endpoint).overhead
        self.hub.connect(endpoint, now(), stream, credentials, remote.own, overhead)
        self.pump.stir()

    def _stream_ended(self) -> None:
        self.hub.disconnected(now())
        self.pump.stir()

    def _connect_failed(self, failure: Any) -> None:
        if not self.running or failure.check(CancelledError):
            # A question that was withdrawn has another in its place, or needs no answer any more.
            return
        if failure.check(Unanswered):
            fail(self._reactor, failure.getErrorMessage())
            return
        if failure.check(TvpnError):
            self._tell(CallFailed(failure.getErrorMessage()))
        else:
            self._log.failure("the connection attempt failed", failure)
        # The next name may have to be looked up in the open.
        self.attachment.release()
        self._try_again()

    def _try_again(self, wait: float = 0.0) -> None:
        if self.running and self._retry is None:
            delay = max(self._backoff.delay(), wait)
            self._tell(Waiting(delay))
            self._retry = self._reactor.callLater(delay, self._attempt)

    # Questions

    async def _meet(self, challenge: Challenge) -> None:
        """Call the same remote again, the answer to its challenge instead of the password."""
        await self._login.meet(challenge)
        self.caller.repeat()
        if self.running and challenge.wants_response:
            self._attempt()
        elif self.running:
            self._try_again()

    async def _answer(self, challenge: Challenge) -> None:
        session = self.hub.session
        response = await self._login.ask(challenge.text, challenge.echo)
        if self.hub.session is session:
            self.hub.answer(response)
            self.pump.stir()

    def _stay_silent(self, failure: Any) -> None:
        """A question went unanswered; one that was withdrawn needs no answer."""
        if self.running and not failure.check(CancelledError):
            fail(self._reactor, failure.getErrorMessage())

    # What the hub tells

    def _follow(self, event: HubEvent) -> None:
        self._tell(event)
        if isinstance(event, ChallengeAsked) and event.challenge.wants_response:
            ensureDeferred(self._answer(event.challenge)).addErrback(self._stay_silent)
        elif isinstance(event, Connected | Changed):
            self._login.withdraw()
            self._backoff.reset()
            try:
                self._open_tunnel(event.tunnel)
            except TvpnError as error:
                fail(self._reactor, str(error))
        elif isinstance(event, Disconnected) and self.running:
            self._login.withdraw()
            self.attachment.lose()
            if event.challenge is not None:
                ensureDeferred(self._meet(event.challenge)).addErrback(self._stay_silent)
            elif event.retry or (event.refused and self._login.refused()):
                self._try_again(event.wait)
            else:
                fail(self._reactor, f"gave up: {event.reason}")

    def _tell(self, progress: Progress) -> None:
        said = sentence(progress)
        if said is not None:
            self._log.info("{sentence}", sentence=said)
        for watcher in self.watchers:
            watcher(progress)

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
        self._login.withdraw()
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
        self.caller.close()
        self._log.info("stopped")

