"""Every pair instead of every combination: a few rows in which any two values of two factors meet at least once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]


def all_pairs(factors: Mapping[str, Sequence[str]]) -> set[Pair]:
    """Any two values of two factors."""
    return {
        ((one, a), (other, b))
        for one, other in combinations(factors, 2)
        for a in factors[one]
        for b in factors[other]
    }  # fmt: skip


def pairs_of(row: Row) -> set[Pair]:
    """The pairs that meet in a row."""
    return set(combinations(row.items(), 2))


def cover(factors: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows in which all pairs meet; always the same rows for the same factors.

    Greedy: each row begins with a pair that has not met yet, and each further value is the one that makes the most new
    pairs with what the row has.
    """
    order = sorted(factors, key=lambda name: -len(factors[name]))
    wanted = all_pairs({name: factors[name] for name in order})
    rows = []
    while wanted:
        row = dict(min(wanted, key=lambda pair: _place(factors, pair)))
        for name in order:
            if name not in row:
                row[name] = _best(factors[name], name, row, wanted, order, len(rows))
        row = {name: row[name] for name in order}
        wanted -= pairs_of(row)
        rows.append(row)
    return rows


def _place(factors: Mapping[str, Sequence[str]], pair: Pair) -> tuple[object, ...]:
    """Where a pair stands among all of them."""
    names = list(factors)
    return tuple((names.index(name), factors[name].index(value)) for name, value in pair)


def _best(
    values: Sequence[str], name: str, row: Row, wanted: set[Pair], order: Sequence[str], turn: int
) -> str:
    """The value with the most new pairs; among equals another one each time."""
    turned = [*values[turn % len(values) :], *values[: turn % len(values)]]

    def gain(value: str) -> int:
        longer = {each: {**row, name: value}[each] for each in order if each in row or each == name}
        return len(wanted & pairs_of(longer))

    return max(turned, key=gain)
