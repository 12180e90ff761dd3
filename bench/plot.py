"""A picture of a report: a panel for each measure, a bar for each pair."""

from __future__ import annotations

from html import escape
from statistics import median

from bench.pairs import PAIRS
from bench.report import CPU, LOADED, PING, SMALL, UP, UP_FOUR, Report, figure

PANELS = (UP, UP_FOUR, SMALL, PING, LOADED, CPU)
COLOURS = dict(zip(PAIRS, ("#8c8c8c", "#7fa6c9", "#5b8db8", "#1f5f99", "#3f8f6b", "#c9a15b"), strict=True))
#: In pixels.
WIDTH, ROW, NAME, BAR, HEADING = 480, 22, 100, 260, 30


def plot(report: Report) -> str:
    """SVG; bars end at the median, thin lines show from where to where the rounds went."""
    panels = [panel(report, what) for what in PANELS]
    height = HEADING + ROW * len(PAIRS) + 14
    rows = (len(panels) + 1) // 2
    facts = list(report.machine.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{rows * height + 3 * HEADING}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        words(10, 20, "; ".join(facts[:2])),
        words(10, 40, "; ".join(facts[2:])),
    ]
    for number, lines in enumerate(panels):
        place = f"{number % 2 * WIDTH},{number // 2 * height + 2 * HEADING}"
        parts += [f'<g transform="translate({place})">', *lines, "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def panel(report: Report, what: str) -> list[str]:
    """One measure."""
    measured = {pair: sorted(report.values(what, pair).values()) for pair in PAIRS}
    largest = max((values[-1] for values in measured.values() if values), default=0) or 1
    lines = [words(10, 20, what, "font-weight='bold'")]
    for number, (pair, values) in enumerate(measured.items()):
        top = HEADING + number * ROW
        lines.append(words(10, top + 13, pair))
        if not values:
            lines.append(words(NAME, top + 13, "not measured"))
            continue
        middle, first, last = (value / largest * BAR for value in (median(values), values[0], values[-1]))
        lines += [
            f'<rect x="{NAME}" y="{top}" width="{middle:.1f}" height="{ROW - 6}" fill="{COLOURS[pair]}"/>',
            f'<path d="M{NAME + first:.1f} {top + 8}H{NAME + last:.1f}" stroke="black"/>',
            words(NAME + BAR + 10, top + 13, figure(median(values))),
        ]
    return lines


def words(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'
