"""Charts of the pages, drawn on the server: altair builds them, vl-convert renders them, the result is plain SVG.

A `Chart` goes straight into a page: it carries no script, no style attribute and no id that could clash, so it passes
`default-src 'self'`, and its colours are classes of theme.css, so it follows light and dark. The colour
attributes that stay beside the classes make the same SVG readable on white paper (PDF, download). Every
function is pure: equal data and locale give an equal chart, which is rendered once and then kept by digest.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import xml.etree.ElementTree as ET
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from babel.numbers import format_decimal

FONT = '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "Segoe UI", Arial, sans-serif'
# Six quality dimensions of GB/T 36344, clockwise from the top, with their names.
DIMENSIONS: Mapping[str, tuple[str, str]] = {
    "normative": ("Normative", "规范性"),
    "completeness": ("Completeness", "完整性"),
    "accuracy": ("Accuracy", "准确性"),
    "consistency": ("Consistency", "一致性"),
    "timeliness": ("Timeliness", "时效性"),
    "accessibility": ("Accessibility", "可访问性"),
}
# Each colour stands for a class of theme.css; no two may be equal.
INK, MUTED, LINE, AXIS, SURFACE = "#3f4e5a", "#586773", "#dbe2e8", "#8595a3", "#fefefe"
BLUE, TEAL, AMBER, VIOLET, RED, SOFT = "#0f7596", "#16857a", "#b7791f", "#7a5cc4", "#c2413a", "#9ccbd9"
_CLASSES = {
    INK: "ch-ink", MUTED: "ch-muted", LINE: "ch-line", AXIS: "ch-axis", SURFACE: "ch-surface",
    BLUE: "ch-1", TEAL: "ch-2", AMBER: "ch-3", VIOLET: "ch-4", RED: "ch-bad", SOFT: "ch-soft",
}  # fmt: skip
_TAGS = {"svg", "g", "path", "text", "tspan", "line", "rect", "circle", "defs", "clipPath"}
_ATTRIBUTES = {
    "d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "r", "cx", "cy", "rx", "ry", "width", "height", "viewBox", "transform", "fill", "stroke",
    "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity", "fill-opacity", "stroke-opacity",
    "font-family", "font-size", "font-weight", "text-anchor",
}  # fmt: skip
_KEPT = 256
_cache: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()

Kind = Literal["total", "delta"]


@dataclass(frozen=True)
class Chart:
    """An SVG image with the sentence that says what it shows; `digest` names its content."""

    svg: str
    alt: str
    digest: str

    def __html__(self) -> str:
        """Let a template print the chart as it is."""
        return self.svg


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: a total from zero, or a change to the running sum, in fen."""

    label: str
    amount_fen: int
    kind: Kind = "delta"


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
    names = [_pick(pair, locale) for pair in DIMENSIONS.values()]
    values = [scores.get(key) for key in DIMENSIONS]
    missing = _pick(("not assessed", "未评估"), locale)
    captions = [missing if value is None else _percent(value) for value in values]
    alt = _listing(zip(names, captions, strict=True), locale)

    def point(index: int, radius: float) -> dict[str, float]:
        angle = math.pi / 2 - index * math.tau / len(names)
        return {"x": round(radius * math.cos(angle), 4), "y": round(radius * math.sin(angle), 4)}

    rings = [{**point(i % 6, level), "order": i, "ring": level} for level in (0.25, 0.5, 0.75, 1.0) for i in range(7)]
    spokes = [{**point(i, 1), "x0": 0, "y0": 0, "open": value is None} for i, value in enumerate(values)]
    wedges, edges = [], []
    for i, value in enumerate(values):
        following = values[(i + 1) % 6]
        if value is None or following is None:
            continue
        ends = [point(i, _clip(value)), point((i + 1) % 6, _clip(following))]
        wedges += [{**end, "order": n, "part": i} for n, end in enumerate([{"x": 0, "y": 0}, *ends])]
        edges += [{**end, "order": n, "part": i} for n, end in enumerate(ends)]
    dots = [point(i, _clip(value)) for i, value in enumerate(values) if value is not None]
    labels = [
        {**point(i, 1.14), "name": name, "caption": caption, "side": round(math.cos(math.pi / 2 - i * math.tau / 6), 2)}
        for i, (name, caption) in enumerate(zip(names, captions, strict=True))
    ]

    def build(alt_: Any) -> Any:
        across, up = alt_.Scale(domain=[-1.75, 1.75]), alt_.Scale(domain=[-1.32, 1.32])
        x, y = alt_.X("x:Q", axis=None, scale=across), alt_.Y("y:Q", axis=None, scale=up)
        hub = {
            "x": alt_.X("x0:Q", axis=None, scale=across),
            "y": alt_.Y("y0:Q", axis=None, scale=up),
            "x2": "x:Q",
            "y2": "y:Q",
        }
        layer = _layer(alt_)
        parts = [
            layer(rings).mark_line(color=LINE, strokeWidth=1).encode(x=x, y=y, order="order:Q", detail="ring:N"),
            layer([s for s in spokes if not s["open"]]).mark_rule(color=LINE).encode(**hub),
            layer([s for s in spokes if s["open"]]).mark_rule(color=AXIS, strokeDash=[3, 4]).encode(**hub),
            layer(wedges)
            .mark_line(filled=True, fill=BLUE, fillOpacity=0.16, strokeWidth=0)
            .encode(x=x, y=y, order="order:Q", detail="part:N"),
            layer(edges)
            .mark_line(color=BLUE, strokeWidth=2, strokeCap="round")
            .encode(x=x, y=y, order="order:Q", detail="part:N"),
            _dot(layer(dots), 52).encode(x=x, y=y),
        ]
        for align, chosen in (("center", 0), ("left", 1), ("right", -1)):
            rows = [row for row in labels if (row["side"] > 0.1) - (row["side"] < -0.1) == chosen]
            text = layer(rows)
            parts.append(
                text.mark_text(align=align, color=INK, fontSize=12.5, fontWeight=600, dy=-7).encode(
                    x=x, y=y, text="name:N"
                )
            )
            parts.append(text.mark_text(align=align, color=MUTED, fontSize=12, dy=8).encode(x=x, y=y, text="caption:N"))
        return alt_.layer(*parts).properties(width=400, height=300)

    return _chart(build, alt, ("radar", values, locale))


