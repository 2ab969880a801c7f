"""The pictures of the pages: quality radar, value waterfall and range, histogram of a column, growth of the ledger.

Every function takes plain data and a locale (`zh…` or `en`) and returns an `exchange.svg.Chart`, which a template
prints as it is. Equal arguments give an equal chart. A chart never stands alone: its `alt` says the same in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from babel.numbers import format_decimal

from exchange.svg import AMBER, AXIS, BLUE, INK, LINE, MUTED, SOFT, SURFACE, TEAL, Chart, draw

# Six quality dimensions of GB/T 36344, clockwise from the top, with their names.
DIMENSIONS: Mapping[str, tuple[str, str]] = {
    "normative": ("Normative", "规范性"),
    "completeness": ("Completeness", "完整性"),
    "accuracy": ("Accuracy", "准确性"),
    "consistency": ("Consistency", "一致性"),
    "timeliness": ("Timeliness", "时效性"),
    "accessibility": ("Accessibility", "可访问性"),
}
_WIDTH = 360
_ROW = 44
_FONT_SIZE = 12.5
Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: a total counted from zero, or a change of the running sum, in fen."""

    label: str
    amount_fen: int
    kind: Literal["total", "delta"] = "delta"


@dataclass(frozen=True)
class Interval:
    """A value with its low and high bound in fen, under the name of its approach."""

    label: str
    low_fen: int
    value_fen: int
    high_fen: int


def quality_radar(scores: Mapping[str, float | None], locale: str) -> Chart:
    """Return the radar of the six dimensions; `scores` are shares of one by dimension key.

    A dimension that is missing or None was not assessed: its spoke is dashed and the outline has a gap there.
    """
    values = [scores.get(key) for key in DIMENSIONS]
    names = [_pick(pair, locale) for pair in DIMENSIONS.values()]
    missing = _pick(("not assessed", "未评估"), locale)
    captions = [missing if value is None else f"{float(value) * 100:.1f}%" for value in values]
    outline = _outline(values)
    labels = [
        {**_point(index, 1.14), "name": name, "caption": caption}
        for index, (name, caption) in enumerate(zip(names, captions, strict=True))
    ]

    def build(altair: Any) -> Any:
        scales = altair.Scale(domain=[-1.72, 1.72]), altair.Scale(domain=[-1.32, 1.32])
        x, y = (altair.X("x:Q", axis=None, scale=scales[0]), altair.Y("y:Q", axis=None, scale=scales[1]))
        at = {"x": x, "y": y}
        path = {**at, "order": "order:Q", "detail": "part:N"}
        wedge = [row for row in outline if row["filled"]]
        edge = [row for row in outline if row["order"]]
        dots = [_point(i, value) for i, value in enumerate(values) if value is not None]
        parts = [
            *_web(altair, values, path),
            _rows(altair, wedge).mark_line(filled=True, fill=BLUE, fillOpacity=0.16, strokeWidth=0).encode(**path),
            _rows(altair, edge).mark_line(color=BLUE, strokeWidth=2, strokeCap="round").encode(**path),
            _dot(_rows(altair, dots), 52).encode(**at),
        ]
        for align, side in (("center", 0), ("left", 1), ("right", -1)):
            text = _rows(altair, [row for row in labels if (row["x"] > 0.1) - (row["x"] < -0.1) == side])
            name = text.mark_text(align=align, color=INK, fontSize=_FONT_SIZE, fontWeight=600, dy=-7)
            caption = text.mark_text(align=align, color=MUTED, fontSize=12, dy=8)
            parts += [name.encode(**at, text="name:N"), caption.encode(**at, text="caption:N")]
        return altair.layer(*parts).properties(width=_WIDTH, height=276)

    return draw(build, _listing(zip(names, captions, strict=True), locale), ("radar", values, locale))


