"""Words at the wrong end: a client's in a server's file and the reverse, refused unless they mean nothing there."""

from __future__ import annotations

from typing import Literal

from tvpn.config.draft import Draft
from tvpn.config.given import Given
from tvpn.config.pushable import SYNTAX

_SERVERS = (
    ("push", "lines"), ("transport", "advertise"), ("tunnel", "nat"), ("tunnel", "max_clients"),
    ("tunnel", "duplicate_cn"), ("tunnel", "client_config_dir"), ("tunnel", "ccd_exclusive"),
    ("tunnel", "client_to_client"), ("transport", "port_share"), ("tls", "verify_client_cert"), ("auth", "policy"),
    ("auth", "username_as_common_name"), ("auth", "auth_gen_token"), ("auth", "auth_gen_token_secret"),
    ("auth", "connect_freq"),
)  # fmt: skip
_CLIENTS = (
    ("tunnel", "kill_switch"), ("tunnel", "pull_filter"), ("tunnel", "route_nopull"), ("tunnel", "route_noexec"),
    ("tunnel", "ping_exit"), ("tunnel", "inactive"), ("tunnel", "session_timeout"), ("transport", "http_proxy"),
    ("transport", "socks_proxy"),
)  # fmt: skip
#: Found in files that were a client's once; there is nothing that a server would do with them.
_HARMLESS_CLIENTS = (
    ("transport", "connect_timeout"), ("transport", "connect_retry_max"), ("transport", "resolv_retry"),
    ("transport", "remote_random_hostname"), ("transport", "http_proxy_user_pass"),
    ("transport", "http_proxy_option"), ("transport", "proto_force"), ("auth", "auth_nocache"),
    ("auth", "auth_retry"), ("control", "push_peer_info"), ("control", "setenv"),
)  # fmt: skip
_WITHOUT_EFFECT = ("dhcp-option", "dns", "route-metric")


def check_side(made: Draft, role: Literal["server", "client"]) -> None:
    """Raises ConfigError for the first word that is the other end's; adds warnings for what is only of no use."""
    if role == "client":
        for section, name in _SERVERS:
            if made.has(section, name):
                raise made.place(section, name).error("is a server's word and this is a client; delete it")
        return
    for section, name in _CLIENTS:
        if made.has(section, name):
            raise made.place(section, name).error("is a client's word and this is a server; delete it")
    for section, name in _HARMLESS_CLIENTS:
        if made.has(section, name):
            made.warn(made.place(section, name), "ignored: it is a client's word and this is a server")
    for given in made.places.get(("tunnel", "lines"), ()):
        _check_own_line(made, given)


def _check_own_line(made: Draft, given: Given) -> None:
    if given.section is not None:
        raise given.error(f"belongs in [push] on a server; write there: {SYNTAX[given.word].example}")
    if given.word not in _WITHOUT_EFFECT:
        raise given.error(f'is a client\'s word; a server lets its clients have it: push "{given.word} ..."')
    made.warn(given, f'ignored: a server has no use for it; its clients get it by push "{given.word} ..."')
