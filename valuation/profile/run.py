"""The whole profile of a table of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from valuation.profile.columns import measure
from valuation.profile.distribution import add_distributions
from valuation.profile.duplicates import count_duplicates
from valuation.profile.model import ColumnProfile, Profile
from valuation.profile.time import KINDS, measure_order
from valuation.source import FileSchema, Source, open_source

Progress = Callable[[float, str], None]


def profile(
    paths: Sequence[Path],
    *,
    memory_limit: str = "512MB",
    temp_directory: Path,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Profile:
    """What is in the table made of the Parquet files `paths`, its rows in the order given.

    DuckDB keeps to `memory_limit` and spills into a folder of its own under `temp_directory`, which it
    removes. `progress` is called with the share done, from 0 to 1, and what is being done. Raises
    SourceError where a file cannot be read or the files do not belong together, ResourceError where memory
    and spill folder do not suffice.
    """
    report = progress or _silent
    with open_source(paths, memory_limit=memory_limit, temp_directory=temp_directory, threads=threads) as source:
        return profile_source(source, report)


def profile_source(source: Source, progress: Progress) -> Profile:
    """The profile of a table that is already open."""
    number = len(source.columns)
    measured = _told(measure(source, source.columns), _part(progress, 0.0, 0.6), number)
    spread = _told(add_distributions(source, measured), _part(progress, 0.6, 0.85), number)
    columns = sorted(spread, key=lambda column: column.position)
    progress(0.85, "checking the order of times")
    times = tuple(measure_order(source, column) for column in columns if column.kind in KINDS)
    progress(0.92, "looking for duplicate rows")
    duplicates = count_duplicates(source, columns)
    progress(1.0, "profiled")
    return Profile(
        rows=source.rows,
        files=len(source.files),
        columns=tuple(columns),
        time_columns=times,
        duplicate_rows=duplicates,
        schema_differences=tuple(_differences(source.files)),
    )


def _part(progress: Progress, start: float, stop: float) -> Progress:
    """The share of a progress from `start` to `stop`, itself from 0 to 1."""
    return lambda done, text: progress(start + (stop - start) * done, text)


def _told(items: Iterable[ColumnProfile], progress: Progress, number: int) -> list[ColumnProfile]:
    """All items, `progress` being told of each."""
    done: list[ColumnProfile] = []
    for item in items:
        done.append(item)
        progress(len(done) / number, f"measuring {item.name}")
    return done


def _differences(files: Sequence[FileSchema]) -> Iterator[str]:
    """Where the files name or type a column differently, white space and order included."""
    first = files[0]
    for file in files[1:]:
        for name, other, kind, other_kind in zip(first.names, file.names, first.types, file.types, strict=True):
            if name != other:
                yield f"{file.path.name}: {other!r} stands where {first.path.name} has {name!r}"
            elif kind != other_kind:
                yield f"{file.path.name}: {other!r} is {other_kind}, in {first.path.name} {kind}"


def _silent(_done: float, _text: str) -> None:
    return None
