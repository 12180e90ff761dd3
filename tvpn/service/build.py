"""From settings to a running service: the whole object graph, here and nowhere else.

Constructors do not create their collaborators; whoever wants to know what talks to what reads ``build_server`` and
``build_client``.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.application.service import MultiService

from tvpn.config import Settings
from tvpn.config.clientfile import Addressing
from tvpn.errors import ConfigError, TvpnError
from tvpn.hub.backoff import Backoff
from tvpn.hub.client import ClientHub
from tvpn.hub.pool import Pool, layout_between
from tvpn.hub.pull import PullRules
from tvpn.hub.rules import ServerRules
from tvpn.hub.server import ServerHub
from tvpn.hub.stay import Limits
from tvpn.net.person import can_be_asked
from tvpn.net.share import Share
from tvpn.net.terminal import REMEDY
from tvpn.pki.state import State
from tvpn.plane.fabric import Fabric
from tvpn.plane.router import Router
from tvpn.plane.switch import Switch
from tvpn.plane.trunk import Trunk
from tvpn.plane.userspace import Userspace
from tvpn.service import nft
from tvpn.service.attachment import Attachment, MachineAttachment
from tvpn.service.client import ClientService
from tvpn.service.clientfiles import ClientFiles
from tvpn.service.dialer import Dialer
from tvpn.service.itinerary import Itinerary
from tvpn.service.killswitch import KillSwitch, left_closed
from tvpn.service.login import Login
from tvpn.service.policy import Policy, load_policy
from tvpn.service.server import DevicePlan, ServerService, plan_sockets
from tvpn.service.spectator import Spectator
from tvpn.service.terms import (
    ContextHolder,
    client_keys,
    context_of,
    peer_spec,
    revocations_of,
    server_keys,
    terms_of,
    token_rules,
    variants,
)
from tvpn.store import lease, setting
from tvpn.store.database import Database, connect, transaction

RANDOM_PREFIX = "server-ipv6"
"""Under this name the store keeps the network that ``server-ipv6 = auto`` was given."""


def build(settings: Settings, reactor: Any) -> MultiService:
    """The service that these settings describe; raises TvpnError."""
    service = MultiService()
    vpn: ServerService | ClientService
    namespace: dict[str, object]
    state = None
    if settings.role == "server":
        state = open_state(settings)
        holder = ContextHolder(lambda: context_of(settings, state), state)
        vpn = build_server(settings, reactor, state, holder)
        namespace = {"peers": vpn.hub.roster, "explain": Spectator(vpn.hub, holder).explain}
    else:
        vpn = build_client(settings, reactor)
        namespace = {"peers": vpn.hub}
    if settings.manhole.listen is not None:
        # First: when it cannot listen, there is no firewall to take down yet.
        namespace |= {"vpn": vpn, "plane": vpn.plane, "settings": settings, "hub": vpn.hub}
        _build_manhole(settings, reactor, state, namespace).setServiceParent(service)
    vpn.setServiceParent(service)
    return service


def check(settings: Settings) -> None:
    """What a start would find wrong beyond the words: keys and certificates; makes nothing. Raises TvpnError."""
    context_of(settings, None)
    revocations_of(settings)
    if settings.auth.policy is not None:
        load_policy(settings.auth.policy)
    if settings.role == "server":
        server_keys(settings, None)
        token_rules(settings, None)
    else:
        client_keys(settings)
        variants(settings)


def open_state(settings: Settings) -> State | None:
    """The state folder, made at the first start; None for a server that brings its own certificates."""
    if settings.tls.cert is not None or settings.tvpn.state is None:
        return None
    return State.open(settings.tvpn.state, datetime.now(UTC))


# The server


def build_server(
    settings: Settings, reactor: Any, state: State | None, holder: ContextHolder
) -> ServerService:
    tunnel = settings.tunnel
    database_path = None if state is None else state.database_path
    leases, ipv6 = _remembered(database_path, settings)
    holder.renew()
    terms = terms_of(settings, holder, server=True, tokens=token_rules(settings, state))
    plane = Userspace(_server_fabric(settings))
    rules, pool = _server_rules(settings, ipv6), _server_pool(settings, ipv6, leases)
    hub = ServerHub(terms, server_keys(settings, state), rules, pool, plane)
    database = None if database_path is None else Database(database_path, reactor)
    authenticate = None if settings.auth.policy is None else load_policy(settings.auth.policy)
    policy = Policy(
        database, state is not None, authenticate, terms.limits.deferral, reactor,
        judges_tokens=terms.tokens is not None and terms.tokens.external, client_files=_client_files(settings, ipv6),
    )  # fmt: skip
    routes = tuple(route.network for route in (*tunnel.route, *tunnel.route_ipv6))
    device = DevicePlan(
        tunnel.dev, tunnel.tun_mtu, tunnel.server, ipv6, routes, tunnel.topology, tunnel.client_to_client,
        settings.is_tap, settings.ethernet.lladdr, settings.ethernet.bridge,
    )  # fmt: skip
    shared = settings.transport.port_share
    share = None if shared is None else Share(reactor, shared.host, shared.port)
    listen = plan_sockets([(place.protocol, place.interface, place.port) for place in settings.listen])
    return ServerService(
        reactor, hub, plane, policy, database, device, listen, tunnel.nat, settings.log.verb,
        None if state is None else holder, _notes(settings, state), share,
    )  # fmt: skip


def _server_fabric(settings: Settings) -> Fabric:
    """Frames are switched, packets routed."""
    network, ethernet = settings.tunnel.server, settings.ethernet
    if settings.is_tap:
        trunk = Trunk(ethernet.vlan_accept, ethernet.vlan_pvid) if ethernet.vlan_tagging else None
        return Switch(trunk, ethernet.guard)
    return Router(frozenset() if network is None else frozenset({network.broadcast_address.packed}))


def _server_rules(settings: Settings, ipv6: IPv6Network | None) -> ServerRules:
    tunnel, bridged = settings.tunnel, settings.ethernet.server_bridge
    ipv4, gateway = tunnel.server, None
    if bridged is not None:
        ipv4, gateway = bridged.network, str(bridged.gateway or "dhcp") if bridged.tells else None
    return ServerRules(
        ipv4, ipv6, _server_pushes(settings), peer_spec(settings),
        tunnel.mssfix, tunnel.tun_mtu, tunnel.max_clients, tunnel.duplicate_cn, tunnel.topology,
        settings.auth.connect_freq, settings.is_tap, gateway,
    )  # fmt: skip


def _server_pool(settings: Settings, ipv6: IPv6Network | None, leases: Mapping[str, int]) -> Pool:
    tunnel, bridged = settings.tunnel, settings.ethernet.server_bridge
    if bridged is None or bridged.network is None or bridged.first is None or bridged.last is None:
        return Pool(tunnel.server, ipv6, leases, tunnel.topology)
    return Pool(bridged.network, ipv6, leases, layout=layout_between(bridged.network, bridged.first, bridged.last))


def _client_files(settings: Settings, ipv6: IPv6Network | None) -> ClientFiles | None:
    tunnel = settings.tunnel
    if tunnel.client_config_dir is None:
        return None
    bridged, has_vlans = settings.ethernet.server_bridge, settings.ethernet.vlan_tagging
    ipv4, own = (tunnel.server, None) if bridged is None else (bridged.network, bridged.gateway)
    addressing = Addressing(ipv4, ipv6, tunnel.topology, own, settings.is_tap, has_vlans)
    return ClientFiles(tunnel.client_config_dir, tunnel.ccd_exclusive, addressing)


def _remembered(path: Path | None, settings: Settings) -> tuple[dict[str, int], IPv6Network | None]:
    """Leases of earlier runs, and the IPv6 network (a random one is made once and kept)."""
    ipv6 = settings.tunnel.server_ipv6
    if path is None:
        if ipv6 == "auto":
            raise TvpnError("server-ipv6 = auto needs a state folder to remember its network; name a network instead")
        return {}, ipv6
    connection = connect(path)
    try:
        with transaction(connection) as cursor:
            leases = {entry.identity: entry.index for entry in lease.all(cursor)}
            if ipv6 == "auto":
                text = setting.get(cursor, RANDOM_PREFIX)
                if text is None:
                    text = str(random_local_network(os.urandom))
                    setting.put(cursor, RANDOM_PREFIX, text)
                ipv6 = IPv6Network(text)
    finally:
        connection.close()
    return leases, ipv6


def random_local_network(random: Callable[[int], bytes]) -> IPv6Network:
    """A unique local /64 (RFC 4193: fd, 40 random bits, subnet 0)."""
    return IPv6Network((b"\xfd" + random(5) + bytes(10), 64))


def _server_pushes(settings: Settings) -> tuple[str, ...]:
    keepalive = settings.pushed_keepalive
    timers = () if keepalive is None else (f"ping {keepalive[0]}", f"ping-restart {keepalive[1]}")
    return (*timers, *settings.push.lines)


def _notes(settings: Settings, state: State | None) -> list[str]:
    notes = list(settings.warnings)
    if state is not None:
        if state.made:
            notes.append(f"made in {state.folder}: {', '.join(str(name) for name in state.made)}")
        config = "" if settings.source is None else f"--config {shlex.quote(str(settings.source))} "
        command = shlex.quote(_command_line(Path(sys.executable)))
        notes.append(f"add a device with: {command} {config}device add NAME --output NAME.ovpn --remote THIS-HOST")
    return notes


def _command_line(python: Path) -> str:
    """``tvpn`` as the reader can type it: by its path where the shell would not find the one beside this Python."""
    beside = python.with_name("tvpn")
    found = shutil.which("tvpn")
    return str(beside) if beside.exists() and (found is None or Path(found) != beside) else "tvpn"


# The client


def build_client(
    settings: Settings, reactor: Any, attachment: Attachment | None = None,
    prepare: Callable[[SSL.Context], None] = lambda context: None,
) -> ClientService:  # fmt: skip
    """``attachment``: where the tunnel comes out, the whole machine unless it is given; ``prepare`` is done to the TLS
    context before it is used.
    """
    tunnel = settings.tunnel
    holder = ContextHolder(lambda: context_of(settings, None))
    prepare(holder.context)
    terms = terms_of(settings, holder, server=False)
    plane = Userspace(Switch() if settings.is_tap else Router())
    hub = ClientHub(
        terms, client_keys(settings), plane, spec=peer_spec(settings), mssfix=tunnel.mssfix,
        rules=pull_rules(settings), variants=variants(settings), is_tap=settings.is_tap,
        limits=Limits(tunnel.inactive or (0, 0), tunnel.session_timeout, silence_ends=tunnel.ping_exit > 0),
    )  # fmt: skip
    login = build_login(settings, reactor)
    kill_switch, look = None, None
    if attachment is None:
        kill_switch = _kill_switch(settings)
        look = left_closed if kill_switch is None else None
        attachment = MachineAttachment(
            reactor, tunnel.dev, tunnel.tun_mtu, lladdr=settings.ethernet.lladdr, bridge=settings.ethernet.bridge
        )
    return ClientService(
        reactor, hub, plane, _dialer(settings, reactor), attachment, login, kill_switch, settings.log.verb, look
    )


def _dialer(settings: Settings, reactor: Any) -> Dialer:
    transport = settings.transport
    remotes = list(settings.remotes)
    if transport.remote_random:
        secrets.SystemRandom().shuffle(remotes)
    label = os.urandom if transport.remote_random_hostname else None
    itinerary = Itinerary(reactor, remotes, label)
    return Dialer(itinerary, Backoff(*transport.connect_retry, os.urandom), transport.connect_retry_max)


def _kill_switch(settings: Settings) -> KillSwitch | None:
    if not settings.tunnel.kill_switch:
        return None
    try:
        nft.program()
    except TvpnError as error:
        raise ConfigError(str(error), file=settings.source, option="kill-switch") from None
    if any(remote.proxy is not None and remote.protocol == "udp" for remote in settings.remotes):
        message = "cannot know the port of a SOCKS proxy's relay beforehand; call the server by TCP through it"
        raise ConfigError(message, file=settings.source, option="kill-switch")
    return KillSwitch()


def pull_rules(settings: Settings) -> PullRules:
    """What a client takes of what it is pushed, and what its own file adds."""
    tunnel = settings.tunnel
    return PullRules(settings.own_lines, tunnel.pull_filter, tunnel.route_nopull, tunnel.route_noexec)


def build_login(settings: Settings, reactor: Any) -> Login:
    """Who the client is beside its certificate; raises ConfigError where somebody has to be asked and nobody can be."""
    auth = settings.auth
    said = auth.auth_user_pass
    incomplete = said is not None and None in (said.username, said.password)
    for word, asked, remedy in (
        ("auth-user-pass", incomplete, ", or name a file with user name and password"),
        ("static-challenge", auth.static_challenge is not None, ""),
    ):
        if asked and not can_be_asked():
            message = f"is asked, and there is no terminal to ask at; {REMEDY}{remedy}"
            raise ConfigError(message, file=settings.source, option=word)
    return Login(reactor, said, auth.static_challenge, nocache=auth.auth_nocache, retry=auth.auth_retry)


def _build_manhole(settings: Settings, reactor: Any, state: State | None, namespace: dict[str, object]) -> Any:
    # Conch takes half a second to import: only who wants the manhole pays for it.
    from tvpn.service.manhole import build_manhole

    listen, authorized_keys = settings.manhole.listen, settings.manhole.authorized_keys
    folder = state.folder if state is not None else settings.tvpn.state
    if listen is None or authorized_keys is None or folder is None:
        raise ConfigError("[manhole] needs listen, authorized-keys and a state folder", file=settings.source)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return build_manhole(reactor, listen, authorized_keys, folder, namespace)