def value_waterfall(steps: Sequence[Step], locale: str) -> Chart:
    """Return the steps from cost to value as bars below one another, each from where the last one ended."""
    unit, divisor = _unit((abs(step.amount_fen) for step in steps), locale)
    rows, running, row_height = [], 0, 44
    for index, step in enumerate(steps):
        start = 0 if step.kind == "total" else running
        running = start + step.amount_fen
        sign = "" if step.kind == "total" else "+" if step.amount_fen >= 0 else "−"
        rows.append({
            "top": index * row_height, "label": step.label, "start": start / divisor, "end": running / divisor,
            "text": f"{sign}{_amount(abs(step.amount_fen) / divisor)}",
            "colour": BLUE if step.kind == "total" else TEAL if step.amount_fen >= 0 else RED,
        })  # fmt: skip
    alt = _listing(((row["label"], f"{row['text']} {unit}") for row in rows), locale)
    lows = [min(row["start"], row["end"]) for row in rows]
    highs = [max(row["start"], row["end"]) for row in rows]
    domain = [min([0.0, *lows]), max([0.0, *highs]) or 1.0]

    def build(alt_: Any) -> Any:
        height = row_height * max(len(rows), 1)
        across, down = alt_.Scale(domain=domain, nice=False), alt_.Scale(domain=[height, 0], nice=False)
        layer = _layer(alt_)

        def x(field: str) -> Any:
            return alt_.X(f"{field}:Q", scale=across, axis=None)

        def y(field: str) -> Any:
            return alt_.Y(f"{field}:Q", scale=down, axis=None)

        at = [
            {**row, "bar": row["top"] + 24, "foot": row["top"] + 36, "next": row["top"] + row_height + 24}
            for row in rows
        ]
        edge = [{**row, "x": domain[0], "right": domain[1], "base": row["top"] + 12} for row in at]
        fill = alt_.Fill("colour:N", scale=None)
        return alt_.layer(
            layer(at[:-1]).mark_rule(color=AXIS, strokeDash=[2, 2]).encode(x=x("end"), y=y("foot"), y2="next:Q"),
            layer(at).mark_rect(cornerRadius=2).encode(x=x("start"), x2="end:Q", y=y("bar"), y2="foot:Q", fill=fill),
            _text(layer(edge), "left").encode(x=x("x"), y=y("base"), text="label:N"),
            _text(layer(edge), "right", 600).encode(x=x("right"), y=y("base"), text="text:N"),
        ).properties(width=440, height=height, title=unit)

    return _chart(build, alt, ("waterfall", [(s.label, s.amount_fen, s.kind) for s in steps], locale))


