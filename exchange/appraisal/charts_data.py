"""Quality and value as the pages draw them: scores, bars and ranges, taken from the recorded reports."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from exchange import charts
from exchange.appraisal.models import Valuation
from valuation.quality import catalogue


@dataclass(frozen=True)
class QualityShown:
    """The radar, and each dimension with its name, score, weight and measurements."""

    radar: Any
    dimensions: list[dict[str, Any]]


def quality(report: dict[str, Any], locale: str) -> QualityShown:
    """Return what the page shows of a quality report; a score of None was not assessed."""
    side = "name_zh" if locale.startswith("zh") else "name_en"
    names = {item.id: getattr(item, side) for item in catalogue().dimensions}
    indicators = {item.id: getattr(item, side) for item in catalogue().indicators}
    dimensions = []
    for item in report["dimensions"]:
        measured = [
            {**measurement, "name": indicators.get(measurement["indicator"], measurement["indicator"]),
             "share": _share(measurement)}
            for measurement in report["measurements"]
            if measurement["dimension"] == item["dimension"]
        ]  # fmt: skip
        dimensions.append(
            {
                "id": item["dimension"],
                "name": names.get(item["dimension"], item["dimension"]),
                "score": None if item["score"] is None else float(item["score"]),
                "weight": float(item["weight"]),
                "measurements": measured,
            }
        )
    scores = {item["id"]: item["score"] for item in dimensions}
    return QualityShown(charts.quality_radar(scores, locale), dimensions)


def _share(measurement: dict[str, Any]) -> float | None:
    return measurement["numerator"] / measurement["denominator"] if measurement["assessed"] else None


def waterfall(valuation: Valuation, locale: str) -> Any:
    """Return the way from cost to value as bars; their changes add up to the value exactly."""
    chinese = locale.startswith("zh")
    found, inputs = valuation.report["estimates"][0], valuation.inputs
    total = sum(inputs["items"].values())
    margin = _fen(Decimal(total) * Decimal(inputs["margin"]))
    remaining = max(Decimal(0), 1 - Decimal(inputs["age_years"]) / Decimal(inputs["life_years"]))
    life = _fen((total + margin) * (remaining - 1))
    adjusted = found["value_fen"] - total - margin - life
    labels = (
        ("总成本", "加成", "剩余寿命", "质量系数", "评估值")
        if chinese
        else ("Total cost", "Margin", "Life left", "Quality", "Value")
    )
    amounts = (total, margin, life, adjusted, found["value_fen"])
    kinds = ("total", "delta", "delta", "delta", "total")
    steps = [charts.Step(label, fen, kind) for label, fen, kind in zip(labels, amounts, kinds, strict=True)]  # type: ignore[arg-type]
    return charts.value_waterfall(steps, locale)


def interval(valuation: Valuation, locale: str) -> Any:
    """Return the value with its low and high bound."""
    found = valuation.report["estimates"][0]
    label = "成本法" if locale.startswith("zh") else "Cost approach"
    return charts.value_range([charts.Interval(label, found["low_fen"], found["value_fen"], found["high_fen"])], locale)


def _fen(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_HALF_EVEN))
