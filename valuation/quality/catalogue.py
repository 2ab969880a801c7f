"""The six dimensions and twenty indicators of GB/T 36344-2018, with the weights this package publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Literal

from valuation.errors import RuleError

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Dimension:
    """One of the six dimensions and its weight in the overall score."""

    id: str
    name_en: str
    name_zh: str
    weight: Decimal


@dataclass(frozen=True)
class Indicator:
    """One of the twenty indicators, a ratio A/B; `direction` says whether a higher or a lower one is better."""

    id: str
    dimension: str
    name_en: str
    name_zh: str
    direction: Direction


@dataclass(frozen=True)
class Catalogue:
    """A standard's dimensions and indicators, in the standard's order."""

    standard: str
    version: str
    dimensions: tuple[Dimension, ...]
    indicators: tuple[Indicator, ...]

    def indicator(self, name: str) -> Indicator:
        """The indicator of that id; raises RuleError where there is none."""
        for indicator in self.indicators:
            if indicator.id == name:
                return indicator
        raise RuleError(f"{self.standard} has no indicator {name!r}.")

    def of(self, dimension: str) -> tuple[Indicator, ...]:
        """The indicators of a dimension."""
        return tuple(indicator for indicator in self.indicators if indicator.dimension == dimension)

    @property
    def weights(self) -> Mapping[str, Decimal]:
        """The published weight of each dimension; they add up to one."""
        return {dimension.id: dimension.weight for dimension in self.dimensions}


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with this package."""
    file = resources.files("valuation.quality") / "gbt36344-2018.json"
    document = json.loads(file.read_text("utf-8"))
    return Catalogue(
        standard=document["standard"],
        version=document["version"],
        dimensions=tuple(
            Dimension(**{**value, "weight": Decimal(value["weight"])}) for value in document["dimensions"]
        ),
        indicators=tuple(Indicator(**value) for value in document["indicators"]),
    )