def value_range(intervals: Sequence[Interval], locale: str) -> Chart:
    """Return each approach's low, point and high value on one common scale."""
    unit, divisor = _unit((item.high_fen for item in intervals), locale)
    row_height = 44
    rows = [
        {
            "label": item.label, "low": item.low_fen / divisor, "value": item.value_fen / divisor, "high": item.high_fen / divisor,
            "text": f"{_amount(item.value_fen / divisor)}  ({_amount(item.low_fen / divisor)} – {_amount(item.high_fen / divisor)})",
            "y": index * row_height + 29, "base": index * row_height + 11,
        }
        for index, item in enumerate(intervals)
    ]  # fmt: skip
    alt = _listing(((row["label"], f"{row['text']} {unit}") for row in rows), locale)
    low = min((row["low"] for row in rows), default=0)
    high = max((row["high"] for row in rows), default=1)
    # The scale starts near the data, since the width of the range is the message, and the axis says so.
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 1
    domain = [max(0, low - margin) if low >= 0 else low - margin, high + margin]

    def build(alt_: Any) -> Any:
        height = row_height * max(len(rows), 1)
        axis = alt_.Axis(tickCount=5, title=None, format=",", grid=True, domain=False, ticks=False)
        across, down = alt_.Scale(domain=domain, nice=False), alt_.Scale(domain=[height, 0], nice=False)
        layer = _layer(alt_)

        def x(field: str) -> Any:
            return alt_.X(f"{field}:Q", scale=across, axis=axis)

        def y(field: str) -> Any:
            return alt_.Y(f"{field}:Q", scale=down, axis=None)

        ends = [{**row, "left": domain[0], "right": domain[1]} for row in rows]
        return alt_.layer(
            layer(rows)
            .mark_rule(color=SOFT, strokeWidth=9, strokeCap="round")
            .encode(x=x("low"), x2="high:Q", y=y("y")),
            _dot(layer(rows), 130).encode(x=x("value"), y=y("y")),
            _text(layer(ends), "left").encode(x=x("left"), y=y("base"), text="label:N"),
            _text(layer(ends), "right", 600).encode(x=x("right"), y=y("base"), text="text:N"),
        ).properties(width=440, height=height, title=unit)

    return _chart(build, alt, ("range", [(i.label, i.low_fen, i.value_fen, i.high_fen) for i in intervals], locale))


def column_histogram(column: str, bins: Sequence[tuple[float, float, int]], locale: str) -> Chart:
    """Return the distribution of a numeric column; `bins` are (low, high, rows), ascending."""
    rows = [{"low": low, "high": high, "rows": count} for low, high, count in bins]
    total = sum(count for _, _, count in bins)
    alt = _pick(
        (
            f"Distribution of {column}: {total:,} values in {len(rows)} bins",
            f"{column} 的分布：{len(rows)} 个区间，共 {total:,} 个值",
        ),
        locale,
    )

    def build(alt_: Any) -> Any:
        return (
            _layer(alt_)(rows)
            .mark_bar(fill=BLUE, stroke=SURFACE, strokeWidth=1, cornerRadiusTopLeft=1.5, cornerRadiusTopRight=1.5)
            .encode(
                x=alt_.X("low:Q", title=column, scale=alt_.Scale(nice=False, zero=False), axis=alt_.Axis(grid=False, tickCount=6)),
                x2="high:Q",
                y=alt_.Y("rows:Q", title=_pick(("rows", "行数"), locale), axis=alt_.Axis(tickCount=4, domain=False, ticks=False, format=_count_format(rows, "rows"))),
            )
            .properties(width=400, height=150)
        )  # fmt: skip

    return _chart(build, alt, ("histogram", column, list(bins), locale))


