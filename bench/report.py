"""The samples of a run, what they amount to, and the limits that tvpn holds itself to.

``python -m bench.report FILE`` shows a file of bench/results again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.pairs import CBC, CIPHER, CIPHERS, PAIRS, TAP, WIREGUARD

UP, DOWN = "TCP up Mbit/s", "TCP down Mbit/s"
UP_FOUR, DOWN_FOUR = "4 TCP streams up Mbit/s", "4 TCP streams down Mbit/s"
LARGE, SMALL = "UDP 1300 B packets/s", "UDP 64 B packets/s"
PING, LOADED = "idle ping ms", "ping beside TCP up ms"
CPU = "CPU of both ends s/GiB"
HANDSHAKE, MEMORY, EMPTY = "server CPU ms/handshake", "KiB/idle client", "KiB without clients"
OF_PAIRS = (UP, DOWN, UP_FOUR, DOWN_FOUR, LARGE, SMALL, PING, LOADED, CPU)
OF_CIPHERS = (UP, DOWN, CPU)
OF_SERVERS = (HANDSHAKE, MEMORY, EMPTY)
OF_ALL_CIPHERS = tuple(pair for pair in PAIRS if pair not in (TAP, WIREGUARD))
SERVERS = ("stock", "tvpn")
OURS = ("tvpn-tvpn", "stock-tvpn", "tvpn-stock")


class Sample(NamedTuple):
    """One value: measured in which round, on which pair (or server), with which cipher."""

    round: int
    what: str
    who: str
    cipher: str
    value: float


class Limit(NamedTuple):
    """How much at least (or at most) of what stock has in the same run; frames are compared with our own packets."""

    what: str
    who: str
    cipher: str
    relation: str
    factor: float

    @property
    def stock(self) -> str:
        if self.who == TAP:
            return "tvpn-tvpn"
        return "stock-stock" if self.who in PAIRS else "stock"

    def met(self, ratio: float) -> bool:
        return ratio >= self.factor if self.relation == "at least" else ratio <= self.factor


LIMITS = (
    *(Limit(what, who, CIPHER, "at least", 1.5 if who == "tvpn-tvpn" else 1.0) for what in (UP, DOWN) for who in OURS),
    *(Limit(what, TAP, CIPHER, "at least", 0.9) for what in (UP, DOWN)),
    *(Limit(SMALL, who, CIPHER, "at least", 0.8) for who in OURS),
    *(Limit(PING, who, CIPHER, "at most", 3.0 if who == "tvpn-tvpn" else 2.0) for who in OURS),
    *(Limit(what, who, CBC, "at least", 0.8) for what in (UP, DOWN) for who in OURS),
    Limit(HANDSHAKE, "tvpn", CIPHER, "at most", 2.0),
    Limit(MEMORY, "tvpn", CIPHER, "at most", 1.0),
)


@dataclass
class Report:
    """Everything that a run found out."""

    machine: dict[str, str]
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def values(self, what: str, who: str, cipher: str = CIPHER) -> dict[int, float]:
        """round -> value."""
        return {s.round: s.value for s in self.samples if (s.what, s.who, s.cipher) == (what, who, cipher)}

    def ratios(self, limit: Limit) -> list[float]:
        """That of the medians, then those of the single rounds in order of size; nothing, if it was not measured."""
        own = self.values(limit.what, limit.who, limit.cipher)
        stock = self.values(limit.what, limit.stock, limit.cipher)
        rounds = sorted(own[number] / stock[number] for number in own.keys() & stock.keys())
        return [median(own.values()) / median(stock.values()), *rounds] if rounds else []

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Report:
    """What ``save`` wrote."""
    saved = json.loads(path.read_text())
    return Report(saved["machine"], [Sample(*sample) for sample in saved["samples"]], saved["failures"])


def text(report: Report) -> str:
    """All of it, to be read on a terminal."""
    lines = [f"{name}: {value}" for name, value in report.machine.items()]
    lines += table(report, CIPHER, OF_PAIRS, tuple(PAIRS), CIPHER)
    for cipher in CIPHERS[1:]:
        lines += table(report, cipher, OF_CIPHERS, OF_ALL_CIPHERS, cipher)
    lines += table(report, "handshakes, memory", OF_SERVERS, SERVERS, CIPHER)
    return "\n".join([*lines, *limits(report), *failures(report), ""])


def table(report: Report, title: str, rows: tuple[str, ...], columns: tuple[str, ...], cipher: str) -> list[str]:
    """Medians, and under each from where to where the rounds went."""
    lines = []
    for what in rows:
        cells = [sorted(report.values(what, who, cipher).values()) for who in columns]
        if any(cells):
            lines.append(f"{what:<28}" + "".join(f"{figure(median(cell)) if cell else '-':>18}" for cell in cells))
            spreads = [f"{figure(cell[0])} to {figure(cell[-1])}" if len(cell) > 1 else "" for cell in cells]
            lines += ["".join([" " * 28, *(f"{spread:>18}" for spread in spreads)])] if any(spreads) else []
    heading = f"{title:<28}" + "".join(f"{who:>18}" for who in columns)
    return ["", heading, *lines] if lines else []


def limits(report: Report) -> list[str]:
    """Ratios of the medians, and between which the single rounds were: near a limit the verdict is chance."""
    lines = ["", f"{'times what stock has':<28}{'':<16}{'is':>6}  {'rounds':<16}limit"]
    for limit in LIMITS:
        what = limit.what if limit.cipher == CIPHER else f"{limit.what} CBC"
        ratios = report.ratios(limit)
        if ratios:
            spread = f"{ratios[1]:.2f} to {ratios[-1]:.2f}"
            verdict = "met" if limit.met(ratios[0]) else "MISSED"
            shown = f"{ratios[0]:>6.2f}  {spread:<16}"
        else:
            shown, verdict = f"{'-':>6}  {'':<16}", "not measured"
        lines.append(f"{what:<28}{limit.who:<16}{shown}{limit.relation} {limit.factor}: {verdict}")
    return lines


def failures(report: Report) -> Iterator[str]:
    if report.failures:
        yield from ("", "failed:", *report.failures)


def figure(value: float) -> str:
    """Three digits at least, and no more behind the point than that takes."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    print(text(load(Path(sys.argv[1]))), end="")
