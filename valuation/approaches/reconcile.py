"""Several approaches made one value: P = Σ ω_a · P_a over those that gave one, with published weights.

Where the highest value is more than twice the lowest, the methods disagree: then there is a range and no
point value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from valuation import numbers
from valuation.approaches.estimate import CURRENCY, Estimate, Sensitivity
from valuation.approaches.inputs import decimal
from valuation.errors import EstimateError

WEIGHTS: Final[Mapping[str, Decimal]] = {"cost": Decimal("0.3"), "income": Decimal("0.4"), "market": Decimal("0.3")}
MOST_SPREAD: Final = Decimal(2)


@dataclass(frozen=True)
class Reconciliation:
    """The value over all approaches, in fen; `exact` is None where the methods disagree.

    `weights` are those used, which sum to one over the approaches present. `low_fen` and `high_fen` are the
    ends over all approaches' values. The sensitivities say how the whole answers to one input of one
    approach, named `approach.input`.
    """

    exact: Decimal | None
    low_fen: int
    high_fen: int
    spread: Decimal
    weights: Mapping[str, Decimal]
    sensitivities: tuple[Sensitivity, ...]
    currency: str = CURRENCY
    approach: str = "reconciled"

    @property
    def value_fen(self) -> int | None:
        """The value in whole fen, half-even; None where the methods disagree."""
        return None if self.exact is None else numbers.to_fen(self.exact)

    def to_json(self) -> dict[str, Any]:
        """The reconciliation as JSON values: money in fen, decimals as text."""
        return {
            "currency": self.currency,
            "value_fen": self.value_fen,
            "exact_fen": None if self.exact is None else numbers.text(self.exact),
            "low_fen": self.low_fen,
            "high_fen": self.high_fen,
            "spread": numbers.text(self.spread),
            "agree": self.exact is not None,
            "weights": {name: numbers.text(weight) for name, weight in self.weights.items()},
            "sensitivities": [vars(found) for found in self.sensitivities],
        }


def reconcile(estimates: Sequence[Estimate], weights: Mapping[str, Decimal] = WEIGHTS) -> Reconciliation:
    """One value from `estimates`, at most one of each approach.

    The weights of the approaches that are missing are shared among the others in proportion. Raises
    EstimateError for no estimate, a value of zero, an approach given twice or without a weight, and weights
    that are negative or do not sum to one.
    """
    checked = _weights(weights)
    found = {estimate.approach: estimate for estimate in estimates}
    if not estimates or len(found) != len(estimates):
        raise EstimateError("A reconciliation needs at least one estimate, and each approach once.")
    if unknown := [name for name in found if not checked.get(name)]:
        raise EstimateError(f"The approach {unknown[0]} has no weight; the weights are for {', '.join(checked)}.")
    if nothing := [name for name, estimate in found.items() if estimate.exact <= 0]:
        raise EstimateError(f"The value by {nothing[0]} is zero; leave that approach out and say why.")
    with numbers.arithmetic():
        total = sum((checked[name] for name in found), Decimal(0))
        used = {name: checked[name] / total for name in checked if name in found}
        values = [estimate.exact for estimate in found.values()]
        spread = max(values) / min(values)
        exact = sum((used[name] * found[name].exact for name in used), Decimal(0))
        agree = spread <= MOST_SPREAD
        sensitivities = tuple(
            _whole(name, item, found[name], used[name], exact) for name in used for item in found[name].sensitivities
        )
    return Reconciliation(
        exact if agree else None,
        numbers.to_fen(min(values)),
        numbers.to_fen(max(values)),
        spread,
        used,
        sensitivities if agree else (),
    )


def _whole(name: str, item: Sensitivity, estimate: Estimate, weight: Decimal, exact: Decimal) -> Sensitivity:
    """How the whole answers to one input of one approach: the share ω_a·P_a/P times its elasticity there."""
    share = weight * estimate.exact / exact
    low, high = (
        numbers.to_fen(exact + weight * (Decimal(end) - estimate.value_fen)) for end in (item.low_fen, item.high_fen)
    )
    return Sensitivity(
        f"{name}.{item.input}",
        item.label_en,
        item.label_zh,
        item.change,
        numbers.text(share * Decimal(item.elasticity)),
        low,
        high,
    )


def _weights(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    checked = {name: decimal(f"The weight of {name}", value) for name, value in weights.items()}
    if any(value < 0 for value in checked.values()):
        raise EstimateError("A weight is not negative.")
    if (total := sum(checked.values(), Decimal(0))) != 1:
        raise EstimateError(f"The weights sum to {numbers.text(total)}; they must sum to 1.")
    return checked