def ledger_growth(points: Sequence[tuple[datetime, int]], locale: str, offset_hours: int = 8) -> Chart:
    """Return the size of the log over time as steps; `points` are (aware time, entries), oldest first."""
    zone = timezone(timedelta(hours=offset_hours))
    rows = [{"at": at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"), "size": size} for at, size in points]
    span = points[-1][0] - points[0][0] if points else timedelta(0)
    form = "%H:%M" if span < timedelta(days=2) else _pick(("%e %b", "%m-%d"), locale)
    size = points[-1][1] if points else 0
    alt = _pick((f"The ledger has grown to {size:,} entries", f"账本已增长到 {size:,} 条记录"), locale)

    def build(alt_: Any) -> Any:
        chart = _layer(alt_)(rows).encode(
            x=alt_.X("at:T", title=None, axis=alt_.Axis(format=form, grid=False, tickCount=6, labelFlush=True)),
            y=alt_.Y("size:Q", title=_pick(("entries", "条记录"), locale), axis=alt_.Axis(tickCount=4, domain=False, ticks=False, format=_count_format(rows, "size"))),
        )  # fmt: skip
        return alt_.layer(
            chart.mark_area(interpolate="step-after", fill=BLUE, fillOpacity=0.14),
            chart.mark_line(interpolate="step-after", color=BLUE, strokeWidth=1.75),
        ).properties(width=520, height=130)

    return _chart(build, alt, ("growth", rows, locale))


def _chart(build: Callable[[Any], Any], alt: str, content: Any) -> Chart:
    """Return the chart of `content`, rendering it only when it is not kept yet."""
    key = hashlib.sha256(json.dumps([content, alt], ensure_ascii=True, default=str).encode()).hexdigest()
    with _lock:
        svg = _cache.get(key)
        if svg is not None:
            _cache.move_to_end(key)
    if svg is None:
        svg = _clean(_render(build), alt)
        with _lock:
            _cache[key] = svg
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return Chart(svg, alt, key)


def _render(build: Callable[[Any], Any]) -> str:
    # Both packages are heavy; a process that draws no chart never loads them.
    import altair
    import vl_convert

    label = {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 11.5,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
    }
    chart = (
        build(altair)
        .configure(background="transparent", font=FONT, padding=6)
        .configure_view(strokeWidth=0)
        .configure_axis(**label, gridColor=LINE, domainColor=AXIS, tickColor=AXIS)
        .configure_title(color=MUTED, fontSize=11.5, fontWeight="normal", anchor="end", offset=6)
    )
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def _clean(svg: str, alt: str) -> str:
    """Return the renderer's SVG with nothing but shapes and text, its colours also named as classes."""
    # The text comes from the renderer in this process, with the data already escaped.
    root = ET.fromstring(svg)  # noqa: S314
    _strip(root)
    root.attrib.update({"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": alt})
    return ET.tostring(root, encoding="unicode")


def _strip(element: ET.Element) -> None:
    element.tag = element.tag.rpartition("}")[2]
    classes = []
    for name, value in list(element.attrib.items()):
        if name not in _ATTRIBUTES or value.startswith("url("):
            del element.attrib[name]
        elif name in ("fill", "stroke") and value in _CLASSES:
            classes.append(_CLASSES[value] + ("-s" if name == "stroke" and value not in (LINE, AXIS) else ""))
    if classes:
        element.set("class", " ".join(classes))
    for child in list(element):
        if (
            child.tag.rpartition("}")[2] not in _TAGS
            or child.get("display") == "none"
            or child.get("d") in ("", "M0,0h0v0h0Z")
        ):
            element.remove(child)
            continue
        _strip(child)


def _layer(altair: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda rows: altair.Chart(altair.Data(values=rows))


def _text(layer: Any, align: str, weight: int = 400) -> Any:
    return layer.mark_text(align=align, baseline="middle", color=INK, fontSize=12.5, fontWeight=weight)


def _dot(layer: Any, size: int) -> Any:
    return layer.mark_point(filled=True, fill=BLUE, stroke=SURFACE, strokeWidth=2, size=size, opacity=1)


def _pick(pair: tuple[str, str], locale: str) -> str:
    return pair[1 if locale.startswith("zh") else 0]


def _clip(value: float) -> float:
    return max(0.0, min(1.0, float(value)))


def _percent(value: float) -> str:
    return f"{float(value) * 100:.1f}%"


def _amount(value: float) -> str:
    return str(format_decimal(value, format="#,##0.##" if abs(value) < 1000 else "#,##0", locale="en"))


def _unit(amounts_fen: Any, locale: str) -> tuple[str, float]:
    """Return the unit that suits the largest amount, and how many fen it has."""
    largest = max(amounts_fen, default=0) / 100
    if locale.startswith("zh"):
        steps = ((1e8, "亿元"), (1e4, "万元"), (1, "元"))
    else:
        steps = ((1e6, "million CNY"), (1e3, "thousand CNY"), (1, "CNY"))
    for size, name in steps:
        if largest >= size:
            return name, size * 100
    return steps[-1][1], 100


def _count_format(rows: Sequence[Mapping[str, Any]], field: str) -> str:
    return "~s" if max((row[field] for row in rows), default=0) >= 1_000_000 else ",d"


def _listing(pairs: Any, locale: str) -> str:
    colon, comma = _pick((": ", ", "), locale), _pick((", ", "，"), locale)
    colon = "：" if locale.startswith("zh") else colon
    return comma.join(f"{name}{colon}{value}" for name, value in pairs)
