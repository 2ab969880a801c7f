"""Row filters: which rows leave, decided on the source's values before any method touches them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.model import RowFilter
from contracts.desensitization.types import as_plain, plain_type
from contracts.errors import PlanError

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": pc.equal,
    "neq": pc.not_equal,
    "lt": pc.less,
    "lteq": pc.less_equal,
    "gt": pc.greater,
    "gteq": pc.greater_equal,
}


def prepare_filter(item: RowFilter, source: Any) -> Callable[[Any], Any]:
    """A function from the column (an array of type `source`) to which rows stay; a null row never stays.

    Raises PlanError where the value cannot be compared with the column's type.
    """
    kind = plain_type(item.column, source)
    try:
        if isinstance(item.value, tuple):
            return _prepare_set(item, kind)
        value = _scalar(item.value, kind)
        compare = _COMPARE[item.operator]
        # The comparison is tried on an empty column, so that a wrong type is refused before any row is read.
        compare(pa.array([], kind), value)
    except (ValueError, TypeError, ArithmeticError, pa.ArrowException) as error:
        raise PlanError(
            f"The row filter on {item.column!r} does not fit the column's type {kind}.",
            f"“{item.column}”列的行过滤条件与其类型 {kind} 不符。",
            mend_en="Give a value of that type; times are RFC 3339 text, with an offset where the column has a zone.",
            mend_zh="请给出该类型的值；时间用 RFC 3339 文本，列带时区时须含偏移。",
        ) from error
    return lambda array: pc.fill_null(compare(as_plain(array, kind), value), False)


def _prepare_set(item: RowFilter, kind: Any) -> Callable[[Any], Any]:
    values = pa.array([_scalar(value, kind).as_py() for value in item.value], kind)
    wanted = item.operator == "isAnyOf"
    pc.is_in(pa.array([], kind), values)

    def keep(array: Any) -> Any:
        array = as_plain(array, kind)
        inside = pc.is_in(array, values)
        return pc.and_(array.is_valid(), inside if wanted else pc.invert(inside))

    return keep


def _scalar(value: Any, kind: Any) -> Any:
    """The JSON value as a scalar of the column's type; raises ValueError or TypeError where it is none."""
    if pa.types.is_boolean(kind) != isinstance(value, bool):
        raise TypeError("truth values compare with truth values only")
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(value)
        if (moment.tzinfo is None) != (kind.tz is None):
            raise ValueError("one of the two has no zone")
        return pa.scalar(moment, pa.timestamp("us", kind.tz)).cast(kind)
    if pa.types.is_date(kind):
        return pa.scalar(date.fromisoformat(value), kind)
    if pa.types.is_time(kind):
        return pa.scalar(time.fromisoformat(value), pa.time64("us")).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.scalar(Decimal(str(value)), kind)
    if pa.types.is_floating(kind):
        return pa.scalar(float(value), kind)
    return pa.scalar(value, kind)
