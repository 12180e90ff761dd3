"""``make bench``: tvpn and OpenVPN side by side, interleaved in one run; what counts are the ratios.

Every round measures every pair once, so that whatever else the machine does hits all of them; the table shows
medians, and the limits that tvpn holds itself to.
"""

from __future__ import annotations

import argparse
import platform
import signal
import subprocess
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path
from statistics import median

from bench.measure import PAIRS, clients, latency, throughput, tunnel
from tests.lab import missing

UP, DOWN, CPU, PING = "TCP up Mbit/s", "TCP down Mbit/s", "server CPU s/GiB", "idle ping ms"
HANDSHAKE, MEMORY, EMPTY = "server CPU ms/handshake", "KiB/idle client", "KiB without clients"

#: (what, pair or server, "at least" or "at most", times what stock shows)
LIMITS = (
    (UP, "stock-tvpn", "at least", 0.8),
    (DOWN, "stock-tvpn", "at least", 0.8),
    (PING, "stock-tvpn", "at most", 2.0),
    (HANDSHAKE, "tvpn", "at most", 2.0),
    (MEMORY, "tvpn", "at most", 1.0),
)
Samples = dict[tuple[str, str], list[float]]


def measure_round(samples: Samples, seconds: int, number: int) -> None:
    """Each pair and each server once."""
    for pair in PAIRS:
        with tunnel(pair) as place:
            up, up_cpu = throughput(place, seconds, reverse=False)
            down, down_cpu = throughput(place, seconds, reverse=True)
            ping = latency(place)
        for what, value in ((UP, up), (DOWN, down), (CPU, (up_cpu + down_cpu) / 2), (PING, ping)):
            samples[what, pair].append(value)
        print(f"  {pair:<12} {up:7.0f} up {down:7.0f} down {ping:7.2f} ms", flush=True)
    for server in ("stock", "tvpn"):
        handshake, memory, empty = clients(server, number)
        for what, value in ((HANDSHAKE, handshake), (MEMORY, memory), (EMPTY, empty)):
            samples[what, server].append(value)
        print(f"  {server:<12} {handshake:7.1f} ms a handshake {memory:7.0f} KiB a client", flush=True)


def print_table(samples: Samples) -> None:
    columns = list(PAIRS)
    print(f"\n{'median':<26}" + "".join(f"{column:>14}" for column in columns))
    for what in (UP, DOWN, CPU, PING):
        print(f"{what:<26}" + "".join(f"{median(samples[what, column]):>14.2f}" for column in columns))
    print(f"\n{'median':<26}" + "".join(f"{column:>14}" for column in ("stock", "tvpn")))
    for what in (HANDSHAKE, MEMORY, EMPTY):
        print(f"{what:<26}" + "".join(f"{median(samples[what, column]):>14.2f}" for column in ("stock", "tvpn")))


def print_limits(samples: Samples) -> None:
    """Ratios of the medians, and between which the single rounds were: near a limit the verdict is chance."""
    print(f"\n{'ratio to stock':<26}{'pair':<12}{'is':>8}  {'rounds':<14}limit")
    for what, column, relation, limit in LIMITS:
        stock = "stock-stock" if column in PAIRS else "stock"
        ratio = median(samples[what, column]) / median(samples[what, stock])
        rounds = sorted(own / other for own, other in zip(samples[what, column], samples[what, stock], strict=True))
        met = ratio >= limit if relation == "at least" else ratio <= limit
        spread = f"{rounds[0]:.2f} to {rounds[-1]:.2f}"
        print(f"{what:<26}{column:<12}{ratio:>8.2f}  {spread:<14}{relation} {limit}: {'met' if met else 'missed'}")


def describe_machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    stock = subprocess.run(["openvpn", "--version"], capture_output=True, text=True).stdout.split(" [", 1)[0]
    model = models[0] if models else platform.machine()
    python = f"Python {platform.python_version()}"
    return f"{date.today()}, Linux {platform.release()}, {len(models)} × {model}, {python}, {stock}"


def positive(text: str) -> int:
    """A number that can be measured with."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.run", description="tvpn and OpenVPN side by side")
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds, default 5")
    parser.add_argument("--seconds", type=positive, default=5, help="length of each TCP run, default 5")
    parser.add_argument("--clients", type=positive, default=20, help="idle clients, default 20")
    options = parser.parse_args()
    reason = missing("openvpn", "iperf3", "ping")
    if reason is not None:
        print(f"the benchmark {reason}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(describe_machine())
    samples: Samples = defaultdict(list)
    try:
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            measure_round(samples, options.seconds, options.clients)
    except KeyboardInterrupt:
        print("interrupted; everything is taken down again")
        return 1
    print_table(samples)
    print_limits(samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
