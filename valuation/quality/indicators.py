"""What the table itself shows of each indicator of GB/T 36344; rules and declared counts are added to it.

Each function gives the parts of its indicator, numerator and denominator each, and a note in English and
Chinese. No part means that the table alone does not show the indicator.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from valuation.profile import ColumnProfile, Profile, TimeProfile
from valuation.quality.compile import evaluate, find, is_filled
from valuation.quality.model import Part
from valuation.quality.rules import Declaration, Rule, decimal
from valuation.source import Source

# A time column is taken for the one the records follow when at most this share of its steps goes backward …
_MOST_BACKWARD: Final = Decimal("0.05")
# … and its times are taken to be meant as distinct when at least this share of them is.
_LEAST_DISTINCT: Final = Decimal("0.95")
# Times are regular when at least this share of the steps is one cadence long.
_LEAST_REGULAR: Final = Decimal("0.5")

_GENERATED_NAME: Final = re.compile(r"(?i)(unnamed.*|col(umn)?[ _]?\d*|field[ _]?\d*|f\d+|列\d*|字段\d*|_c?\d+|\d+)?")


@dataclass(frozen=True)
class Subject:
    """The table under assessment: its profile, the opened files, and what was declared."""

    profile: Profile
    source: Source
    declared: Declaration

    def mandatory(self) -> list[ColumnProfile]:
        """The profiles of the columns that must be filled: the declared ones, else all."""
        if self.declared.mandatory is None:
            return list(self.profile.columns)
        return [self.profile.columns[find(self.source, name).index] for name in self.declared.mandatory]

    def time_axis(self) -> TimeProfile | None:
        """The time column the records follow: the declared one, else the first that hardly ever steps back."""
        if self.declared.time_axis is not None:
            index = find(self.source, self.declared.time_axis).index
            return next((axis for axis in self.profile.time_columns if axis.position == index), None)
        for axis in self.profile.time_columns:
            if axis.steps >= 2 and axis.backward_steps <= _MOST_BACKWARD * axis.steps:
                return axis
        return None


@dataclass(frozen=True)
class Shown:
    """The parts of an indicator and how they are counted, in two languages; what it needs where there is no part.

    `needs` is given where the note alone would not say what is missing.
    """

    parts: tuple[Part, ...]
    note_en: str
    note_zh: str
    needs: tuple[str, str] | None = None


Measure = Callable[[Subject], Shown]


def data_model(subject: Subject) -> Shown:
    """Columns that are as declared; without a declaration, columns alike in all of several files."""
    schema = subject.declared.schema
    if schema:
        kinds = {column.name.strip(): column.kind for column in subject.source.columns}
        found = sum(1 for name, kind in schema.items() if kinds.get(name.strip()) == kind)
        return Shown(
            (Part("declared schema", found, len(schema)),),
            "Declared columns that are there with the declared kind, of those declared.",
            "实际存在且类型与声明一致的列数，与声明的列数之比。",
        )
    files = subject.source.files
    parts: tuple[Part, ...] = ()
    if len(files) > 1:
        first = files[0]
        columns = [list(zip(file.names, file.types, strict=True)) for file in files]
        alike = sum(1 for k in range(len(first.names)) if all(column[k] == columns[0][k] for column in columns))
        parts = (Part("columns of all files", alike, len(first.names)),)
    return Shown(
        parts, "Columns with the same name and type in every file.", "各文件中名称与类型完全一致的列所占比例。"
    )


def metadata(subject: Subject) -> Shown:
    """Columns with a name of their own, neither empty nor made up by a program."""
    names = [column.name.strip() for column in subject.profile.columns]
    named = sum(1 for name in names if names.count(name) == 1 and not _GENERATED_NAME.fullmatch(name))
    return Shown(
        (Part("column names", named, len(names)),),
        "Columns with a name of their own that is neither empty nor machine-made.",
        "具有唯一、非空且非程序自动生成名称的列所占比例。",
    )


def element_completeness(subject: Subject) -> Shown:
    """Filled cells of the cells that are expected to be filled."""
    rows = subject.profile.rows
    parts = [Part(column.name, filled(column), rows) for column in subject.mandatory()]
    return Shown(
        merged(parts),
        "Filled cells of the mandatory columns (of all columns, where none are declared); null, NaN, blank and "
        "words such as n/a are not filled.",
        "必填列（未声明时为全部列）中已填写单元格所占比例；空值、NaN、空白及“无”“N/A”等占位词视为未填写。",
    )


def filled(column: ColumnProfile) -> int:
    """Cells that hold a value, infinite numbers included."""
    infinite = column.positive_infinity + column.negative_infinity
    return column.values + infinite - column.blank - column.placeholders


def record_completeness(subject: Subject) -> Shown:
    """Records whose mandatory cells are all filled, of the records there are or should be."""
    rows = subject.profile.rows
    expected = max(rows, subject.declared.expected_records or 0)
    gappy = [column for column in subject.mandatory() if filled(column) < rows]
    complete = rows
    if gappy:
        claims = [is_filled(subject.source.columns[column.position]) for column in gappy]
        values = [value for _, bound in claims for value in bound]
        where = " AND ".join(claim for claim, _ in claims)
        complete = subject.source.row(f"SELECT count(*) FROM s WHERE {where}", values)[0]  # noqa: S608
    return Shown(
        (Part("records", complete, expected),) if expected else (),
        "Records in which every mandatory cell is filled, of the records present or, if more, declared.",
        "必填单元格全部填写的记录数，与实有（或声明应有，取较大者）记录数之比。",
    )


def duplication_rate(subject: Subject) -> Shown:
    """Rows that repeat an earlier row."""
    rows = subject.profile.rows
    return Shown(
        (Part("rows", subject.profile.duplicate_rows, rows),) if rows else (),
        "Rows equal to an earlier row in every cell, over all files; lower is better.",
        "所有文件中与前面某行完全相同的行所占比例，越低越好。",
    )


def uniqueness(subject: Subject) -> Shown:
    """Distinct values of declared keys, and of the times the records follow where nearly all are distinct."""
    parts = []
    for key in subject.declared.keys:
        rule = Rule("unique", key)
        parts.append(Part(rule.name, *evaluate(subject.source, rule)))
    axis = subject.time_axis()
    declared = axis is not None and (axis.column,) in subject.declared.keys
    if axis is not None and not declared and axis.distinct >= _LEAST_DISTINCT * axis.values:
        parts.append(Part(axis.column, axis.distinct, axis.values))
    return Shown(
        tuple(parts),
        "Distinct values of declared keys and of the time axis where at least 95 % of its times are distinct; "
        "counted exactly.",
        "声明的主键以及时间轴（至少95%的时间互不相同时）中不同取值所占比例，精确计数。",
    )


def dirty_data_rate(subject: Subject) -> Shown:
    """Cells that hold no usable value: infinite numbers and texts decoded wrongly."""
    parts = []
    for column in subject.profile.columns:
        infinite = column.positive_infinity + column.negative_infinity
        parts.append(Part(column.name, infinite + column.undecodable, column.values + infinite))
    return Shown(
        merged(parts, lower=True),
        "Cells with infinite numbers, wrongly decoded text, or values outside the declared range; lower is better.",
        "含无穷大、乱码或超出声明范围取值的单元格所占比例，越低越好。",
    )


def period_correctness(subject: Subject) -> Shown:
    """Records whose time lies in the declared period."""
    axis, period = subject.time_axis(), subject.declared.period
    parts: tuple[Part, ...] = ()
    if axis is not None and period is not None:
        rule = Rule("range", (axis.column,), {"minimum": period[0], "maximum": period[1]})
        parts = (Part(axis.column, *evaluate(subject.source, rule)),)
    return Shown(parts, "Records whose time lies in the declared period.", "时间落在声明时间段内的记录所占比例。")


def point_timeliness(subject: Subject) -> Shown:
    """Times that are there, of those the cadence asks for."""
    axis = subject.time_axis()
    parts: tuple[Part, ...] = ()
    if axis is not None:
        cadence = subject.declared.cadence
        expected = _expected(axis, decimal(cadence)) if cadence else _regular(axis)
        if expected:
            parts = (Part(axis.column, min(axis.distinct, expected), expected),)
    return Shown(
        parts,
        "Distinct times that are there, of those the declared or most frequent cadence asks for.",
        "按声明的（或最常见的）采集间隔应有的时间点中实际存在的比例。",
    )


def _regular(axis: TimeProfile) -> int:
    if axis.cadence_steps < _LEAST_REGULAR * axis.steps:
        return 0
    return axis.distinct + axis.missing


def _expected(axis: TimeProfile, cadence: Decimal) -> int:
    """Times from the first to the last at the declared cadence; 0 where the calendar does not reach."""
    try:
        first, last = (dt.datetime.fromisoformat(text or "") for text in (axis.first, axis.last))
    except ValueError:
        return 0
    microseconds = (last - first) // dt.timedelta(microseconds=1)
    return int(Decimal(microseconds) // (cadence * 1_000_000)) + 1


def sequence(subject: Subject) -> Shown:
    """Steps of the time axis that do not go backward."""
    axis = subject.time_axis()
    parts = () if axis is None or not axis.steps else (Part(axis.column, axis.steps - axis.backward_steps, axis.steps),)
    return Shown(
        parts,
        "Steps from one record to the next, in the order of the rows, that do not go back in time.",
        "按记录顺序，相邻记录的时间不倒退的比例。",
    )


def _not_in_the_table(counted: tuple[str, str], needs: tuple[str, str]) -> Measure:
    """An indicator that rules or declared counts alone give: what is counted then, and what is needed for it."""
    return lambda _subject: Shown((), *counted, needs)


def merged(parts: Iterable[Part], *, lower: bool = False) -> tuple[Part, ...]:
    """The same parts, those without a defect added up in one."""
    kept, numerator, denominator, number = [], 0, 0, 0
    for part in parts:
        if part.numerator == (0 if lower else part.denominator):
            numerator, denominator, number = numerator + part.numerator, denominator + part.denominator, number + 1
        else:
            kept.append(part)
    if number:
        kept.append(Part(f"{number} without a defect", numerator, denominator))
    return tuple(part for part in kept if part.denominator)


MEASURES: Final[Mapping[str, Measure]] = {
    "data_standards": _not_in_the_table(
        (
            "Elements that follow the named data standard, of those checked.",
            "所检查的数据元素中符合指定数据标准的比例。",
        ),
        ("Needs a check against a named data standard.", "需提供对照数据标准的检查结果。"),
    ),
    "data_model": data_model,
    "metadata": metadata,
    "business_rules": _not_in_the_table(
        ("Records that follow the business rules, of those checked.", "所检查的记录中符合业务规则的比例。"),
        ("Needs business rules.", "需提供业务规则。"),
    ),
    "reference_data": _not_in_the_table(
        (
            "Values that stand in their list of accepted values, of those checked.",
            "所检查的取值中属于权威参考值清单的比例。",
        ),
        ("Needs lists of accepted values.", "需提供权威参考值清单。"),
    ),
    "security_rules": _not_in_the_table(
        ("Elements that follow the security rules, of those checked.", "所检查的数据元素中符合安全规范的比例。"),
        ("Needs a check against security rules.", "需提供对照安全规范的检查结果。"),
    ),
    "element_completeness": element_completeness,
    "record_completeness": record_completeness,
    "content_correctness": _not_in_the_table(
        (
            "Values that agree with the sample of true values, of those compared.",
            "所比对的取值中与真实值样本一致的比例。",
        ),
        ("Needs a sample of true values.", "需提供真实值样本。"),
    ),
    "format_compliance": _not_in_the_table(
        ("Values in their declared format, of those checked.", "所检查的取值中符合声明格式的比例。"),
        ("Needs declared formats.", "需声明数据格式。"),
    ),
    "duplication_rate": duplication_rate,
    "uniqueness": uniqueness,
    "dirty_data_rate": dirty_data_rate,
    "same_data": _not_in_the_table(
        ("Elements that are the same in the copy, of those compared.", "所比对的数据元素中与另一副本一致的比例。"),
        ("Needs a second copy of the data.", "需提供同一数据的另一副本。"),
    ),
    "related_data": _not_in_the_table(
        ("Records that keep the rules between columns, of those checked.", "所检查的记录中满足列间关联规则的比例。"),
        ("Needs rules between columns.", "需提供列间关联规则。"),
    ),
    "period_correctness": period_correctness,
    "point_timeliness": point_timeliness,
    "sequence": sequence,
    "accessible": _not_in_the_table(
        (
            "Attempts to fetch the data that succeeded, of all attempts counted.",
            "请求访问数据的成功次数占请求访问总次数的比例。",
        ),
        ("Needs counts of attempts to fetch the data.", "需提供访问尝试的统计。"),
    ),
    "usable": _not_in_the_table(
        ("Uses of the data that succeeded, of all uses counted.", "使用数据的成功次数占使用总次数的比例。"),
        ("Needs counts of uses that succeeded.", "需提供成功使用的统计。"),
    ),
}
