"""What can be measured on a tunnel, or of a server; each function does it once."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.pairs import Tunnel, ends
from bench.wireguard import INNER_CLIENT
from tests.lab import Program, two_hosts
from tests.openvpn.peers import INNER_V4

GIB = 1 << 30
#: IPv4 and UDP, bytes, and what a frame has beside.
HEADERS, FRAME = 28, 14
INNER = {"server": INNER_V4, "client": INNER_CLIENT}
#: Sends datagrams of one size, one in each system call, until it is ended.
FLOOD = """
import contextlib, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((sys.argv[1], 9))
payload = bytes(int(sys.argv[2]))
print("sending", flush=True)
while True:
    with contextlib.suppress(OSError):
        while True:
            sock.send(payload)
"""
#: Has the port they go to, so that they are no errors.
SINK = """
import signal, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], 9))
print("bound", flush=True)
signal.pause()
"""


def cpu_seconds(program: Program) -> float:
    """What a process has run, all its threads together; exact, where utime and stime only count ticks."""
    tasks = Path(f"/proc/{program.process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_kib(program: Program) -> int:
    with open(f"/proc/{program.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


@contextmanager
def listening(place: Tunnel) -> Iterator[None]:
    """An iperf3 at the server's end, for one run."""
    listener = place.lab.spawn("server", "iperf3", "-s", "-1", "--forceflush", "-B", INNER_V4, name="iperf3")
    listener.wait_for("Server listening")
    yield
    listener.stop()


def iperf(place: Tunnel, seconds: int, *words: str) -> dict[str, Any]:
    """What iperf3 says at the end of a run; ``-R`` among the words sends from the server."""
    with listening(place):
        more = ("-t", str(seconds), "-J", *words)
        done = place.lab.run("client", "iperf3", "-c", INNER_V4, *more, seconds=seconds + 30)
    end: dict[str, Any] = json.loads(done.stdout)["end"]
    return end


def throughput(place: Tunnel, seconds: int, streams: int, *words: str) -> tuple[float, float]:
    """(Mbit/s of TCP that arrive, CPU seconds of both ends for each GiB of it)."""
    before = cpu_seconds(place.server) + cpu_seconds(place.client)
    total = iperf(place, seconds, "-P", str(streams), *words)["sum_received"]
    spent = cpu_seconds(place.server) + cpu_seconds(place.client) - before
    return total["bits_per_second"] / 1e6, spent * GIB / total["bytes"]


def arrived(place: Tunnel, host: str, size: int) -> int:
    """Datagrams of this payload that the tunnel has given to a host's kernel. A super-packet of several counts as one
    packet there, with one IP and UDP header; the rest of its bytes tells how many it was.
    """
    device = json.loads(place.lab.ip(host, "-j", "-s", "addr", "show", "to", INNER[host]))[0]
    received = device["stats64"]["rx"]
    headers = HEADERS + (FRAME if device["ifname"].startswith("tap") else 0)
    return int((received["bytes"] - headers * received["packets"]) // size)


def packets(place: Tunnel, seconds: int, size: int, host: str = "server") -> float:
    """How many datagrams of this payload a second arrive at a host while as many as possible are sent. Nobody reads
    them: what takes part in it is the tunnel, not a program that cannot keep up.
    """
    sender = "client" if host == "server" else "server"
    sink = place.lab.spawn(host, sys.executable, "-c", SINK, INNER[host], name="sink")
    sink.wait_for("bound")
    flood = place.lab.spawn(sender, sys.executable, "-c", FLOOD, INNER[host], str(size), name="flood")
    flood.wait_for("sending")
    time.sleep(0.5)
    began, before = time.monotonic(), arrived(place, host, size)
    time.sleep(seconds)
    result = (arrived(place, host, size) - before) / (time.monotonic() - began)
    flood.stop()
    sink.stop()
    return result


def latency(place: Tunnel, number: int = 51) -> float:
    """Median round trip, ms."""
    done = place.lab.run("client", "ping", "-n", "-c", str(number), "-i", "0.02", INNER_V4)
    return median(float(found) for found in re.findall(r"time=([0-9.]+) ms", done.stdout))


def loaded_latency(place: Tunnel, seconds: int) -> float:
    """The same while one TCP stream goes up as fast as it can."""
    with listening(place):
        load = place.lab.spawn("client", "iperf3", "-c", INNER_V4, "-t", str(seconds + 1), "--forceflush", name="load")
        load.wait_for("connected to")
        time.sleep(0.5)
        result = latency(place, seconds * 50 - 25)
        load.stop()
    return result


def clients(server: str, number: int) -> tuple[float, float, float]:
    """(server CPU ms of a handshake, KiB it grows by an idle client, KiB without any), ``number`` stock clients."""
    with two_hosts() as lab:
        files = ends(lab, "idle", server)
        serving = files.serve_stock() if server == "stock" else files.serve()
        empty = resident_kib(serving)
        files.join_stock()
        time.sleep(0.5)
        cpu, resident = cpu_seconds(serving), resident_kib(serving)
        for _ in range(number):
            files.join_stock()
        time.sleep(0.5)
        grown = resident_kib(serving) - resident
        return (cpu_seconds(serving) - cpu) / number * 1000, grown / number, empty
