"""Words that OpenVPN has and tvpn has not: refused with the reason, or ignored with a warning where that is harmless.

A word that keeps somebody out or something secret is never ignored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreign:
    """Why a word is not taken and, if it is refused, what to do instead."""

    refused: bool
    reason: str


_IGNORED = {
    "persist-key persist-tun persist-local-ip persist-remote-ip": "tvpn keeps keys and device over a restart by itself",
    "status status-version ifconfig-pool-persist": "tvpn keeps sessions and leases in its own store",
    "log log-append syslog suppress-timestamps machine-readable-output errors-to-stderr mute-replay-warnings echo "
    "parameter nice": "logging and priority are twistd's and systemd's business",
    "user group daemon writepid mlock umask": "twistd and systemd do that (--uid, --pidfile, User=)",
    "script-security up up-delay up-restart down down-pre route-up route-pre-down ipchange": "tvpn runs no scripts",
    "bind bind-dev mtu-disc mtu-test link-mtu tun-mtu-extra tun-mtu-max fast-io txqueuelen socket-flags mark "
    "tcp-queue-limit tcp-nodelay bcast-buffers hash-size": "tvpn sizes sockets and packets by itself",
    "passtos": "what packets in the tunnel are marked with is not told outside",
    "sndbuf rcvbuf": "tvpn asks for 1 MiB each",
    "float": "a server follows its clients by itself, a client stays with the address it has called",
    "multihome": "tvpn always answers from the address that was called",
    "explicit-exit-notify": "tvpn always says goodbye",
    "mute": "tvpn tells of a kind of dropped packet once in ten seconds",
    "auth-user-pass-optional": "the policy file decides about clients without user name",
    "auth-token auth-token-user setenv-safe x509-username-field compat-mode": "tvpn has no use for it",
    "connect-freq-initial max-routes-per-client stale-routes-check": "tvpn limits strangers by itself",
    "block-outside-dns register-dns ip-win32 route-method tap-sleep dhcp-renew dhcp-release dhcp-internal dev-node "
    "show-net-up pause-exit service win-sys windows-driver allow-nonadmin": "it is for Windows alone",
    "route-delay": "routes are set as soon as the tunnel stands",
    "ping-timer-rem": "a client is never without a server to wait for",
    "allow-pull-fqdn": "names in what a server pushes are not looked up",
    "http-proxy-retry http-proxy-timeout socks-proxy-retry": "a proxy is called again with every attempt",
    "max-routes": "as many routes are taken as are needed, up to 1024",
    "ncp-disable keysize key-method prng no-iv opt-verify tun-ipv6 disable-occ comp-noadapt tls-exit "
    "disable-dco ifconfig-nowarn remote-ip-hint": "it is obsolete or changes nothing between today's peers",
    "ecdh-curve": "OpenSSL chooses the groups, and chooses well",
}
_REFUSED = {
    "tls-groups": "pyOpenSSL has no way to choose the groups; delete the line to use OpenSSL's",
    "tls-remote": "it is obsolete; write verify-x509-name with the same name",
    "capath": "put all certificates into one file and name it with ca",
    "pkcs11-providers pkcs11-id cryptoapicert providers": "keys in hardware are not supported; name PEM files",
    "secret": "static keys without TLS are unsafe and not supported; use ca, cert and key",
    "auth-user-pass-verify": "scripts are not run; check user names and passwords in the policy file ([auth] policy)",
    "client-cert-not-required": "it is obsolete; write verify-client-cert none",
    "client-connect client-disconnect client-crresponse learn-address tls-verify tls-export-cert plugin": "scripts "
    "and plugins that decide about clients are not run; delete the line only if nobody is kept out by it",
    "iroute iroute-ipv6 ifconfig-push ifconfig-ipv6-push push-reset push-remove disable": "it belongs to one client; "
    "name a folder with client-config-dir and write it there, in the client's file",
    "ifconfig ifconfig-ipv6 ifconfig-pool ifconfig-ipv6-pool ifconfig-noexec": "addresses come from server, "
    "server-ipv6 or the server's push; delete the line",
    "client-nat": "addresses in the tunnel are not rewritten; delete the line",
    "shaper": "it arrives in a later release; delete the line",
    "management management-client management-hold management-query-passwords management-client-auth "
    "management-log-cache management-up-down": "the management interface arrives in a later release; delete the line",
    "chroot setcon": "use systemd's RootDirectory= and the like; delete the line",
    "cd": "paths are relative to the configuration file; delete the line",
    "config": "a file cannot include another; copy its lines here",
    "tun-hwaddr": "it is for systems other than Linux; write lladdr",
    "no-replay": "it weakens the tunnel; delete the line at both ends",
}  # fmt: skip

FOREIGN: dict[str, Foreign] = {
    word: Foreign(refused, reason)
    for refused, table in ((False, _IGNORED), (True, _REFUSED))
    for words, reason in table.items()
    for word in words.split()
}
