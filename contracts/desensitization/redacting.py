"""Free text without the identifiers in it: every stretch of the form of one is replaced by the name of its kind.

What has the form goes, whether or not a check digit holds: a mistyped identity number names its owner as well. Names
of persons have no form, so they are removed only where they are listed among the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from re import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# In this order: a longer form stands before one that would match a part of it.
PATTERNS: dict[str, str] = {
    "email": r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
    "resident_id": r"[1-9]\d{5}[ -]?(?:18|19|20)\d{2}[ -]?[01]\d[ -]?[0-3]\d[ -]?\d{3}[\dXx]",
    "uscc": r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}",
    "bank_card": r"[2-6]\d{3}(?:[ -]?\d{4}){2}(?:[ -]?\d{1,4}){1,2}\d{0,3}",
    "vin": r"\b[A-HJ-NPR-Z0-9]{17}\b",
    "mac": r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
    "ip": r"(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}",
    "mobile_phone": r"(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}",
    "fixed_phone": r"\(?0(?:10|2\d|[3-9]\d{2})\)?[ -]?[2-9]\d{6,7}",
    "plate": "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][·. ]?[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9学警港澳挂]",
    "passport": r"\b[EGDSPHM][A-Z]?\d{7,8}\b",
    "gps": r"-?\d{1,3}\.\d{4,}[,;， ]\s*-?\d{1,3}\.\d{4,}",
}
_FULL_WIDTH = "[０-９Ａ-Ｚａ-ｚ]"


def redact(array: Any, kinds: Sequence[str], words: Sequence[str]) -> Any:
    """The texts (a string array) with every identifier of the kinds replaced by `[kind]` and every word by `[…]`.

    Texts that hold full-width letters or digits are read, and delivered, in their compatible form (NFKC).
    """
    wide = pc.match_substring_regex(array, _FULL_WIDTH)
    if pc.any(wide).as_py():
        array = pc.if_else(wide, pc.utf8_normalize(array, "NFKC"), array)
    # Longer words first, so that none leaves the rest of another behind.
    if words:
        listed = "|".join(escape(word) for word in sorted(words, key=len, reverse=True))
        array = pc.replace_substring_regex(array, f"(?i:{listed})", "[…]")
    for kind, pattern in PATTERNS.items():
        if kind in kinds:
            array = pc.replace_substring_regex(array, pattern, f"[{kind}]")
    return array if pa.types.is_string(array.type) else array.cast(pa.string())
