"""Quality rules and declarations: data, checked when they are made.

A rule is a kind, columns and parameters; it is counted as tested and passed, and adds to one indicator of
GB/T 36344. A declaration says what cannot be read from a table: which columns must be filled, which are
keys, what period the data covers, and counts from elsewhere such as a truth sample or the exchange's own
fetches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

from valuation.errors import RuleError
from valuation.quality.catalogue import catalogue

# For each kind: the indicator it adds to, the least and the most columns, required and optional parameters.
KINDS: Final[Mapping[str, tuple[str, int, int, frozenset[str], frozenset[str]]]] = MappingProxyType(
    {
        "range": ("dirty_data_rate", 1, 1, frozenset(), frozenset({"minimum", "maximum"})),
        "accepted": ("reference_data", 1, 1, frozenset({"values"}), frozenset()),
        "pattern": ("format_compliance", 1, 1, frozenset({"regex"}), frozenset()),
        "length": ("format_compliance", 1, 1, frozenset(), frozenset({"minimum", "maximum"})),
        "parses": ("format_compliance", 1, 1, frozenset({"as"}), frozenset()),
        "unique": ("uniqueness", 1, 32, frozenset(), frozenset()),
        "compare": ("related_data", 2, 2, frozenset({"operator"}), frozenset()),
        "sum": ("related_data", 3, 64, frozenset({"tolerance"}), frozenset()),
        "filled": ("business_rules", 1, 1, frozenset(), frozenset()),
    }
)
OPERATORS: Final = ("<", "<=", "=", ">=", ">", "!=")
PARSED: Final = ("integer", "decimal", "date", "timestamp", "boolean")


@dataclass(frozen=True)
class Rule:
    """One rule. Raises RuleError for an unknown kind, indicator, parameter or a wrong number of columns."""

    kind: str
    columns: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    indicator: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RuleError(f"There is no rule of kind {self.kind!r}; known are {', '.join(KINDS)}.")
        indicator, least, most, required, optional = KINDS[self.kind]
        if isinstance(self.columns, str) or not least <= len(self.columns) <= most:
            raise RuleError(f"A rule of kind {self.kind} names {least} to {most} columns, not {self.columns!r}.")
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "indicator", self.indicator or indicator)
        catalogue().indicator(self.indicator)
        given = set(self.parameters)
        if not required <= given <= required | optional:
            raise RuleError(f"A rule of kind {self.kind} takes {sorted(required | optional)}, not {sorted(given)}.")
        if optional and not given:
            raise RuleError(f"A rule of kind {self.kind} needs one of {sorted(optional)}.")
        _check_parameters(self.kind, self.parameters)
        if not self.name:
            object.__setattr__(self, "name", f"{self.kind}({', '.join(self.columns)})")

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON values."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "parameters": dict(self.parameters),
            "indicator": self.indicator,
            "name": self.name,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rule:
        """The rule of such JSON. Raises RuleError for anything else."""
        try:
            return cls(**document)
        except TypeError as error:
            raise RuleError(f"This is no rule: {error}.") from error


def _check_parameters(kind: str, parameters: Mapping[str, Any]) -> None:
    if kind == "compare" and parameters["operator"] not in OPERATORS:
        raise RuleError(f"A comparison is one of {' '.join(OPERATORS)}, not {parameters['operator']!r}.")
    if kind == "parses" and parameters["as"] not in PARSED:
        raise RuleError(f"A text can be parsed as {', '.join(PARSED)}, not as {parameters['as']!r}.")
    if kind == "pattern" and not isinstance(parameters["regex"], str):
        raise RuleError("A pattern is a regular expression in a text.")
    if kind == "accepted" and (not isinstance(parameters["values"], (list, tuple)) or not parameters["values"]):
        raise RuleError("Accepted values are a list that is not empty.")
    if kind == "length" and any(not isinstance(bound, int) for bound in parameters.values()):
        raise RuleError("A length is a whole number of characters.")
    if kind == "sum":
        decimal(parameters["tolerance"])


def decimal(value: object) -> Decimal:
    """A finite decimal from a whole number or a text. Raises RuleError for anything else, floats included."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise RuleError(f"{value!r} is not a number; give decimals as text.")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise RuleError(f"{value!r} is not a number.") from error
    if not number.is_finite():
        raise RuleError(f"{value!r} is not a finite number.")
    return number


def moment(value: object) -> dt.datetime:
    """A time from RFC 3339 text; without a zone it is taken as it stands. Raises RuleError for anything else."""
    if not isinstance(value, str):
        raise RuleError(f"{value!r} is not a time; give it as text.")
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise RuleError(f"{value!r} is not a time as in 2024-01-31T08:00:00Z.") from error


@dataclass(frozen=True)
class Declaration:
    """What the publisher or the exchange states about a table; all of it is printed in the report.

    `mandatory` columns must be filled in every record (without it, all of them); `keys` are columns that
    together occur once; `time_axis` is the column the records follow; `schema` gives the kind of each
    column that must be there; `period` is the first and the last time the data covers; `expected_records`
    how many records there should be; `cadence` the seconds from one time to the next; `counts` gives
    numerator and denominator of indicators that no table can show, from a check named in `sources`.
    """

    mandatory: tuple[str, ...] | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    time_axis: str | None = None
    schema: Mapping[str, str] = field(default_factory=dict)
    period: tuple[str, str] | None = None
    expected_records: int | None = None
    cadence: str | None = None
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for indicator, (numerator, denominator) in self.counts.items():
            catalogue().indicator(indicator)
            if not 0 <= numerator <= denominator or denominator == 0:
                raise RuleError(f"{indicator}: {numerator} of {denominator} is no share.")
        if self.expected_records is not None and self.expected_records < 1:
            raise RuleError("The number of expected records is at least one.")
        if self.cadence is not None and decimal(self.cadence) <= 0:
            raise RuleError("A cadence is longer than no time.")
        if self.period is not None:
            first, last = (moment(value) for value in self.period)
            if (first.tzinfo is None) != (last.tzinfo is None) or first > last:
                raise RuleError("A period begins before it ends, both with or both without a zone.")

    def to_json(self) -> dict[str, Any]:
        """The declaration as JSON values, without what was not declared."""
        document = {
            "mandatory": None if self.mandatory is None else list(self.mandatory),
            "keys": [list(key) for key in self.keys],
            "time_axis": self.time_axis,
            "schema": dict(self.schema),
            "period": None if self.period is None else list(self.period),
            "expected_records": self.expected_records,
            "cadence": self.cadence,
            "counts": {name: list(count) for name, count in self.counts.items()},
            "sources": dict(self.sources),
        }
        return {name: value for name, value in document.items() if value not in (None, [], {})}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Declaration:
        """The declaration that `to_json` wrote. Raises RuleError for anything else."""
        values = dict(document)
        try:
            for name in ("mandatory", "period"):
                if values.get(name) is not None:
                    values[name] = _texts(values[name])
            values["keys"] = tuple(_texts(key) for key in values.get("keys", ()))
            values["counts"] = {name: (int(a), int(b)) for name, (a, b) in values.get("counts", {}).items()}
            return cls(**values)
        except (TypeError, ValueError, AttributeError) as error:
            raise RuleError(f"This is no declaration: {error}.") from error


def _texts(values: Sequence[object]) -> tuple[Any, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} is not a list of texts")
    return tuple(values)
