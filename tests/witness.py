"""What a program sees of where it runs, as JSON: ``python tests/witness.py [HOST-NAME PORT]``.

With a host it is looked up and asked by TCP (it says from which address, and sends back a megabyte) and by UDP (it
sends back what it got).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

PATIENCE = 5.0
LONG = bytes(range(256)) * 4
UDP_SEGMENT = 103


def devices() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex())


def attempt(*arguments: int) -> str:
    """What became of opening such a socket."""
    try:
        socket.socket(*arguments).close()
    except OSError as error:
        return error.strerror or ""
    return "opened"


def change_device() -> str:
    """What became of taking the device down (SIOCSIFFLAGS)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, 0x8914, struct.pack("16sH14x", b"vpn0", 0))
        except OSError as error:
            return error.strerror or ""
    return "changed"


def status(word: str) -> str:
    found = re.search(rf"^{word}:\s*(.+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return found[1] if found else ""


def exchange(stream: socket.socket, sent: bytes) -> bool:
    """Whether it comes back as it was sent."""
    sending = threading.Thread(target=stream.sendall, args=(sent,))
    sending.start()
    got = bytearray()
    while len(got) < len(sent) and (data := stream.recv(65536)):
        got += data
    sending.join()
    return got == sent


def visit(name: str, port: int) -> dict[str, object]:
    """The address that the name has, the one we are seen with, and whether a long datagram comes back whole."""
    seen: dict[str, object] = {}
    try:
        family, _, _, _, address = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)[0]
        seen["host"] = address[0]
        with socket.create_connection((address[0], port), PATIENCE) as stream:
            seen["seen as"] = stream.makefile().readline().strip()
            seen["megabyte"] = exchange(stream, os.urandom(1 << 20))
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(PATIENCE)
            datagrams.sendto(LONG, (address[0], port))
            seen["echo"] = datagrams.recv(4096) == LONG
            # One buffer that is to leave as four datagrams.
            datagrams.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(LONG) // 4)
            datagrams.sendto(LONG, (address[0], port))
            seen["segments"] = b"".join(datagrams.recv(4096) for _ in range(4)) == LONG
    except OSError as error:
        seen["error"] = str(error)
    return seen


def main(arguments: list[str]) -> None:
    # The folder is open while it is listed.
    held = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
    seen = visit(arguments[0], int(arguments[1])) if arguments else {}
    print(json.dumps({
        "uid": os.getuid(), "gid": os.getgid(), "held": held, "profile": os.environ.get("TVPN_PROFILE"),
        "capabilities": status("CapEff"), "blocked": status("SigBlk"),
        "devices": devices(), "change device": change_device(),
        "packet socket": attempt(socket.AF_PACKET, socket.SOCK_RAW, 0),
        "resolv.conf": Path("/etc/resolv.conf").read_text(),
        "hosts": re.findall(r"^hosts:.*", Path("/etc/nsswitch.conf").read_text(), re.MULTILINE),
        "group": os.getpgrp() == os.getpgid(os.getppid()),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "visit": seen,
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
