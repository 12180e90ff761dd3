"""From settings to a running service: the whole object graph, here and nowhere else.

Constructors do not create their collaborators; whoever wants to know what talks to what reads ``build_server`` and
``build_client``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import SSL
from twisted.application.service import MultiService

from tvpn import __version__
from tvpn.config import Settings
from tvpn.config.material import Material
from tvpn.crypto.certificate import Requirements
from tvpn.crypto.statickey import KeyFileError, StaticKey, TLSCryptV2ClientKey, TLSCryptV2ServerKey
from tvpn.crypto.tls import Credentials, build_context
from tvpn.crypto.wrap import TLSAuth, TLSCrypt, Unwrapped, Wrapping
from tvpn.errors import ConfigError, TvpnError
from tvpn.hub.client import Backoff, ClientHub, ClientKeys
from tvpn.hub.door import ControlKeys
from tvpn.hub.pool import Pool
from tvpn.hub.server import ServerHub, ServerRules
from tvpn.net.clock import wall
from tvpn.pki.revocation import RevocationFile
from tvpn.pki.state import State
from tvpn.plane.userspace import Userspace
from tvpn.plane.verbs import PeerSpec
from tvpn.service.client import ClientService
from tvpn.service.policy import Policy, load_policy
from tvpn.service.server import DevicePlan, ServerService, plan_sockets
from tvpn.session.negotiation import own_peer_info
from tvpn.session.peer import Terms
from tvpn.session.renegotiation import Limits
from tvpn.store import lease, setting
from tvpn.store.database import Database, connect, transaction
from tvpn.wire.option import encode_options_string

Key = TypeVar("Key")

RANDOM_PREFIX = "server-ipv6"
"""Under this name the store keeps the network that ``server-ipv6 = auto`` was given."""


@dataclass
class ContextHolder:
    """The TLS context in use; renewing the server certificate exchanges it for new handshakes."""

    build: Callable[[], SSL.Context]
    state: State | None = None

    def __post_init__(self) -> None:
        self.context = self.build()

    def __call__(self) -> SSL.Context:
        return self.context

    def renew(self) -> bool:
        if self.state is None or not self.state.renew_server_certificate_if_due(datetime.now(UTC)):
            return False
        self.context = self.build()
        return True


def build(settings: Settings, reactor: Any) -> MultiService:
    """The service that these settings describe; raises TvpnError."""
    service = MultiService()
    vpn: ServerService | ClientService
    state = None
    if settings.role == "server":
        state = open_state(settings)
        vpn = build_server(settings, reactor, state)
    else:
        vpn = build_client(settings, reactor)
    if settings.manhole.listen is not None:
        # First: when it cannot listen, there is no firewall to take down yet.
        _build_manhole(settings, reactor, vpn, state).setServiceParent(service)
    vpn.setServiceParent(service)
    return service


def check(settings: Settings) -> None:
    """What a start would find wrong beyond the words: keys and certificates; makes nothing. Raises TvpnError."""
    if settings.tls.cert is not None:
        _context(settings, None)
    _revocations(settings)
    if settings.auth.policy is not None:
        load_policy(settings.auth.policy)
    if settings.role == "server":
        server_keys(settings, None)
    else:
        client_keys(settings)


def open_state(settings: Settings) -> State | None:
    """The state folder, made at the first start; None for a server that brings its own certificates."""
    if settings.tls.cert is not None or settings.tvpn.state is None:
        return None
    return State.open(settings.tvpn.state, datetime.now(UTC))


# The server


def build_server(settings: Settings, reactor: Any, state: State | None) -> ServerService:
    tunnel = settings.tunnel
    database_path = None if state is None else state.folder / "tvpn.sqlite"
    leases, ipv6 = _remembered(database_path, settings)
    holder = ContextHolder(lambda: _context(settings, state), state)
    holder.renew()
    terms = _terms(settings, holder, server=True)
    plane = Userspace()
    rules = ServerRules(
        tunnel.server, ipv6, _server_pushes(settings), _spec(settings),
        tunnel.mssfix, tunnel.tun_mtu, tunnel.max_clients, tunnel.duplicate_cn,
    )  # fmt: skip
    hub = ServerHub(terms, server_keys(settings, state), rules, Pool(tunnel.server, ipv6, leases), plane)
    database = None if database_path is None else Database(database_path, reactor)
    authenticate = None if settings.auth.policy is None else load_policy(settings.auth.policy)
    policy = Policy(database, state is not None, authenticate, terms.limits.deferral, reactor)
    routes = tuple(route.network for route in (*tunnel.route, *tunnel.route_ipv6))
    device = DevicePlan(tunnel.dev, tunnel.tun_mtu, tunnel.server, ipv6, routes)
    listen = plan_sockets([(place.protocol, place.interface, place.port) for place in settings.listen])
    return ServerService(
        reactor, hub, plane, policy, database, device, listen, tunnel.nat, settings.log.verb,
        None if state is None else holder, _notes(settings, state),
    )  # fmt: skip


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


def server_keys(settings: Settings, state: State | None) -> ControlKeys:
    """How clients may wrap. Without any word about it, tvpn's own state means tls-crypt-v2."""
    control = settings.control
    group, group_key = _group_wrapping(settings, server=True)
    v2 = None
    if control.tls_crypt_v2 is not None:
        v2 = _key(settings, "tls-crypt-v2", control.tls_crypt_v2, TLSCryptV2ServerKey.from_pem)
    elif state is not None and group is None:
        v2 = state.tls_crypt_v2
    if group is None and v2 is None:
        group = Unwrapped()
    return ControlKeys(group, group_key, v2, control.force_cookie)