def value_waterfall(steps: Sequence[Step], locale: str) -> Chart:
    """Return the steps from cost to value as bars below one another, each from where the last one ended."""
    unit, divisor = _unit((step.amount_fen for step in steps), locale)
    rows: list[Row] = []
    running = 0
    for index, step in enumerate(steps):
        start = 0 if step.kind == "total" else running
        running = start + step.amount_fen
        sign = "" if step.kind == "total" else "+" if step.amount_fen >= 0 else "−"
        colour = BLUE if step.kind == "total" else TEAL if step.amount_fen >= 0 else AMBER
        rows.append({
            "label": step.label, "start": start / divisor, "end": running / divisor, "colour": colour,
            "text": sign + _amount(abs(step.amount_fen) / divisor), **_tracks(index),
        })  # fmt: skip
    alt = _listing(((row["label"], f"{row['text']} {unit}") for row in rows), locale)
    low = min((min(row["start"], row["end"], 0) for row in rows), default=0)
    high = max((max(row["start"], row["end"]) for row in rows), default=0) or 1
    # The figures stand in a column of their own, right of the longest bar.
    right = high + (high - low) * 0.2

    def build(altair: Any) -> Any:
        x, y = _axes(altair, (low, right), len(rows))
        fill = altair.Fill("colour:N", scale=None)
        return altair.layer(
            _rows(altair, rows[:-1]).mark_rule(color=LINE).encode(x=x("end"), y=y("foot"), y2="next:Q"),
            _rows(altair, rows)
            .mark_rect(cornerRadius=2)
            .encode(x=x("start"), x2="end:Q", y=y("bar"), y2="foot:Q", fill=fill),
            *_captions(altair, rows, (low, right), x, y),
        ).properties(width=_WIDTH, height=_height(rows), title=unit)

    content = [(step.label, step.amount_fen, step.kind) for step in steps]
    return draw(build, alt, ("waterfall", content, locale))


def value_range(intervals: Sequence[Interval], locale: str) -> Chart:
    """Return each approach's low, point and high value on one common scale."""
    unit, divisor = _unit((item.high_fen for item in intervals), locale)
    rows: list[Row] = []
    for index, item in enumerate(intervals):
        low, value, high = (fen / divisor for fen in (item.low_fen, item.value_fen, item.high_fen))
        text = f"{_amount(value)} ({_amount(low)} – {_amount(high)})"
        rows.append({"label": item.label, "low": low, "value": value, "high": high, "text": text, **_tracks(index)})
    alt = _listing(((row["label"], f"{row['text']} {unit}") for row in rows), locale)
    least = min((row["low"] for row in rows), default=0)
    most = max((row["high"] for row in rows), default=1)
    # The scale starts near the data, since the width of a range is the message; the axis carries the figures.
    margin = (most - least) * 0.12 or abs(most) * 0.1 or 1
    domain = (max(0, least - margin) if least >= 0 else least - margin, most + margin)

    def build(altair: Any) -> Any:
        axis = altair.Axis(tickCount=5, title=None, format=",.2~f", grid=True, domain=False, ticks=False)
        x, y = _axes(altair, domain, len(rows), axis)
        bar = _rows(altair, rows).mark_rule(color=SOFT, strokeWidth=9, strokeCap="round")
        return altair.layer(
            bar.encode(x=x("low"), x2="high:Q", y=y("middle")),
            _dot(_rows(altair, rows), 130).encode(x=x("value"), y=y("middle")),
            *_captions(altair, rows, domain, x, y),
        ).properties(width=_WIDTH, height=_height(rows), title=unit)

    content = [(item.label, item.low_fen, item.value_fen, item.high_fen) for item in intervals]
    return draw(build, alt, ("range", content, locale))


