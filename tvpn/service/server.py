"""The server as a Twisted service: device, sockets, firewall, policy, and the hub in the middle."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from tvpn.config.kind import Topology
from tvpn.errors import TvpnError
from tvpn.hub.event import HubEvent, Leased, Left, ResponseGiven, VerdictRequest
from tvpn.hub.rules import Verdict
from tvpn.hub.server import ServerHub
from tvpn.net.clock import now, wall
from tvpn.net.netlink import Netlink
from tvpn.net.pump import Pump
from tvpn.net.share import Newcomer, Share
from tvpn.net.tcp import TCPFactory, TCPLink, open_tcp, raise_descriptor_limit
from tvpn.net.tun import TunDevice, open_device
from tvpn.net.udp import UDPLink, open_udp
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import Endpoint
from tvpn.service.ending import Refused, fail
from tvpn.service.firewall import Firewall
from tvpn.service.memory import Thrift
from tvpn.service.narrator import is_worth, sentence
from tvpn.service.policy import Policy
from tvpn.session.life import Stage
from tvpn.store.database import Database
from tvpn.store.lease import keep

FAREWELL = 1.2
"""Seconds that clients get to hear that the server stops."""
RENEWAL_CHECK = 86400.0
MEMORY_CHECK = 10.0


class Renewable(Protocol):
    """What looks after the server's own certificate."""

    def renew(self) -> bool:
        """True when a new one is in use."""


@dataclass(frozen=True)
class ListenPlan:
    """Where to listen: (udp or tcp, family, host, port)."""

    sockets: tuple[tuple[str, int, str, int], ...]

    def describe(self) -> str:
        return ", ".join(
            f"{protocol} [{host}]:{port}" if ":" in host else f"{protocol} {host}:{port}"
            for protocol, _, host, port in self.sockets
        )


@dataclass(frozen=True)
class DevicePlan:
    """The device to be: its name, MTU, addresses, and networks routed into it. A TAP device may have a hardware address
    of our choice, and join a bridge.
    """

    name: str
    mtu: int
    ipv4: IPv4Network | None
    ipv6: IPv6Network | None
    routes: tuple[IPv4Network | IPv6Network, ...] = ()
    topology: Topology = "subnet"
    client_to_client: bool = False
    is_tap: bool = False
    lladdr: bytes | None = None
    bridge: str | None = None

    def interfaces(self) -> Sequence[IPv4Interface | IPv6Interface]:
        """The server's own address is the first of each network; it stands alone where clients come by pairs."""
        own: list[IPv4Interface | IPv6Interface] = []
        if self.ipv4 is not None:
            length = self.ipv4.prefixlen if self.topology == "subnet" else 32
            own.append(IPv4Interface((self.ipv4.network_address + 1, length)))
        if self.ipv6 is not None:
            own.append(IPv6Interface((self.ipv6.network_address + 1, self.ipv6.prefixlen)))
        return own

    def place(self) -> str:
        """Where the device is, for people."""
        if self.bridge is not None:
            return f"in the bridge {self.bridge}"
        addresses = ", ".join(str(interface) for interface in self.interfaces())
        return f"with {addresses}" if addresses else "without an address"

    def other_end(self) -> IPv4Address | None:
        """The second address of the IPv4 network where the device is one end of a pair."""
        return None if self.topology == "subnet" or self.ipv4 is None else self.ipv4.network_address + 2

    def networks(self) -> Sequence[IPv4Network]:
        """The clients' network where no address of the device brings it along."""
        return () if self.topology == "subnet" or self.ipv4 is None else (self.ipv4,)


