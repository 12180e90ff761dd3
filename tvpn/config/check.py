"""Checks across options: what each line alone cannot know; each ends in one ConfigError at the line to change."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from tvpn.config import address, pushable, word
from tvpn.config.address import Route
from tvpn.config.advice import advise
from tvpn.config.draft import Draft
from tvpn.config.fold import Role
from tvpn.config.given import Given
from tvpn.config.layer import check_layer
from tvpn.config.reach import is_private
from tvpn.config.side import check_side
from tvpn.errors import ConfigError

_WRAPPINGS = ("tls_auth", "tls_crypt", "tls_crypt_v2")


def check(made: Draft, role: Role, source: Path) -> None:
    """Raises ConfigError for the first contradiction; adds warnings for what is only unwise."""
    check_side(made, role)
    if role == "server":
        _check_server(made, source)
    else:
        _check_client(made, source)
    _check_passwords(made, role)
    _check_identity(made, role)
    _check_wrapping(made, role)
    _check_formats(made, role)
    _check_timers(made)
    check_layer(made, role)
    _check_routes(made, role)
    _check_manhole(made)
    advise(made, role)


def _check_server(made: Draft, source: Path) -> None:
    if made.first_of("tunnel", "server", "server_ipv6") is None and not made.has("ethernet", "server_bridge"):
        raise ConfigError(
            "is missing; a server needs a network: server = 10.87.0.0/24 in [tunnel] (OpenVPN: server "
            "10.87.0.0 255.255.255.0)", file=source, option="server",
        )  # fmt: skip
    if made.values["tunnel"].get("ccd_exclusive") and not made.has("tunnel", "client_config_dir"):
        raise made.place("tunnel", "ccd_exclusive").error("keeps everybody out without client-config-dir; add it")
    seen: dict[tuple[str, str | None, int], int] = {}
    for listen in made.values["transport"]["listen"]:
        key = (listen.protocol, listen.interface, listen.port)
        if key in seen and listen.port:
            place = made.places["transport", "listen"]
            raise next(each for each in place if each.line == listen.line).error(
                f"is the same as line {seen[key]}; delete one of the two"
            )
        seen[key] = listen.line
    if made.has("transport", "port_share") and not any(protocol == "tcp" for protocol, _, _ in seen):
        raise made.place("transport", "port_share").error(
            "shares a TCP port, and only UDP is listened at; add tcp:443 to listen (OpenVPN: proto tcp) or delete it"
        )


def _check_client(made: Draft, source: Path) -> None:
    for section, name, example in (
        ("transport", "remote", "remote = vpn.example.org 1194"),
        *(() if made.first_of("tls", "peer_fingerprint", "pkcs12") else (("tls", "ca", "ca = ca.crt"),)),
        ("tls", "cert", "cert = client.crt"),
        ("tls", "key", "key = client.key"),
    ):
        # Some servers know their clients by passwords alone.
        unneeded = name in ("cert", "key") and (made.has("auth", "auth_user_pass") or made.has("tls", "pkcs12"))
        if not made.has(section, name) and not unneeded:
            raise ConfigError(
                f"is missing, and a client needs it; add to [{section}]: {example} (OpenVPN: without =)",
                file=source,
                option=name,
            )


def _check_passwords(made: Draft, role: Role) -> None:
    asked = made.first_of("auth", "static_challenge", "auth_user_pass")
    if asked is not None and role == "server":
        raise asked.error("is a client's word and this is a server; a policy file asks by itself ([auth] policy)")
    if made.has("auth", "static_challenge") and not made.has("auth", "auth_user_pass"):
        raise made.place("auth", "static_challenge").error(
            "is asked with a password, and there is none; add auth-user-pass"
        )
    signed = made.first_of("auth", "auth_gen_token_secret")
    if signed is not None and not made.has("auth", "auth_gen_token"):
        raise signed.error("signs tokens, and there are none; add auth-gen-token")
    if role == "server" and not made.has("auth", "policy"):
        needing = made.first_of("auth", "auth_gen_token", "username_as_common_name")
        if made.values["tls"].get("verify_client_cert", "require") != "require":
            needing = made.place("tls", "verify_client_cert")
        if needing is not None:
            raise needing.error("trusts user names that nobody checks; add [auth] policy = FILE.py, or delete it")


def _check_identity(made: Draft, role: Role) -> None:
    given = [name for name in ("ca", "cert", "key") if made.has("tls", name)]
    bundle = made.first_of("tls", "pkcs12")
    own = made.first_of("tls", "cert", "key")
    if bundle is not None and own is not None:
        raise own.error(f"is in the file of line {bundle.line} (pkcs12) already; delete one of the two")
    if bundle is not None:
        given = ["ca", "cert", "key"]
    if made.has("tls", "extra_certs") and "cert" not in given:
        raise made.place("tls", "extra_certs").error("goes with a certificate, and there is none; add cert")
    random = made.values["tunnel"].get("server_ipv6") == "auto"
    if role == "server" and given and random:
        raise made.place("tunnel", "server_ipv6").error(
            "cannot be auto with a cert of your own, since only tvpn's own state remembers its network; name one"
        )
    pinned, by_password = made.has("tls", "peer_fingerprint"), role == "client" and made.has("auth", "auth_user_pass")
    missing = [name for name in ("ca", "cert", "key") if name not in given and not (pinned and name == "ca")]
    if given and missing and not (by_password and given == ["ca"]):
        raise made.place("tls", given[0]).error(
            f"stands without {' and '.join(missing)}; give ca, cert and key, or none of them and tvpn makes its own"
        )
    if pinned and made.has("tls", "verify_hash"):
        raise made.place("tls", "verify_hash").error("cannot stand beside peer-fingerprint; keep one of the two")
    for name in ("verify_hash", "crl_verify"):
        if given and "ca" not in given and made.has("tls", name):
            raise made.place("tls", name).error("is about what a CA has signed, and there is none; add ca")
    tls = made.values["tls"]
    newest = tls.get("tls_version_max")
    if newest is not None and newest < tls.get("tls_version_min", "1.2"):
        raise made.place("tls", "tls_version_max").error("is older than tls-version-min; raise it")


def _check_wrapping(made: Draft, role: str) -> None:
    given = [name for name in _WRAPPINGS if made.has("control", name)]
    # A server may serve old clients by the group's key beside those that have keys of their own.
    alternatives = [name for name in given if role == "client" or name != "tls_crypt_v2"]
    if len(alternatives) > 1:
        second = made.place("control", given[1])
        raise second.error(f"cannot stand beside {given[0].replace('_', '-')}; keep one of the two")
    if "tls_auth" in given and made.values["data"].get("auth") == "none":
        raise made.place("data", "auth").error("cannot be none, since tls-auth signs with it; write SHA256")


def _check_formats(made: Draft, role: Role) -> None:
    data = made.values["data"]
    framed = made.first_of("data", "compress")
    if framed is not None and made.has("data", "comp_lzo"):
        raise framed.error("cannot stand beside comp-lzo; keep one of the two")
    if framed is not None and data["compress"] == "migrate" and role == "client":
        raise framed.error("migrate is for servers; delete the line")
    ciphers = (*data.get("data_ciphers", ()), data.get("data_ciphers_fallback") or "")
    if data.get("auth") == "none" and any(cipher.endswith("-CBC") for cipher in ciphers):
        raise made.place("data", "auth").error("cannot be none with a CBC cipher, which needs it; write SHA256")


def _check_timers(made: Draft) -> None:
    tunnel, control = made.values["tunnel"], made.values["control"]
    limit = tunnel.get("ping_restart", 0)
    where = made.first_of("tunnel", "ping_restart", "ping")
    if limit and tunnel.get("ping", 0) >= limit and where is not None:
        raise where.error(f"must be longer than ping; write more than {tunnel['ping']} seconds")
    least = control.get("reneg_sec_min")
    if least is not None and least > control["reneg_sec"]:
        raise made.place("control", "reneg_sec").error("has a minimum above its maximum; write MAX MIN")


def _check_routes(made: Draft, role: Role) -> None:
    """A route of this side may not touch the clients' network; a pushed one may contain it, not lie within it."""
    tunnel = made.values["tunnel"]
    own = [each for each in (tunnel.get("server"), tunnel.get("server_ipv6")) if each not in (None, "auto")]
    routes = _placed(made, "route") + _placed(made, "route_ipv6")
    for index, (given, route) in enumerate(routes):
        for network in own:
            _refuse_overlap(given, route.network, network, "the clients' network")
        for earlier, other in routes[:index]:
            if other.gateway == route.gateway and (role == "server" or other.network == route.network):
                _refuse_overlap(given, route.network, other.network, f"the route of line {earlier.line}")
    for given in made.places.get(("push", "lines"), ()):
        try:
            pushable.check_topology(given.arguments[0], tunnel.get("topology", "subnet"))
        except ValueError as error:
            raise given.error(str(error)) from None
        pushed = _pushed_route(given)
        for network in own:
            if pushed is not None and pushed.network.prefixlen >= network.prefixlen:
                _refuse_overlap(given, pushed.network, network, "the clients' network, which they have anyway")


