"""``make bench``: tvpn, OpenVPN and wireguard-go side by side, interleaved in one run; what counts are the ratios.

Every round measures every pair once, so that whatever else the machine does hits all of them; see docs/benchmarks.rst.
"""

from __future__ import annotations

import argparse
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

from bench import report, wireguard
from bench.measure import clients, latency, loaded_latency, packets, throughput
from bench.pairs import CIPHER, CIPHERS, PAIRS, TAP, WIREGUARD, Tunnel, tunnel
from bench.plot import plot
from bench.report import Report, Sample
from tests.lab import ROOT, missing

RESULTS = Path(__file__).parent / "results"
#: What a measurement that went wrong ends with; the next one may go well.
WRONG = (AssertionError, OSError, subprocess.SubprocessError, ValueError, LookupError)
Values = Iterator[tuple[str, float]]


def measure_streams(place: Tunnel, seconds: int) -> Values:
    """One TCP stream each way, and what that costs."""
    up, cpu_up = throughput(place, seconds, 1)
    down, cpu_down = throughput(place, seconds, 1, "-R")
    yield from ((report.UP, up), (report.DOWN, down), (report.CPU, (cpu_up + cpu_down) / 2))


def measure_quickly(place: Tunnel, seconds: int) -> Values:
    """What ``make bench-quick`` measures on a pair."""
    yield report.PING, latency(place)
    yield from measure_streams(place, seconds)
    yield report.SMALL, packets(place, seconds, 64)


def measure_pair(place: Tunnel, seconds: int) -> Values:
    """All there is."""
    yield from measure_quickly(place, seconds)
    yield report.UP_FOUR, throughput(place, seconds, 4)[0]
    yield report.DOWN_FOUR, throughput(place, seconds, 4, "-R")[0]
    yield report.LARGE, packets(place, seconds, 1300)
    yield report.LOADED, loaded_latency(place, seconds)


class Run:
    """The rounds, which fill a report."""

    def __init__(self, options: argparse.Namespace, result: Report) -> None:
        self.options = options
        self.result = result
        self.round = 0

    def measure(self) -> None:
        pairs = [pair for pair in PAIRS if pair != WIREGUARD or wireguard.folder()]
        for number in range(1, self.options.rounds + 1):
            self.round = number
            print(f"round {self.round} of {self.options.rounds}", flush=True)
            for pair in pairs:
                self._keep(pair, CIPHER, self._on_tunnel(pair, CIPHER))
            for cipher in () if self.options.quick else CIPHERS[1:]:
                for pair in pairs:
                    if pair not in (TAP, WIREGUARD):
                        self._keep(pair, cipher, self._on_tunnel(pair, cipher))
            for server in report.SERVERS:
                self._keep(server, CIPHER, self._on_server(server))

    def _on_tunnel(self, pair: str, cipher: str) -> Values:
        with tunnel(pair, cipher) as place:
            measure = measure_quickly if self.options.quick else measure_pair if cipher == CIPHER else measure_streams
            yield from measure(place, self.options.seconds)

    def _on_server(self, server: str) -> Values:
        yield from zip(report.OF_SERVERS, clients(server, self.options.clients), strict=True)

    def _keep(self, who: str, cipher: str, values: Values) -> None:
        """Into the report, and onto the terminal, so that one sees it live."""
        print(f"  {who:<13}{cipher if who in PAIRS and who != WIREGUARD else '':<18}", end="", flush=True)
        try:
            for what, value in values:
                self.result.samples.append(Sample(self.round, what, who, cipher, value))
                print(f" {report.figure(value)}", end="", flush=True)
        except WRONG as error:
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            self.result.failures.append(f"round {self.round}, {who}, {cipher}: {reason}")
            print(f" failed, {reason}", end="")
        print(flush=True)


def describe_machine() -> dict[str, str]:
    """What and where."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    model = models[0] if models else platform.machine()
    other = wireguard.version()
    return {
        "date": str(date.today()),
        "machine": f"{len(models)} × {model}, Linux {platform.release()}, Python {platform.python_version()}",
        "tvpn": f"tvpn {version('tvpn')} {said('git', 'describe', '--always', '--dirty')}".strip(),
        "stock": f"{said('openvpn', '--version').split(' [', 1)[0]} without kernel offload",
        "wireguard-go": f"wireguard-go {other}" if other else "no wireguard-go: its package could not be had",
        "iperf3": said("iperf3", "--version").partition(" (")[0],
    }


def said(*argv: str) -> str:
    """The first line of a program's output; nothing if there is no such program."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, cwd=ROOT)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]


def positive(text: str) -> int:
    """A number that can be measured with."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.run", description="tvpn, OpenVPN and wireguard-go side by side")
    parser.add_argument("--rounds", type=positive, default=5, help="interleaved rounds, default 5")
    parser.add_argument("--seconds", type=positive, default=5, help="length of each run of traffic, default 5")
    parser.add_argument("--clients", type=positive, default=20, help="idle clients, default 20")
    parser.add_argument("--quick", action="store_true", help="fewer measures, and no file is written")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    reason = missing("openvpn", "iperf3", "ping")
    if reason is not None:
        print(f"the benchmark {reason}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = Report(describe_machine())
    try:
        Run(options, result).measure()
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken down again")
        return 1
    print(f"\n{report.text(result)}")
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{date.today()}.json"
        result.save(path)
        path.with_suffix(".svg").write_text(plot(result))
        print(f"written: {path} and its picture {path.stem}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
