"""Column names: what is mended with a remark, and what is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from exchange.catalog.reading.errors import ReadingError, ReadingWarning, shorten
from exchange.catalog.reading.model import Limits

_LINE_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
# Byte-order marks and zero-width spaces come from copy and paste and cannot be seen.
_INVISIBLE = re.compile("[\ufeff\u200b]")


def clean_names(raw: Sequence[str | None], file: str, limits: Limits) -> tuple[tuple[str, ...], list[ReadingWarning]]:
    """Return the column names trimmed and on one line, and a remark on each that changed.

    Raises ReadingError for too many columns and for a name that is empty, too long, not printable or used twice.
    """
    check_column_count(len(raw), file, limits)
    names: list[str] = []
    remarks: list[ReadingWarning] = []
    for position, given in enumerate(raw, start=1):
        name = _INVISIBLE.sub("", _LINE_BREAKS.sub(" ", given or "")).strip()
        _check_name(name, position, file, limits)
        if name != given:
            remarks.append(
                ReadingWarning(
                    "name-mended",
                    name,
                    f"{file}: the name of column {position}, “{shorten(given or '')}”, was trimmed to “{name}”.",
                    f"{file}：第 {position} 列的名称“{shorten(given or '')}”已整理为“{name}”。",
                )
            )
        names.append(name)
    _check_repeats(names, file)
    remarks += _case_remarks(names, file)
    return tuple(names), remarks


def check_column_count(count: int, file: str, limits: Limits) -> None:
    """Raise ReadingError if a table has more columns than the limit."""
    if count > limits.max_columns:
        raise ReadingError(
            "too-many-columns",
            field=file,
            reason=(
                f"The table has {count:,} columns; the limit is {limits.max_columns:,}.",
                f"该表有 {count:,} 列，上限为 {limits.max_columns:,} 列。",
            ),
            mend=("Split the table by columns, or write it in long form.", "请按列拆分该表，或改为长表形式。"),
        )


def _check_name(name: str, position: int, file: str, limits: Limits) -> None:
    if not name:
        raise ReadingError(
            "empty-name",
            field=f"{file}: column {position}",
            reason=(f"Column {position} has no name.", f"第 {position} 列没有名称。"),
            mend=("Give every column a name in the first line.", "请在首行为每一列填写名称。"),
        )
    if len(name) > limits.max_name_characters:
        raise ReadingError(
            "long-name",
            field=f"{file}: column {position}",
            reason=(
                f"The name of column {position} has {len(name):,} characters (“{shorten(name)}”); "
                f"the limit is {limits.max_name_characters}.",
                f"第 {position} 列的名称有 {len(name):,} 个字符（“{shorten(name)}”），上限为 {limits.max_name_characters}。",
            ),
            mend=(
                "Shorten the name; if it is data, the file has no header or a quotation mark is left open.",
                "请缩短名称；若其实是数据，则文件没有表头或有引号未闭合。",
            ),
        )
    bad = next((character for character in name if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")), None)
    if bad is not None:
        raise ReadingError(
            "unprintable-name",
            field=f"{file}: column {position}",
            reason=(
                f"The name of column {position} (“{shorten(name)}”) contains the control character U+{ord(bad):04X}.",
                f"第 {position} 列的名称（“{shorten(name)}”）含控制字符 U+{ord(bad):04X}。",
            ),
            mend=("Type the name again without it.", "请重新输入名称，去掉该字符。"),
        )


def _check_repeats(names: Sequence[str], file: str) -> None:
    first: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name in first:
            raise ReadingError(
                "repeated-name",
                field=name,
                reason=(
                    f"{file}: columns {first[name]} and {position} are both called “{name}”.",
                    f"{file}：第 {first[name]} 列与第 {position} 列都名为“{name}”。",
                ),
                mend=("Give every column a name of its own.", "请为每一列取不同的名称。"),
            )
        first[name] = position


def _case_remarks(names: Sequence[str], file: str) -> list[ReadingWarning]:
    """Return a remark where two names differ in case only, which some database programs cannot hold apart."""
    folded: dict[str, str] = {}
    remarks = []
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            remarks.append(
                ReadingWarning(
                    "names-differ-by-case",
                    name,
                    f"{file}: the names “{other}” and “{name}” differ in case only.",
                    f"{file}：列名“{other}”与“{name}”仅大小写不同。",
                )
            )
    return remarks


def numbered_names(count: int) -> tuple[str, ...]:
    """Return the names of the columns of a table without a header."""
    return tuple(f"column_{position}" for position in range(1, count + 1))
