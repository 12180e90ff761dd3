"""wireguard-go, the peer to catch: unpacked from Debian's unstable suite, and configured through its own socket."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.lab import ROOT, Lab, Program
from tests.openvpn.peers import INNER_V4, SERVER_V4

PORT = 51820
#: As the first client of a server of OpenVPN's has it, too.
INNER_CLIENT = "10.99.0.2"
#: host -> (its address inside the tunnel, where it sends to)
HOSTS = {"server": (INNER_V4, ""), "client": (INNER_CLIENT, f"{SERVER_V4}:{PORT}")}


@cache
def folder() -> Path | None:
    """Where the program is, kept beside the other temporary files for later runs; None where it cannot be had."""
    place = Path(tempfile.gettempdir()) / "tvpn-wireguard-go"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            script = str(ROOT / "bench/wireguard_go.sh")
            subprocess.run(["bash", script, str(place)], check=True, timeout=300, capture_output=True)
        except (OSError, subprocess.SubprocessError):
            return None
    return place


def version() -> str | None:
    place = folder()
    return (place / "version").read_text().strip() if place else None


def connect(lab: Lab) -> tuple[Program, Program]:
    """(server, client) in the hosts of these names, with a tunnel up between them."""
    place = folder()
    if place is None:
        raise AssertionError("no wireguard-go to be had")
    keys = {host: X25519PrivateKey.generate() for host in HOSTS}
    programs = []
    for host, other in (("server", "client"), ("client", "server")):
        device = f"wg{lab.suffix}{host[0]}"[-15:]
        programs.append(lab.spawn(host, str(place / "wireguard-go"), "-f", device, name="wireguard-go"))
        configure(device, [*own_lines(host, keys[host]), *peer_lines(host, other, keys[other])])
        lab.ip(host, "addr", "add", f"{HOSTS[host][0]}/24", "dev", device)
        lab.ip(host, "link", "set", device, "up")
    if not lab.ping("client", INNER_V4, 3):
        raise AssertionError(f"wireguard-go does not connect:\n{programs[1].output[-2000:]}")
    return programs[0], programs[1]


def own_lines(host: str, key: X25519PrivateKey) -> list[str]:
    return [f"private_key={key.private_bytes_raw().hex()}", *([f"listen_port={PORT}"] if host == "server" else [])]


def peer_lines(host: str, other: str, key: X25519PrivateKey) -> list[str]:
    endpoint = HOSTS[host][1]
    lines = [f"public_key={key.public_key().public_bytes_raw().hex()}", f"allowed_ip={HOSTS[other][0]}/32"]
    return [*lines, *([f"endpoint={endpoint}"] if endpoint else [])]


def configure(device: str, lines: list[str]) -> None:
    """Say these lines to the program that has made a device (https://www.wireguard.com/xplatform/)."""
    path = f"/var/run/wireguard/{device}.sock"
    until = time.monotonic() + 10
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.02)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(path)
        sock.sendall("\n".join(["set=1", *lines, "", ""]).encode())
        answer = sock.recv(100).decode()
    if answer.strip() != "errno=0":
        raise AssertionError(f"wireguard-go does not take its configuration: {answer.strip()}")
