"""Which columns hold personal or commercially sensitive values: by value, by check character, by name.

`detect` proposes; a person confirms. Columns are read whole up to `sample_rows` rows, and by evenly spread rows of a
larger table, so a kind that fills a share p of a column is missed with probability (1 - p) ** sample_rows at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization.chinese_names import looks_like_names, vary_like_names
from contracts.desensitization.detectors import DETECTORS, HINTED_ONLY, Detector, runs_in_sequence
from contracts.desensitization.finding import Finding
from contracts.desensitization.hints import hinted, names_other_object
from contracts.desensitization.kinds import KINDS
from contracts.desensitization.types import as_plain, plain_type
from contracts.errors import PlanError

__all__ = ["Finding", "detect"]

# Kinds that a name alone may announce, if the values do not speak against it.
_BY_NAME = ("operator_name", "supplier_name", "customer_name", "machine_serial")
# Below this share of a text column a match is an accident of one row, however sure its check character.
_INSIDE_SHARE = 0.002
# A longer value is looked at up to here; identifiers are short, and one cell must not hold up a column.
_LONGEST = 4_096
# A column of more bytes than this is looked at in its first rows alone; Arrow strings end at twice as much.
_MOST_BYTES = 1 << 30
_INSIDE_KINDS = frozenset({"resident_id", "email", "mobile_phone"})


def detect(source: Any, *, sample_rows: int = 100_000) -> tuple[Finding, ...]:
    """The findings of a table or of an iterable of record batches, in the order of its columns.

    An iterable is read until `sample_rows` rows are seen. No finding holds a value of the data.
    """
    table = _sample(source, sample_rows)
    findings: list[Finding] = []
    if table is not None:
        for index, field in enumerate(table.schema):
            column = table.column(index)
            if column.nbytes > _MOST_BYTES:
                column = column.slice(0, max(1, len(column) * _MOST_BYTES // column.nbytes))
            findings += _column(field.name, column.combine_chunks())
    return tuple(findings)


def _sample(source: Any, rows: int) -> Any | None:
    if isinstance(source, pa.Table):
        if source.num_rows <= rows:
            return source
        return source.take(pa.array(np.linspace(0, source.num_rows - 1, rows).astype(np.int64)))
    batches, seen = [], 0
    for batch in _batches(source):
        batches.append(batch[: rows - seen])
        seen += batches[-1].num_rows
        if seen >= rows:
            break
    return pa.Table.from_batches(batches) if batches else None


def _batches(source: Iterable[Any]) -> Iterator[Any]:
    return iter([source] if isinstance(source, pa.RecordBatch) else source)


def _column(name: str, array: Any) -> list[Finding]:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    try:
        array = as_plain(array, plain_type(name, array.type))
    except (pa.ArrowException, PlanError):
        # What has no plain form cannot be looked at, and a plan cannot deliver it either.
        return []
    kind = array.type
    if pa.types.is_struct(kind):
        inner = [
            replace(finding, column=name)
            for index in range(kind.num_fields)
            for finding in _column(kind.field(index).name, pc.struct_field(array, [index]))
        ]
        return _strongest(inner)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _column(name, pc.list_flatten(array))
    kinds = hinted(name)
    numbers = _numbers(array)
    texts = _texts(array, numbers)
    findings = [] if texts is None else _by_values(name, kinds, *texts)
    if not findings:
        findings = _by_name(name, kinds, array, texts, numbers)
    return _strongest(findings)


def _strongest(findings: list[Finding]) -> list[Finding]:
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.kind not in best or finding.confidence > best[finding.kind].confidence:
            best[finding.kind] = finding
    return list(best.values())


def _numbers(array: Any) -> NDArray[np.float64] | None:
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    numbers: NDArray[np.float64] = np.array(array.drop_null().cast(pa.float64(), safe=False))
    return numbers[np.isfinite(numbers)]


def _texts(array: Any, numbers: NDArray[np.float64] | None) -> tuple[Any, NDArray[np.int64]] | None:
    """The distinct values as trimmed half-width text with how often each stands; None where none can be text.

    Whole numbers count as text from ten digits on, also where blanks in a file have made floats of them.
    """
    kind = array.type
    if numbers is not None:
        if not len(numbers) or np.median(np.abs(numbers)) < 1e9 or np.abs(numbers).max() >= 2**63:
            return None
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            if (numbers != np.floor(numbers)).any():
                return None
            array = pa.array(numbers.astype(np.int64))
        array = array.cast(pa.string())
    elif pa.types.is_large_string(kind):
        array = array.cast(pa.string())
    elif not pa.types.is_string(kind):
        return None
    values = pc.utf8_slice_codeunits(array.drop_null(), 0, _LONGEST)
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.utf8_normalize(values, "NFKC")
    values = pc.utf8_trim_whitespace(values)
    values = values.filter(pc.not_equal(values, ""))
    if not len(values):
        return None
    counted = pc.value_counts(values)
    return counted.field("values"), np.array(counted.field("counts"), np.int64)


def _by_values(name: str, kinds: frozenset[str], values: Any, counts: NDArray[np.int64]) -> list[Finding]:
    tested = int(counts.sum())
    findings: list[Finding] = []
    other = names_other_object(name)
    for detector in DETECTORS + HINTED_ONLY:
        has_hint = detector.kind in kinds
        flags = detector.matches(values)
        matched = int(counts[flags].sum())
        needed = detector.hinted_share if has_hint else detector.share
        if matched and matched >= needed * tested:
            if detector.weak and not has_hint and (other or runs_in_sequence(values.filter(pa.array(flags)))):
                continue
            findings.append(_found(name, detector, matched, tested, has_hint))
        elif detector.kind in _INSIDE_KINDS and not (detector.weak and other):
            matched = int(counts[detector.inside_text(values)].sum())
            if matched >= max(1, _INSIDE_SHARE * tested):
                findings.append(_inside(name, detector, matched, tested))
    return findings or _names(name, kinds, values, counts)


def _found(name: str, detector: Detector, matched: int, tested: int, has_hint: bool) -> Finding:
    kind = KINDS[detector.kind]
    share = matched / tested
    confidence = (0.7 + 0.29 * share) if has_hint else detector.confidence * (0.5 + 0.5 * share)
    checked_en = ", with valid check digits" if detector.check is not None and not detector.weak else ""
    checked_zh = "，且校验位正确" if detector.check is not None and not detector.weak else ""
    named_en = "; the column's name says so too" if has_hint else ""
    named_zh = "；列名也如此表明" if has_hint else ""
    return Finding(
        name,
        detector.kind,
        kind.category,
        round(confidence, 3),
        matched,
        tested,
        f"{matched} of {tested} values have the form of {kind.label_en}{checked_en}{named_en}",
        f"{tested} 个值中有 {matched} 个符合{kind.label_zh}的格式{checked_zh}{named_zh}",
    )


def _inside(name: str, detector: Detector, matched: int, tested: int) -> Finding:
    kind = KINDS[detector.kind]
    return Finding(
        name,
        detector.kind,
        kind.category,
        0.6 if detector.weak else 0.8,
        matched,
        tested,
        f"{matched} of {tested} texts contain what has the form of {kind.label_en}",
        f"{tested} 段文本中有 {matched} 段含有符合{kind.label_zh}格式的内容",
    )


def _names(name: str, kinds: frozenset[str], values: Any, counts: NDArray[np.int64]) -> list[Finding]:
    flags = looks_like_names(values)
    matched, tested = int(counts[flags].sum()), int(counts.sum())
    share = matched / tested
    by_hint = "person_name" in kinds and share >= 0.5
    # A name that speaks of operators, suppliers or customers says more than the shape of the values.
    by_shape = not kinds & set(_BY_NAME) and share >= 0.9 and vary_like_names(values.filter(pa.array(flags)))
    if not (by_hint or by_shape):
        return []
    kind = KINDS["person_name"]
    return [
        Finding(
            name,
            "person_name",
            kind.category,
            0.95 if by_hint else 0.7,
            matched,
            tested,
            f"{matched} of {tested} values have the form of {kind.label_en}",
            f"{tested} 个值中有 {matched} 个符合{kind.label_zh}的特征",
        )
    ]


def _by_name(
    name: str,
    kinds: frozenset[str],
    array: Any,
    texts: tuple[Any, NDArray[np.int64]] | None,
    numbers: NDArray[np.float64] | None,
) -> list[Finding]:
    tested = len(array) - array.null_count
    findings: list[Finding] = []
    if numbers is not None and len(numbers):
        if "unit_price" in kinds:
            findings.append(_announced(name, "unit_price", 0.9, tested, width=_step(numbers, array.type)))
        if "gps" in kinds and np.abs(numbers).max() <= 180 and (numbers != np.floor(numbers)).any():
            findings.append(_announced(name, "gps", 0.85, tested))
    whole = pa.types.is_integer(array.type)
    if texts is not None or whole:
        for kind in _BY_NAME:
            if kind in kinds:
                matched = int(texts[1][looks_like_names(texts[0])].sum()) if texts else 0
                matched = matched if kind == "operator_name" else 0
                findings.append(_announced(name, kind, 0.6 if whole else 0.9, tested, matched=matched))
    if texts is not None:
        if "unit_price" in kinds:
            findings.append(_announced(name, "unit_price", 0.6, tested))
        if "person_name" in kinds and not names_other_object(name):
            findings.append(_announced(name, "person_name", 0.6, tested))
    return findings


def _announced(
    name: str, kind: str, confidence: float, tested: int, *, matched: int = 0, width: float | None = None
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
    )


def _step(numbers: NDArray[np.float64], kind: Any) -> float | None:
    """A width of 1, 2 or 5 times a power of ten that makes about ten bins of the middle eighty per cent."""
    low, high = np.quantile(numbers, [0.1, 0.9])
    spread = (high - low) or abs(high)
    if not spread:
        return None
    raw = spread / 10
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw))
    smallest = 1.0 if pa.types.is_integer(kind) else 0.0
    if pa.types.is_decimal(kind):
        smallest = 10.0**-kind.scale
    return float(f"{max(step, smallest):.6g}")
