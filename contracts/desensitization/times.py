"""Coarser times: the start of the year, quarter, month, week (Monday), day, hour or minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import PlanError

_UTC = frozenset({"UTC", "Z", "Etc/UTC", "+00:00", "GMT"})
_WITHIN_DAY = frozenset({"hour", "minute"})


def generalize_time(column: str, kind: Any, unit: str) -> tuple[Any, Callable[[Any], Any]] | None:
    """Every time becomes the start of its `unit`, in the column's own zone; None where `kind` is no time.

    Raises PlanError where the unit says nothing about the type (hours of a date, days of a time of day) or the
    zone is not known on this machine.
    """
    if pa.types.is_date(kind):
        _check(column, kind, unit, unit not in _WITHIN_DAY)
        return kind, _floor(unit)
    if pa.types.is_time(kind):
        _check(column, kind, unit, unit in _WITHIN_DAY)
        return kind, _floor(unit)
    if not pa.types.is_timestamp(kind):
        return None
    if kind.tz is None:
        return kind, _floor(unit)
    if kind.tz in _UTC:
        # Without its zone the same number reads as the same wall clock, and no zone database is needed.
        naive = pa.timestamp(kind.unit)
        return kind, lambda array: _floor(unit)(array.view(naive)).view(kind)
    try:
        pc.local_timestamp(pa.scalar(0, kind))
    except pa.ArrowInvalid as error:
        raise PlanError(
            f"The time zone {kind.tz!r} of the column {column!r} is not known on this machine.",
            f"本机不认识“{column}”列的时区 {kind.tz!r}。",
            mend_en="Install the system's tzdata, or convert the column to UTC.",
            mend_zh="请安装系统的 tzdata，或将该列转换为 UTC。",
        ) from error

    def floor_local(array: Any) -> Any:
        wall = _floor(unit)(pc.local_timestamp(array))
        # A wall clock that daylight saving shows twice or not at all takes the earlier instant, so no row fails.
        return pc.assume_timezone(wall, kind.tz, ambiguous="earliest", nonexistent="earliest")

    return kind, floor_local


def _floor(unit: str) -> Callable[[Any], Any]:
    return lambda array: pc.floor_temporal(array, unit=unit)


def _check(column: str, kind: Any, unit: str, fits: bool) -> None:
    if not fits:
        raise PlanError(
            f"The column {column!r} of type {kind} cannot be generalised to the {unit}.",
            f"“{column}”列（类型 {kind}）无法泛化到 {unit}。",
            mend_en="Use day or coarser for dates, hour or minute for times of day.",
            mend_zh="日期请用 day 或更粗的单位，时刻请用 hour 或 minute。",
        )
