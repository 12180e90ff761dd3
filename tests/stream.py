"""A stream of numbered datagrams, and what became of it: lost, doubled, out of order.

    python -m tests.stream receive ADDRESS PORT
    python -m tests.stream send ADDRESS PORT MBITS SECONDS

The receiver says ``ready``, counts from the first datagram on until two seconds are silent, and prints its findings.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import time
from dataclasses import dataclass

from tests.lab import Lab

SIZE = 1200
SILENCE = 2.0
FIRST_WORD = 30.0
BUFFER = 16 << 20
PORT = 5301

_FORCE = {socket.SO_RCVBUF: 33, socket.SO_SNDBUF: 32}
"""SO_RCVBUFFORCE and SO_SNDBUFFORCE, which Python does not name."""


def opened(option: int) -> socket.socket:
    """A UDP socket whose buffer is no bottleneck."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _FORCE[option], BUFFER)
    return sock


def send(address: str, port: int, mbits: float, seconds: float) -> None:
    """Equal datagrams at an even pace, a few of them each millisecond."""
    sock = opened(socket.SO_SNDBUF)
    sock.connect((address, port))
    a_second = mbits * 1e6 / 8 / SIZE
    padding = bytes(SIZE - 8)
    began = time.monotonic()
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        while number < passed * a_second:
            sock.send(struct.pack("!Q", number) + padding)
            number += 1
        time.sleep(0.001)
    print(f"sent {number} in {seconds:g} s", flush=True)


def receive(address: str, port: int) -> None:
    sock = opened(socket.SO_RCVBUF)
    sock.bind((address, port))
    sock.settimeout(FIRST_WORD)
    print("ready", flush=True)
    seen: set[int] = set()
    doubled = late = 0
    highest, at = -1, time.monotonic()
    pause = 0.0
    try:
        while True:
            number = int.from_bytes(sock.recv(2048)[:8], "big")
            now = time.monotonic()
            if seen:
                pause = max(pause, now - at)
            else:
                sock.settimeout(SILENCE)
            at = now
            doubled += number in seen
            late += number < highest
            seen.add(number)
            highest = max(highest, number)
    except TimeoutError:
        pass
    print(f"received {len(seen)} doubled {doubled} reordered {late} longest pause {pause * 1000:.0f} ms", flush=True)


@dataclass(frozen=True)
class Outcome:
    """What became of one stream; ``pause`` in milliseconds is the longest time without a datagram."""

    sent: int
    received: int
    doubled: int
    reordered: int
    pause: int

    @property
    def lost(self) -> int:
        return self.sent - self.received


def stream_through(lab: Lab, ends: dict[str, str], mbits: float, seconds: float) -> list[Outcome]:
    """Streams between two hosts of a lab, both ways at once; ``ends`` has the inner address of each host."""
    script = (sys.executable, "-m", "tests.stream")
    receivers, senders = [], []
    for host, address in ends.items():
        receiver = lab.spawn(host, *script, "receive", address, str(PORT), name=f"receive-{host}")
        receiver.wait_for("ready")
        receivers.append(receiver)
    for host, address in zip(reversed(ends), ends.values(), strict=True):
        words = ("send", address, str(PORT), str(mbits), str(seconds))
        senders.append(lab.spawn(host, *script, *words, name=f"send-{host}"))
    outcomes = []
    for sender, receiver in zip(senders, receivers, strict=True):
        said = sender.wait_for("sent", seconds + 30) + receiver.wait_for("received", FIRST_WORD)
        outcomes.append(Outcome(*(int(number) for number in _FOUND.search(said).groups())))  # type: ignore[union-attr]
    return outcomes


def overflow(lab: Lab, host: str) -> int:
    """How many packets this host's kernel has dropped so far because a queue was full: of a device, or of a socket."""
    links = json.loads(lab.ip(host, "-s", "-j", "link"))
    dropped = sum(link["stats64"][way]["dropped"] for link in links for way in ("rx", "tx"))
    names, values = (line.split() for line in lab.run(host, "grep", "^Udp:", "/proc/net/snmp").stdout.splitlines())
    udp = dict(zip(names, values, strict=True))
    return dropped + int(udp["RcvbufErrors"]) + int(udp["SndbufErrors"])


_FOUND = re.compile(r"sent (\d+) .*received (\d+) doubled (\d+) reordered (\d+) longest pause (\d+)", re.DOTALL)


if __name__ == "__main__":
    way, address, port, *rest = sys.argv[1:]
    if way == "send":
        send(address, int(port), *map(float, rest))
    else:
        receive(address, int(port))
