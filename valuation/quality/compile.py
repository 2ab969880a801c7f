"""Rules as SQL: how many records a rule was tested on and how many passed, every value a bound parameter."""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from valuation.errors import RuleError, SourceError
from valuation.profile.columns import BLANK, PLACEHOLDERS
from valuation.quality.rules import Rule, decimal, moment
from valuation.source import Column, Source

# SQL that is true for a record and its bound values.
Claim = tuple[str, list[object]]

_NUMBERS: Final = ("integer", "decimal", "float")
_TYPES: Final = {
    "integer": "HUGEINT",
    "decimal": "DECIMAL(38, 10)",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}


def find(source: Source, name: str) -> Column:
    """The column of that name, white space around it aside. Raises RuleError where there is none, or several."""
    found = [column for column in source.columns if column.name.strip() == name.strip()]
    if len(found) != 1:
        raise RuleError(f"There is no column {name!r}." if not found else f"{name!r} names several columns.")
    return found[0]


def evaluate(source: Source, rule: Rule) -> tuple[int, int]:
    """Records that passed the rule and records it was tested on: those in which none of its columns is null.

    Raises RuleError where a column is missing or of a kind the rule cannot test.
    """
    columns = [find(source, name) for name in rule.columns]
    present = " AND ".join(f"{column.ref} IS NOT NULL" for column in columns)
    try:
        if rule.kind == "unique":
            refs = ", ".join(column.ref for column in columns)
            row = source.row(
                f"SELECT (SELECT count(*) FROM (SELECT DISTINCT {refs} FROM s WHERE {present})), "
                f"(SELECT count(*) FROM s WHERE {present})"
            )
        else:
            if rule.kind == "filled":
                present = "true"
            claim, values = _CLAIMS[rule.kind](columns, rule.parameters)
            row = source.row(f"SELECT count(*) FILTER ({claim}), count(*) FROM s WHERE {present}", values)
    except SourceError as error:
        raise RuleError(f"The rule {rule.name} cannot be tested: {error.__cause__}".splitlines()[0]) from error
    return int(row[0]), int(row[1])


def is_filled(column: Column) -> Claim:
    """True where a cell holds a value: no null, no NaN, no blank, and no word that stands for a missing value."""
    if column.kind == "float":
        return f"({column.ref} IS NOT NULL AND NOT isnan({column.ref}))", []
    if column.kind != "string":
        return f"({column.ref} IS NOT NULL)", []
    return (
        f"({column.ref} IS NOT NULL AND trim({column.ref}, ?) != '' AND NOT list_contains(?, lower({column.ref})))",
        [BLANK, list(PLACEHOLDERS)],
    )


def _bound(column: Column, value: object) -> Claim:
    """A bound of the column's own kind."""
    if column.kind in _NUMBERS:
        number = decimal(value)
        return ("?", [float(number)]) if column.kind == "float" else ("?", [number])
    if column.kind == "timestamp" and column.type == "TIMESTAMP WITH TIME ZONE":
        return "?::TIMESTAMPTZ", [moment(value).isoformat()]
    if column.kind in ("timestamp", "date"):
        return "?::TIMESTAMP", [moment(value).replace(tzinfo=None).isoformat()]
    raise RuleError(f"{column.name!r} is {column.type} and has no range.")


def _range(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    claims, values = [], []
    for name, operator in (("minimum", ">="), ("maximum", "<=")):
        if name in parameters:
            placeholder, bound = _bound(columns[0], parameters[name])
            claims.append(f"{columns[0].ref} {operator} {placeholder}")
            values += bound
    if columns[0].kind == "float":
        claims.append(f"NOT isnan({columns[0].ref})")  # DuckDB sorts NaN above every number.
    return " AND ".join(claims), values


def _accepted(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    return f"list_contains(?, {columns[0].ref}::VARCHAR)", [[str(value) for value in parameters["values"]]]


def _pattern(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    return f"regexp_full_match({columns[0].ref}::VARCHAR, ?)", [parameters["regex"]]


def _length(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    size = f"length({columns[0].ref}::VARCHAR)"
    bounds = [("minimum", ">="), ("maximum", "<=")]
    given = [(operator, parameters[name]) for name, operator in bounds if name in parameters]
    return " AND ".join(f"{size} {operator} ?" for operator, _ in given), [value for _, value in given]


def _parses(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    return f"TRY_CAST({columns[0].ref}::VARCHAR AS {_TYPES[parameters['as']]}) IS NOT NULL", []


def _compare(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    # The operator was checked against the six known ones when the rule was made.
    return f"{columns[0].ref} {parameters['operator']} {columns[1].ref}", []


def _sum(columns: Sequence[Column], parameters: Mapping[str, Any]) -> Claim:
    if any(column.kind not in _NUMBERS for column in columns):
        raise RuleError("Only numbers can be added up.")
    total = " + ".join(f"{column.ref}::DOUBLE" for column in columns[:-1])
    return f"abs({total} - {columns[-1].ref}::DOUBLE) <= ?", [float(decimal(parameters["tolerance"]))]


def _filled(columns: Sequence[Column], _parameters: Mapping[str, Any]) -> Claim:
    return is_filled(columns[0])


_CLAIMS: Final[Mapping[str, Callable[[Sequence[Column], Mapping[str, Any]], Claim]]] = {
    "range": _range,
    "accepted": _accepted,
    "pattern": _pattern,
    "length": _length,
    "parses": _parses,
    "compare": _compare,
    "sum": _sum,
    "filled": _filled,
}
