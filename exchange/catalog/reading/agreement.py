"""Several files as one table: the same columns in all of them, and one type for each column over all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from exchange.catalog.reading.decide import decide, remarks
from exchange.catalog.reading.errors import ReadingError, ReadingWarning
from exchange.catalog.reading.model import ColumnGuess
from exchange.catalog.reading.profile import Profile, merge
from exchange.catalog.reading.types import DATE_TYPES, TEXT, ColumnType, parse_type

Profiles = dict[str, Profile]


@dataclass(frozen=True)
class Columns:
    """The columns of a table of text cells: the types to read them as, as shown, and the remarks."""

    kinds: dict[str, ColumnType]
    guesses: tuple[ColumnGuess, ...]
    remarks: tuple[ReadingWarning, ...]

    @property
    def schema(self) -> pa.Schema:
        """The schema in Parquet."""
        return pa.schema([pa.field(name, kind.arrow) for name, kind in self.kinds.items()])


def agree_on_names(files: Sequence[tuple[str, Sequence[str]]]) -> list[ReadingWarning]:
    """Return remarks on files whose columns stand in another order than in the first.

    Raises ReadingError naming the first file and column that differ.
    """
    found = []
    first_file, first = files[0]
    for file, names in files[1:]:
        for name in names:
            if name not in first:
                raise _differs(file, name, first_file, missing_in=first_file)
        for name in first:
            if name not in names:
                raise _differs(file, name, first_file, missing_in=file)
        if list(names) != list(first):
            found.append(
                ReadingWarning(
                    "column-order",
                    file,
                    f"The columns of {file} stand in another order than in {first_file}; they were matched by name.",
                    f"{file} 的列次序与 {first_file} 不同，已按列名对应。",
                )
            )
    return found


def _differs(file: str, column: str, first_file: str, *, missing_in: str) -> ReadingError:
    has = file if missing_in == first_file else first_file
    return ReadingError(
        "different-columns",
        field=f"{file}: {column}",
        reason=(
            f"The files are no one table: {has} has the column “{column}”, {missing_in} has not.",
            f"这些文件不能合为一表：{has} 有列“{column}”，而 {missing_in} 没有。",
        ),
        mend=(
            "Give all files the same columns, or publish them as datasets of their own.",
            "请使所有文件的列一致，或分别发布为不同的数据集。",
        ),
    )


def agree_on_types(files: Sequence[tuple[str, Profiles]], overrides: Mapping[str, str]) -> Columns:
    """Return the columns of the table whose rows were profiled, `overrides` (column to type) applied.

    Raises ReadingError where a column holds different kinds of values in different files, and for an override that
    names no column or no type.
    """
    names = list(files[0][1])
    check_overrides(overrides, names)
    kinds: dict[str, ColumnType] = {}
    guesses, found = [], []
    for name in names:
        profile = merge(profiles[name] for _, profiles in files)
        decision = decide(profile)
        kind = decision.kind
        if name in overrides:
            kind = _overridden(name, overrides[name], (decision.kind, *decision.alternatives))
        elif kind is TEXT:
            found += _check_same_kind(name, files)
        alternatives = tuple(
            dict.fromkeys(other.spelling for other in (decision.kind, *decision.alternatives) if other != kind)
        )
        guesses.append(ColumnGuess(name, kind.spelling, profile.example, _nulls(profile, kind), alternatives))
        kinds[name] = kind
        found += remarks(profile, kind)
    return Columns(kinds, tuple(guesses), tuple(found))


def check_overrides(overrides: Mapping[str, str], names: Sequence[str]) -> None:
    """Raise ReadingError if an override names no column of the table."""
    for name in overrides:
        if name not in names:
            raise ReadingError(
                "unknown-column",
                field=name,
                reason=(f"The table has no column “{name}”.", f"表中没有列“{name}”。"),
                mend=("Name one of the columns shown.", "请指定所列出的列名。"),
            )


def _overridden(name: str, spelling: str, known: Sequence[ColumnType]) -> ColumnType:
    """Return the type that the publisher chose, in the notation that the column is written in if none is named."""
    chosen = parse_type(spelling, name)
    same = [kind for kind in known if kind.spelling == chosen.spelling]
    if same:
        return same[0]
    readings = {kind.notation for kind in known if kind.name in DATE_TYPES}
    if chosen.name in DATE_TYPES and "[" not in spelling and len(readings) == 1:
        fine = any(kind.nanoseconds for kind in known)
        return ColumnType(chosen.name, readings.pop(), fine and chosen.name != "date")
    return chosen


def _nulls(profile: Profile, kind: ColumnType) -> int:
    """Return how many cells have no value once the column is read as `kind`."""
    if kind is TEXT:
        return profile.nulls
    return profile.nulls + sum(seen.count for form, seen in profile.forms.items() if form.family == "missing")


def _check_same_kind(name: str, files: Sequence[tuple[str, Profiles]]) -> list[ReadingWarning]:
    """Judge a column that is text over all files together although it is something else in one of them.

    Raises ReadingError if free text meets numbers or times. Where the notation only needs text (leading zeros in one
    file), it returns a remark.
    """
    filled = [(file, profiles[name]) for file, profiles in files if profiles[name].values()]
    decided = [(file, profile, decide(profile).kind) for file, profile in filled]
    kinds = {kind for _, _, kind in decided}
    if len(kinds) < 2:
        return []
    first_file, first, first_kind = decided[0]
    other_file, other, other_kind = next(item for item in decided if item[2] != first_kind)
    families = {kind.name for kind in kinds if kind is not TEXT}
    numbers_only = families <= {"int64", "float64"}
    if any(profile.free for _, profile, _ in decided) or not (numbers_only or families <= set(DATE_TYPES)):
        free = other.free or first.free
        seen = f" (row {free.row})" if free else ""
        seen_zh = f"（第 {free.row} 行）" if free else ""
        first_name, other_name = first_kind.spelling, other_kind.spelling
        raise ReadingError(
            "different-types",
            field=f"{other_file}: {name}",
            reason=(
                f"The column “{name}” is {first_name} in {first_file} but {other_name} in {other_file}{seen}.",
                f"列“{name}”在 {first_file} 中为 {first_name}，在 {other_file} 中为 {other_name}{seen_zh}。",
            ),
            mend=(
                "Mend the cells that differ, or choose text as the type of this column.",
                "请修正不一致的单元格，或将该列类型选为 text。",
            ),
        )
    return [
        ReadingWarning(
            "widened-to-text",
            name,
            f"Column “{name}” is {first_kind.spelling} in {first_file} and {other_kind.spelling} in {other_file}; "
            "it is text in the table.",
            f"列“{name}”在 {first_file} 中为 {first_kind.spelling}，在 {other_file} 中为 {other_kind.spelling}；合表后为文本。",
        )
    ]
