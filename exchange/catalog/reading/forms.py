"""The written forms that a cell can have: plain integer, decimal, date in one of several orders, and so on.

The forms seen in a column decide its type; a value of no form is free text. A form is one regular expression that
Python and RE2 (Arrow) read alike. Dates need a cast besides, since no expression knows February.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Family = Literal["integer", "decimal", "comma", "text-number", "bool", "missing", "date"]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Form:
    """One written form. `label` (English, Chinese) is how messages name it; `order` and `parts` are set for dates."""

    name: str
    family: Family
    body: str
    label: tuple[str, str]
    order: str = ""
    parts: Literal["", "date", "datetime", "zoned"] = ""
    nanoseconds: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The whole-value expression for Python."""
        return re.compile(f"(?:{self.body})\\Z")

    def mask(self, array: pa.Array) -> Mask:
        """Return which cells of `array` (trimmed strings) have this form; a missing cell has none."""
        return as_mask(pc.match_substring_regex(array, pattern=f"^(?:{self.body})$"))


def as_mask(hits: pa.Array) -> Mask:
    """Return an Arrow boolean array as numpy, null counted as false."""
    return np.asarray(pc.fill_null(hits, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _below_two_to_63() -> str:
    """Return the expression of integers of 16 to 19 digits whose absolute value is below 2^63."""
    largest = str(2**63 - 1)
    shorter_prefixes = [
        f"{largest[:place]}[{'1' if place == 0 else '0'}-{int(digit) - 1}][0-9]{{{18 - place}}}"
        for place, digit in enumerate(largest)
        if digit > ("1" if place == 0 else "0")
    ]
    return "(?:" + "|".join(["[1-9][0-9]{15,17}", *shorter_prefixes, largest]) + ")"


# Fifteen digits are exact in a double (2^53 has sixteen), so this many may share a column with decimals.
_WHOLE = "(?:0|[1-9][0-9]{0,14})"
_POINT = rf"(?:{_WHOLE}\.[0-9]*|\.[0-9]+)"
# The exponent ends where fifteen digits times its power would leave the range of a double.
_POWER = "0*(?:[0-9]{1,2}|1[0-9]{2}|2[0-8][0-9])"
PLAIN_NUMBER = f"-?(?:{_WHOLE}|{_POINT})"

INTEGER = Form("integer", "integer", "0|-?[1-9][0-9]{0,14}", ("integers", "整数"))
LONG = Form("long", "integer", f"-?{_below_two_to_63()}", ("long integers", "长整数"))
SIGNED = Form("signed", "integer", r"\+(?:0|[1-9][0-9]{0,5})|-0", ("signed integers", "带符号的整数"))
DECIMAL = Form("decimal", "decimal", f"[+-]?{_POINT}", ("decimals", "小数"))
# Without a point and without a signed exponent, 5E3 is more likely a part number.
EXPONENT = Form(
    "exponent",
    "decimal",
    f"[+-]?(?:{_POINT}[eE][+-]?{_POWER}|{_WHOLE}[eE][+-]{_POWER})",
    ("numbers with an exponent", "科学计数法"),
)
SPECIAL = Form(
    "special",
    "decimal",
    "[+-]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)",
    ("NaN or infinity", "NaN 或无穷"),
)
ZERO_LED = Form("zero-led", "text-number", "[+-]?0[0-9]+", ("numbers with leading zeros", "带前导零的数字"))
# Beside plain decimals 04.03 is a padded number; in a column of its own kind it may be a code.
PADDED = Form("padded", "text-number", r"[+-]?0[0-9]{1,14}\.[0-9]*", ("decimals with leading zeros", "带前导零的小数"))
# A plus sign before many digits is a telephone number, which stays as it is written.
PLUS_LED = Form("plus-led", "text-number", r"\+[1-9][0-9]{6,17}", ("digits after a plus sign", "加号开头的数字"))
HUGE = Form(
    "huge",
    "text-number",
    r"[+-]?[1-9][0-9]{18,}(?:\.[0-9]*)?|[+-]?[1-9][0-9]{15,17}\.[0-9]*",
    ("numbers too long to be exact", "过长而无法精确表示的数字"),
)
# 1,500 may be fifteen hundred or one and a half; 1,5 and 0,125 can only be decimals.
COMMA_AMBIGUOUS = Form(
    "comma", "comma", "[+-]?[1-9][0-9]{0,2},[0-9]{3}", ("commas in numbers (1,234)", "带逗号的数字（1,234）")
)
COMMA_DECIMAL = Form(
    "decimal-comma",
    "comma",
    f"[+-]?(?:{_WHOLE},(?:[0-9]{{1,2}}|[0-9]{{4,}})|(?:0|[1-9][0-9]{{3,14}}),[0-9]{{3}})",
    ("decimal comma (1,5)", "逗号作小数点（1,5）"),
)
THOUSANDS = Form(
    "thousands",
    "comma",
    "[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3}){2,3}",
    ("thousands separators (1,234,567)", "千位分隔符（1,234,567）"),
)
THOUSANDS_POINT = Form(
    "thousands-point",
    "comma",
    r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3}){1,3}\.[0-9]*",
    ("thousands separators (1,234.5)", "千位分隔符（1,234.5）"),
)
BOOL = Form("bool", "bool", "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]", ("true/false", "true/false"))

