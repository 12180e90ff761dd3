"""Floods of resets that a server without a wrapping has to take for genuine, and how its clients fare meanwhile."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab import Lab, Program, two_hosts
from tests.openvpn.peers import Case, Ends

#: Where floods come from: another prefix than the client's, so that each has a bucket of its own.
FLOODER_SERVER, FLOODER = "192.0.2.1", "192.0.2.2"

#: Resets to the server: from one address, or each from a random one; so many a second until it is ended.
RESETS = """
import random, socket, struct, sys, time
spoofed, rate, target = sys.argv[1] == "spoofed", int(sys.argv[2]), sys.argv[3]
dice = random.Random(3)
kind = (socket.SOCK_RAW, socket.IPPROTO_RAW) if spoofed else (socket.SOCK_DGRAM, 0)
sock = socket.socket(socket.AF_INET, *kind)
if not spoofed:
    sock.bind((sys.argv[4], 0))
began, number = time.monotonic(), 0
while True:
    reset = bytes([0x38]) + dice.randbytes(8) + bytes(5)
    if spoofed:
        source = bytes([dice.choice((11, 22, 33, 44, 55, 66))]) + dice.randbytes(3)
        udp = struct.pack("!HHHH", dice.randrange(1024, 65536), 1194, 8 + len(reset), 0) + reset
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + socket.inet_aton(target)
        reset = ip + udp
    sock.sendto(reset, (target, 1194))
    number += 1
    if number % 1000 == 0:
        print("sent", number, flush=True)
    if number % 10 == 0:
        time.sleep(max(0, began + number / rate - time.monotonic()))
"""

FAILED = re.compile("SIGUSR1|TLS handshake failed|TLS key negotiation failed|Exiting")


@dataclass
class Siege:
    """A server of ours, a host that clients come from, and one that floods come from."""

    lab: Lab
    server: Program
    ends: Ends

    def flood(self, kind: str, rate: int) -> Program:
        """``one`` source or ``spoofed`` ones, under way; the caller ends it, or the lab does."""
        words = (kind, str(rate), FLOODER_SERVER, FLOODER)
        flood = self.lab.spawn("flooder", sys.executable, "-c", RESETS, *words, name="flood")
        flood.wait_for("sent")
        return flood

    def connect(self) -> str:
        """A stock client comes and goes; what its log has of a failure of the first try, empty for none."""
        client = self.ends.join_stock()
        failed = FAILED.search(client.output)
        client.stop()
        return failed[0] if failed else ""

    def count_connects(self, number: int, pause: float) -> tuple[int, float]:
        """(how many of so many succeeded at the first try, the longest that one of them took); seconds in between."""
        succeeded, longest = 0, 0.0
        for _ in range(number):
            began = time.monotonic()
            try:
                succeeded += not self.connect()
            except AssertionError:
                continue
            longest = max(longest, time.monotonic() - began)
            time.sleep(pause)
        return succeeded, longest


@contextmanager
def siege(protection: str = "none") -> Iterator[Siege]:
    with two_hosts() as lab:
        lab.host("flooder")
        lab.wire("server", [f"{FLOODER_SERVER}/24"], "flooder", [f"{FLOODER}/24"])
        lab.ip("server", "route", "add", "default", "via", FLOODER)
        case = Case(protection, client_lines=("disable-dco", "connect-retry-max 1", "verb 3"), server_lines=("verb 3",))
        ends = Ends(lab, case)
        yield Siege(lab, ends.serve(), ends)


def round_trips(lab: Lab, host: str, target: str, count: int) -> list[float]:
    """Sorted round trips in ms, a hundred a second; a lost one is missing."""
    done = lab.run(host, "ping", "-n", "-c", str(count), "-i", "0.01", "-W", "2", target, check=False)
    return sorted(float(found) for found in re.findall(r"time=([0-9.]+) ms", done.stdout))

