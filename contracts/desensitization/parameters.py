"""Which parameters each method takes, and which values are sane; independent of any column's type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.errors import PlanError

OPERATORS = ("eq", "neq", "lt", "lteq", "gt", "gteq", "isAnyOf", "isNoneOf")
UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute")
KEYED = frozenset({"pseudonymize"})
# Beyond this many digits a double has nothing left to round, and 10^digits leaves the range of int64.
_MAXIMUM_DIGITS = 15


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000


def _width(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _scalar(value):
        return False
    try:
        return math.isfinite(float(value)) and Decimal(str(value)) > 0
    except (ValueError, InvalidOperation):
        return False


def _digits(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAXIMUM_DIGITS


def _character(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and value.isprintable()


# A check of the value, and in words what it must be.
_Check = tuple[Callable[[Any], bool], str, str]
_COUNT: _Check = (_count, "a whole number, zero or more", "不小于零的整数")
_CHECKS: dict[str, _Check] = {
    "keep_first": _COUNT,
    "keep_last": _COUNT,
    "prefix": _COUNT,
    "char": (_character, "one printable character", "一个可见字符"),
    "width": (_width, "a number above zero", "大于零的数"),
    "unit": (lambda value: value in UNITS, f"one of {', '.join(UNITS)}", f"以下之一：{'、'.join(UNITS)}"),
    "digits": (_digits, f"a whole number from -{_MAXIMUM_DIGITS} to {_MAXIMUM_DIGITS}", "-15 到 15 的整数"),
    "length": (
        lambda value: _count(value) and 16 <= value <= 32 and value % 2 == 0,
        "an even number from 16 to 32",
        "16 到 32 的偶数",
    ),
    "exact": (lambda value: isinstance(value, bool), "true or false", "true 或 false"),
}
# The parameters of each method and their defaults; None marks one without a default.
_METHODS: dict[str, dict[str, Any]] = {
    "keep": {"exact": False},
    "suppress": {},
    "mask": {"keep_first": 0, "keep_last": 0, "char": "*"},
    "generalize": {"width": None, "unit": None, "prefix": None},
    "round": {"digits": None},
    "pseudonymize": {"length": 32},
}
METHODS = tuple(_METHODS)


def check_parameters(
    column: str, method: str, parameters: Mapping[str, Any], key_reference: str | None
) -> dict[str, Any]:
    """The parameters with defaults filled in; raises PlanError that names the column and the mend."""
    known = _METHODS.get(method)
    if known is None:
        raise PlanError(
            f"The rule for {column!r} names an unknown method {method!r}.",
            f"“{column}”列的规则使用了未知的方法 {method!r}。",
            mend_en=f"Use one of {', '.join(METHODS)}.",
            mend_zh=f"可用的方法：{'、'.join(METHODS)}。",
        )
    if not isinstance(parameters, Mapping):
        raise PlanError(f"The parameters for {column!r} are not an object.", f"“{column}”列的参数应为对象。")
    checked = {name: value for name, value in known.items() if value is not None}
    for name, value in parameters.items():
        if name not in known:
            raise _wrong(column, f"{method} takes no parameter {name!r}", f"{method} 没有参数 {name!r}")
        check, must_en, must_zh = _CHECKS[name]
        if not check(value):
            raise _wrong(column, f"{name} must be {must_en}", f"{name} 应为{must_zh}")
        # 20.0 and 20 are the same number in canonical JSON, and must read the same before and after.
        checked[name] = int(value) if isinstance(value, float) and value.is_integer() else value
    if method == "generalize" and len(checked) != 1:
        raise _wrong(
            column,
            "generalize takes exactly one of width, unit and prefix",
            "generalize 需要且只能有 width、unit、prefix 之一",
        )
    if method == "round" and not checked:
        raise _wrong(column, "round needs digits", "round 需要参数 digits")
    if key_reference is not None and (method not in KEYED or key_reference != "agreement"):
        raise _wrong(
            column,
            "only a keyed method has a key reference, and it is 'agreement'",
            "只有带密钥的方法可以引用密钥，且只能是 'agreement'",
        )
    return checked


def check_mark(column: str, mark: Any, *, may_carry: bool) -> None:
    """Raises PlanError unless `mark` is decimal text above zero on a column whose method allows a mark."""
    if not may_carry:
        raise _wrong(
            column,
            "only a kept (not exact) or rounded number carries a mark",
            "只有保留（非精确）或舍入的数值可以承载标记",
        )
    try:
        size = Decimal(mark) if isinstance(mark, str) else Decimal(0)
    except InvalidOperation:
        size = Decimal(0)
    if not (size.is_finite() and size > 0):
        raise _wrong(column, "mark must be a number above zero, as text", "mark 应为大于零的数（文本形式）")


def check_operand(column: str, operator: str, value: Any) -> Any:
    """A row filter's value with lists made tuples; raises PlanError where the operator cannot take it."""
    if operator in ("isAnyOf", "isNoneOf"):
        if isinstance(value, list | tuple) and value and all(_scalar(item) for item in value):
            return tuple(value)
        raise _wrong(column, f"{operator} takes a list of values", f"{operator} 需要一个非空列表")
    if not _scalar(value):
        raise _wrong(column, f"{operator} takes text, a number or a truth value", f"{operator} 需要文本、数字或真假值")
    return value


def check_text(value: Any, what: str) -> None:
    """Raises PlanError unless `value` is text that has a UTF-8 form."""
    if not _text(value):
        raise PlanError(f"The {what} of a rule is Unicode text.", f"规则的 {what} 应为文本。")


def _text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _scalar(value: Any) -> bool:
    if isinstance(value, int):
        # Larger integers have no canonical JSON form; a bool is an int, and small.
        return abs(value) < 2**53
    return _text(value) or (isinstance(value, float) and math.isfinite(value))


def _wrong(column: str, reason_en: str, reason_zh: str) -> PlanError:
    return PlanError(f"The rule for {column!r} is wrong: {reason_en}.", f"“{column}”列的规则有误：{reason_zh}。")
