"""What a profile says about a table: plain values, to and from JSON.

Counts are integers. Everything read from the data, and every statistic, is text: a value may be larger than
JSON's exact integers, finer than a float, or a date.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from valuation.errors import ReportError

FORMAT = "valuation-profile/1"


@dataclass(frozen=True)
class TopValue:
    """A value that occurs more than once, cut to 200 characters, and how often it occurs."""

    value: str
    count: int
    truncated: bool = False


@dataclass(frozen=True)
class FormatCount:
    """How many of the tested values of a text column have a form, such as `date` or `decimal`."""

    format: str
    matched: int
    tested: int


@dataclass(frozen=True)
class Quantiles:
    """Values below which a share of the column lies: observed values, no interpolation.

    `every` is 1 where all values were used, else the step of the systematic sample of rows.
    """

    values: Mapping[str, str]
    every: int


@dataclass(frozen=True)
class Histogram:
    """Exact counts in equally wide bins from `lower` to `upper`; the last bin holds `upper` itself."""

    lower: str
    upper: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Lengths:
    """Bytes of the shortest and the longest value of a text or binary column."""

    shortest: int
    longest: int


@dataclass(frozen=True)
class ColumnProfile:
    """What was counted in one column.

    `nulls`, `nan`, `positive_infinity`, `negative_infinity` and `values` add up to the rows; `blank` (empty
    or white space only) and `placeholders` ("n/a", "无", …) are among the values. `distinct`, the extremes
    and all statistics are over `values`. `distinct` is exact; where the values are long they were compared
    by SHA-256.
    """

    position: int
    name: str
    type: str
    kind: str
    nulls: int
    nan: int
    positive_infinity: int
    negative_infinity: int
    values: int
    distinct: int
    blank: int = 0
    placeholders: int = 0
    undecodable: int = 0
    minimum: str | None = None
    maximum: str | None = None
    mean: str | None = None
    deviation: str | None = None
    lengths: Lengths | None = None
    quantiles: Quantiles | None = None
    histogram: Histogram | None = None
    top: tuple[TopValue, ...] = ()
    formats: tuple[FormatCount, ...] = ()


@dataclass(frozen=True)
class TimeProfile:
    """The order of one time column, in the order of the rows.

    A step is the time from one row to the next that has a time. Cadence and gaps are those between the
    times in ascending order, so that one row out of place makes no gap: `cadence` is the most frequent
    difference, in seconds, the shorter of two equally frequent; `gaps` are differences longer than one and
    a half cadences, `missing` how many times of the cadence they leave out. `cadence_steps` is how many
    steps are a cadence long.
    """

    column: str
    position: int
    first: str | None
    last: str | None
    values: int
    distinct: int
    steps: int
    backward_steps: int
    standing_steps: int
    cadence: str | None
    cadence_steps: int
    gaps: int
    missing: int
    longest_gap: str | None

    @property
    def repeats(self) -> int:
        """Times that occur again: values less distinct values."""
        return self.values - self.distinct


@dataclass(frozen=True)
class Profile:
    """What was counted in a table. `duplicate_rows` is rows less distinct rows, exact, over all files."""

    rows: int
    files: int
    columns: tuple[ColumnProfile, ...]
    time_columns: tuple[TimeProfile, ...] = ()
    duplicate_rows: int = 0
    schema_differences: tuple[str, ...] = field(default=())

    def column(self, name: str) -> ColumnProfile:
        """The first column called `name`, white space around it aside; raises ReportError where there is none."""
        for column in self.columns:
            if column.name.strip() == name.strip():
                return column
        raise ReportError(f"The profile has no column {name!r}.")

    def time_column(self, name: str) -> TimeProfile:
        """The order of the first time column called `name`; raises ReportError where there is none."""
        for column in self.time_columns:
            if column.column.strip() == name.strip():
                return column
        raise ReportError(f"The profile has no time column {name!r}.")

    def without_values(self, columns: Collection[str]) -> Profile:
        """The same profile without any value read from the named columns: only their counts stay.

        For showing a profile to others when those columns are sensitive.
        """
        hidden = {name.strip() for name in columns}
        blank: dict[str, Any] = dict.fromkeys(("minimum", "maximum", "mean", "deviation", "quantiles", "histogram"))
        return replace(
            self,
            columns=tuple(
                replace(column, **blank, top=()) if column.name.strip() in hidden else column for column in self.columns
            ),
            time_columns=tuple(
                replace(column, first=None, last=None) if column.column.strip() in hidden else column
                for column in self.time_columns
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values that RFC 8785 can encode."""
        document: dict[str, Any] = {"format": FORMAT, **_plain(asdict(self))}
        for time, value in zip(self.time_columns, document["time_columns"], strict=True):
            value["repeats"] = time.repeats
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """The profile that `to_json` wrote. Raises ReportError for anything else."""
        try:
            if document["format"] != FORMAT:
                raise ReportError(f"A profile of format {document['format']!r} cannot be read.")
            return cls(
                rows=int(document["rows"]),
                files=int(document["files"]),
                columns=tuple(_column(value) for value in document["columns"]),
                time_columns=tuple(_time(value) for value in document["time_columns"]),
                duplicate_rows=int(document["duplicate_rows"]),
                schema_differences=tuple(document["schema_differences"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReportError(f"This is no profile: {error!r}.") from error


def _column(document: Mapping[str, Any]) -> ColumnProfile:
    values = dict(document)
    shapes: dict[str, Any] = {"lengths": Lengths, "quantiles": Quantiles, "histogram": Histogram}
    for name, shape in shapes.items():
        values[name] = None if document[name] is None else shape(**document[name])
    if values["histogram"] is not None:
        values["histogram"] = replace(values["histogram"], counts=tuple(values["histogram"].counts))
    values["top"] = tuple(TopValue(**value) for value in document["top"])
    values["formats"] = tuple(FormatCount(**value) for value in document["formats"])
    return ColumnProfile(**values)


def _time(document: Mapping[str, Any]) -> TimeProfile:
    return TimeProfile(**{name: value for name, value in document.items() if name != "repeats"})


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