def column_histogram(column: str, bins: Sequence[tuple[float, float, int]], locale: str) -> Chart:
    """Return the distribution of a numeric column; `bins` are (low, high, rows), ascending."""
    rows = [{"low": float(low), "high": float(high), "rows": count, "floor": 0} for low, high, count in bins]
    total = sum(count for _, _, count in bins)
    english = f"Distribution of {column}: {total:,} values in {len(rows)} bins"
    alt = _pick((english, f"{column} 的分布：{len(rows)} 个区间，共 {total:,} 个值"), locale)

    def build(altair: Any) -> Any:
        x_axis = altair.Axis(grid=False, tickCount=6)
        y_axis = altair.Axis(tickCount=4, domain=False, ticks=False, format=_count_format(rows, "rows"))
        scale = altair.Scale(nice=False, zero=False)
        return (
            _rows(altair, rows)
            .mark_bar(fill=BLUE, stroke=SURFACE, strokeWidth=1, cornerRadiusTopLeft=1.5, cornerRadiusTopRight=1.5)
            .encode(
                x=altair.X("low:Q", title=column, scale=scale, axis=x_axis),
                x2="high:Q",
                y2="floor:Q",
                y=altair.Y("rows:Q", title=_pick(("rows", "行数"), locale), axis=y_axis),
            )
            .properties(width=_WIDTH, height=150)
        )

    return draw(build, alt, ("histogram", column, rows, locale))


