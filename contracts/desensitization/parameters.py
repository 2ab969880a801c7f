"""Which parameters each method takes, and which values are sane; independent of any column's type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from contracts.desensitization.categories import REGIONS
from contracts.desensitization.noise import DISTRIBUTIONS, FUNCTIONS
from contracts.desensitization.redacting import PATTERNS
from contracts.desensitization.tokenizing import ALPHABETS
from contracts.errors import PlanError

OPERATORS = ("eq", "neq", "lt", "lteq", "gt", "gteq", "isAnyOf", "isNoneOf")
UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute")
KEYED = frozenset({"pseudonymize", "tokenize", "perturb", "shuffle", "shift_dates"})
# The most entries that a hierarchy or a list in a plan may have: a plan is read by people before they sign.
_MOST_ENTRIES = 10_000
# Beyond this many digits a double has nothing left to round, and 10^digits leaves the range of int64.
_MAXIMUM_DIGITS = 15


_Check = tuple[Callable[[Any], bool], str, str]


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


def _words(value: Any) -> bool:
    entries = isinstance(value, Sequence) and not isinstance(value, str) and 0 < len(value) <= _MOST_ENTRIES
    return entries and all(_text(item) and item for item in value)


def _values(value: Any) -> bool:
    entries = isinstance(value, Sequence) and not isinstance(value, str) and 0 < len(value) <= _MOST_ENTRIES
    return entries and all(_scalar(item) and not isinstance(item, float) for item in value)


def _hierarchy(value: Any) -> bool:
    entries = isinstance(value, Mapping) and 0 < len(value) <= _MOST_ENTRIES
    return entries and all(_text(word) for pair in value.items() for word in pair)


def _edges(value: Any) -> bool:
    entries = isinstance(value, Sequence) and not isinstance(value, str) and 0 < len(value) <= _MOST_ENTRIES
    return entries and all(map(_number, value)) and all(low < high for low, high in pairwise(value))


def _number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and _scalar(value)


def _alphabet(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    own = 2 <= len(value) <= 94 and len(set(value)) == len(value) and value.isascii() and value.isprintable()
    return value in ALPHABETS or (own and " " not in value)


def _one_of(names: Sequence[str]) -> _Check:
    return (lambda value: value in names, f"one of {', '.join(names)}", f"以下之一：{'、'.join(names)}")


# A check of the value, and in words what it must be.
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
        lambda value: _count(value) and 16 <= value <= 64 and value % 2 == 0,
        "an even number from 16 to 64",
        "16 到 64 的偶数",
    ),
    "before": (_character, "one printable character", "一个可见字符"),
    "after": (_character, "one printable character", "一个可见字符"),
    "hierarchy": (_hierarchy, "an object from words to coarser words", "由词到更粗词的对象"),
    "ranges": (_edges, "a list of rising numbers", "递增的数值列表"),
    "region": _one_of(REGIONS),
    "top": (_number, "a number", "数值"),
    "bottom": (_number, "a number", "数值"),
    "algorithm": _one_of(("aes-cmac", "hmac-sha256")),
    "alphabet": (
        _alphabet,
        f"one of {', '.join(ALPHABETS)}, or 2 to 94 different printable ASCII characters",
        f"以下之一：{'、'.join(ALPHABETS)}，或 2 到 94 个互不相同的可见 ASCII 字符",
    ),
    "spread": (lambda value: _number(value) and value > 0, "a number above zero", "大于零的数"),
    "distribution": _one_of(DISTRIBUTIONS),
    "days": (
        lambda value: _count(value) and 1 <= value <= 36_525,
        "a whole number from 1 to 36525",
        "1 到 36525 的整数",
    ),
    "by": (lambda value: _text(value) and value, "the name of a column", "列名"),
    "size": (lambda value: _count(value) and value >= 3, "a whole number, three or more", "不小于 3 的整数"),
    "function": _one_of(FUNCTIONS),
    "kinds": (
        lambda value: _words(value) and set(value) <= set(PATTERNS),
        f"a list out of {', '.join(PATTERNS)}",
        f"由以下类别组成的列表：{'、'.join(PATTERNS)}",
    ),
    "words": (_words, "a list of words", "词语列表"),
    "values": (_values, "a list of texts or whole numbers", "文本或整数的列表"),
    "exact": (lambda value: isinstance(value, bool), "true or false", "true 或 false"),
}
# The parameters of each method and their defaults; None marks one without a default.
_METHODS: dict[str, dict[str, Any]] = {
    "keep": {"exact": False},
    "suppress": {},
    "mask": {"keep_first": 0, "keep_last": 0, "char": "*", "before": None, "after": None},
    "generalize": dict.fromkeys(("width", "unit", "prefix", "hierarchy", "ranges", "region", "top", "bottom")),
    "round": {"digits": None},
    "pseudonymize": {"length": 32, "algorithm": None},
    "tokenize": {"alphabet": "digits", "keep_first": 0, "keep_last": 0},
    "perturb": {"spread": None, "distribution": "uniform", "digits": None},
    "shuffle": {},
    "shift_dates": {"days": 365, "by": None},
    "aggregate": {"size": 5, "function": "mean"},
    "redact": {"kinds": None, "words": None},
    "local_suppress": {"values": None},
}
METHODS = tuple(_METHODS)
# What must be given, for methods that mean nothing without it.
_NEEDED = {"round": "digits", "perturb": "spread", "local_suppress": "values"}


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
        checked[name] = _plain(value)
    if (fault := _fault(method, checked, key_reference)) is not None:
        raise _wrong(column, *fault)
    return checked


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: 20.0 and 20 are one number in canonical JSON, and lists are lists."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _fault(method: str, checked: Mapping[str, Any], key_reference: str | None) -> tuple[str, str] | None:
    """What is wrong with parameters that are right one by one, in English and Chinese."""
    if key_reference is not None and (method not in KEYED or not _is_key(key_reference)):
        return (
            "only a keyed method has a key reference, and it is 'agreement' or 'group:' and a name",
            "只有带密钥的方法可以引用密钥，且只能是 'agreement' 或 'group:' 加名称",
        )
    needed = _NEEDED.get(method)
    if needed is not None and needed not in checked:
        return f"{method} needs {needed}", f"{method} 需要参数 {needed}"
    if method == "generalize":
        return _fault_of_generalize(checked)
    if method == "mask" and "before" in checked and "after" in checked:
        return "mask takes before or after, not both", "mask 只能有 before 或 after 之一"
    if method == "pseudonymize" and checked["length"] > 32 and checked.get("algorithm") != "hmac-sha256":
        return "an AES-CMAC pseudonym has at most 32 characters", "AES-CMAC 假名最多 32 个字符"
    return None


def _fault_of_generalize(checked: Mapping[str, Any]) -> tuple[str, str] | None:
    main, bounds = set(checked) - {"top", "bottom"}, set(checked) & {"top", "bottom"}
    if len(main) > 1 or not (main or bounds) or (bounds and main - {"width"}):
        return (
            "generalize takes exactly one of width, unit, prefix, hierarchy, ranges and region, or top and bottom, "
            "which width may have beside it",
            "generalize 需要且只能有 width、unit、prefix、hierarchy、ranges、region 之一，或 top 与 bottom（可与 width 同用）",
        )
    if len(bounds) == 2 and checked["bottom"] >= checked["top"]:
        return "bottom must be below top", "bottom 应小于 top"
    return None


def _is_key(reference: Any) -> bool:
    return reference == "agreement" or (_text(reference) and reference.startswith("group:") and len(reference) > 6)


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