def _notes(settings: Settings, state: State | None) -> list[str]:
    notes = list(settings.warnings)
    if state is not None:
        if state.made:
            notes.append(f"made in {state.folder}: {', '.join(str(name) for name in state.made)}")
        config = "" if settings.source is None else f"--config {settings.source} "
        notes.append(f"add a device with: tvpn {config}device add NAME --output NAME.ovpn --remote THIS-HOST")
    return notes


# The client


def build_client(settings: Settings, reactor: Any) -> ClientService:
    tunnel, transport = settings.tunnel, settings.transport
    terms = _terms(settings, ContextHolder(lambda: _context(settings, None)), server=False)
    plane = Userspace()
    hub = ClientHub(terms, client_keys(settings), plane, spec=_spec(settings), mssfix=tunnel.mssfix)
    remotes = [(remote.protocol, remote.host, remote.port, remote.family) for remote in settings.remotes]
    if transport.remote_random:
        secrets.SystemRandom().shuffle(remotes)
    routes = [route.network for route in (*tunnel.route, *tunnel.route_ipv6)]
    backoff = Backoff(*transport.connect_retry)
    return ClientService(reactor, hub, plane, remotes, tunnel.dev, tunnel.tun_mtu, backoff, routes)


def client_keys(settings: Settings) -> ClientKeys:
    wrapping, static_key = _group_wrapping(settings, server=False)
    material = settings.control.tls_crypt_v2
    v2 = None
    if material is not None:
        v2 = _key(settings, "tls-crypt-v2", material, TLSCryptV2ClientKey.from_pem)
    return ClientKeys(wrapping or Unwrapped(), static_key, v2)


# Both


def _spec(settings: Settings) -> PeerSpec:
    """What holds for every peer, as far as the settings say."""
    tunnel, control = settings.tunnel, settings.control
    return PeerSpec(
        ping=tunnel.ping,
        timeout=tunnel.ping_restart,
        replay_window=settings.data.replay_window[0],
        most_bytes=control.reneg_bytes,
        most_packets=control.reneg_pkts,
    )


