"""The option table: every section with every word, its parser, default and one-line meaning.

This is the single source: readers, checks, ``tvpn options`` and the type of every setting come from here. Words and
defaults are OpenVPN's unless the meaning says otherwise; (section, word) is the key.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

from tvpn.config import address, certificate, kind, login, proxy, pushable, value, variable
from tvpn.config.address import Listen, Proxy, Remote, Route
from tvpn.config.ethernet import Ethernet
from tvpn.config.foreign import FOREIGN
from tvpn.config.material import (
    Material,
    folder,
    ignored_file,
    material,
    material_or_path,
    passphrase,
    present,
    present_folder,
)
from tvpn.config.option import Entry, aspect, entries, option, options

DAY = 86400
WEEK = 7 * DAY


@dataclass(frozen=True)
class Tvpn:
    """What this process is."""

    role: Literal["server", "client"] | None = option(
        kind.SIDE, None, "what this end is; else inferred from the other words"
    )
    state: Path | None = option(
        folder,
        None,
        "folder for keys, leases and history; else $STATE_DIRECTORY, else `state` beside the file",
    )
    engine: Literal["auto", "python"] = option(value.one_of("auto", "python"), "auto", "what moves the packets")
    client: bool = option(value.flag, False, "be a client (OpenVPN's word for role = client)", ini=False)
    pull: bool = option(value.flag, False, "take options from the server, as every client does", ini=False)
    tls_client: bool = option(value.flag, False, "be the TLS client", ini=False)
    tls_server: bool = option(value.flag, False, "be the TLS server", ini=False)
    mode: str | None = option(kind.mode, None, "be a server for many clients", ini=False)


@dataclass(frozen=True)
class Transport:
    """How packets travel between the ends."""

    listen: tuple[Listen, ...] = options(
        address.listen, "serve here: udp:PORT, tcp:PORT or with :interface=ADDRESS; default udp:1194, IPv4 and IPv6"
    )
    port_share: Remote | None = option(
        address.port_share, None, "HOST PORT of a web server that gets whatever on our TCP ports is no OpenVPN"
    )
    advertise: tuple[Remote, ...] = options(
        address.advertised, "host[:port] that clients reach this server at, written into their profiles"
    )
    remote: tuple[Remote, ...] = options(address.remote, "server to call: HOST [PORT [udp or tcp]]; tried in order")
    remote_random: bool = option(value.flag, False, "try the remotes in random order")
    connect_retry: tuple[int, int] = option(
        value.pair(1, DAY, second=300), (1, 300), "seconds between attempts, at first and at most"
    )
    connect_retry_max: int = option(value.number(0, 2**31 - 1), 0, "attempts at each remote before giving up; 0: never")
    connect_timeout: int | None = option(
        value.number(1, DAY), None, "seconds for a server to answer before the next is tried",
        aliases=("server-poll-timeout",),
    )  # fmt: skip
    resolv_retry: int | None = option(
        value.seconds_or_infinite, None, "seconds for which a name that is not found is looked up again, or infinite"
    )
    remote_random_hostname: bool = option(
        value.flag, False, "put a random label before each name, so that no cache answers"
    )
    http_proxy: Proxy | None = option(
        proxy.http, None, "call through this proxy, by TCP: HOST PORT [FILE with user name and password, or auto]"
    )
    http_proxy_user_pass: Material | None = option(
        material, None, "user name and password for http-proxy, a line each"
    )
    http_proxy_option: tuple[proxy.HTTPOption, ...] = options(
        proxy.http_option, "what http-proxy is told too: VERSION, AGENT or CUSTOM-HEADER NAME VALUE"
    )
    socks_proxy: Proxy | None = option(
        proxy.socks, None, "call through this SOCKS 5 proxy: HOST [PORT [FILE with user name and password]]"
    )
    proto: address.Protocol | None = option(address.protocol, None, "udp, udp4, udp6, tcp, tcp4 or tcp6", ini=False)
    proto_force: Literal["udp", "tcp"] | None = option(
        kind.FORCED, None, "call only the remotes of this protocol", ini=False
    )
    port: int | None = option(address.port, None, "port of both ends", ini=False)
    lport: int | None = option(value.number(0, 65535), None, "own port", ini=False)
    rport: int | None = option(address.port, None, "port of the other end", ini=False)
    local: str | None = option(address.interface, None, "own address", ini=False)
    nobind: bool = option(value.flag, False, "take any own port, as clients always do", ini=False)


@dataclass(frozen=True)
class Tunnel:
    """The network inside the tunnel."""

    dev: str = option(kind.device, "tun", "name of the device; plain tun or tap takes the next free number")
    dev_type: kind.DeviceType | None = option(
        kind.device_type, None, "tun (packets) or tap (frames), for a device whose name does not begin so"
    )
    topology: kind.Topology = option(
        kind.topology, "subnet", "how clients are addressed: subnet, or as stock before 2.7 by pairs: net30, p2p"
    )
    server: IPv4Network | None = option(
        address.server,
        None,
        f"the clients' IPv4 network, the first address is the server's; auto is {address.AUTO_SERVER}",
    )
    server_ipv6: IPv6Network | Literal["auto"] | None = option(
        address.server_ipv6, None, "the clients' IPv6 network; auto makes a random one of its own (ULA /64)"
    )
    tun_mtu: int = option(value.number(576, 65535), 1500, "bytes of the largest packet inside the tunnel")
    mssfix: int = option(
        kind.mssfix,
        1492,
        "shrink TCP segments so that datagrams stay below this; 0 is off",
    )
    keepalive: tuple[int, int] | None = option(
        value.pair(1, DAY),
        None,
        "ping every A seconds, restart after B without an answer (a server: 2B), pushed too",
    )
    ping: int = option(value.number(0, DAY), 0, "ping after this many silent seconds; 0 is never")
    ping_restart: int = option(
        value.number(0, DAY), 0, "give up after this many silent seconds; a client's default is 120"
    )
    ping_exit: int = option(
        value.number(0, DAY), 0, "client: end after this many silent seconds instead of calling again; 0 is never"
    )
    inactive: tuple[int, int] | None = option(
        value.pair(0, 2**40, second=0), None, "client: end when SECONDS bring no more than BYTES through the tunnel"
    )
    session_timeout: int = option(value.number(0, 2**31 - 1), 0, "client: end after this many seconds; 0 is never")
    kill_switch: bool = option(
        value.flag, False, "client: let nothing leave this machine but through the tunnel, whether it stands or not"
    )
    nat: Literal["yes", "no", "auto"] = option(
        value.one_of("yes", "no", "auto"), "no", "let clients reach the internet by this machine's address"
    )
    max_clients: int = option(value.number(1, 65536), 1024, "clients at the same time")
    duplicate_cn: bool = option(value.flag, False, "let one certificate connect several times at once")
    client_config_dir: Path | None = option(
        present_folder, None, "folder with a file for each client (named by its common name) or DEFAULT for the others"
    )
    ccd_exclusive: bool = option(value.flag, False, "refuse a client that has no file of its own there")
    client_to_client: bool = option(value.flag, False, "let clients reach each other and the networks behind them")
    route: tuple[Route, ...] = options(address.route, "route into the tunnel on this side: NET/BITS [GATEWAY [METRIC]]")
    route_ipv6: tuple[Route, ...] = options(address.route_ipv6, "the same for IPv6")
    lines: tuple[str, ...] = options(
        pushable.own_line,
        "client: as if the server had pushed it first; for example: redirect-gateway = def1",
        word="redirect-gateway",
        aliases=pushable.OWN_LINES[1:],
    )
    pull_filter: tuple[pushable.PullFilter, ...] = options(
        pushable.pull_filter, "client: accept, ignore or reject what is pushed and begins with TEXT; the first counts"
    )
    route_nopull: bool = option(value.flag, False, "client: take addresses from the server, but no routes and no names")
    route_noexec: bool = option(value.flag, False, "client: set no routes, neither own nor pushed ones")


@dataclass(frozen=True)
class Tls:
    """Who the ends are and how they prove it; a server without ca, cert and key makes its own."""

    ca: Material | None = option(material, None, "certificates of the authorities that are trusted (PEM)")
    cert: Material | None = option(material, None, "own certificate, followed by its chain (PEM)")
    key: Material | None = option(material, None, "private key of cert (PEM), asked for its passphrase if it has one")
    askpass: Material | None = option(
        passphrase, None, "file with the passphrase of key or pkcs12 in its first line; asked for where absent"
    )
    extra_certs: Material | None = option(material, None, "certificates shown behind that of cert (PEM)")
    pkcs12: Material | Path | None = option(
        material_or_path, None, "cert, key and ca in one file (PKCS #12; in a block base64)"
    )
    dh: str | None = option(ignored_file, None, "ignored: the key exchange is always ECDHE")
    tls_version_min: Literal["1.2", "1.3"] = option(kind.tls_version_min, "1.2", "oldest TLS that is spoken")
    tls_version_max: Literal["1.2", "1.3"] | None = option(kind.tls_version_max, None, "newest TLS that is spoken")
    tls_cipher: str | None = option(value.text, None, "TLS 1.2 cipher suites, OpenSSL's names, between colons")
    tls_ciphersuites: str | None = option(value.text, None, "TLS 1.3 cipher suites, between colons")
    tls_cert_profile: Literal["legacy", "preferred", "suiteb"] = option(
        kind.certificate_profile, "legacy", "weakest cryptography in certificates: legacy, preferred or suiteb"
    )
    verify_client_cert: Literal["none", "optional", "require"] = option(
        kind.INSISTENCE, "require", "server: whether a client needs a certificate; one that is shown must be good"
    )
    remote_cert_tls: Literal["server", "client"] | None = option(
        kind.SIDE, None, "the other end's certificate must be made for this use"
    )
    ns_cert_type: Literal["server", "client"] | None = option(
        kind.SIDE, None, "obsolete, taken as remote-cert-tls", ini=False
    )
    remote_cert_ku: tuple[int, ...] = option(
        certificate.key_usages, (), "key usages of the other end's certificate, hexadecimal; one must be contained"
    )
    remote_cert_eku: str | None = option(
        certificate.extended_usage, None, "extended key usage of the other end's certificate, OID or name"
    )
    verify_x509_name: tuple[str, certificate.NameType] | None = option(
        certificate.x509_name, None, "name in the other end's certificate: NAME [subject|name|name-prefix]"
    )
    peer_fingerprint: tuple[tuple[bytes, ...], ...] = options(
        certificate.fingerprints, "SHA-256 of a certificate the other end may have; without ca that alone counts"
    )
    verify_hash: tuple[tuple[bytes, ...], ...] = options(
        certificate.issuer_fingerprints, "hash of the certificate that signed the other end's: HASH [SHA1|SHA256]"
    )
    crl_verify: Material | None = option(
        certificate.revocation_list, None, "revocation lists of the CA (PEM); read again when the file changes"
    )


@dataclass(frozen=True)
class Control:
    """The channel that negotiates keys, and its wrapping."""

    tls_auth: Material | None = option(
        value.first(material), None, "static key that signs the control channel: FILE [DIRECTION]"
    )
    tls_auth_direction: Literal[0, 1] | None = aspect("tls-auth", value.second_direction, None)
    key_direction: Literal[0, 1] | None = option(value.key_direction, None, "direction of tls-auth's key: 0 or 1")
    tls_crypt: Material | None = option(material, None, "static key that encrypts the control channel")
    tls_crypt_v2: Material | None = option(
        value.first(material), None, "the same with a key per client: FILE [force-cookie]"
    )
    force_cookie: bool = aspect("tls-crypt-v2", value.second_cookie, False)
    push_peer_info: bool = option(
        value.flag, False, "tell the server more about this client: versions, and the UV_ words of setenv"
    )
    setenv: tuple[variable.Variable, ...] = options(
        variable.variable, "UV_NAME VALUE and IV_GUI_VER VALUE are told to the server; other names are ignored"
    )
    hand_window: int = option(value.number(1, DAY), 60, "seconds within which a key exchange must be done")
    tran_window: int = option(value.number(1, WEEK), 3600, "seconds for which an old key may still be used")
    reneg_sec: int = option(
        value.first(value.number(0, 2**31 - 1)), 3600, "seconds between key exchanges: MAX [MIN]; 0 is never"
    )
    reneg_sec_min: int | None = aspect("reneg-sec", value.second_number(0, 2**31 - 1), None)
    reneg_bytes: int = option(value.number(0, 2**33), 0, "bytes between key exchanges; 0 is no limit")
    reneg_pkts: int = option(value.number(0, 2**33), 0, "packets between key exchanges; 0 is no limit")
    tls_timeout: int = option(value.number(1, 3600), 1, "longest pause before an unanswered control packet is repeated")
    max_packet_size: int = option(value.number(154, 2048), 1250, "bytes of the largest control packet")


@dataclass(frozen=True)
class Data:
    """How packets inside the tunnel are sealed."""

    data_ciphers: tuple[str, ...] = option(
        value.cipher_list, value.AEAD, "ciphers that may be negotiated, best first", aliases=("ncp-ciphers",)
    )
    cipher: str | None = option(value.cipher, None, "cipher named to peers that cannot negotiate")
    data_ciphers_fallback: str | None = option(value.cipher, None, "cipher for peers that cannot negotiate")
    auth: str = option(value.digest, "SHA1", "digest of tls-auth, and of data under a CBC cipher")
    replay_window: tuple[int, int] = option(
        value.pair(0, 65536, second=15),
        (64, 15),
        "packets that may come late (0: each must follow the one before it), and by how many seconds (0: by any)",
    )
    comp_lzo: Literal["lzo"] | None = option(
        kind.comp_lzo, None, "the frame of LZO, nothing in it ever compressed, for peers that insist on it"
    )
    compress: Literal["swap", "stub-v2", "migrate"] | None = option(
        kind.compress, None, "another frame: stub, stub-v2; migrate, a server's default: for who asks for one"
    )
    fragment: int = option(
        value.number(68, 65535, bare=1492), 0, "cut packets so that no datagram is larger; both ends must; 0 is off"
    )
    allow_compression: Literal["no"] = option(kind.no_compression, "no", "only no: compression leaks plaintext")


@dataclass(frozen=True)
class Push:
    """What clients are told; in an ini file every line of the section is one OpenVPN option."""

    lines: tuple[str, ...] = options(pushable.line, "an option for every client, in OpenVPN's text", word="push")


@dataclass(frozen=True)
class Auth:
    """Who may come in besides what certificates say."""

    policy: Path | None = option(
        present, None, "Python file whose async authenticate(client) decides about each client", openvpn=False
    )
    auth_user_pass: login.UserPass | None = option(
        login.user_pass, None, "client: file with user name and password, a line each; what it lacks is asked for"
    )
    auth_nocache: bool = option(value.flag, False, "client: forget what was asked once it is used, and ask again")
    auth_retry: Literal["none", "nointeract", "interact"] = option(
        value.one_of("none", "nointeract", "interact"),
        "none",
        "client that is refused: end, try the same again, or ask again",
    )
    static_challenge: login.StaticChallenge | None = option(
        login.static_challenge, None, "client: a question asked with every password: TEXT ECHO [scrv1|concat]"
    )
    username_as_common_name: bool = option(
        value.flag, False, "know clients by their user names, even when they share a certificate"
    )
    auth_gen_token: login.TokenTimes | None = option(
        login.token_times, None, "give tokens that stand in for passwords: [LIFETIME [RENEWAL]] [external-auth]"
    )
    auth_gen_token_secret: Material | None = option(
        material, None, "key that signs the tokens (openvpn --genkey auth-token); else one in the state folder"
    )
    connect_freq: tuple[int, int] | None = option(
        value.pair(1, DAY), None, "new sessions of one source prefix (/24, /64): at most N in SECONDS"
    )


@dataclass(frozen=True)
class Manhole:
    """The Python prompt inside the process, by SSH."""

    listen: str | None = option(
        value.text, None, "tcp:2222:interface=127.0.0.1 or unix:PATH:mode=600; off if absent", openvpn=False
    )
    authorized_keys: Path | None = option(present, None, "public keys that may enter, OpenSSH's format", openvpn=False)
    trust_the_network: bool = option(
        value.flag,
        False,
        "the second yes that listening beyond this machine takes",
        word="expose",
        openvpn=False,
    )


@dataclass(frozen=True)
class Log:
    """What is written down."""

    verb: int = option(value.number(0, 11), 3, "how much is logged, 0 to 11")


SECTIONS: dict[str, type[Any]] = {
    "tvpn": Tvpn, "transport": Transport, "tunnel": Tunnel, "ethernet": Ethernet, "tls": Tls, "control": Control,
    "data": Data, "push": Push, "auth": Auth, "manhole": Manhole, "log": Log,
}  # fmt: skip
RESERVED = ("api", "metrics", "management", "gremlin")
ENTRIES: tuple[Entry, ...] = tuple(entry for section, shape in SECTIONS.items() for entry in entries(section, shape))


def find(word: str, section: str | None) -> list[Entry]:
    """The entries read from a word: the main one first, then its aspects; section None is OpenVPN's own file."""
    return [
        entry
        for entry in ENTRIES
        if word in (entry.word, *entry.option.aliases)
        and (entry.section == section and entry.option.ini if section else entry.option.openvpn)
    ]


def advise(word: str, section: str | None) -> str:
    """What to do about a word that is unknown in its place: the section it belongs to, or the nearest word."""
    if section is not None:
        own = [entry for entry in ENTRIES if word == entry.word]
        homes = [entry.section for entry in own if entry.option.ini]
        if homes:
            return f"belongs in [{homes[0]}], not in [{section}]; move it there"
        if own:
            return "is a word of OpenVPN's own files only; in [tvpn] and [transport] use role, listen or remote"
        if word in pushable.SYNTAX:
            return f"belongs in [push], not in [{section}]; write there: {pushable.SYNTAX[word].example}"
    elif any(word == entry.word for entry in ENTRIES):
        return "is a word of tvpn's ini files only; move it to one or delete it"
    fits = [entry for entry in ENTRIES if (entry.option.ini if section else entry.option.openvpn)]
    known = {entry.word: entry.section for entry in reversed(fits)}
    near = difflib.get_close_matches(word, [*known, *(FOREIGN if section is None else ())], n=1, cutoff=0.6)
    if not near:
        return "is no known word; `tvpn options` lists them all"
    where = f" in [{known[near[0]]}]" if section is not None else ""
    return f"is no known word; the nearest is {near[0]}{where}"