def _placed(made: Draft, name: str) -> list[tuple[Given, Route]]:
    routes: Sequence[Route] = made.values["tunnel"].get(name, ())
    return list(zip(made.places.get(("tunnel", name), ()), routes, strict=True))


def _pushed_route(given: Given) -> Route | None:
    name, *rest = word.split(given.arguments[0])
    if name not in ("route", "route-ipv6"):
        return None
    return (address.route if name == "route" else address.route_ipv6)(given.meaning(*rest))


def _refuse_overlap(
    given: Given, network: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network, whose: str
) -> None:
    if network.version == other.version and network.overlaps(other):
        raise given.error(f"{network} overlaps {other}, {whose}; change or delete one of them")


def _check_manhole(made: Draft) -> None:
    manhole = made.values["manhole"]
    if "listen" not in manhole:
        return
    given = made.place("manhole", "listen")
    try:
        private = is_private(manhole["listen"])
    except ValueError as error:
        raise given.error(str(error)) from None
    if not private and not manhole.get("trust_the_network"):
        remedy = "write tcp:2222:interface=127.0.0.1 or unix:PATH:mode=600"
        raise given.error(f"lets others reach the prompt; {remedy}, or add `expose = yes` if that is meant")
    if "authorized_keys" not in manhole:
        raise given.error("lets nobody in, since keys alone open it; add authorized-keys = FILE")
