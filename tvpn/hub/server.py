"""The server role: the door, the roster, the verdicts, and the plane verbs that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from tvpn.config.clientfile import ClientConfig
from tvpn.errors import Drop
from tvpn.hub.door import ControlKeys, Door
from tvpn.hub.event import Complaint, HangUp, HubEvent, Joined, Leased, Left, Moved, ResponseGiven, VerdictRequest
from tvpn.hub.home import Home, Homes
from tvpn.hub.lobby import Lobby
from tvpn.hub.offer import options_for, read_changes
from tvpn.hub.pool import Pool
from tvpn.hub.prefix import Buckets, Tally, prefix_of
from tvpn.hub.roster import Member, Roster
from tvpn.hub.rules import ServerRules, Verdict, inner_mss
from tvpn.hub.streams import Streams
from tvpn.plane.verbs import (
    Endpoint,
    Floated,
    FloatRefused,
    Gone,
    NearlySpent,
    PeerExit,
    PeerSpec,
    Plane,
    PlaneEvent,
)
from tvpn.session.event import Answered, Ended, Event, KeyChosen, KeyRetired, KeysDerived, VerdictWanted
from tvpn.session.life import Stage
from tvpn.session.negotiation import Agreement
from tvpn.session.peer import Terms
from tvpn.session.record import Watch, unwatched
from tvpn.wire.header import SESSION_ID_SIZE

#: While there are more unfinished connections than this, nobody gets state on its very first packet.
MOST_UNPROVEN = 64


class ServerHub:
    """All clients of one server. Sans-IO: datagrams and ``now`` in; ``transmit``, ``deadline``, ``take_events`` out."""

    def __init__(self, terms: Terms, keys: ControlKeys, rules: ServerRules, pool: Pool, plane: Plane) -> None:
        self.roster = Roster()
        self.drops: dict[str, int] = {}
        self.audience: Callable[[Endpoint], Watch] = lambda endpoint: unwatched
        """Who watches a session that begins there."""
        self._rules = rules
        self._homes = Homes(rules, pool)
        self._plane = plane
        self._door = Door(terms, keys, lambda: len(self._lobby) < MOST_UNPROVEN)
        self._tally = Tally()
        self._lobby = Lobby()
        most, seconds = rules.connect_freq or (0, 1)
        self._arrivals = Buckets(most, most / seconds) if most else None
        self._events: list[HubEvent] = []
        self._streams = Streams()
        self._answers: list[tuple[Endpoint, bytes]] = []
        self._speaking: dict[int, Member] = {}
        self._stopping = False

    # What comes in

    def receive(self, endpoint: Endpoint, datagram: bytes, now: float) -> bool:
        """One control datagram; whatever is wrong with it ends here. Whether there is something to send or to tell."""
        try:
            self._receive(endpoint, datagram, now)
        except Drop as drop:
            self._complain(drop.reason, endpoint, now)
        return bool(self._speaking or self._answers or self._events)

    def _receive(self, endpoint: Endpoint, datagram: bytes, now: float) -> None:
        member = self.roster.find(endpoint, datagram[1 : 1 + SESSION_ID_SIZE])
        if member is None:
            if self._stopping:
                raise Drop("server-stopping")
            outcome = self._door.receive(endpoint, datagram, now, endpoint in self._streams)
            if isinstance(outcome, bytes):
                self._answers.append((endpoint, outcome))
                return
            if not self._lobby.has_share_for(endpoint.address):
                raise Drop("half-open-full")
            if self._arrivals is not None and not self._arrivals.take(prefix_of(endpoint.address), now):
                raise Drop("connect-freq")
            member = self.roster.add(endpoint, outcome, now)
            outcome.watch = self.audience(endpoint)
            self._let_wait(member, now)
            self._streams.settle(endpoint)
        try:
            member.session.receive(datagram, now)
            self._lobby.advance(member, now)
            if member.peer is not None:
                self._plane.heard(member.peer, now)
        finally:
            self._follow(member, now)

    def connected(self, endpoint: Endpoint, now: float) -> None:
        """A TCP connection was made."""
        if self._stopping or not self._streams.add(endpoint, now):
            self._events.append(HangUp(endpoint))

    def disconnected(self, endpoint: Endpoint, now: float) -> None:
        """A TCP connection is over, and with it the sessions on it."""
        if not self._streams.remove(endpoint):
            return
        for member in self.roster:
            if member.endpoint == endpoint and member.session.stage is not Stage.GONE:
                self._dismiss(member, "its connection was closed", now)

    def _complain(self, reason: str, endpoint: Endpoint, now: float) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + 1
        number = self._tally.count(reason, prefix_of(endpoint.address), now)
        if number:
            self._events.append(Complaint(reason, endpoint, number))

    def observe(self, event: PlaneEvent, now: float) -> None:
        """What the plane has noticed."""
        member = self.roster.of_peer(event.peer)
        if member is None:
            return
        if isinstance(event, Floated):
            self.roster.move(member, event.endpoint)
            self._events.append(Moved(member.number, member.name, event.endpoint))
        elif isinstance(event, FloatRefused):
            self._settle_float(member, event, now)
        elif isinstance(event, Gone):
            self._dismiss(member, event.reason, now)
        elif isinstance(event, PeerExit):
            self._dismiss(member, "left", now)
        elif isinstance(event, NearlySpent):
            member.session.renegotiate(now)
            self._follow(member, now)

    def _settle_float(self, member: Member, event: FloatRefused, now: float) -> None:
        """The same device may take its own former place; nobody takes another's."""
        occupant = self.roster.of_peer(event.occupant)
        if occupant is None or occupant.session.identity != member.session.identity:
            return
        self._dismiss(occupant, "replaced by the same device", now)
        self._plane.relocate(event.peer, event.endpoint)
        self.roster.move(member, event.endpoint)
        self._events.append(Moved(member.number, member.name, event.endpoint))

    # What sessions want

    def _follow(self, member: Member, now: float) -> None:
        """After every stimulus of a session: its events become verbs, its words wait for ``transmit``."""
        for event in member.session.take_events():
            self._carry_out(member, event, now)
        self._speaking[member.number] = member
        if member.session.stage is Stage.GONE:
            self._vacate(member)
            self._lobby.leave(member)
            self.roster.remove(member)
            if member.endpoint in self._streams:
                self._streams.remove(member.endpoint)
                self._events.append(HangUp(member.endpoint))
        else:
            self.roster.schedule(member)

    def _carry_out(self, member: Member, event: Event, now: float) -> None:
        peer = member.peer
        if isinstance(event, VerdictWanted):
            self._events.append(VerdictRequest(member.number, member.endpoint, event))
        elif isinstance(event, Answered):
            self._events.append(ResponseGiven(member.number, event.text))
        elif isinstance(event, Ended):
            self._report_left(member, event.reason, now)
            self._vacate(member)
        elif peer is None:
            return
        elif isinstance(event, KeysDerived):
            self._plane.install(peer, event.key_id, event.keys)
        elif isinstance(event, KeyChosen):
            self._plane.use(peer, event.key_id)
        elif isinstance(event, KeyRetired):
            self._plane.retire(peer, event.key_id)

    def _let_wait(self, member: Member, now: float) -> None:
        """The member is on its way in; when there are too many, another one is no longer."""
        crowded_out = self._lobby.enter(member, now)
        if crowded_out is not None:
            self._turn_out(crowded_out, "crowded-out", now)

    def _turn_out(self, member: Member, reason: str, now: float) -> None:
        """One who is on its way in goes, and is counted with its like instead of told by itself."""
        self._complain(reason, member.endpoint, now)
        member.session.close()
        self._follow(member, now)

    def _vacate(self, member: Member) -> None:
        """The plane forgets the peer, its address is free."""
        if member.peer is not None:
            self._plane.remove(member.peer)
            self.roster.unseat(member)
        self._homes.leave(member.number)
        member.home = None

    def _dismiss(self, member: Member, reason: str, now: float) -> None:
        """End a session without a word to the peer."""
        self._report_left(member, reason, now)
        member.session.close()
        self._follow(member, now)

    def _report_left(self, member: Member, reason: str, now: float) -> None:
        if member.session.silent:
            self._complain("silent-start", member.endpoint, now)
            return
        self._events.append(Left(member.number, member.name, member.endpoint, member.joined, reason))
        member.joined = False

    # Verdicts

    def verdict(self, number: int, verdict: Verdict, now: float) -> None:
        """The answer to a VerdictRequest."""
        member = self.roster.get(number)
        if member is None:
            return
        if not verdict.accepted:
            member.session.refuse(verdict.reason, verdict.told, now, verdict.temporary)
        elif member.peer is not None:
            member.session.admit((), member.peer, now)
        elif member.session.stage is Stage.JUDGING:
            self._admit(member, verdict, now)
        self._follow(member, now)

    def pend(self, number: int, method: str, seconds: int, now: float) -> float:
        """Let a client's verdict wait for the person there; seconds it may take. Raises ValueError, see the session."""
        member = self.roster.get(number)
        if member is None:
            return 0.0
        left = member.session.pend(method, seconds, now)
        self._follow(member, now)
        return left

    def _admit(self, member: Member, verdict: Verdict, now: float) -> None:
        identity = member.session.identity
        if identity is None:
            return
        rivals = self.roster.rivals(member, same_device=not self._rules.duplicate_cn)
        if self.roster.admitted - len(rivals) >= self._rules.max_clients:
            reason = f"max-clients {self._rules.max_clients} is reached"
            member.session.refuse(reason, "the server is full", now, temporary=True)
            return
        # Earlier sessions at the same endpoint, and of the same device unless duplicate-cn, end here.
        for rival in rivals:
            self._dismiss(rival, "replaced by a newer connection", now)
        lease_key = f"{identity.key}#{member.number}" if self._rules.duplicate_cn else identity.key
        home = member.home = self._settle(member, lease_key, verdict.config, now)
        if home is None:
            return
        peer = self.roster.seat(member)
        self._lobby.leave(member)
        member.session.admit(options_for(self._rules, home, verdict, member.session.peer_info), peer, now)
        agreement = member.session.agreement
        if agreement is None:
            return
        self._plane.add(peer, member.endpoint, self._spec(member, home, agreement), now)
        if home.lease is not None and not self._rules.duplicate_cn:
            self._events.append(Leased(lease_key, home.lease.index))
        member.joined = True
        self._events.append(Joined(member.number, member.name, member.endpoint, home.texts))

    def _settle(self, member: Member, lease_key: str, config: ClientConfig, now: float) -> Home | None:
        """A home for the member; None when it was refused since another client lives there, or all places are taken."""
        session = member.session
        while (clash := self._homes.clash(config)) is not None:
            occupant = self.roster.get(clash.member)
            if occupant is None or occupant.session.identity != session.identity:
                who = occupant.name if occupant is not None else "another client"
                reason = f"{who} lives at {clash.claimed} already; give one of the two another in its client file"
                session.refuse(reason, "your address is in use", now, temporary=True)
                return None
            self._dismiss(occupant, "replaced by a newer connection", now)
        home = self._homes.settle(member.number, lease_key, config)
        if home is None:
            session.refuse("the address pool is exhausted", "no free address", now, temporary=True)
        return home

    def _spec(self, member: Member, home: Home, agreement: Agreement) -> PeerSpec:
        rules, stream = self._rules, member.endpoint in self._streams
        spec = replace(
            rules.plane, addresses=home.addresses, networks=home.networks, wire_peer_id=agreement.peer_id,
            framing=agreement.framing, is_stream=stream, fragment=0 if stream else rules.plane.fragment,
            pvid=home.config.vlan_pvid,
        )  # fmt: skip
        return replace(spec, mss=inner_mss(rules.mssfix, member.endpoint, spec, agreement, is_tap=rules.is_tap))

    # What goes out

    def transmit(self, now: float) -> list[tuple[Endpoint, bytes]]:
        """The control datagrams to send now."""
        datagrams, self._answers = self._answers, []
        speaking, self._speaking = self._speaking, {}
        for member in speaking.values():
            words = member.session.transmit(now)
            datagrams += [(member.endpoint, datagram) for datagram in words]
            if words and member.peer is not None:
                self._plane.said(member.peer, now)
            self.roster.schedule(member)
        return datagrams

    def take_events(self) -> list[HubEvent]:
        events, self._events = self._events, []
        return events

    def deadline(self) -> float | None:
        times = (self.roster.deadline(), self._streams.deadline(), self._lobby.deadline())
        return min((at for at in times if at is not None), default=None)

    def tick(self, now: float) -> None:
        for endpoint in self._streams.take_overdue(now):
            self._complain("stream-idle", endpoint, now)
            self._events.append(HangUp(endpoint))
        self._for_each(self.roster.take_due(now), lambda member: member.session.tick(now), now)
        for member in self._lobby.take_stalled(now):
            # A verdict takes the time it takes.
            if member.session.stage is Stage.OPENING:
                self._turn_out(member, "no-progress", now)

    def _for_each(self, members: Iterable[Member], act: Callable[[Member], object], now: float) -> None:
        """Do something for each of them. An error of ours ends the member it is about, and is told once all others had
        their turn.
        """
        failed: Exception | None = None
        for member in members:
            try:
                act(member)
            except Exception as error:
                failed = error
                self._dismiss(member, "ended by an error of ours", now)
            self._follow(member, now)
        if failed is not None:
            raise failed

    def push_update(self, changes: Sequence[str], now: float, number: int | None = None) -> list[str]:
        """Change what clients were pushed (``route …``, ``-dns``), all of them or one; the names of those who are told.

        Raises ValueError for what cannot be updated. Clients before 2.7 are left out.
        """
        options = read_changes(changes)
        return [member.name for member in self._addressed(number, now) if member.session.update(options)]

    def inform(self, text: str, now: float, number: int | None = None) -> list[str]:
        """Say something to the users of all clients or of one; the names of those who are told. Raises ValueError."""
        return [member.name for member in self._addressed(number, now) if member.session.inform(text)]

    def _addressed(self, number: int | None, now: float) -> Iterator[Member]:
        """The members one means by a number or by None; what they are told is then sent."""
        for member in self.roster:
            if number in (None, member.number):
                yield member
                self._follow(member, now)

    def disconnect(self, number: int, reason: str, now: float, halt: bool = False) -> None:
        """End one client's session, told that it may come back, or with ``halt`` that it may not."""
        member = self.roster.get(number)
        if member is not None:
            member.session.dismiss(reason, now, halt)
            self._follow(member, now)

    def stop(self, reason: str, now: float) -> None:
        """Tell everybody that we go away and let nobody in any more; ``transmit`` carries it out."""
        self._stopping = True
        self._for_each(self.roster, lambda member: member.session.dismiss(reason, now), now)
