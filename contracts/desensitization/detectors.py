"""Detectors that look at values: what share of a column's values show the form of an identifier.

A detector sees the distinct values of a column, as trimmed half-width text, and says of each whether it matches.
Patterns are linear-time (RE2), so no value can stall them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization import checksums

Flags = NDArray[np.bool_]
Check = Callable[[Any], Flags]

# Prose has words in it; a column of bare codes is judged by its whole values alone.
_PROSE = "[一-龥]|[A-Za-z]{2,}[ ,:;]"
# A text is searched for this many candidates of one kind.
_PIECES = 4
_PLATE_REGION = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


class Inside(NamedTuple):
    """Prose with an identifier in it: which values, how many had its form, and how many of those passed the check."""

    flags: Flags
    seen: int
    right: int


@dataclass(frozen=True)
class Detector:
    """One kind's test of values.

    A match has the `pattern` and passes `check`. Without a hint in the column's name at least `share` of the values
    must match, with one `hinted_share`; `confidence` is what a full match without a hint is worth. `strip` are
    separators taken out of values that otherwise consist of the `alphabet`. `inside` finds the identifier in longer
    text (its group `found` is then checked like a value); `anchor` is what such text must hold at least, and cheap
    to see. `weak` forms are common among other numbers as well. Values shorter than `least` or longer than `most`
    characters cannot match as a whole, which spares most columns the pattern. In prose a `doubtful` kind counts only
    where at least half of what has its form also passes its check, and a column needs `spread` distinct values that
    match, so that no check passes by chance. `score` says which matches look likelier still; it moves the confidence
    and decides nothing.
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
    doubtful: bool = False
    spread: int = 0
    score: Check | None = None

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
            flags[flags] = self._exact(self.bare(values.filter(pa.array(flags))))
        return flags

    def _exact(self, values: Any) -> Flags:
        flags = _flags(pc.match_substring_regex(values, f"^(?:{self.pattern})$"))
        if self.check is not None and flags.any():
            flags[flags] = self.check(values.filter(pa.array(flags)))
        return flags

    def bare(self, values: Any) -> Any:
        """The values without the separators that this kind is written with."""
        return pc.replace_substring_regex(values, f"[{self.strip}]", "") if self.strip else values

    def inside_text(self, values: Any) -> Inside:
        """Which of the distinct values are prose that contains the identifier, and how sure that is."""
        flags = np.zeros(len(values), np.bool_)
        if not self.inside:
            return Inside(flags, 0, 0)
        possible = _flags(pc.greater(pc.utf8_length(values), self.least))
        if self.anchor:
            possible &= _flags(pc.match_substring_regex(values, self.anchor))
        rows = np.flatnonzero(possible)
        rows = rows[_flags(pc.match_substring_regex(values.take(pa.array(rows)), _PROSE))] if len(rows) else rows
        texts, seen, right = values.take(pa.array(rows)), 0, 0
        for _ in range(_PIECES):
            found = pc.struct_field(pc.extract_regex(texts, self.inside), "found")
            shown = _flags(found.is_valid())
            if not shown.any():
                break
            rows, texts, found = rows[shown], texts.filter(pa.array(shown)), found.drop_null()
            holds = self._exact(self.bare(found))
            flags[rows[holds]] = True
            seen, right = seen + len(holds), right + int(holds.sum())
            # What failed its check may stand before another that holds.
            rows, texts = rows[~holds], texts.filter(pa.array(~holds))
            texts = pc.replace_substring_regex(texts, self.inside, " ", max_replacements=1)
        return Inside(flags, seen, right)


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
_RESIDENT_PARTED = r"[1-9]\d{5}[ -]?(?:18|19|20)\d{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12]\d|3[01])[ -]?\d{3}[\dXx]"
_EDGE = r"(?:^|[^0-9A-Za-z])"
_END = r"(?:[^0-9A-Za-z]|$)"
_PHONE = r"1[3-9]\d{9}"
_FIXED = r"(?:\+?86[ -]?)?\(?0(?:10|2\d|[3-9]\d{2})\)?[ -]?[2-9]\d{6,7}(?:[-转 ]\d{1,6})?"
_EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_CODE = "[0-9A-HJ-NPQRTUWXY]"
_USCC = rf"{_CODE}{{2}}\d{{6}}{_CODE}{{10}}"
_CARD = r"(?:62\d{14,17}|4\d{15}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13,14})"
_MAC = "(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}"
_PLATE = f"[{_PLATE_REGION}][A-HJ-NP-Z][·. ]?(?:[A-HJ-NP-Z0-9]{{5,6}}|[A-HJ-NP-Z0-9]{{4}}[学警港澳挂])"
# Siemens data blocks, IEC 61131-3 direct variables, Rockwell files and tags, OPC UA node ids.
_PLC = (
    r"DB\d{1,5}[.,](?:DB[XBWD]|[XBWD]|INT|REAL|DINT|BYTE|WORD|STRING)?\d+(?:\.\d)?|%?[IQM][XBWDL]?\d{1,5}\.\d{1,2}"
    r"|%[IQM][XBWDL]?\d{1,5}|[NBFTCSILO]\d{1,3}:\d{1,3}(?:[./]\w{1,6})?|Program:\w+\.\w[\w.\[\]]*"
    r"|Local:\d+:[IOC]\.[\w.\[\]]+|ns=\d+;[isgb]=\S+"
)

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
        f"{_EDGE}(?P<found>{_RESIDENT_PARTED}){_END}",
        r"\d{3}[\dXx]",
        least=15,
        score=checksums.province,
    ),
    Detector(
        "uscc",
        _USCC,
        0.3,
        0.02,
        0.97,
        checksums.uscc,
        r"\s\-",
        "0-9A-Z",
        f"{_EDGE}(?P<found>{_USCC}){_END}",
        r"\d{6}",
        least=18,
        doubtful=True,
    ),
    Detector(
        "vin",
        "[A-HJ-NPR-Z0-9]{17}",
        0.5,
        0.1,
        0.93,
        checksums.vin,
        inside=f"{_EDGE}(?P<found>[A-HJ-NPR-Z0-9]{{17}}){_END}",
        anchor="[A-HJ-NPR-Z0-9]{17}",
        least=17,
        most=17,
        doubtful=True,
    ),
    Detector(
        "bank_card",
        _CARD,
        0.9,
        0.3,
        0.85,
        _luhn,
        r"\s\-",
        inside=rf"{_EDGE}(?P<found>(?:62|4\d|5[1-5]|2[2-7]|3[47])\d{{2}}(?:[ -]?\d{{3,6}}){{2,4}}\d?){_END}",
        anchor=r"\d{4}[ -]?\d{4}",
        weak=True,
        least=15,
        doubtful=True,
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
        r"(?:^|[^0-9A-Za-z.])(?:\+?86[ -]?)?(?P<found>1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?:[^0-9A-Za-z.]|$)",
        r"\d{4}",
        weak=True,
        least=11,
        most=24,
    ),
    Detector(
        "fixed_phone",
        _FIXED,
        0.6,
        0.1,
        0.7,
        inside=r"(?:^|[^0-9A-Za-z.])(?P<found>\(?0(?:10|2\d|[3-9]\d{2})\)?[ -][2-9]\d{6,7})(?:[^0-9A-Za-z.]|$)",
        anchor=r"\d{7}",
        weak=True,
    ),
    Detector("mac", _MAC, 0.5, 0.1, 0.95, inside=rf"{_EDGE}(?P<found>{_MAC}){_END}", anchor="[0-9A-Fa-f]{2}[:.-]"),
    Detector(
        "ip",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        0.6,
        0.2,
        0.9,
        _addresses,
        inside=r"(?:^|[^0-9A-Za-z.])(?P<found>(?:\d{1,3}\.){3}\d{1,3})(?:[^0-9A-Za-z.]|$)",
        anchor=r"\d\.\d",
        weak=True,
        doubtful=True,
    ),
    Detector("ip", "(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f:]{2,37}::[0-9A-Fa-f:]{0,37}", 0.5, 0.1, 0.9),
    Detector(
        "plate",
        _PLATE,
        0.3,
        0.05,
        0.95,
        inside=f"(?P<found>{_PLATE}){_END}",
        anchor=f"[{_PLATE_REGION}][A-HJ-NP-Z]",
    ),
    Detector("gps", r"\(?-?\d{1,3}\.\d{3,}[,;， ]\s*-?\d{1,3}\.\d{3,}\)?", 0.6, 0.2, 0.85, _in_ranges, weak=True),
    Detector(
        "organisation_code",
        r"[0-9A-Z]{8}[0-9X]",
        0.9,
        0.3,
        0.85,
        checksums.organisation,
        r"\-",
        "0-9A-Z",
        least=9,
        most=10,
        spread=8,
    ),
    Detector("plc_tag", _PLC, 0.6, 0.2, 0.95, least=4, most=120),
    Detector("gender", "男|女|男性|女性", 0.95, 0.9, 0.9, least=1, most=2),
    Detector(
        "address",
        "[一-龥]{2,}(?:省|市|区|县|州|盟).{0,30}(?:路|街|道|巷|镇|乡|村|园|大道).{0,20}\\d+.{0,20}",
        0.6,
        0.3,
        0.8,
        most=120,
    ),
)
# Forms too plain to go by without a name that says so.
HINTED_ONLY: tuple[Detector, ...] = (
    Detector("passport", "[A-Za-z]{1,2}[0-9]{7,8}", 1.1, 0.3, 0.0),
    Detector("postcode", r"[0-8]\d{5}", 1.1, 0.8, 0.0, least=6, most=6),
    Detector(
        "birth_date",
        r"(?:19|20)\d{2}(?:[-/.年](?:0?[1-9]|1[0-2])(?:[-/.月](?:0?[1-9]|[12]\d|3[01])日?)?|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?",
        1.1,
        0.8,
        0.0,
        least=4,
        most=11,
    ),
    Detector("gender", "(?i:m|f|male|female|man|woman|男|女|未知|unknown|0|1|2|9)", 1.1, 0.95, 0.0, least=1, most=7),
    # Tags of instruments after ISA-5.1: letters for what is measured and done, a loop number, a suffix.
    Detector(
        "plc_tag",
        r"(?:\w+[._/-])*[A-Z]{1,5}[_-]?\d{2,5}[A-Z]?(?:[._](?:PV|SP|OP|CV|MV|AUTO|VAL|RAW))?",
        1.1,
        0.6,
        0.0,
        least=3,
        most=80,
    ),
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
