"""What the name of a column says where its values neither show nor contradict it; and what name and type say together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.desensitization.chinese_names import looks_like_names
from contracts.desensitization.columns import Texts, moves_in_steps, one_template, step_of
from contracts.desensitization.finding import Finding
from contracts.desensitization.hints import names_age_of_a_person, names_other_object, names_setpoint
from contracts.desensitization.kinds import KINDS

# Kinds that a name alone may announce, if the values do not speak against it.
_BY_NAME = ("operator_name", "supplier_name", "customer_name", "machine_serial", "asset_tag")
# Of these, the ones whose values have one form where they are what the name says.
_OF_ONE_FORM = frozenset({"machine_serial", "asset_tag"})
Numbers = NDArray[np.float64] | None


def findings_by_type(name: str, kinds: frozenset[str], array: Any, numbers: Numbers) -> list[Finding]:
    """Dates of birth and ages: the name says what they are of, the type and the range that they can be."""
    tested = len(array) - array.null_count
    if "birth_date" in kinds and (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)) and tested:
        return [_announced(name, "birth_date", 0.95, tested)]
    if numbers is not None and len(numbers) and "age" in kinds and names_age_of_a_person(name):
        whole = (numbers == np.floor(numbers)).all() and numbers.min() >= 0 and numbers.max() <= 130
        return [_announced(name, "age", 0.9, tested)] if whole else []
    return []


def findings_by_name(
    name: str, kinds: frozenset[str], array: Any, texts: Texts | None, numbers: Numbers
) -> list[Finding]:
    """The findings that a column's name gives, with statistics of its values where they can bear it out."""
    tested = len(array) - array.null_count
    findings: list[Finding] = []
    if numbers is not None and len(numbers):
        findings += _of_numbers(name, kinds, numbers, array.type, tested)
    whole = pa.types.is_integer(array.type)
    if texts is not None or whole:
        findings += [_role(name, kind, texts, whole, tested) for kind in _BY_NAME if kind in kinds]
    if texts is not None:
        if "unit_price" in kinds:
            findings.append(_announced(name, "unit_price", 0.6, tested))
        if "person_name" in kinds and not names_other_object(name):
            findings.append(_announced(name, "person_name", 0.6, tested))
        if "recipe_parameter" in kinds:
            findings.append(_announced(name, "recipe_parameter", 0.6, tested))
    return findings


def _of_numbers(
    name: str, kinds: frozenset[str], numbers: NDArray[np.float64], kind: Any, tested: int
) -> list[Finding]:
    findings = []
    if "unit_price" in kinds:
        findings.append(_announced(name, "unit_price", 0.9, tested, width=step_of(numbers, kind)))
    if "gps" in kinds and np.abs(numbers).max() <= 180 and (numbers != np.floor(numbers)).any():
        findings.append(_announced(name, "gps", 0.85, tested))
    steps = moves_in_steps(numbers)
    if "recipe_parameter" in kinds or (names_setpoint(name) and steps):
        width = step_of(numbers, kind)
        findings.append(_announced(name, "recipe_parameter", 0.95 if steps else 0.8, tested, width=width))
    return findings


def _role(name: str, kind: str, texts: Texts | None, whole: bool, tested: int) -> Finding:
    flags = looks_like_names(texts.values) if texts is not None and kind == "operator_name" else None
    matched = int(texts.counts[flags].sum()) if texts is not None and flags is not None else 0
    rows = texts.rows(flags) if texts is not None and flags is not None else ()
    confidence = 0.6 if whole else 0.9
    if kind in _OF_ONE_FORM and texts is not None:
        confidence = 0.95 if one_template(texts.values) else 0.75
    return _announced(name, kind, confidence, tested, matched=matched, rows=rows)


def _announced(
    name: str,
    kind: str,
    confidence: float,
    tested: int,
    *,
    matched: int = 0,
    rows: tuple[int, ...] = (),
    width: float | None = None,
) -> Finding:
    described = KINDS[kind]
    shown_en = f"{matched} of {tested} values look like names" if matched else "its values do not contradict"
    shown_zh = f"{tested} 个值中有 {matched} 个形似姓名" if matched else "数值与之不矛盾"
    return Finding(
        name,
        kind,
        described.category,
        confidence,
        matched,
        tested,
        f"the column's name speaks of {described.label_en}, and {shown_en}",
        f"列名表明其为{described.label_zh}，且{shown_zh}",
        width,
        rows,
    )
