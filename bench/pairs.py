"""Who is measured against whom: two ends in namespaces of their own, and a tunnel up between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import wireguard
from tests.lab import Lab, Program, two_hosts
from tests.openvpn.peers import Case, Ends

WIREGUARD = "wireguard-go"
TAP = "tap-tap"
#: pair -> (client, server); tap: two of ours with frames instead of packets.
PAIRS = {
    "stock-stock": ("stock", "stock"),
    "stock-tvpn": ("stock", "tvpn"),
    "tvpn-stock": ("tvpn", "stock"),
    "tvpn-tvpn": ("tvpn", "tvpn"),
    TAP: ("tap", "tap"),
    WIREGUARD: (WIREGUARD, WIREGUARD),
}
#: end -> what its file says beside; stock is without its kernel offload, so that both move packets themselves.
ENDS = {"stock": ("disable-dco",), "tvpn": (), "tap": (), "idle": ("route-noexec", "ifconfig-noexec", "verb 1")}
#: What each pair is measured with; the others of the list are for one TCP stream only.
CIPHER = "AES-256-GCM"
CBC = "AES-256-CBC"
CIPHERS = (CIPHER, "AES-128-GCM", "CHACHA20-POLY1305", CBC)


@dataclass
class Tunnel:
    """A client connected to a server; inside it they are 10.99.0.2 and 10.99.0.1."""

    lab: Lab
    server: Program
    client: Program


def ends(lab: Lab, client: str, server: str, cipher: str = CIPHER) -> Ends:
    """The files of both, with tls-crypt-v2. Two ends of ours seal AEAD ciphers in epochs, as 2.7 does."""
    digest = "auth SHA256"
    return Ends(lab, Case(
        cipher=cipher, server_lines=(digest, *ENDS[server]), client_lines=(digest, *ENDS[client]),
        dev="tap" if server == "tap" else "tun",
    ))  # fmt: skip


@contextmanager
def tunnel(pair: str, cipher: str = CIPHER) -> Iterator[Tunnel]:
    """Connected; everything ends with the block. WireGuard has one cipher, whatever is said."""
    client, server = PAIRS[pair]
    with two_hosts() as lab:
        if pair == WIREGUARD:
            yield Tunnel(lab, *wireguard.connect(lab))
            return
        files = ends(lab, client, server, cipher)
        serving = files.serve_stock() if server == "stock" else files.serve()
        joining = files.join_stock() if client == "stock" else files.join()
        yield Tunnel(lab, serving, joining)
