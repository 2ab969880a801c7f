"""The cost approach: P = TC · (1 + m) · ρ · clip(Q / Q_ref).

TC is the total of the cost ledger, m the margin, ρ = max(0, 1 - age / life) what is left of the useful
life, and Q / Q_ref the quality against a reference, kept between 0.5 and 1.2. The form follows the guiding
opinions 中评协〔2023〕17号, cost multiplied by adjustments; appraised value is not accounting cost, and both are
printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from valuation import numbers
from valuation.approaches.accounts import account, chart
from valuation.approaches.estimate import Estimate, Limitation, Sensitivity, Step
from valuation.approaches.inputs import CHANGE, decimal, fen, share
from valuation.errors import EstimateError
from valuation.quality.model import QualityReport

COVERAGE_FLOOR: Final = Decimal("0.6")
QUALITY_FLOOR: Final = Decimal("0.5")
QUALITY_CEILING: Final = Decimal("1.2")


@dataclass(frozen=True)
class CostInputs:
    """What the cost approach needs. `items` is the cost ledger in fen by account of `accounts.chart()`.

    Raises EstimateError where an account is unknown, an amount is not a whole number of fen from 0 on, the
    total is zero, a rate is negative, a life is not longer than nothing, a quality or a coverage lies
    outside 0 to 1, or a number is a float.
    """

    items: Mapping[str, int]
    margin: Decimal
    age_years: Decimal
    life_years: Decimal
    quality: Decimal
    quality_reference: Decimal = Decimal("0.95")
    coverage: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        for name, amount in self.items.items():
            account(name)
            fen(f"The cost {name}", amount)
        if sum(self.items.values()) == 0:
            raise EstimateError("The cost ledger is empty; name at least one cost.")
        for name in ("margin", "age_years", "life_years"):
            object.__setattr__(self, name, decimal(name, getattr(self, name)))
        for name in ("quality", "quality_reference", "coverage"):
            positive = name == "quality_reference"
            object.__setattr__(self, name, share(name, getattr(self, name), above_zero=positive))
        if self.margin < 0 or self.margin > 10:
            raise EstimateError(f"The margin is a share from 0 to 10, not {self.margin}.")
        if self.age_years < 0:
            raise EstimateError("An age is not negative.")
        if self.life_years <= 0:
            raise EstimateError("A useful life is longer than nothing.")

    @classmethod
    def for_report(
        cls,
        report: QualityReport,
        items: Mapping[str, int],
        *,
        margin: Decimal,
        age_years: Decimal,
        life_years: Decimal,
        quality_reference: Decimal = Decimal("0.95"),
    ) -> CostInputs:
        """The inputs with quality and coverage of a quality report; raises EstimateError where it has no score."""
        if report.quality is None:
            raise EstimateError("No dimension of quality was assessed, so no value can rest on it.")
        return cls(items, margin, age_years, life_years, report.quality, quality_reference, report.coverage)

    def to_json(self) -> dict[str, Any]:
        """The inputs as JSON values: money in fen, decimals as text."""
        return {
            "items": dict(self.items),
            "margin": numbers.text(self.margin),
            "age_years": numbers.text(self.age_years),
            "life_years": numbers.text(self.life_years),
            "quality": numbers.text(self.quality),
            "quality_reference": numbers.text(self.quality_reference),
            "coverage": numbers.text(self.coverage),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> CostInputs:
        """The inputs that `to_json` wrote. Raises EstimateError for anything else."""
        try:
            return cls(**document)
        except (TypeError, AttributeError) as error:
            raise EstimateError(f"These are no inputs of the cost approach: {error}.") from error


def estimate(inputs: CostInputs) -> Estimate:
    """The value by cost with its steps, closed-form sensitivities and range.

    The range is from the lowest to the highest value when one input at a time changes by ten percent, or
    when the dimensions of quality that were not assessed are at their worst or best. Raises EstimateError
    where the coverage of the quality is below the floor of 0.6, for then no price may rest on it.
    """
    if inputs.coverage < COVERAGE_FLOOR:
        raise EstimateError(
            f"Only {numbers.text(inputs.coverage)} of the quality was assessed; below {COVERAGE_FLOOR} no value is "
            "given. Declare rules, keys or counts so that more can be assessed."
        )
    with numbers.arithmetic():
        exact = _value(inputs)
        sensitivities = _sensitivities(inputs)
    value = numbers.to_fen(exact)
    return Estimate(
        approach="cost",
        value_fen=value,
        low_fen=min(value, *(found.low_fen for found in sensitivities)),
        high_fen=max(value, *(found.high_fen for found in sensitivities)),
        exact=exact,
        inputs=inputs.to_json(),
        steps=_steps(inputs),
        sensitivities=sensitivities,
        limitations=_limitations(inputs),
    )


def remaining_life(age: Decimal, life: Decimal) -> Decimal:
    """ρ = max(0, 1 - age / life). Requires `life > 0`."""
    with numbers.arithmetic():
        return max(Decimal(0), 1 - age / life)


def quality_coefficient(quality: Decimal, reference: Decimal) -> Decimal:
    """Q / Q_ref, kept between 0.5 and 1.2. Requires `reference > 0`."""
    with numbers.arithmetic():
        return min(max(quality / reference, QUALITY_FLOOR), QUALITY_CEILING)


def _value(inputs: CostInputs, cost: Decimal = Decimal(1)) -> Decimal:
    """The value in fen, not rounded, with the total cost multiplied by `cost`."""
    total = cost * sum(inputs.items.values())
    remaining = remaining_life(inputs.age_years, inputs.life_years)
    return total * (1 + inputs.margin) * remaining * quality_coefficient(inputs.quality, inputs.quality_reference)


def _steps(inputs: CostInputs) -> tuple[Step, ...]:
    steps = [
        Step(found.name_en, found.name_zh, found.id, numbers.yuan(inputs.items[found.id]), "CNY")
        for found in chart()
        if inputs.items.get(found.id)
    ]
    with numbers.arithmetic():
        total = sum(inputs.items.values())
        marked = Decimal(total) * (1 + inputs.margin) / 100
        remaining = remaining_life(inputs.age_years, inputs.life_years)
        coefficient = quality_coefficient(inputs.quality, inputs.quality_reference)
        exact = _value(inputs)
    return (
        *steps,
        Step("Total cost", "总成本", "TC = Σ items", numbers.yuan(total), "CNY"),
        Step("Total cost with margin", "加成后成本", "TC · (1 + m)", numbers.text(marked), "CNY"),
        Step(
            "Share of useful life left", "剩余寿命系数", "ρ = max(0, 1 - age / life)", numbers.text(remaining), "ratio"
        ),
        Step("Quality coefficient", "质量系数", "clip(Q / Q_ref, 0.5, 1.2)", numbers.text(coefficient), "ratio"),
        Step(
            "Value by cost",
            "成本法评估值",
            "P = TC · (1 + m) · ρ · clip(Q / Q_ref)",
            numbers.yuan(numbers.to_fen(exact)),
            "CNY",
        ),
    )


def _sensitivities(inputs: CostInputs) -> tuple[Sensitivity, ...]:
    remaining = remaining_life(inputs.age_years, inputs.life_years)
    ratio = inputs.quality / inputs.quality_reference
    free = QUALITY_FLOOR < ratio < QUALITY_CEILING
    used = inputs.age_years / inputs.life_years
    by_life = used / remaining if remaining else Decimal(0)
    more, less = 1 + CHANGE, 1 - CHANGE

    def around(change: Callable[[Decimal], Decimal]) -> tuple[int, int]:
        ends = sorted(numbers.to_fen(change(factor)) for factor in (less, more))
        return ends[0], ends[1]

    def quality(factor: Decimal) -> Decimal:
        return _value(replace(inputs, quality=min(Decimal(1), inputs.quality * factor)))

    cost = around(lambda factor: _value(inputs, factor))
    margin = around(lambda factor: _value(replace(inputs, margin=min(Decimal(10), inputs.margin * factor))))
    life = around(lambda factor: _value(replace(inputs, life_years=inputs.life_years * factor)))
    known = inputs.quality * inputs.coverage
    ends = (known, min(Decimal(1), known + 1 - inputs.coverage))
    worst, best = (numbers.to_fen(_value(replace(inputs, quality=end))) for end in ends)
    one, text = Decimal(1), numbers.text
    return (
        Sensitivity("cost", "Total cost", "总成本", "±10 %", text(one), *cost),
        Sensitivity("margin", "Margin", "加成率", "±10 %", text(inputs.margin / (1 + inputs.margin)), *margin),
        Sensitivity("remaining_life", "Share of life left", "剩余寿命系数", "±10 %", text(one), *cost),
        Sensitivity("life_years", "Useful life", "使用寿命", "±10 %", text(by_life), *life),
        Sensitivity("quality", "Quality", "质量", "±10 %", text(one if free else Decimal(0)), *around(quality)),
        Sensitivity("coverage", "Quality not assessed", "未评估的质量维度", "0 … 1", "0", worst, best),
    )


def _limitations(inputs: CostInputs) -> tuple[Limitation, ...]:
    found = []
    if inputs.age_years >= inputs.life_years:
        found.append(
            Limitation("expired", "The useful life is over, so nothing is left.", "使用寿命已届满，剩余价值为零。")
        )
    ratio = inputs.quality / inputs.quality_reference
    if not QUALITY_FLOOR <= ratio <= QUALITY_CEILING:
        found.append(
            Limitation(
                "clipped",
                "The quality coefficient was held within 0.5 and 1.2.",
                "质量系数超出范围，已限制在0.5至1.2之间。",
            )
        )
    if inputs.coverage < 1:
        found.append(
            Limitation(
                "coverage",
                f"Only {numbers.text(inputs.coverage)} of the weight of quality was assessed.",
                f"质量评估仅覆盖权重的 {numbers.text(inputs.coverage)}。",
            )
        )
    found.append(
        Limitation(
            "cost_only",
            "Cost says what the data cost to make, not what it earns; it is not accounting cost either.",
            "成本法反映形成数据的投入，不代表其收益，也不等同于会计成本。",
        )
    )
    return tuple(found)
