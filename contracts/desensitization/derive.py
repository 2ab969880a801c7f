"""The plan that a table's grade and findings call for, as a first proposal to both parties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from contracts.desensitization.finding import Finding
from contracts.desensitization.keys import Keys
from contracts.desensitization.methods import prepare
from contracts.desensitization.model import ColumnRule, Plan
from contracts.errors import PlanError

# What a kind calls for at grades 1, 2 and 3, as (method, parameters); each grade hides no less than the one before.
_Rule = tuple[str, dict[str, Any]]
_SUPPRESS: _Rule = ("suppress", {})
_PSEUDONYM: _Rule = ("pseudonymize", {})
_RULES: dict[str, tuple[_Rule, _Rule, _Rule]] = {
    "resident_id": (_PSEUDONYM, _SUPPRESS, _SUPPRESS),
    "passport": (_PSEUDONYM, _SUPPRESS, _SUPPRESS),
    "mobile_phone": (
        ("mask", {"keep_first": 3, "keep_last": 4}),
        ("mask", {"keep_first": 3}),
        _SUPPRESS,
    ),
    "fixed_phone": (("mask", {"keep_first": 4}), _SUPPRESS, _SUPPRESS),
    "bank_card": (("mask", {"keep_last": 4}), _SUPPRESS, _SUPPRESS),
    "email": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "person_name": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "operator_name": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "plate": (("mask", {"keep_first": 2}), _PSEUDONYM, _SUPPRESS),
    "vin": (("generalize", {"prefix": 8}), _PSEUDONYM, _SUPPRESS),
    "ip": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "mac": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "gps": (("round", {"digits": 2}), ("round", {"digits": 1}), _SUPPRESS),
    "uscc": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "organisation_code": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "birth_date": (("generalize", {"unit": "year"}), ("generalize", {"unit": "year"}), _SUPPRESS),
    # Two values show through any pseudonym.
    "gender": (_SUPPRESS, _SUPPRESS, _SUPPRESS),
    "age": (("generalize", {"width": 5}), ("generalize", {"width": 10}), _SUPPRESS),
    "postcode": (("generalize", {"prefix": 3}), ("generalize", {"prefix": 2}), _SUPPRESS),
    "address": (("generalize", {"prefix": 6}), ("generalize", {"prefix": 3}), _SUPPRESS),
    "machine_serial": (_PSEUDONYM, _PSEUDONYM, _PSEUDONYM),
    "asset_tag": (_PSEUDONYM, _PSEUDONYM, _PSEUDONYM),
    "plc_tag": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "supplier_name": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    "customer_name": (_PSEUDONYM, _PSEUDONYM, _SUPPRESS),
    # The width comes from the finding, which has seen the values.
    "unit_price": (("generalize", {}), ("generalize", {}), _SUPPRESS),
    "recipe_parameter": (("generalize", {}), ("generalize", {}), _SUPPRESS),
}
_STEPPED = frozenset({"unit_price", "recipe_parameter"})
# Tried in this order where a kind's own method does not fit the column's type.
_FALLBACKS: tuple[_Rule, ...] = (_PSEUDONYM, _SUPPRESS)


def derive(schema: Any, findings: Iterable[Finding], grade: int) -> Plan:
    """One rule for every column of `schema`: what its findings call for at `grade` (1, 2 or 3), else kept.

    Of several findings on one column the strictest counts. At grade 3 times are generalised to the day. Columns of
    a nested type are kept only where nothing was found in them. Raises PlanError for another grade, or a finding of
    a column or kind that does not exist.
    """
    if grade not in (1, 2, 3) or isinstance(grade, bool):
        raise PlanError(
            f"There is no grade {grade!r}; the grades are 1, 2 and 3.", f"没有分级 {grade!r}，仅有 1、2、3 级。"
        )
    wanted: dict[str, list[Finding]] = {name: [] for name in schema.names}
    for finding in findings:
        if finding.column not in wanted or finding.kind not in _RULES:
            raise PlanError(
                f"The finding {finding.kind!r} on {finding.column!r} fits no column or kind.",
                f"“{finding.column}”列的识别结果 {finding.kind!r} 与列或类别不符。",
            )
        wanted[finding.column].append(finding)
    return Plan(tuple(_rule(column, wanted[column.name], grade) for column in schema))


def _rule(column: Any, findings: list[Finding], grade: int) -> ColumnRule:
    rules = [_for_finding(column, finding, grade) for finding in findings]
    if rules:
        return min(rules, key=_openness)
    if grade == 3 and (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return ColumnRule(column.name, "generalize", {"unit": "day"})
    return (
        ColumnRule(column.name, "keep") if _fits(ColumnRule(column.name, "keep"), column.type) else _suppressed(column)
    )


def _openness(rule: ColumnRule) -> int:
    return ("suppress", "pseudonymize", "tokenize", "mask", "generalize", "redact", "round", "keep").index(rule.method)


def _for_finding(column: Any, finding: Finding, grade: int) -> ColumnRule:
    method, parameters = _RULES[finding.kind][grade - 1]
    if finding.kind in _STEPPED and method == "generalize":
        # Grade 2 shows prices and setpoints in steps four times as wide as grade 1 does.
        parameters = {} if finding.width is None else {"width": finding.width * (4 if grade == 2 else 1)}
    choices = [(method, parameters)] if method != "generalize" or parameters else []
    if method == "generalize" and "unit" in parameters:
        # A date in text begins with its year and its month.
        choices.append((method, {"prefix": 4 if parameters["unit"] == "year" else 7}))
    for name, values in (*choices, *_FALLBACKS):
        rule = ColumnRule(column.name, name, values, reason=finding.kind)
        if _fits(rule, column.type):
            return rule
    return _suppressed(column, finding.kind)


def _suppressed(column: Any, reason: str = "") -> ColumnRule:
    return ColumnRule(column.name, "suppress", reason=reason)


def _fits(rule: ColumnRule, kind: Any) -> bool:
    try:
        # The methods check the type alone; this throw-away key never touches a value.
        prepare(rule, kind, Keys(bytes(32), "derive"))
    except PlanError:
        return False
    return True
