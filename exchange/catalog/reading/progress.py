"""How far the reading of several files has come, as one figure that never falls."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.catalog.reading.model import Progress
from exchange.catalog.reading.source import Report


class Meter:
    """Weighs the phases of all files by their bytes. `files` are (name, bytes) in the order they are read."""

    def __init__(self, files: Sequence[tuple[str, int]], progress: Progress | None) -> None:
        self._files = files
        self._total = max(1, sum(size for _, size in files))
        self._progress = progress
        self._last = 0.0

    def phase(self, number: int, start: float, end: float) -> Report:
        """Return what reports on file `number` while all files together go from `start` to `end`."""
        name, size = self._files[number]
        before = sum(size for _, size in self._files[:number])

        def report(share: float) -> None:
            done = (before + size * min(1.0, share)) / self._total
            self._tell(start + (end - start) * done, name)

        return report

    def done(self) -> None:
        """Report the end."""
        self._tell(1.0, self._files[-1][0])

    def _tell(self, share: float, name: str) -> None:
        self._last = max(self._last, share)
        if self._progress:
            self._progress(self._last, name)