def ledger_growth(points: Sequence[tuple[datetime, int]], locale: str, offset_hours: int = 8) -> Chart:
    """Return the size of the log over time as steps; `points` are (aware time, entries), oldest first."""
    zone = timezone(timedelta(hours=offset_hours))
    rows = [{"at": at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"), "size": size} for at, size in points]
    span = points[-1][0] - points[0][0] if points else timedelta(0)
    form = "%H:%M" if span < timedelta(days=2) else _pick(("%e %b", "%m-%d"), locale)
    size = points[-1][1] if points else 0
    alt = _pick((f"The ledger has grown to {size:,} entries", f"账本已增长到 {size:,} 条记录"), locale)

    def build(altair: Any) -> Any:
        x_axis = altair.Axis(format=form, grid=False, tickCount=6, labelFlush=True)
        y_axis = altair.Axis(tickCount=4, domain=False, ticks=False, format=_count_format(rows, "size"))
        chart = _rows(altair, rows).encode(
            x=altair.X("at:T", title=None, axis=x_axis),
            y=altair.Y("size:Q", title=_pick(("entries", "条记录"), locale), axis=y_axis),
        )
        return altair.layer(
            chart.mark_area(interpolate="step-after", fill=BLUE, fillOpacity=0.14),
            chart.mark_line(interpolate="step-after", color=BLUE, strokeWidth=1.75),
        ).properties(width=460, height=130)

    return draw(build, alt, ("growth", rows, locale), wide=True)


def _point(index: int, radius: float) -> Row:
    """Return a place on the spoke `index`, clockwise from the top; the radius is kept within the web."""
    angle = math.pi / 2 - index * math.tau / len(DIMENSIONS)
    length = max(0.0, min(1.2, float(radius)))
    return {"x": round(length * math.cos(angle), 4), "y": round(length * math.sin(angle), 4)}


def _outline(values: Sequence[float | None]) -> list[Row]:
    """Return a triangle with the hub for every two neighbours that were both assessed; order 0 is the hub."""
    rows: list[Row] = []
    for part, value in enumerate(values):
        following = (part + 1) % len(values)
        other = values[following]
        if value is not None and other is not None:
            corners = [{"x": 0, "y": 0}, _point(part, value), _point(following, other)]
            rows += [{**corner, "order": order, "part": part, "filled": True} for order, corner in enumerate(corners)]
    return rows


def _web(altair: Any, values: Sequence[float | None], path: Mapping[str, Any]) -> list[Any]:
    """Return the rings at each quarter and the spokes, those of dimensions not assessed dashed."""
    count = len(values)
    rings = [
        {**_point(index % count, level), "order": index, "part": level}
        for level in (0.25, 0.5, 0.75, 1.0)
        for index in range(count + 1)
    ]
    layers = [_rows(altair, rings).mark_line(color=LINE, strokeWidth=1).encode(**path)]
    for is_open, style in ((False, {"color": LINE}), (True, {"color": AXIS, "strokeDash": [3, 4]})):
        spokes = [
            {**end, "order": order, "part": index}
            for index, value in enumerate(values)
            if (value is None) == is_open
            for order, end in enumerate(({"x": 0, "y": 0}, _point(index, 1)))
        ]
        layers.append(_rows(altair, spokes).mark_line(strokeWidth=1, **style).encode(**path))
    return layers


def _tracks(index: int) -> Row:
    """Return the heights within row `index`: caption, bar from `bar` to `foot`, and the next row's bar."""
    top = index * _ROW
    return {"caption": top + 12, "bar": top + 24, "middle": top + 30, "foot": top + 36, "next": top + _ROW + 24}


def _height(rows: Sequence[Row]) -> int:
    return _ROW * max(len(rows), 1)


def _axes(altair: Any, domain: Sequence[float], rows: int, axis: Any = None) -> tuple[Any, Any]:
    """Return two functions that place a field across (on `domain`) and down (in pixels)."""
    across = altair.Scale(domain=list(domain), nice=False)
    down = altair.Scale(domain=[_ROW * max(rows, 1), 0], nice=False)
    return (
        lambda field: altair.X(f"{field}:Q", scale=across, axis=axis),
        lambda field: altair.Y(f"{field}:Q", scale=down, axis=None),
    )


def _captions(altair: Any, rows: Sequence[Row], ends: Sequence[float], x: Any, y: Any) -> list[Any]:
    """Return the label of every row at the left end and its figure at the right end."""
    placed = _rows(altair, [{**row, "left": ends[0], "right": ends[1]} for row in rows])
    layers = []
    for align, field, weight, limit in (("left", "label", 400, 250), ("right", "text", 600, 180)):
        font = {"fontSize": _FONT_SIZE, "fontWeight": weight, "limit": limit}
        mark = placed.mark_text(align=align, baseline="middle", color=INK, **font)
        layers.append(mark.encode(x=x(align), y=y("caption"), text=f"{field}:N"))
    return layers


def _rows(altair: Any, rows: Sequence[Row]) -> Any:
    return altair.Chart(altair.Data(values=list(rows)))


def _dot(layer: Any, size: int) -> Any:
    return layer.mark_point(filled=True, fill=BLUE, stroke=SURFACE, strokeWidth=2, size=size, opacity=1)


def _pick(pair: tuple[str, str], locale: str) -> str:
    return pair[1 if locale.startswith("zh") else 0]


def _amount(value: float) -> str:
    return str(format_decimal(value, format="#,##0.##" if abs(value) < 1000 else "#,##0", locale="en"))


def _unit(amounts_fen: Iterable[int], locale: str) -> tuple[str, float]:
    """Return the unit that suits the largest amount, and how many fen it has."""
    largest = max((abs(fen) for fen in amounts_fen), default=0) / 100
    chinese, english = ((1e8, "亿元"), (1e4, "万元")), ((1e6, "million CNY"), (1e3, "thousand CNY"))
    for size, name in chinese if locale.startswith("zh") else english:
        # Ten of a unit at least, so that two decimals still tell neighbours apart.
        if largest >= 10 * size:
            return name, size * 100
    return _pick(("CNY", "元"), locale), 100


def _count_format(rows: Sequence[Row], field: str) -> str:
    return "~s" if max((row[field] for row in rows), default=0) >= 1_000_000 else ",d"


def _listing(pairs: Iterable[tuple[str, str]], locale: str) -> str:
    colon, comma = _pick((": ", "："), locale), _pick((", ", "，"), locale)
    return comma.join(f"{name}{colon}{value}" for name, value in pairs)
