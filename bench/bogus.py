"""``make bench-bogus``: what a packet that leads nowhere costs the server, tvpn's and OpenVPN's side by side.

Both servers stand in namespaces of their own and are flooded in turns, so that whatever else the machine does hits
both. What is counted is all that the server's process runs meanwhile, over the datagrams that its socket was given.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from bench.measure import cpu_seconds
from bench.run import describe_machine, positive
from tests.lab import Lab, Program, missing, two_hosts
from tests.openvpn.peers import SERVER_V4, Case, Ends

RATE = 8000
DIFFERENT = 512
CHANCE = random.Random(4)

#: Sends the datagrams of a file (a line of hex each) over and over: so many in all, at a time, and a second.
FLOOD = """
import socket, sys, time
datagrams = [bytes.fromhex(line) for line in open(sys.argv[1])]
number, burst, rate = map(int, sys.argv[2:5])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[5], 1194))
began = time.monotonic()
for at in range(number):
    sock.send(datagrams[at % len(datagrams)])
    if at % burst == burst - 1:
        while (left := began + (at + 1) / rate - time.monotonic()) > 0:
            if burst > 1:
                time.sleep(left)
"""


def control(first: int, size: int) -> bytes:
    """A control packet that looks genuine as far as nobody has looked at its tag: opcode, then chance."""
    return bytes([first]) + CHANCE.randbytes(size - 1)


def wrapped_key() -> bytes:
    """A reset with a wrapped key of the usual size, forged."""
    return control(0x50, 54) + CHANCE.randbytes(297) + (299).to_bytes(2, "big")


#: kind -> (how the server wraps, one such datagram)
KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "data of no client": ("tls-crypt", lambda: b"\x48" + CHANCE.randbytes(99)),
    "random": ("tls-crypt", lambda: CHANCE.randbytes(100)),
    "forged tls-crypt": ("tls-crypt", lambda: control(0x38, 54)),
    "forged tls-auth": ("tls-auth", lambda: control(0x38, 54)),
    "forged wrapped key": ("tls-crypt-v2", wrapped_key),
}


@dataclass
class Target:
    """A server, and who floods it."""

    lab: Lab
    server: Program

    def received(self) -> int:
        """How many datagrams sockets in the server's namespace have been given."""
        names, values = self.lab.run("server", "grep", "^Udp:", "/proc/net/snmp").stdout.splitlines()
        return int(dict(zip(names.split(), values.split(), strict=True))["InDatagrams"])

    def flood(self, kind: str, number: int, burst: int) -> float:
        """CPU microseconds for each datagram."""
        file = self.lab.write("flood.hex", "".join(f"{KINDS[kind][1]().hex()}\n" for _ in range(DIFFERENT)))
        before, cpu = self.received(), cpu_seconds(self.server)
        self.lab.run("client", sys.executable, "-c", FLOOD, str(file), str(number), str(burst), str(RATE), SERVER_V4)
        time.sleep(0.1)
        spent = cpu_seconds(self.server) - cpu
        return spent / max(self.received() - before, 1) * 1e6


@contextmanager
def targets(protection: str) -> Iterator[dict[str, Target]]:
    """Both servers, with no client, logging as they usually do."""
    with ExitStack() as stack:
        both = {}
        for name in ("stock", "tvpn"):
            lab = stack.enter_context(two_hosts())
            lines = ("disable-dco", "verb 3") if name == "stock" else ("verb 3",)
            ends = Ends(lab, Case(protection, server_lines=lines))
            both[name] = Target(lab, ends.serve_stock() if name == "stock" else ends.serve())
        yield both


def measure(kind: str, rounds: int, number: int, burst: int) -> tuple[float, float]:
    """(stock, tvpn): medians of the rounds, in microseconds a datagram."""
    samples: dict[str, list[float]] = {"stock": [], "tvpn": []}
    with targets(KINDS[kind][0]) as both:
        for target in both.values():
            target.flood(kind, RATE // 4, burst)
        for _ in range(rounds):
            for name, target in both.items():
                samples[name].append(target.flood(kind, number // rounds, burst))
    return median(samples["stock"]), median(samples["tvpn"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.bogus", description="the CPU cost of packets that lead nowhere")
    parser.add_argument("--rounds", type=positive, default=5, help="turns of each server, default 5")
    parser.add_argument("--packets", type=positive, default=30_000, help="of each kind to each server, default 30,000")
    parser.add_argument("--burst", type=positive, default=8, help="sent at a time, default 8; 1 spaces them evenly")
    options = parser.parse_args()
    reason = missing("openvpn")
    if reason is not None:
        print(f"the benchmark {reason}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("; ".join(describe_machine().values()))
    print(f"{options.packets} datagrams of each kind to each server, {RATE} a second, {options.burst} at a time")
    print(f"\n{'server CPU, µs a datagram':<26}{'stock':>8}{'tvpn':>8}{'ratio':>8}")
    try:
        for kind in KINDS:
            stock, tvpn = measure(kind, options.rounds, options.packets, options.burst)
            print(f"{kind:<26}{stock:>8.1f}{tvpn:>8.1f}{tvpn / stock:>8.2f}", flush=True)
    except KeyboardInterrupt:
        print("interrupted; everything is taken down again")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
