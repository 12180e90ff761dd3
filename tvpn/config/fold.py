"""From values to settings: what OpenVPN spreads over several words becomes one value, and the role is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tvpn.config import pushable
from tvpn.config.address import DEFAULT_PORT, Listen, Protocol
from tvpn.config.connection import fold_remotes
from tvpn.config.draft import Draft
from tvpn.config.given import Given
from tvpn.config.layer import fold_layer
from tvpn.config.own import OUTER
from tvpn.errors import ConfigError

Role = Literal["server", "client"]
CLIENT_PING_RESTART = 120  # OpenVPN's value for clients before the server's push (options.c)
_SERVER_SIGNS = (
    ("tunnel", "server"), ("tunnel", "server_ipv6"), ("transport", "listen"), ("tvpn", "tls_server"), ("tvpn", "mode"),
    ("ethernet", "server_bridge"),
)  # fmt: skip
_CLIENT_SIGNS = (("tvpn", "client"), ("transport", "remote"), ("tvpn", "pull"), ("tvpn", "tls_client"))


def fold(made: Draft, source: Path, is_ini: bool, environ: Mapping[str, str]) -> Role:
    """Resolve role, addresses, timers, key direction and state in place; raises ConfigError where words disagree."""
    role = _role(made, source)
    if role == "server":
        _fold_listen(made)
    else:
        fold_remotes(made)
        _fold_variables(made)
    _fold_certificate_type(made)
    _fold_keepalive(made, role)
    fold_layer(made)
    if made.has("data", "fragment") and not made.has("tunnel", "mssfix"):
        # As stock: segments shall fit one fragment.
        made.values["tunnel"]["mssfix"] = made.values["data"]["fragment"] + OUTER
    control = made.values["control"]
    if control.get("key_direction") is None:
        control["key_direction"] = control.get("tls_auth_direction")
    made.values["tvpn"]["role"] = role
    own_keys = all(made.has("tls", name) for name in ("cert", "key"))
    if not made.has("tvpn", "state") and (is_ini or not own_keys):
        folders = environ.get("STATE_DIRECTORY", "").split(":")
        made.values["tvpn"]["state"] = Path(folders[0]) if folders[0] else source.parent / "state"
    return role


def _sign(made: Draft, signs: tuple[tuple[str, str], ...]) -> Given | None:
    found = [made.place(*key, 0) for key in signs if made.values[key[0]].get(key[1])]
    return min(found, key=lambda given: given.line, default=None)


def _role(made: Draft, source: Path) -> Role:
    server, client = _sign(made, _SERVER_SIGNS), _sign(made, _CLIENT_SIGNS)
    said: Role | None = made.values["tvpn"].get("role")
    if server is not None and (said == "client" or (client is not None and said is None)):
        by = f"line {client.line} ({client.word}) makes it a client" if client else "role is client"
        raise server.error(f"is a server's word, but {by}; remove one of the two")
    if client is not None and said == "server":
        raise client.error("is a client's word, but role is server; remove one of the two")
    if said is None and server is None and client is None:
        raise ConfigError(
            "says neither server nor client; add `server = 10.87.0.0/24` to [tunnel] or `remote = HOST` to "
            "[transport] (in OpenVPN's files: server or client)",
            file=source,
            option="role",
        )
    return said or ("client" if server is None else "server")


def _fold_listen(made: Draft) -> None:
    transport = made.values["transport"]
    old = made.first_of("transport", "proto", "port", "lport", "local")
    if made.has("transport", "listen"):
        if old is not None:
            raise old.error("is said by listen already; delete this line")
        return
    where = transport.get("lport", transport.get("port", DEFAULT_PORT))
    interface = transport.get("local")
    # udp6 stays at every address, since OpenVPN's udp6 socket serves IPv4 too.
    protocol = transport.get("proto", Protocol("udp", 0))
    if interface is None and protocol.family == 4:
        interface = "0.0.0.0"
    transport["listen"] = (Listen(protocol.name, interface, where, 0 if old is None else old.line),)


def _fold_keepalive(made: Draft, role: Role) -> None:
    tunnel = made.values["tunnel"]
    if made.has("tunnel", "keepalive"):
        other = made.first_of("tunnel", "ping", "ping_restart")
        if other is not None:
            raise other.error("is said by keepalive already; delete one of the two")
        ping, restart = tunnel["keepalive"]
        if restart < 2 * ping:
            raise made.place("tunnel", "keepalive").error(
                f"restarts too early; write at least twice the first number: {ping} {2 * ping}"
            )
        # A server waits twice as long, so that the client, which can call again, notices first.
        tunnel["ping"], tunnel["ping_restart"] = ping, 2 * restart if role == "server" else restart
    elif role == "client" and not made.has("tunnel", "ping_restart") and not made.has("tunnel", "ping_exit"):
        tunnel["ping_restart"] = CLIENT_PING_RESTART


def _fold_variables(made: Draft) -> None:
    """What a name means beside being told; that one has no effect is said."""
    control, places = made.values["control"], made.places.get(("control", "setenv"), ())
    variables = list(zip(places, control.get("setenv", ()), strict=True))
    if any(variable.name == "PUSH_PEER_INFO" for _, variable in variables):
        control["push_peer_info"] = True
    everything = control.get("push_peer_info", False)
    for given, variable in variables:
        if not variable.has_effect:
            made.warn(given, f"{variable.name} ignored: tvpn runs no scripts that would see it")
        elif variable.is_told(everything=True) and not variable.is_told(everything=everything):
            made.warn(given, f"{variable.name} is told to nobody without push-peer-info; add it, or delete this line")


def _fold_certificate_type(made: Draft) -> None:
    kind = made.values["tls"].get("ns_cert_type")
    if kind is not None:
        made.warn(
            made.place("tls", "ns_cert_type"),
            f"obsolete, taken as remote-cert-tls {kind}: the other end's certificate must have that extended key usage",
        )
        made.values["tls"].setdefault("remote_cert_tls", kind)


def own_lines(made: Draft, role: Role) -> tuple[str, ...]:
    """What a client's own file says of routes and names, as if a server had pushed it, in the order of the file."""
    if role == "server":
        return ()
    found: list[tuple[int, str]] = []
    for name in ("route", "route_ipv6"):
        found += [(given.line, pushable.own_line(given)) for given in made.places.get(("tunnel", name), ())]
    lines = made.values["tunnel"].get("lines", ())
    found += zip((given.line for given in made.places.get(("tunnel", "lines"), ())), lines, strict=True)
    return tuple(text for _, text in sorted(found, key=lambda each: each[0]))