# What programs write for "no value". In a column of numbers or times it can mean nothing else; in text it is kept.
MISSING_MARKS = (
    *("NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "None", "none", "\\N", "-", "--", "—", "?"),
    *("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"),
)
MISSING = Form("missing", "missing", "|".join(map(re.escape, MISSING_MARKS)), ("missing-value marks", "缺失值标记"))

_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12][0-9]|3[01])"
_BEYOND_MONTH, _YEAR = "(?:1[3-9]|2[0-9]|3[01])", "[0-9]{4}"
_HOUR = "(?:[01]?[0-9]|2[0-3])"
_CLOCK = rf"{_HOUR}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?)?"
_FINE_CLOCK = rf"{_HOUR}:[0-5][0-9]:[0-5][0-9]\.[0-9]{{7,9}}"
_ZONE = " ?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
CHINESE_ORDER = "yyyy年m月d日"


def _orders() -> dict[str, str]:
    """Return the orders of day, month and year, each with its expression; "a|b" fits either order."""
    orders = {f"yyyy{mark}mm{mark}dd": f"{_YEAR}{re.escape(mark)}{_MONTH}{re.escape(mark)}{_DAY}" for mark in "-/."}
    orders[CHINESE_ORDER] = f"{_YEAR}年{_MONTH}月{_DAY}日"
    for mark in "/-.":
        sign = re.escape(mark)
        day_first, month_first = f"dd{mark}mm{mark}yyyy", f"mm{mark}dd{mark}yyyy"
        orders[day_first] = f"{_BEYOND_MONTH}{sign}{_MONTH}{sign}{_YEAR}"
        orders[month_first] = f"{_MONTH}{sign}{_BEYOND_MONTH}{sign}{_YEAR}"
        orders[f"{day_first}|{month_first}"] = f"{_MONTH}{sign}{_MONTH}{sign}{_YEAR}"
    return orders


def _date_forms() -> tuple[Form, ...]:
    """Return for each order a form alone, with a time of day, and with a time of day and a zone."""
    forms = []
    for order, body in _orders().items():
        gap = " ?" if order == CHINESE_ORDER else "[ T]"
        for parts, fine, tail, suffix in (
            ("date", False, "", ""),
            ("datetime", False, gap + _CLOCK, " hh:mm"),
            ("datetime", True, gap + _FINE_CLOCK, " hh:mm:ss.nnnnnnnnn"),
            ("zoned", False, gap + _CLOCK + _ZONE, " hh:mm±zone"),
            ("zoned", True, gap + _FINE_CLOCK + _ZONE, " hh:mm:ss.nnnnnnnnn±zone"),
        ):
            label = (order.replace("|", " or ") + suffix, order.replace("|", " 或 ") + suffix)
            name = f"{order} {parts}{' fine' * fine}"
            forms.append(Form(name, "date", body + tail, label, order, parts, fine))  # type: ignore[arg-type]
    return tuple(forms)


ORDERS = tuple(order for order in _orders() if "|" not in order)
DATE_FORMS = _date_forms()
OTHER_FORMS = (
    *(INTEGER, DECIMAL, LONG, EXPONENT, SIGNED, SPECIAL, ZERO_LED, PADDED, PLUS_LED, HUGE),
    *(COMMA_AMBIGUOUS, COMMA_DECIMAL, THOUSANDS, THOUSANDS_POINT, BOOL, MISSING),
)
_DATE_START = re.compile(r"[0-9]{1,4}[-/.年]")
_FIRST_CHARACTERS = frozenset("0123456789.+tTfFiI") | {mark[0] for mark in MISSING_MARKS}


def classify(value: str) -> Form | None:
    """Return the form of one trimmed value; None for free text and for an empty value."""
    if not value or value[0] not in _FIRST_CHARACTERS:
        return None
    for form in OTHER_FORMS:
        if form.pattern.match(value):
            return form
    if _DATE_START.match(value):
        for form in DATE_FORMS:
            if form.pattern.match(value):
                return form
    return None
