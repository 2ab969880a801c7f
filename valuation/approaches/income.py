"""The income approach: P = Σ F_t / (1 + i)^t over the stated years, without a terminal value.

F_t is what the data earn in year t, in one of the four forms of the guiding opinions 中评协〔2023〕17号: `direct`
(F = R), `royalty` (F = R · K), `excess` earnings (F = R - ΣC, the charges of the other assets that
contribute) and `incremental` (F = R with the data - R without). Money of year t comes at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any, Final, Literal, get_args

from valuation import numbers
from valuation.approaches.estimate import Estimate, Limitation, Sensitivity, Step
from valuation.approaches.inputs import CHANGE, decimal, fen, share
from valuation.errors import EstimateError

Variant = Literal["direct", "royalty", "excess", "incremental"]
MOST_YEARS: Final = 50


@dataclass(frozen=True)
class IncomeInputs:
    """What the income approach needs: the yearly amounts in fen, year 1 first, and the discount rate.

    `revenue` is R of every variant. `royalty` is K, one share for all years or one a year; `charges` are
    the contributory charges a year; `without` is the revenue without the data. Raises EstimateError where
    an amount belongs to another variant, lists differ in length, or a number is out of its bounds.
    """

    variant: Variant
    revenue: tuple[int, ...]
    rate: Decimal
    royalty: tuple[Decimal, ...] = ()
    charges: tuple[int, ...] = ()
    without: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise EstimateError(f"variant is {self.variant!r}; it is one of {', '.join(get_args(Variant))}.")
        if not 1 <= len(self.revenue) <= MOST_YEARS:
            raise EstimateError(f"revenue has {len(self.revenue)} years; it needs 1 to {MOST_YEARS}.")
        object.__setattr__(self, "rate", decimal("rate", self.rate))
        if not 0 <= self.rate <= 1:
            raise EstimateError(f"rate is a yearly discount rate from 0 to 1, not {self.rate}.")
        for name in ("revenue", "charges", "without"):
            values = tuple(fen(f"{name}[{n}]", v, negative=True) for n, v in enumerate(getattr(self, name)))
            object.__setattr__(self, name, values)
        object.__setattr__(self, "royalty", tuple(share(f"royalty[{n}]", v) for n, v in enumerate(self.royalty)))
        needed = {"royalty": "royalty", "excess": "charges", "incremental": "without"}.get(self.variant)
        for name in ("royalty", "charges", "without"):
            given = len(getattr(self, name))
            if name != needed and given:
                raise EstimateError(f"{name} does not belong to the variant {self.variant}; leave it out.")
            if name == needed and given != len(self.revenue) and not (name == "royalty" and given == 1):
                raise EstimateError(
                    f"{name} has {given} years and revenue {len(self.revenue)}; give one for each year."
                )

    def flows(self) -> tuple[Decimal, ...]:
        """F_t in fen, year 1 first."""
        with numbers.arithmetic():
            if self.variant == "royalty":
                shares = self.royalty * len(self.revenue) if len(self.royalty) == 1 else self.royalty
                return tuple(Decimal(r) * k for r, k in zip(self.revenue, shares, strict=True))
            taken = self.charges or self.without
            return tuple(Decimal(r - t) for r, t in zip_longest(self.revenue, taken, fillvalue=0))

    def to_json(self) -> dict[str, Any]:
        """The inputs as JSON values: money in fen, decimals as text."""
        return {
            "variant": self.variant,
            "revenue": list(self.revenue),
            "rate": numbers.text(self.rate),
            "royalty": [numbers.text(value) for value in self.royalty],
            "charges": list(self.charges),
            "without": list(self.without),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> IncomeInputs:
        """The inputs that `to_json` wrote. Raises EstimateError for anything else."""
        try:
            lists = {name: tuple(document[name]) for name in ("revenue", "royalty", "charges", "without")}
            return cls(**{**document, **lists})
        except (TypeError, KeyError, AttributeError) as error:
            raise EstimateError(f"These are no inputs of the income approach: {error}.") from error


def estimate(inputs: IncomeInputs) -> Estimate:
    """The present value with its steps, closed-form sensitivities and range.

    The range is from the lowest to the highest value when the rate or all flows change by ten percent.
    Raises EstimateError where the present value is not above zero: then this approach gives no value.
    """
    with numbers.arithmetic():
        flows = inputs.flows()
        parts = _present(flows, inputs.rate)
        exact = sum(parts, Decimal(0))
        if exact <= 0:
            raise EstimateError(
                f"The present value is {numbers.yuan(numbers.to_fen(exact))} CNY; data that earn nothing have no value by "
                "income. Check the cash flows, or leave this approach out."
            )
        duration = sum((t * part for t, part in enumerate(parts, 1)), Decimal(0)) / exact
        sensitivities = _sensitivities(inputs, exact, duration)
    value = numbers.to_fen(exact)
    return Estimate(
        approach="income",
        value_fen=value,
        low_fen=min(value, *(found.low_fen for found in sensitivities)),
        high_fen=max(value, *(found.high_fen for found in sensitivities)),
        exact=exact,
        inputs=inputs.to_json(),
        steps=_steps(inputs, flows, parts, exact, duration),
        sensitivities=sensitivities,
        limitations=_limitations(inputs, flows),
    )


def rate_slope(inputs: IncomeInputs) -> Decimal:
    """dP/di in fen for a change of the rate by one: -P · D / (1 + i), D the duration Σ t·PV_t / P."""
    with numbers.arithmetic():
        parts = _present(inputs.flows(), inputs.rate)
        return -sum((t * part for t, part in enumerate(parts, 1)), Decimal(0)) / (1 + inputs.rate)


def _present(flows: Sequence[Decimal], rate: Decimal) -> list[Decimal]:
    return [flow / (1 + rate) ** year for year, flow in enumerate(flows, 1)]


def _sensitivities(inputs: IncomeInputs, exact: Decimal, duration: Decimal) -> tuple[Sensitivity, ...]:
    def ends(value: Callable[[Decimal], Decimal]) -> tuple[int, int]:
        low, high = sorted(numbers.to_fen(value(factor)) for factor in (1 - CHANGE, 1 + CHANGE))
        return low, high

    def at_rate(factor: Decimal) -> Decimal:
        return sum(_present(inputs.flows(), min(Decimal(1), inputs.rate * factor)), Decimal(0))

    text = numbers.text
    found = [
        Sensitivity("cash_flow", "Cash flows", "现金流", "±10 %", "1", *ends(lambda factor: exact * factor)),
        Sensitivity(
            *("rate", "Discount rate", "折现率", "±10 %"),
            text(-duration * inputs.rate / (1 + inputs.rate)),
            *ends(at_rate),
        ),
    ]
    if inputs.variant in ("excess", "incremental"):
        name = "charges" if inputs.variant == "excess" else "without"
        labels = (
            ("Contributory charges", "贡献资产回报")
            if name == "charges"
            else ("Revenue without the data", "无数据时的收入")
        )
        taken = sum(_present([Decimal(value) for value in getattr(inputs, name)], inputs.rate), Decimal(0))
        found.append(
            Sensitivity(name, *labels, "±10 %", text(-taken / exact), *ends(lambda f: exact - taken * (f - 1)))
        )
    return tuple(found)


_FORMULAS: Final = {
    "direct": "F_t = R_t",
    "royalty": "F_t = R_t · K_t",
    "excess": "F_t = R_t - ΣC_t",
    "incremental": "F_t = R_with,t - R_without,t",
}


def _steps(
    inputs: IncomeInputs, flows: Sequence[Decimal], parts: Sequence[Decimal], exact: Decimal, duration: Decimal
) -> tuple[Step, ...]:
    def money(value: Decimal) -> str:
        return numbers.yuan(numbers.to_fen(value))

    steps = []
    for year, (flow, part) in enumerate(zip(flows, parts, strict=True), 1):
        steps.append(Step(f"Income of year {year}", f"第{year}年收益", _FORMULAS[inputs.variant], money(flow), "CNY"))
        steps.append(
            Step(f"Present value of year {year}", f"第{year}年现值", f"F_{year} / (1 + i)^{year}", money(part), "CNY")
        )
    return (
        *steps,
        Step("Duration", "久期", "D = Σ t · PV_t / P", numbers.text(duration), "years"),
        Step("Value by income", "收益法评估值", "P = Σ F_t / (1 + i)^t", money(exact), "CNY"),
    )


def _limitations(inputs: IncomeInputs, flows: Sequence[Decimal]) -> tuple[Limitation, ...]:
    found = []
    if inputs.rate == 0:
        found.append(
            Limitation(
                "undiscounted",
                "The rate is zero, so money of later years counts as much as money of today.",
                "折现率为零，未考虑资金时间价值。",
            )
        )
    if losses := [str(year) for year, flow in enumerate(flows, 1) if flow < 0]:
        years = ", ".join(losses)
        found.append(
            Limitation(
                "losses",
                f"The data are expected to cost more than they earn in the years {years}.",
                f"第{years}年预计为负现金流。",
            )
        )
    found.append(
        Limitation(
            "forecast",
            "Later income is the publisher's forecast; nobody but the publisher vouches for it.",
            "未来收益为发布方预测，仅由发布方负责。",
        )
    )
    return tuple(found)