def _terms(settings: Settings, context: Callable[[], SSL.Context], server: bool) -> Terms:
    control, data = settings.control, settings.data
    shortest = control.reneg_sec_min
    if shortest is None:
        # As stock: a server's keys live up to 10 % shorter, so that not all clients renegotiate at once.
        shortest = control.reneg_sec * 9 // 10 if server else control.reneg_sec
    limits = Limits(control.reneg_sec, shortest, control.hand_window, control.tran_window)
    username, password = _credentials(settings)
    return Terms(
        context=context,
        username=username,
        password=password,
        options=encode_options_string(server, data.cipher, data.auth, settings.tunnel.tun_mtu),
        data_ciphers=data.data_ciphers,
        wall=wall,
        random=os.urandom,
        fallback_cipher=data.data_ciphers_fallback,
        requirements=_requirements(settings, server),
        refuse_revoked=_revocations(settings),
        peer_info={} if server else own_peer_info(data.data_ciphers, __version__),
        limits=limits,
        longest_timeout=control.tls_timeout,
        max_packet_size=control.max_packet_size,
    )


def _credentials(settings: Settings) -> tuple[str, str]:
    """User name and password of a client, empty without."""
    material = settings.auth.auth_user_pass
    if material is None:
        return "", ""
    username, password = material.text.splitlines()[:2]
    return username, password


def _requirements(settings: Settings, server: bool) -> Requirements:
    tls = settings.tls
    name, name_type = tls.verify_x509_name or (None, "subject")
    # tvpn's own authority makes certificates for one role only; of a given one only the file knows what to expect.
    role = tls.remote_cert_tls or ("client" if server and tls.ca is None else None)
    return Requirements(role, tls.remote_cert_ku, tls.remote_cert_eku, name, name_type)


def _revocations(settings: Settings) -> RevocationFile | None:
    material = settings.tls.crl_verify
    if material is None:
        return None
    path = None if material.origin.startswith("inline ") else Path(material.origin)
    try:
        return RevocationFile(material.text, path)
    except ValueError as error:
        raise ConfigError(f"{material.origin}: {error}", file=settings.source, option="crl-verify") from None


def _context(settings: Settings, state: State | None) -> SSL.Context:
    tls = settings.tls
    if state is not None:
        authority, certificate = state.authority.certificate_pem, state.server_certificate_pem
        credentials = Credentials(authority, certificate, state.server_key_pem)
    elif tls.ca is not None and tls.cert is not None and tls.key is not None:
        credentials = Credentials(tls.ca.text, tls.cert.text, tls.key.text)
    else:
        raise ConfigError("ca, cert and key are all needed", file=settings.source)
    try:
        return build_context(
            credentials, tls.tls_version_min, tls.tls_version_max, tls.tls_cipher, tls.tls_ciphersuites
        )
    except ValueError as error:
        raise ConfigError(str(error), file=settings.source) from None


def _group_wrapping(settings: Settings, server: bool) -> tuple[Wrapping | None, StaticKey | None]:
    control = settings.control
    if control.tls_auth is not None:
        key = _key(settings, "tls-auth", control.tls_auth, StaticKey.from_text)
        return TLSAuth(key, control.key_direction, settings.data.auth), key
    if control.tls_crypt is not None:
        key = _key(settings, "tls-crypt", control.tls_crypt, StaticKey.from_text)
        return TLSCrypt(key, server), key
    return None, None


def _key(settings: Settings, word: str, material: Material, read: Callable[[str], Key]) -> Key:
    try:
        return read(material.text)
    except KeyFileError as error:
        message = f"{material.origin}: {error}; make one with: openvpn --genkey"
        raise ConfigError(message, file=settings.source, option=word) from None


def _build_manhole(settings: Settings, reactor: Any, vpn: ServerService | ClientService, state: State | None) -> Any:
    # Conch takes half a second to import: only who wants the manhole pays for it.
    from tvpn.service.manhole import build_manhole

    listen, authorized_keys = settings.manhole.listen, settings.manhole.authorized_keys
    folder = state.folder if state is not None else settings.tvpn.state
    if listen is None or authorized_keys is None or folder is None:
        raise ConfigError("[manhole] needs listen, authorized-keys and a state folder", file=settings.source)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    namespace: dict[str, object] = {"vpn": vpn, "plane": vpn.plane, "settings": settings, "hub": vpn.hub}
    namespace["peers"] = vpn.hub.roster if isinstance(vpn, ServerService) else vpn.hub
    expose = settings.manhole.trust_the_network
    return build_manhole(reactor, listen, authorized_keys, expose, folder, namespace)
