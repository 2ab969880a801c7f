"""Desensitization rules in a form: one method and one short text of parameters a column, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from contracts.desensitization.parameters import METHODS, UNITS
from exchange.errors import InvalidInputError

CHOICES = tuple(METHODS)


_CHINESE_UNITS = {
    "year": "年", "quarter": "季度", "month": "月", "week": "周", "day": "日", "hour": "小时", "minute": "分钟",
}  # fmt: skip
_UNITS = {name: unit for unit in UNITS for name in (unit, _CHINESE_UNITS[unit])}


def text_of(rule: Mapping[str, Any], language: str = "en") -> str:
    """Return a rule's parameters as they are written in the form: `3,4`, `day`, `prefix 8`, `10`, `2`, or as JSON."""
    given = rule.get("parameters", {})
    match rule["method"]:
        case "mask" if not {"before", "after"} & set(given):
            return f"{given.get('keep_first', 0)},{given.get('keep_last', 0)}"
        case "generalize" if len(given) == 1 and set(given) <= {"prefix", "unit", "width"}:
            return _coarser(given, language == "zh")
        case "round":
            return str(given.get("digits", ""))
        case "pseudonymize" | "keep" | "suppress":
            return ""
    return json.dumps(given, ensure_ascii=False) if given else ""


def _coarser(given: Mapping[str, Any], chinese: bool) -> str:
    if "prefix" in given:
        return f"{'前缀' if chinese else 'prefix'} {given['prefix']}"
    if unit := given.get("unit"):
        return _CHINESE_UNITS[unit] if chinese else str(unit)
    return str(given["width"])


def rule_of(column: str, method: str, text: str) -> dict[str, Any]:
    """Return the rule that method and text stand for. Raises InvalidInputError where the text does not fit the method."""
    words = text.strip().lower()
    parameters: dict[str, Any] = {}
    if words.startswith("{"):
        # Methods with more to say take their parameters as they stand in the plan; the plan itself checks them.
        try:
            parameters = json.loads(text)
        except ValueError as error:
            raise _wrong(column, '{"alphabet": "digits"}', '{"alphabet": "digits"}') from error
        return {"column": column, "method": method, "parameters": parameters}
    if method == "mask" and words:
        found = re.fullmatch(r"(\d{1,3})\s*[,，]\s*(\d{1,3})", words)
        if not found:
            raise _wrong(column, "3,4", "3,4")
        parameters = {"keep_first": int(found[1]), "keep_last": int(found[2])}
    elif method == "round":
        if not re.fullmatch(r"-?\d{1,2}", words):
            raise _wrong(column, "2", "2")
        parameters = {"digits": int(words)}
    elif method == "generalize":
        prefix = re.fullmatch(r"(?:prefix|前缀)\s*(\d{1,3})", words)
        if prefix:
            parameters = {"prefix": int(prefix[1])}
        elif words in _UNITS:
            parameters = {"unit": _UNITS[words]}
        elif re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", words):
            parameters = {"width": int(words) if words.isdigit() else words}
        else:
            raise _wrong(column, "10, day or prefix 8", "10、日 或 前缀 8")
    return {"column": column, "method": method, **({"parameters": parameters} if parameters else {})}


def _wrong(column: str, example: str, example_zh: str) -> InvalidInputError:
    return InvalidInputError(
        (f"The parameters for {column!r} do not fit its method.", f"“{column}”列的参数与方法不符。"),
        (f"Write for example {example}.", f"请参照示例填写：{example_zh}。"),
        field="columns",
    )
