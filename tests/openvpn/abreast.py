"""Several scenes at the same time, each in a lab of its own: while one waits, another goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from unittest import SkipTest

#: More would only wait for a processor: other tests run, too.
HANDS = 4
Case = TypeVar("Case")


def abreast(scene: Callable[[Case], None], cases: Iterable[Case]) -> None:
    """Play the scene with each case; one AssertionError names every case that went wrong, and how."""

    def play(case: Case) -> str | None:
        try:
            scene(case)
        except SkipTest:
            raise
        except Exception as error:
            return f"{case}: {type(error).__name__}: {error}"
        return None

    with ThreadPoolExecutor(HANDS) as pool:
        failures = [failure for failure in pool.map(play, cases) if failure is not None]
    if failures:
        raise AssertionError("\n\n".join(failures))
