"""A figure: what was measured, beside a peer or a limit measured in the same run, and the target that it must reach."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One line of output. `against_value`, `ratio` and `holds` are None where a peer is missing or no target is set."""

    name: str
    value: float
    unit: str
    against: str
    against_value: float | None = None
    ratio: float | None = None
    target: str = ""
    holds: bool | None = None

    def to_json(self) -> str:
        """Return the figure as one line of JSON, numbers with four significant digits."""
        fields = {name: _short(value) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return json.dumps(fields, ensure_ascii=False)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Return the values of each measure, taken in turn round by round, so that all meet the same moods of the machine."""
    taken: list[list[float]] = [[] for _ in measures]
    for number in range(rounds):
        # Every second round goes backwards, so that none always follows the same one.
        order = range(len(measures)) if number % 2 == 0 else reversed(range(len(measures)))
        for place in order:
            taken[place].append(measures[place]())
    return taken


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return statistics.median(top / bottom for top, bottom in zip(numerators, denominators, strict=True))
