"""One tunnel, two ends, and what can be measured on it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import Lab, Program, two_hosts
from tests.openvpn.peers import INNER_V4, Case, Ends

#: client and server of each pair, as the tables call them.
PAIRS = {"stock-stock": ("stock", "stock"), "stock-tvpn": ("stock", "tvpn"), "tvpn-tvpn": ("tvpn", "tvpn")}
GIB = 1 << 30


@dataclass
class Tunnel:
    """A client connected to a server."""

    lab: Lab
    server: Program
    client: Program
    ends: Ends = field(repr=False)


@contextmanager
def tunnel(pair: str) -> Iterator[Tunnel]:
    """tls-crypt-v2 and AES-256-GCM; stock without its kernel offload, so that both move packets themselves."""
    client, server = PAIRS[pair]
    stock = ("disable-dco",)
    case = Case(server_lines=stock if server == "stock" else (), client_lines=stock if client == "stock" else ())
    with two_hosts() as lab:
        ends = Ends(lab, case)
        serving = ends.serve_stock() if server == "stock" else ends.serve()
        joining = ends.join_stock() if client == "stock" else ends.join()
        yield Tunnel(lab, serving, joining, ends)


def cpu_seconds(program: Program) -> float:
    """What a process has run, all its threads together; exact, where utime and stime only count ticks."""
    tasks = Path(f"/proc/{program.process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_kib(program: Program) -> int:
    with open(f"/proc/{program.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def throughput(place: Tunnel, seconds: int, reverse: bool) -> tuple[float, float]:
    """(Mbit/s of one TCP stream, CPU seconds of the server for each GiB moved)."""
    listener = place.lab.spawn("server", "iperf3", "-s", "-1", "--forceflush", "-B", INNER_V4, name="iperf3")
    listener.wait_for("Server listening")
    before = cpu_seconds(place.server)
    direction = ["-R"] if reverse else []
    done = place.lab.run("client", "iperf3", "-c", INNER_V4, "-t", str(seconds), "-J", *direction)
    spent = cpu_seconds(place.server) - before
    total = json.loads(done.stdout)["end"]["sum_received"]
    return total["bits_per_second"] / 1e6, spent * GIB / total["bytes"]


def latency(place: Tunnel) -> float:
    """Median round trip of an otherwise idle tunnel, ms."""
    done = place.lab.run("client", "ping", "-n", "-c", "51", "-i", "0.02", INNER_V4)
    times = sorted(float(found) for found in re.findall(r"time=([0-9.]+) ms", done.stdout))
    return times[len(times) // 2]


def clients(server: str, number: int) -> tuple[float, float, float]:
    """(server CPU ms of a handshake, KiB it grows by an idle client, KiB without any), ``number`` stock clients."""
    case = Case(
        server_lines=("disable-dco",) if server == "stock" else (),
        client_lines=("route-noexec", "ifconfig-noexec", "verb 1"),
    )
    with two_hosts() as lab:
        ends = Ends(lab, case)
        serving = ends.serve_stock() if server == "stock" else ends.serve()
        empty = resident_kib(serving)
        ends.join_stock()
        time.sleep(0.5)
        cpu, resident = cpu_seconds(serving), resident_kib(serving)
        for _ in range(number):
            ends.join_stock()
        time.sleep(0.5)
        grown = resident_kib(serving) - resident
        return (cpu_seconds(serving) - cpu) / number * 1000, grown / number, empty
