"""Detectors that look at values: what share of a column's values show the form of an identifier.

A detector sees the distinct values of a column, as trimmed half-width text, and says of each whether it matches.
Patterns are linear-time (RE2), so no value can stall them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization import checksums

Flags = NDArray[np.bool_]
Check = Callable[[Any], Flags]

_PLATE_REGION = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


@dataclass(frozen=True)
class Detector:
    """One kind's test of values.

    A match has the `pattern` and passes `check`. Without a hint in the column's name at least `share` of the values
    must match, with one `hinted_share`; `confidence` is what a full match without a hint is worth. `strip` are
    separators taken out of values that otherwise consist of the `alphabet`. `inside` finds the identifier in longer
    text (its group `found` is then checked like a value); `anchor` is what such text must hold at least, and cheap
    to see. `weak` forms are common among other numbers as well. Values shorter than `least` or longer than `most`
    characters cannot match as a whole, which spares most columns the pattern.
    """

    kind: str
    pattern: str
    share: float
    hinted_share: float
    confidence: float
    check: Check | None = None
    strip: str = ""
    alphabet: str = "0-9"
    inside: str = ""
    anchor: str = ""
    weak: bool = False
    least: int = 7
    most: int = 40

    def matches(self, values: Any) -> Flags:
        """Which of the distinct values match as a whole."""
        lengths = pc.utf8_length(values)
        flags = _flags(pc.and_(pc.greater_equal(lengths, self.least), pc.less_equal(lengths, self.most)))
        if flags.any():
            flags[flags] = self._fitting(values.filter(pa.array(flags)))
        return flags

    def _fitting(self, values: Any) -> Flags:
        if not self.strip:
            return self._exact(values)
        # Taking characters out is dear, so it is done where nothing but the identifier's own are left.
        flags = _flags(pc.match_substring_regex(values, f"^[{self.strip}{self.alphabet}]+$"))
        if flags.any():
            bare = pc.replace_substring_regex(values.filter(pa.array(flags)), f"[{self.strip}]", "")
            flags[flags] = self._exact(bare)
        return flags

    def _exact(self, values: Any) -> Flags:
        flags = _flags(pc.match_substring_regex(values, f"^(?:{self.pattern})$"))
        if self.check is not None and flags.any():
            flags[flags] = self.check(values.filter(pa.array(flags)))
        return flags

    def inside_text(self, values: Any) -> Flags:
        """Which of the distinct values contain the identifier among other text."""
        if not self.inside:
            return np.zeros(len(values), np.bool_)
        flags = _flags(pc.greater(pc.utf8_length(values), self.least))
        if self.anchor:
            flags &= _flags(pc.match_substring_regex(values, self.anchor))
        if flags.any():
            found = pc.struct_field(pc.extract_regex(values.filter(pa.array(flags)), self.inside), "found")
            hits = _flags(found.is_valid())
            if self.check is not None and hits.any():
                hits[hits] = self.check(found.drop_null())
            flags[flags] = hits
        return flags


def _flags(array: Any) -> Flags:
    flags: Flags = np.array(pc.fill_null(array, False), dtype=np.bool_)
    return flags


def _luhn(values: Any) -> Flags:
    lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False)
    flags = np.zeros(len(values), np.bool_)
    for length in np.unique(lengths):
        rows = lengths == length
        flags[rows] = checksums.luhn(values.filter(pa.array(rows)), int(length))
    return flags


def _in_ranges(values: Any) -> Flags:
    """Latitude and longitude, in either order, within their ranges."""
    parts = pc.extract_regex(values, r"(?P<a>-?\d+\.\d+)\D+?(?P<b>-?\d+\.\d+)")
    first, second = (np.abs(np.array(pc.struct_field(parts, name).cast(pa.float64()))) for name in "ab")
    inside: Flags = np.logical_and(np.minimum(first, second) <= 90, np.maximum(first, second) <= 180)
    return inside


def _addresses(values: Any) -> Flags:
    """Four octets that are not a version number: some octet is beyond what versions count to."""
    octets = np.array([[int(part) for part in value.split(".")] for value in values.to_pylist()])
    plausible = bool((octets.max(axis=1) >= 100).mean() >= 0.5)
    flags: Flags = np.all(octets <= 255, axis=1)
    return flags if plausible else np.zeros(len(octets), np.bool_)


_RESIDENT = r"[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]"
_EDGE = r"(?:^|[^0-9A-Za-z])"
_END = r"(?:[^0-9A-Za-z]|$)"
_PHONE = r"1[3-9]\d{9}"
_EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_CODE = "[0-9A-HJ-NPQRTUWXY]"

DETECTORS: tuple[Detector, ...] = (
    Detector(
        "resident_id",
        _RESIDENT,
        0.02,
        0.01,
        0.98,
        checksums.resident_id,
        r"\s\-",
        "0-9Xx",
        f"{_EDGE}(?P<found>{_RESIDENT}){_END}",
        r"\d{17}",
        least=15,
    ),
    Detector(
        "uscc",
        rf"{_CODE}{{2}}\d{{6}}{_CODE}{{10}}",
        0.3,
        0.02,
        0.97,
        checksums.uscc,
        r"\s\-",
        "0-9A-Z",
        least=18,
    ),
    Detector("vin", "[A-HJ-NPR-Z0-9]{17}", 0.5, 0.1, 0.93, checksums.vin, least=17, most=17),
    Detector(
        "bank_card",
        r"(?:62\d{14,17}|4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{14,15})",
        0.9,
        0.3,
        0.85,
        _luhn,
        r"\s\-",
        weak=True,
        least=15,
    ),
    Detector(
        "email", _EMAIL, 0.2, 0.05, 0.97, inside=rf"(?:^|[^A-Za-z0-9._%+-])(?P<found>{_EMAIL})", anchor="@", most=320
    ),
    Detector(
        "mobile_phone",
        rf"(?:\+?86|0086)?{_PHONE}",
        0.6,
        0.1,
        0.85,
        None,
        r"\s\-()",
        "0-9+",
        rf"(?:^|[^0-9A-Za-z.])(?:\+?86[ -]?)?(?P<found>{_PHONE})(?:[^0-9A-Za-z.]|$)",
        r"\d{11}",
        weak=True,
        least=11,
        most=24,
    ),
    Detector(
        "fixed_phone",
        r"(?:\+?86[ -]?)?\(?0(?:10|2\d|[3-9]\d{2})\)?[ -]?[2-9]\d{6,7}(?:[-转 ]\d{1,6})?",
        0.6,
        0.1,
        0.7,
        weak=True,
    ),
    Detector("mac", "(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}", 0.5, 0.1, 0.95),
    Detector("ip", r"(?:\d{1,3}\.){3}\d{1,3}", 0.6, 0.2, 0.9, _addresses, weak=True),
    Detector("ip", "(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f:]{2,37}::[0-9A-Fa-f:]{0,37}", 0.5, 0.1, 0.9),
    Detector(
        "plate",
        f"[{_PLATE_REGION}][A-HJ-NP-Z][·. ]?(?:[A-HJ-NP-Z0-9]{{5,6}}|[A-HJ-NP-Z0-9]{{4}}[学警港澳挂])",
        0.3,
        0.05,
        0.95,
    ),
    Detector("gps", r"\(?-?\d{1,3}\.\d{3,}[,;， ]\s*-?\d{1,3}\.\d{3,}\)?", 0.6, 0.2, 0.85, _in_ranges, weak=True),
)
# Forms too plain to go by without a name that says so.
HINTED_ONLY: tuple[Detector, ...] = (
    Detector("passport", "[A-Za-z]{1,2}[0-9]{7,8}", 1.1, 0.3, 0.0),
    Detector("resident_id", r"[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}", 1.1, 0.3, 0.0),
)


def runs_in_sequence(values: Any) -> bool:
    """Whether distinct digit strings are a count or share so few leading digits that no one dialled them.

    Phones and cards of many holders spread over prefixes; the numbers of a counter lie side by side.
    """
    digits = pc.replace_substring_regex(values, r"\D", "")
    digits = digits.filter(pc.less_equal(pc.utf8_length(digits), 18))
    digits = digits.filter(pc.greater(pc.utf8_length(digits), 0))
    if len(digits) < 20:
        return False
    numbers = np.sort(np.array(digits.cast(pa.int64())))
    prefixes = pc.count_distinct(pc.utf8_slice_codeunits(digits, 0, 3)).as_py()
    return bool(np.median(np.diff(numbers)) <= 20 or (len(digits) >= 50 and prefixes < 4))
