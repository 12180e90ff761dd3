"""The client as a Twisted service: one remote after the other, and the tunnel once a server lets us in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from tvpn.errors import TvpnError
from tvpn.hub.client import ClientHub
from tvpn.hub.event import Advanced, ChallengeAsked, Changed, Connected, Disconnected, HubEvent
from tvpn.hub.pushed import Tunnel
from tvpn.net.clock import now
from tvpn.net.person import Unanswered
from tvpn.net.pump import Pump, link_of
from tvpn.plane.userspace import Userspace
from tvpn.service.attachment import Attachment
from tvpn.service.caller import Caller
from tvpn.service.dialer import Dialer
from tvpn.service.ending import fail, finish
from tvpn.service.itinerary import Destination
from tvpn.service.killswitch import KillSwitch
from tvpn.service.login import Login
from tvpn.service.narrator import is_worth, sentence
from tvpn.service.progress import Blocked, CallFailed, Calling, Progress, Waiting
from tvpn.service.proxies import name_of
from tvpn.service.road import Road
from tvpn.wire.challenge import Challenge

FAREWELL = 1.0
"""Seconds for the server to hear that we leave."""


class ClientService(Service):
    """``twistd tvpn`` as a client. ``verb``: how much of its progress the log has; ``watchers`` hear all of it.

    ``look``: called in a thread at the start, finds what of this machine stands in the way of every call.
    """

    _log = Logger()
    name = "vpn"

    def __init__(
        self, reactor: Any, hub: ClientHub, plane: Userspace, dialer: Dialer, attachment: Attachment, login: Login,
        kill_switch: KillSwitch | None, verb: int, look: Callable[[], str | None] | None = None,
    ) -> None:  # fmt: skip
        self.hub = hub
        self.plane = plane
        self.pump = Pump(plane, hub, reactor, now, self._follow)
        self.caller = Caller(reactor, self.pump.from_network, self._stream_ended, login.ask)
        self.dialer = dialer
        self.attachment = attachment
        self.road = Road(reactor, self._road_changed)
        self.kill_switch = kill_switch
        self.watchers: list[Callable[[Progress], None]] = []
        self._reactor = reactor
        self._login = login
        self._verb = verb
        self._look_around = look
        self._calling = False
        self._retry: IDelayedCall | None = None
        self._patience: IDelayedCall | None = None
        self._gave_up = False

    def startService(self) -> None:
        super().startService()
        self.attachment.prepare()
        self.road.start()
        if self._look_around is not None:
            looked = deferToThread(self._look_around).addCallback(self._found)
            looked.addErrback(lambda failure: self._log.failure("could not look for what is in the way", failure))
        self._attempt()

    def _found(self, obstacle: str | None) -> None:
        if obstacle is not None and self.running:
            self._tell(Blocked(obstacle))

    # Connecting

    def _attempt(self) -> None:
        self._retry = None
        self._calling = True
        self.dialer.begin(now())
        ensureDeferred(self._connect()).addErrback(self._connect_failed)

    async def _connect(self) -> None:
        if self.kill_switch is not None:
            await self.kill_switch.raise_up(self.dialer.itinerary)
        destination = await self.dialer.itinerary.next()
        if not self.running:
            return
        remote, address = destination.remote, str(destination.place.address[0])
        proxy = "" if remote.proxy is None else name_of(remote.proxy)
        self._tell(Calling(remote.host, address, remote.protocol, remote.port, proxy))
        self.caller.close()
        self.attachment.routes_changed(destination.place.address)
        self.road.head_for(address)
        credentials = await self._login.credentials(self.hub.has_token)
        endpoint = await self.caller.open(destination)
        if not self.running:
            self.caller.close()
            return
        self._calling = False
        stream, overhead = remote.protocol == "tcp", link_of(endpoint).overhead
        self.hub.connect(endpoint, now(), stream, credentials, remote.own, overhead)
        self._expect_answer(destination)
        self.pump.stir()

    def _expect_answer(self, destination: Destination) -> None:
        if destination.patience is not None:
            reason = f"no answer within {destination.patience:g} seconds"
            self._patience = self._reactor.callLater(destination.patience, self._go_on, reason)

    def _go_on(self, reason: str) -> None:
        self._patience = None
        self.hub.lose(reason, silent=True)
        self.pump.stir()

    def _stop_waiting(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.cancel()

    def _stream_ended(self) -> None:
        self.hub.disconnected(now())
        self.pump.stir()

    def _connect_failed(self, failure: Any) -> None:
        self._calling = False
        if not self.running or failure.check(CancelledError):
            # A question that was withdrawn has another in its place, or needs no answer any more.
            return
        if failure.check(Unanswered):
            self.give_up(failure.getErrorMessage())
            return
        if failure.check(TvpnError):
            self._tell(CallFailed(failure.getErrorMessage()))
        else:
            self._log.failure("the connection attempt failed", failure)
        self._try_again(self.dialer.failed)

    def _try_again(self, decide: Callable[[float], float]) -> None:
        """``decide``: how long to wait; a TvpnError of its means no more."""
        if not self.running or self._retry is not None:
            return
        try:
            delay = decide(now())
        except TvpnError as error:
            self.give_up(str(error))
            return
        if self.dialer.round_over and self.kill_switch is None and self.dialer.itinerary.has_names:
            # What the tunnel's name servers no longer answer is asked in the open.
            self.attachment.release()
        if delay:
            self._tell(Waiting(delay))
        self._retry = self._reactor.callLater(delay, self._attempt)

    # The road

    def _road_changed(self) -> None:
        """The way to the server is another one now, or the machine has slept."""
        if self._retry is not None:
            if self.dialer.waits_for_answer:
                self._retry.reset(self.dialer.at_once(now()))
            return
        endpoint = self.hub.endpoint
        if self._calling or endpoint is None or self.hub.session is None or not self.road.is_open:
            return
        self.attachment.routes_changed(endpoint.address)
        if self.hub.can_be_followed:
            self.hub.probe(now())
            self.pump.stir()
            self.road.verify(lambda: self.hub.probed, self._call_anew)
        else:
            self._call_anew()

    def _call_anew(self) -> None:
        if self.running and self.hub.session is not None:
            self.hub.lose("the way to the server has changed", silent=True, advance=False)
            self.pump.stir()

    # Questions

    async def _meet(self, challenge: Challenge) -> None:
        """Call the same remote again, the answer to its challenge instead of the password."""
        await self._login.meet(challenge)
        self.dialer.itinerary.repeat()
        if self.running and challenge.wants_response:
            self._attempt()
        elif self.running:
            self._try_again(self.dialer.failed)

    async def _answer(self, challenge: Challenge) -> None:
        session = self.hub.session
        response = await self._login.ask(challenge.text, challenge.echo)
        if self.hub.session is session:
            self.hub.answer(response)
            self.pump.stir()

    def _stay_silent(self, failure: Any) -> None:
        """A question went unanswered; one that was withdrawn needs no answer."""
        if self.running and not failure.check(CancelledError):
            self.give_up(failure.getErrorMessage())

    # What the hub tells

    def _follow(self, event: HubEvent) -> None:
        if isinstance(event, Connected | Changed):
            self._enter(event)
            return
        self._tell(event)
        if isinstance(event, Advanced):
            self._stop_waiting()
        elif isinstance(event, ChallengeAsked) and event.challenge.wants_response:
            ensureDeferred(self._answer(event.challenge)).addErrback(self._stay_silent)
        elif isinstance(event, Disconnected) and self.running:
            self._lost(event)

    def _enter(self, event: Connected | Changed) -> None:
        self._login.withdraw()
        self.dialer.connected(now())
        try:
            self._open_tunnel(event.tunnel, again=isinstance(event, Connected))
        except TvpnError as error:
            self.give_up(str(error))
        except Exception:
            # Connected without a tunnel is what nobody would notice.
            self._log.failure("the tunnel could not be opened")
            self.give_up("the tunnel could not be opened; why is in the log")
        else:
            # Whoever waits for this word may send at once.
            self._tell(event)

    def _lost(self, event: Disconnected) -> None:
        self._stop_waiting()
        self.road.rest()
        self._login.withdraw()
        self.attachment.lose()
        if event.challenge is not None:
            ensureDeferred(self._meet(event.challenge)).addErrback(self._stay_silent)
        elif event.retry or (event.refused and self._login.refused()):
            self._try_again(partial(self.dialer.lost, event))
        elif event.agreed:
            self._gave_up = True
            finish(self._reactor, event.reason)
        else:
            self.give_up(f"gave up: {event.reason}")

    def _tell(self, progress: Progress) -> None:
        said = sentence(progress)
        if said is not None and is_worth(progress, self._verb):
            self._log.info("{sentence}", sentence=said)
        for watcher in [*self.watchers]:
            try:
                watcher(progress)
            except Exception:
                self._log.failure("a watcher of the client failed")

    # The tunnel

    def _open_tunnel(self, tunnel: Tunnel, again: bool) -> None:
        if self.hub.endpoint is not None:
            before = self.attachment.device
            tun = self.attachment.open(tunnel, self.hub.endpoint.address, self.pump.from_tun, self._vanished)
            self.pump.attach(tun, [own.ip for own in (tunnel.ipv4, tunnel.ipv6) if own is not None])
            if again and before and self.attachment.device == before:
                self._log.info("connected: device {device}, as before", device=before)
            self.road.ignore(self.attachment.device)
            if self.kill_switch is not None:
                self.kill_switch.admit(self.attachment.device)

    def _vanished(self, reason: str) -> None:
        self.give_up(f"{reason}; the client stops")

    # Stop

    def give_up(self, reason: str) -> None:
        """The end that nobody asked for: with a kill switch it leaves nothing open."""
        self._gave_up = True
        fail(self._reactor, reason if self.kill_switch is None else f"{reason}; {self.kill_switch.remedy}")

    def stopService(self) -> Deferred[None]:
        super().stopService()
        if self._retry is not None:
            self._retry.cancel()
        self._stop_waiting()
        self.road.stop()
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
        if self.kill_switch is not None and not self._gave_up:
            self.kill_switch.end()
        self._log.info("stopped")
