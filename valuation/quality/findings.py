"""What a publisher should look at before listing a table, counted, in two languages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from valuation.profile import ColumnProfile, Profile, TimeProfile
from valuation.quality.model import QualityFinding

# A text column is said to hold another kind of value when every tested value has its form. Whole numbers are left
# out: telephone numbers and codes are rightly kept as text.
_TYPED_FORMS: Final = {
    "decimal": "小数",
    "date": "日期",
    "day-first date": "日期（日在前）",
    "timestamp": "时间戳",
    "day-first timestamp": "时间戳（日在前）",
    "truth value": "布尔值",
}


def findings(profile: Profile) -> tuple[QualityFinding, ...]:
    """The findings of a profile: of the table first, then column by column."""
    found = list(_of_table(profile))
    for order in profile.time_columns:
        found += _of_order(order)
    for column in profile.columns:
        found += _of_column(column, profile.rows)
    return tuple(found)


def _of_table(profile: Profile) -> Iterator[QualityFinding]:
    if profile.rows == 0:
        yield QualityFinding("no_rows", None, 0, "The table has no rows.", "该表没有任何数据行。")
    if profile.duplicate_rows:
        n = profile.duplicate_rows
        yield QualityFinding(
            "duplicate_rows",
            None,
            n,
            f"{n} rows are equal to an earlier row in every cell.",
            f"有 {n} 行与前面的某一行完全相同。",
        )
    for difference in profile.schema_differences:
        yield QualityFinding(
            "schema_difference",
            None,
            1,
            f"The files do not agree: {difference}.",
            f"各文件结构不一致：{difference}。",
        )


def _of_order(order: TimeProfile) -> Iterator[QualityFinding]:
    name = order.column
    claims = (
        ("backward_steps", order.backward_steps, "steps of “{0}” go back in time", "“{0}”中有 {1} 处时间倒退"),
        ("repeated_times", order.repeats, "times of “{0}” repeat an earlier one", "“{0}”中有 {1} 个重复时间"),
        (
            "gaps",
            order.gaps,
            f"gaps of “{{0}}” leave out {order.missing} times at its cadence of {order.cadence} s",
            f"“{{0}}”中有 {{1}} 处中断，按 {order.cadence} 秒的间隔共缺 {order.missing} 个时间点",
        ),
    )
    for code, count, english, chinese in claims:
        if count:
            yield QualityFinding(
                code, name, count, f"{count} {english.format(name)}.", chinese.format(name, count) + "。"
            )


def _of_column(column: ColumnProfile, rows: int) -> Iterator[QualityFinding]:
    name, infinite = column.name, column.positive_infinity + column.negative_infinity
    if rows and column.nulls == rows:
        yield QualityFinding("empty_column", name, rows, f"“{name}” holds no value at all.", f"“{name}”列全部为空。")
        return
    claims = (
        ("missing_cells", column.nulls, "cells of “{0}” are empty", "“{0}”列有 {1} 个单元格为空"),
        ("not_a_number", column.nan, "cells of “{0}” are NaN", "“{0}”列有 {1} 个 NaN"),
        ("infinite", infinite, "cells of “{0}” are infinite", "“{0}”列有 {1} 个无穷大"),
        ("blank_cells", column.blank, "texts of “{0}” are blank", "“{0}”列有 {1} 个空白文本"),
        (
            "placeholder_cells",
            column.placeholders,
            "texts of “{0}” are words such as n/a that stand for no value",
            "“{0}”列有 {1} 个“无”“N/A”等占位词",
        ),
        ("undecodable", column.undecodable, "texts of “{0}” were decoded wrongly", "“{0}”列有 {1} 个乱码文本"),
    )
    for code, count, english, chinese in claims:
        if count:
            text = chinese.format(name, count) + "。"
            yield QualityFinding(code, name, count, f"{count} {english.format(name)}.", text)
    yield from _of_forms(column)
    if column.distinct == 1 and column.values == rows > 1:
        yield QualityFinding(
            "constant_column", name, rows, f"“{name}” holds the same value in every row.", f"“{name}”列取值恒定。"
        )


def _of_forms(column: ColumnProfile) -> Iterator[QualityFinding]:
    for form in column.formats:
        if form.matched == form.tested and form.format in _TYPED_FORMS:
            yield QualityFinding(
                "text_holds",
                column.name,
                form.matched,
                f"All {form.tested} tested texts of “{column.name}” are written as {form.format}.",
                f"“{column.name}”列抽查的 {form.tested} 个文本均为{_TYPED_FORMS[form.format]}。",
            )
        if form.format == "formula":
            yield QualityFinding(
                "formula_cells",
                column.name,
                form.matched,
                f"{form.matched} of {form.tested} tested texts of “{column.name}” look like a spreadsheet formula.",
                f"“{column.name}”列抽查的 {form.tested} 个文本中有 {form.matched} 个形似电子表格公式。",
            )
