"""Turns an altair chart into SVG that a page under `default-src 'self'` may carry, once per content.

vl-convert renders in this process, without network. What comes out is parsed, and nothing but shapes and text is
kept: no script, no style, no reference, no id that could clash with another chart of the page. Colours of the
palette are also named as classes, which theme.css fills for light and dark; the attributes beside them keep the
same SVG readable on white paper.
"""

from __future__ import annotations

import hashlib
import json
import threading
import xml.etree.ElementTree as ET
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FONT = '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "Segoe UI", Arial, sans-serif'
# Each colour stands for one class of theme.css, so no two may be equal.
INK, MUTED, LINE, AXIS, SURFACE = "#3f4e5a", "#586773", "#dbe2e8", "#8595a3", "#fefefe"
BLUE, TEAL, AMBER, VIOLET, RED, SOFT = "#0f7596", "#16857a", "#b7791f", "#7a5cc4", "#c2413a", "#9ccbd9"
CLASSES = {
    INK: "ch-ink", MUTED: "ch-muted", LINE: "ch-line", AXIS: "ch-axis", SURFACE: "ch-surface",
    BLUE: "ch-1", TEAL: "ch-2", AMBER: "ch-3", VIOLET: "ch-4", RED: "ch-bad", SOFT: "ch-soft",
}  # fmt: skip
_STROKES_ONLY = {LINE, AXIS}
_TAGS = {"svg", "g", "path", "text", "tspan", "line", "rect", "circle"}
_ATTRIBUTES = {
    "d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "r", "cx", "cy", "rx", "ry", "width", "height", "viewBox",
    "transform", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "opacity", "fill-opacity", "stroke-opacity", "font-family", "font-size", "font-weight",
    "text-anchor",
}  # fmt: skip
_INVISIBLE = {"", "M0,0h0v0h0Z"}
_KEPT = 256
_cache: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Chart:
    """An SVG image with the sentence that says what it shows; `digest` names its content."""

    svg: str
    alt: str
    digest: str

    def __html__(self) -> str:
        """Let a template print the chart as it is."""
        return self.svg


def draw(build: Callable[[Any], Any], alt: str, content: Any, *, wide: bool = False) -> Chart:
    """Return the chart of `content` (plain data that decides all of it), rendering it when it is not kept yet.

    `build` receives the altair module and returns a chart; `alt` is read aloud in place of the picture; a `wide`
    chart may take the width of a page.
    """
    text = json.dumps([content, alt, wide], default=str)
    key = hashlib.sha256(text.encode()).hexdigest()
    with _lock:
        svg = _cache.get(key)
        if svg is not None:
            _cache.move_to_end(key)
    if svg is None:
        svg = clean(_render(build), alt, "ch-wide" if wide else "")
        with _lock:
            _cache[key] = svg
            while len(_cache) > _KEPT:
                _cache.popitem(last=False)
    return Chart(svg, alt, key)


def clean(svg: str, alt: str, class_name: str = "") -> str:
    """Return `svg` with nothing but shapes and text, its colours also named as classes, and `alt` as its label."""
    # The text comes from the renderer in this process, with the data already escaped.
    root = ET.fromstring(svg)  # noqa: S314
    _strip(root)
    root.attrib.update({"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": alt})
    if class_name:
        root.set("class", class_name)
    return ET.tostring(root, encoding="unicode")


def _render(build: Callable[[Any], Any]) -> str:
    # Both packages are heavy; a process that draws no chart never loads them.
    import altair
    import vl_convert

    text = {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 12, "titleFontSize": 12}
    chart = (
        build(altair)
        .configure(background="transparent", font=FONT, padding=6)
        .configure_view(stroke=None)
        .configure_axis(**text, titleFontWeight="normal", gridColor=LINE, domainColor=AXIS, tickColor=AXIS)
        .configure_title(color=MUTED, fontSize=12, fontWeight="normal", anchor="end", offset=6)
    )
    return str(vl_convert.vegalite_to_svg(chart.to_dict()))


def _strip(element: ET.Element) -> None:
    element.tag = element.tag.rpartition("}")[2]
    classes = []
    for name, value in list(element.attrib.items()):
        if name not in _ATTRIBUTES or "url(" in value:
            del element.attrib[name]
        elif name == "fill" and value in CLASSES:
            classes.append(CLASSES[value])
        elif name == "stroke" and value in CLASSES:
            classes.append(CLASSES[value] + ("" if value in _STROKES_ONLY else "-s"))
    if classes:
        element.set("class", " ".join(classes))
    for child in list(element):
        hidden = child.get("display") == "none" or child.get("d") in _INVISIBLE
        if hidden or child.tag.rpartition("}")[2] not in _TAGS:
            element.remove(child)
        else:
            _strip(child)
