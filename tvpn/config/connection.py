"""What each remote is called with: port and protocol, its proxy, and how long an answer may take."""

from __future__ import annotations

from dataclasses import replace

from tvpn.config import proxy, value
from tvpn.config.address import DEFAULT_PORT, Protocol, Proxy, Remote
from tvpn.config.block import PROXY_LOGIN, PROXY_OPTION
from tvpn.config.draft import Draft
from tvpn.config.given import Given
from tvpn.config.material import material
from tvpn.config.own import own_of
from tvpn.config.table import DAY

_TIMEOUTS = ("connect-timeout", "server-poll-timeout")


def fold_remotes(made: Draft) -> None:
    """Resolve a client's remotes in place; raises ConfigError at the line to change."""
    transport = made.values["transport"]
    where = transport.get("rport", transport.get("port", DEFAULT_PORT))
    default = transport.get("proto", Protocol("udp", 0))
    remotes: list[Remote] = []
    for index, remote in enumerate(transport.get("remote", ())):
        given = made.place("transport", "remote", index)
        protocol = Protocol(remote.protocol, remote.family or default.family)
        if len(given.arguments) < 3:
            protocol = default
        remote = replace(remote, port=remote.port or where, family=protocol.family, protocol=protocol.name)
        remote = replace(remote, proxy=_proxy(made, given, remote), timeout=_timeout(made, given))
        remotes.append(replace(remote, own=own_of(made, given)))
    transport["remote"] = _forced(made, tuple(remotes))
    own = made.first_of("transport", "lport", "local")
    if own is not None:
        made.warn(own, "ignored: a client takes any own address and port")


def _forced(made: Draft, remotes: tuple[Remote, ...]) -> tuple[Remote, ...]:
    only = made.values["transport"].get("proto_force")
    left = tuple(remote for remote in remotes if only in (None, remote.protocol))
    if remotes and not left:
        raise made.place("transport", "proto_force").error(f"leaves no remote, since none is {only}; delete the line")
    return left


def _default(made: Draft, remote: Given, field: str) -> Given | None:
    """What holds outside of blocks: in OpenVPN, for the blocks below it."""
    found = made.first_of("transport", field)
    return found if found is not None and (not remote.block or found.line < remote.block) else None


def _timeout(made: Draft, remote: Given) -> int | None:
    own = [given for given in remote.beside if given.word in _TIMEOUTS]
    if own:
        return own[-1].parsed(value.number(1, DAY))
    given = _default(made, remote, "connect_timeout")
    return None if given is None else made.values["transport"]["connect_timeout"]


def _proxy(made: Draft, given: Given, remote: Remote) -> Proxy | None:
    """The proxy of a remote, with the user name and password that stand beside it."""
    own = {each.word: each for each in given.beside}
    lines = [
        each
        for word in ("http-proxy", "socks-proxy")
        if (each := own.get(word) or _default(made, given, word.replace("-", "_"))) is not None
    ]
    if not lines:
        return None
    if len(lines) == 2:
        raise lines[1].error("cannot stand beside http-proxy; keep one of the two")
    found = lines[0].parsed(proxy.http if lines[0].word == "http-proxy" else proxy.socks)
    if found.kind == "http" and remote.protocol == "udp":
        raise lines[0].error(f"carries TCP alone, and {remote.host} is called by UDP; write: proto tcp")
    login = own.get(PROXY_LOGIN) or _default(made, given, "http_proxy_user_pass")
    named = lines[0]
    if found.kind == "http" and login is not None:
        named, found = login, replace(found, credentials=login.parsed(material), ask=False)
    if found.credentials is not None:
        made.warn_if_exposed(named, found.credentials)
    for option in _proxy_options(made, given) if found.kind == "http" else ():
        found = replace(found, version=option.version or found.version, headers=(*found.headers, *option.headers))
    if found.credentials is not None and len(found.credentials.text.split("\n")) < 2:
        raise lines[0].error("needs a user name and a password, a line each; add what is missing")
    return found


def _proxy_options(made: Draft, remote: Given) -> list[proxy.HTTPOption]:
    own = [given for given in remote.beside if given.word == PROXY_OPTION]
    outside = made.places.get(("transport", "http_proxy_option"), [])
    above = [given for given in outside if not remote.block or given.line < remote.block]
    return [given.parsed(proxy.http_option) for given in own or above]
