"""Charts are plain SVG that says what the data says, in both languages, and passes a strict policy."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from markupsafe import escape

from exchange import charts, svg
from exchange.charts import Interval, Step

SVG = "{http://www.w3.org/2000/svg}"
SCORES = {
    "normative": 0.96, "completeness": 0.99, "accuracy": 0.94,
    "consistency": 0.97, "timeliness": None, "accessibility": 0.98,
}  # fmt: skip
START = datetime(2026, 11, 1, tzinfo=UTC)
# The worked example of the cost approach.
STEPS = (
    Step("总成本", 128_000_000, "total"),
    Step("合理利润", 10_240_000),
    Step("时效折减", -41_472_000),
    Step("质量系数", 560_236),
    Step("估值", 97_328_236, "total"),
)


def every_chart(locale: str) -> list[svg.Chart]:
    return [
        charts.quality_radar(SCORES, locale),
        charts.value_waterfall(STEPS, locale),
        charts.value_range([Interval("成本法", 86_000_000, 97_328_236, 108_000_000)], locale),
        charts.column_histogram('<script>"主轴"&', [(0, 1, 5), (1, 2, 9), (2, 3, 0)], locale),
        charts.ledger_growth([(START + timedelta(days=day), day * 7) for day in range(9)], locale),
    ]


def parse(chart: svg.Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own output


def texts(chart: svg.Chart) -> list[str]:
    return ["".join(node.itertext()) for node in parse(chart).iter(f"{SVG}text")]


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_a_chart_holds_nothing_that_the_content_security_policy_refuses(locale: str) -> None:
    for chart in every_chart(locale):
        nodes = list(parse(chart).iter())
        assert {node.tag.removeprefix(SVG) for node in nodes} <= {
            "svg", "g", "path", "text", "tspan", "line", "rect", "circle",
        }  # fmt: skip
        names = {name for node in nodes for name in node.attrib}
        assert not {name for name in names if name.startswith("on") or name in {"style", "href", "id", "clip-path"}}
        assert "url(" not in chart.svg


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_every_colour_follows_the_theme(locale: str) -> None:
    for chart in every_chart(locale):
        for node in parse(chart).iter():
            colours = {node.get("fill"), node.get("stroke")} - {None, "none", "transparent"}
            assert not colours or node.get("class"), ET.tostring(node)


def test_every_colour_class_is_styled() -> None:
    theme = (Path(svg.__file__).parent / "static" / "theme.css").read_text(encoding="utf-8")
    for colour, name in svg.CLASSES.items():
        assert f".{name} {{ fill" in theme or f".{name} {{ stroke" in theme
        if colour not in (svg.INK, svg.MUTED, svg.LINE, svg.AXIS):
            assert f".{name}-s {{ stroke" in theme


def test_a_chart_prints_itself_in_a_template_and_is_read_aloud() -> None:
    chart = charts.quality_radar(SCORES, "zh")
    assert escape(chart) == chart.svg
    root = parse(chart)
    assert (root.get("role"), root.get("aria-label")) == ("img", chart.alt)
    assert "时效性：未评估" in chart.alt
    assert "准确性：94.0%" in chart.alt


def test_the_radar_names_six_dimensions_and_leaves_a_gap_where_nothing_was_assessed() -> None:
    whole = charts.quality_radar(dict.fromkeys(charts.DIMENSIONS, 0.9), "en")
    gap = charts.quality_radar(SCORES, "en")
    shown = texts(gap)
    assert {"Normative", "Completeness", "Accuracy", "Consistency", "Timeliness", "Accessibility"} <= set(shown)
    assert shown.count("not assessed") == 1
    filled = 'fill-opacity="0.16"'
    assert whole.svg.count(filled) == 6
    # The missing dimension takes the two wedges beside it along.
    assert gap.svg.count(filled) == 4
    assert "stroke-dasharray" in gap.svg
    assert "stroke-dasharray" not in whole.svg
    assert charts.quality_radar({}, "en").svg.count(filled) == 0


def test_the_waterfall_ends_where_the_changes_lead() -> None:
    chart = charts.value_waterfall(STEPS, "zh")
    assert texts(chart) == [
        "总成本", "合理利润", "时效折减", "质量系数", "估值", "128", "+10.24", "−41.47", "+0.56", "97.33", "万元",
    ]  # fmt: skip
    bars = [node for node in parse(chart).iter(f"{SVG}path") if node.get("class") in {"ch-1", "ch-2", "ch-3"}]
    assert [bar.get("class") for bar in bars] == ["ch-1", "ch-2", "ch-3", "ch-2", "ch-1"]
    widths = [_width(bar.get("d") or "") for bar in bars]
    assert widths[0] + widths[1] - widths[2] + widths[3] == pytest.approx(widths[4], abs=0.1)


def _width(path: str) -> float:
    edges = [float(pair.split(",")[0]) for pair in path.replace("Z", "").replace("M", "L").split("L") if pair]
    return max(edges) - min(edges)


@pytest.mark.parametrize(
    ("fen", "locale", "unit"),
    [
        (500_000, "zh", "元"),
        (500_000, "en", "CNY"),
        (12_000_000_00, "zh", "万元"),
        (12_000_000_00, "en", "million CNY"),
        (200_000_000_000, "zh", "亿元"),
    ],
)
def test_amounts_are_shown_in_a_unit_that_suits_them(fen: int, locale: str, unit: str) -> None:
    assert texts(charts.value_waterfall([Step("x", fen, "total")], locale))[-1] == unit


def test_a_range_keeps_its_point_between_low_and_high_in_words() -> None:
    chart = charts.value_range([Interval("Cost", 86_000_000, 97_328_236, 108_000_000)], "en")
    assert chart.alt == "Cost: 973.28 (860 – 1,080) thousand CNY"


def test_a_histogram_draws_one_bar_for_each_bin_from_zero() -> None:
    chart = charts.column_histogram("temperature", [(20, 30, 5), (30, 40, 10), (40, 50, 0)], "zh")
    bars = [node for node in parse(chart).iter(f"{SVG}path") if node.get("class") == "ch-1 ch-surface-s"]
    assert len(bars) == 3
    assert "行数" in texts(chart)
    assert chart.alt == "temperature 的分布：3 个区间，共 15 个值"


def test_data_cannot_become_markup() -> None:
    chart = charts.column_histogram('</text><script>alert(1)</script>"', [(0, 1, 1)], "en")
    assert "<script" not in chart.svg
    assert '</text><script>alert(1)</script>"' in texts(chart)


def test_empty_data_still_draws() -> None:
    assert charts.value_waterfall([], "zh").svg.startswith("<svg")
    assert charts.value_range([], "zh").svg.startswith("<svg")
    assert charts.column_histogram("x", [], "zh").svg.startswith("<svg")
    assert charts.ledger_growth([], "zh").alt == "账本已增长到 0 条记录"


def test_equal_data_is_rendered_once_and_the_store_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    monkeypatch.setattr(
        svg, "_render", lambda build: rendered.append(build) or "<svg xmlns='http://www.w3.org/2000/svg'/>"
    )
    monkeypatch.setattr(svg, "_cache", type(svg._cache)())
    first = svg.draw(lambda altair: None, "alt", ("a", 1))
    assert svg.draw(lambda altair: None, "alt", ("a", 1)) == first
    assert len(rendered) == 1
    assert svg.draw(lambda altair: None, "alt", ("a", 2)).digest != first.digest
    for number in range(2 * svg._KEPT):
        svg.draw(lambda altair: None, "alt", number)
    assert len(svg._cache) == svg._KEPT


def test_the_renderer_is_loaded_only_when_a_chart_is_drawn() -> None:
    code = "import sys, exchange.charts; sys.exit(int(any(m in sys.modules for m in ('altair', 'vl_convert'))))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
