"""What every approach to value returns: a value with its range, its inputs, every step, and how sensitive it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from valuation import numbers

CURRENCY = "CNY"


@dataclass(frozen=True)
class Step:
    """One line of the calculation: what it is called, its formula, and its value as decimal text in `unit`."""

    label_en: str
    label_zh: str
    formula: str
    value: str
    unit: str


@dataclass(frozen=True)
class Sensitivity:
    """How the value answers to one input.

    `elasticity` is ∂ln P / ∂ln input in closed form; `low_fen` and `high_fen` are the value with the input
    at the ends of the stated change, the smaller first.
    """

    input: str
    label_en: str
    label_zh: str
    change: str
    elasticity: str
    low_fen: int
    high_fen: int


@dataclass(frozen=True)
class Limitation:
    """Something a reader of the value must know."""

    code: str
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class Estimate:
    """A value in fen. `exact` is the same in fen before it was rounded half-even to whole fen."""

    approach: str
    value_fen: int
    low_fen: int
    high_fen: int
    exact: Decimal
    inputs: Mapping[str, Any]
    steps: tuple[Step, ...]
    sensitivities: tuple[Sensitivity, ...]
    limitations: tuple[Limitation, ...] = ()
    currency: str = CURRENCY

    def to_json(self) -> dict[str, Any]:
        """The estimate as JSON values that RFC 8785 can encode: money in fen, decimals as text."""
        return {
            "approach": self.approach,
            "currency": self.currency,
            "value_fen": self.value_fen,
            "low_fen": self.low_fen,
            "high_fen": self.high_fen,
            "exact_fen": numbers.text(self.exact),
            "inputs": dict(self.inputs),
            "steps": [vars(step) for step in self.steps],
            "sensitivities": [vars(value) for value in self.sensitivities],
            "limitations": [vars(value) for value in self.limitations],
        }
