"""From measurements to a score: means of indicators, weighted mean of dimensions, and the coverage beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from valuation import numbers
from valuation.errors import RuleError
from valuation.quality.catalogue import Catalogue
from valuation.quality.model import DimensionScore, QualityMeasurement


def check_weights(weights: Mapping[str, Decimal], catalogue: Catalogue) -> None:
    """Raises RuleError unless there is a weight from 0 to 1 for each dimension and they add up to one."""
    wanted = {dimension.id for dimension in catalogue.dimensions}
    if set(weights) != wanted:
        raise RuleError(f"Weights are wanted for exactly {sorted(wanted)}, not for {sorted(weights)}.")
    if any(not weight.is_finite() or not 0 <= weight <= 1 for weight in weights.values()):
        raise RuleError("Every weight lies between 0 and 1.")
    if sum(weights.values()) != 1:
        raise RuleError(f"Weights add up to 1, not to {sum(weights.values())}.")


def dimension_scores(
    measurements: Sequence[QualityMeasurement], weights: Mapping[str, Decimal], catalogue: Catalogue
) -> tuple[DimensionScore, ...]:
    """The mean of the assessed indicators of each dimension, in the catalogue's order."""
    scores = []
    for dimension in catalogue.dimensions:
        mine = [value.score for value in measurements if value.dimension == dimension.id]
        assessed = [score for score in mine if score is not None]
        with numbers.arithmetic():
            mean = sum(assessed, Decimal(0)) / len(assessed) if assessed else None
        scores.append(
            DimensionScore(dimension.id, weights[dimension.id], mean, len(assessed), len(catalogue.of(dimension.id)))
        )
    return tuple(scores)


def overall(scores: Sequence[DimensionScore]) -> tuple[Decimal | None, Decimal]:
    """Q = Σ w·x / Σ w over assessed dimensions, and κ = Σ w of them; Q is None where no weight was assessed."""
    with numbers.arithmetic():
        coverage = sum((value.weight for value in scores if value.score is not None), Decimal(0))
        total = sum((value.weight * value.score for value in scores if value.score is not None), Decimal(0))
        return (total / coverage if coverage else None), coverage