class ServerService(Service):
    """``twistd tvpn`` as a server."""

    _log = Logger()
    name = "vpn"

    def __init__(
        self, reactor: Any, hub: ServerHub, plane: Userspace, policy: Policy, database: Database | None,
        device: DevicePlan, listen: ListenPlan, nat: str, verb: int, certificate: Renewable | None,
        notes: Sequence[str], share: Share | None = None,
    ) -> None:  # fmt: skip
        self.hub = hub
        self.plane = plane
        self.pump = Pump(plane, hub, reactor, now, self._tell)
        self.links: list[UDPLink] = []
        self.streams: set[TCPLink] = set()
        self._listeners: list[socket.socket] = []
        self._ports: list[IListeningPort] = []
        self.tun: TunDevice | None = None
        self._reactor = reactor
        self._policy = policy
        self._database = database
        self._device = device
        self._listen = listen
        self._nat = nat
        self._firewall: Firewall | None = None
        self._verb = verb
        self._certificate = certificate
        self._notes = notes
        self._share = share
        self._renewal = LoopingCall(self._renew)
        self._thrift = LoopingCall(Thrift(lambda: len(hub.roster)).look)

    # Start, as root

    def privilegedStartService(self) -> None:
        """Device, addresses, sockets and firewall, before the reactor runs; a failure ends the process with 1."""
        try:
            self._open()
        except TvpnError as error:
            self._close()
            raise Refused(str(error)) from None
        super().privilegedStartService()

    def _open(self) -> None:
        plan = self._device
        raise_descriptor_limit()
        for protocol, family, host, port in self._listen.sockets:
            if protocol == "tcp":
                self._listeners.append(open_tcp(family, host, port))
            else:
                opened = open_udp(family, host, port, several_addresses=True)
                self.links.append(UDPLink(opened, self._reactor, self.pump.from_network))
        descriptor, name, lladdr = open_device(plan.name, plan.is_tap, plan.lladdr)
        self.tun = TunDevice(descriptor, name, plan.mtu, self._reactor, self.pump.from_tun, self.give_up, lladdr)
        own: Sequence[IPv4Address | IPv6Address] = [interface.ip for interface in plan.interfaces()]
        with Netlink() as netlink:
            netlink.set_up(name, plan.mtu, *plan.interfaces(), other_end=plan.other_end())
            for route in (*plan.networks(), *plan.routes):
                netlink.add_route(route, name)
            if plan.bridge is not None:
                netlink.join(name, plan.bridge)
                # It is the bridge that this machine is known by.
                self.tun.lladdr, own = netlink.lladdr(plan.bridge), netlink.addresses(plan.bridge)
        self.pump.attach(self.tun, own)
        self._raise_firewall(name)

    def _raise_firewall(self, device: str) -> None:
        networks = tuple(network for network in (self._device.ipv4, self._device.ipv6) if network is not None)
        if self._nat == "no":
            return
        ports = [("udp", link.port) for link in self.links]
        ports += [("tcp", int(listener.getsockname()[1])) for listener in self._listeners]
        firewall = Firewall(device, networks, tuple(ports), isolates=not self._device.client_to_client)
        try:
            firewall.raise_up()
        except TvpnError as error:
            if self._nat == "yes":
                raise
            self._log.warn("no NAT: {error}; clients reach this machine only", error=str(error))
            return
        self._firewall = firewall

    # Run

    def startService(self) -> None:
        super().startService()
        for link in self.links:
            link.start()
        self._accept()
        if self.tun is not None:
            self.tun.start()
            self._log.info(
                "listening on {listen}, device {device} {place}",
                listen=self._listen.describe(), device=self.tun.name, place=self._device.place(),
            )  # fmt: skip
        for note in self._notes:
            self._log.info("{note}", note=note)
        if self._certificate is not None:
            self._renewal.start(RENEWAL_CHECK, now=False)
        self._thrift.start(MEMORY_CHECK, now=False)

    def _accept(self) -> None:
        """TCP: Twisted's own ports around our listening sockets, a link of each connection."""
        for listener in self._listeners:
            factory = TCPFactory(self._build_stream)
            self._ports.append(self._reactor.adoptStreamPort(listener.fileno(), listener.family, factory))
            listener.close()

    def _build_stream(self) -> TCPLink | Newcomer:
        link = TCPLink(self._reactor, self._stream_began, self.pump.from_network, self._stream_ended)
        return link if self._share is None else Newcomer(link, self._share)

    def _stream_began(self, link: TCPLink) -> None:
        self.streams.add(link)
        self.hub.connected(Endpoint(link, link.address), now())
        self.pump.stir()

    def _stream_ended(self, link: TCPLink) -> None:
        self.streams.discard(link)
        self.hub.disconnected(Endpoint(link, link.address), now())
        self.pump.stir()

    def _renew(self) -> None:
        try:
            if self._certificate is not None and self._certificate.renew():
                self._log.info("the server certificate was renewed")
        except TvpnError as error:
            self._log.error("the server certificate could not be renewed: {error}", error=str(error))

    def _tell(self, event: HubEvent) -> None:
        if isinstance(event, VerdictRequest):
            ensureDeferred(self._judge(event)).addErrback(self._judge_failed, event)
        elif isinstance(event, Left):
            self._policy.forget(event.member)
        elif isinstance(event, ResponseGiven):
            self._policy.respond(event.member, event.text)
        elif isinstance(event, Leased) and self._database is not None:
            kept = self._database.run(keep, event.identity, event.index, wall())
            kept.addErrback(lambda failure: self._log.failure("a lease was not stored", failure))
        said = sentence(event)
        if said is not None and is_worth(event, self._verb):
            self._log.info("{sentence}", sentence=said)

    async def _judge(self, request: VerdictRequest) -> None:
        verdict = await self._policy.authenticate(request, self._pend)
        self._answer(request, verdict)

    def _pend(self, member: int, method: str, seconds: int) -> float:
        left = self.hub.pend(member, method, seconds, now())
        self.pump.stir()
        return left

    def _judge_failed(self, failure: Any, request: VerdictRequest) -> None:
        if failure.check(CancelledError):
            # The client is gone.
            return
        self._log.failure("the verdict on {name} failed: refused", failure, name=request.wanted.identity.name)
        self._answer(request, Verdict(False, "the verdict failed", "try again later", temporary=True))

    def _answer(self, request: VerdictRequest, verdict: Verdict) -> None:
        self.hub.verdict(request.member, verdict, now())
        self.pump.stir()

    # From the manhole

    def disconnect(self, client: int, reason: str = "", halt: bool = False) -> None:
        """End a client's session, as in ``hub.disconnect``, at once."""
        self.hub.disconnect(client, reason, now(), halt)
        self.pump.stir()

    def push_update(self, *changes: str, client: int | None = None) -> list[str]:
        """Change what clients were pushed, as in ``hub.push_update``, at once."""
        told = self.hub.push_update(changes, now(), client)
        self.pump.stir()
        return told

    def inform(self, text: str, client: int | None = None) -> list[str]:
        """Say something to the users of clients, as in ``hub.inform``, at once."""
        told = self.hub.inform(text, now(), client)
        self.pump.stir()
        return told

    def give_up(self, reason: str) -> None:
        """The end that nobody asked for."""
        fail(self._reactor, f"{reason}; the server stops")

    # Stop

    def stopService(self) -> Deferred[None]:
        """Tell the clients, wait until they have heard or it takes too long, take everything down."""
        super().stopService()
        for watch in (self._renewal, self._thrift):
            if watch.running:
                watch.stop()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        self.hub.stop("the server stops", now())
        self.pump.stir()
        until = now() + FAREWELL
        while now() < until and any(self._is_listening(member.session) for member in self.hub.roster):
            await deferLater(self._reactor, 0.05)
        self._close()
        if self._database is not None:
            self._database.close()
        self._log.info("stopped")

    def _is_listening(self, session: Any) -> bool:
        return session.stage is Stage.LINGERING and not session.settled

    def _close(self) -> None:
        self.pump.stop()
        for port in self._ports:
            port.stopListening()
        for link in self.links:
            link.close()
        for stream in list(self.streams):
            stream.close()
        if self._share is not None:
            self._share.close()
        if self.tun is not None:
            self.tun.close()
        if self._firewall is not None:
            try:
                self._firewall.take_down()
            except TvpnError as error:
                self._log.error("the NAT table stays: {error}", error=str(error))


WILDCARDS = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))


def plan_sockets(places: Sequence[tuple[str, str | None, int]]) -> ListenPlan:
    """(protocol, interface or None, port) each; None is every address of both families, as far as there is IPv6."""
    sockets = []
    for protocol, interface, port in places:
        if interface is not None:
            family = socket.AF_INET6 if ":" in interface else socket.AF_INET
            sockets.append((protocol, int(family), interface, port))
            continue
        for family, host in WILDCARDS:
            if family == socket.AF_INET or _has_ipv6():
                sockets.append((protocol, int(family), host, port))
    return ListenPlan(tuple(sockets))


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True
