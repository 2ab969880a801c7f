"""The fixed menu of models by which data are judged: no code and no pickles come from outside.

A model is fitted on samples and scored on others, from 0 (no better than the mean, or nothing right) to 1. Each
carries a version in its name; a change of arithmetic is a new name, for contracts quote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from valuation.errors import ContributionError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Rows of features (n, d) and their target (n,), all finite floats. Raises ContributionError otherwise."""

    features: Floats
    target: Floats

    def __post_init__(self) -> None:
        features, target = self.features, self.target
        if features.ndim != 2 or target.ndim != 1 or len(features) != len(target):
            raise ContributionError("Samples are a table of features and one target for each of its rows.")
        if features.shape[1] == 0:
            raise ContributionError("A model needs at least one feature.")
        if not (np.isfinite(features).all() and np.isfinite(target).all()):
            raise ContributionError(
                "Features and target must be numbers; rows with missing values are left out before."
            )

    def __len__(self) -> int:
        return len(self.target)

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """All rows of `parts`, in order. Requires at least one part."""
        return cls(np.concatenate([part.features for part in parts]), np.concatenate([part.target for part in parts]))


@dataclass(frozen=True)
class Model:
    """A model of the menu. `fit_and_score` returns the score of a fit on the first samples on the second."""

    name: str
    label_en: str
    label_zh: str
    fit_and_score: Callable[[Samples, Samples], float]


def score(model: str, fit: Samples, held_out: Samples) -> float:
    """The score from 0 to 1 of the menu's `model`; too few rows to fit score 0.

    Raises ContributionError for an unknown model, no rows to score on, or features that differ in number.
    """
    if model not in MENU:
        raise ContributionError(f"There is no model {model!r}; the menu has {', '.join(MENU)}.")
    if len(held_out) < 2:
        raise ContributionError("At least two rows must be held out to score a model on.")
    if fit.features.shape[1] != held_out.features.shape[1]:
        raise ContributionError("The rows held out have other features than the rows to fit.")
    if len(fit) < 2:
        return 0.0
    return min(1.0, max(0.0, MENU[model].fit_and_score(fit, held_out)))


def _ridge(fit: Samples, held_out: Samples) -> float:
    """R² of ridge regression, λ = 1, features standardised by the rows fitted."""
    mean, spread = fit.features.mean(axis=0), fit.features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    rows = (fit.features - mean) / spread
    centre = fit.target.mean()
    weights = np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), rows.T @ (fit.target - centre))
    return _r_squared(held_out.target, (held_out.features - mean) / spread @ weights + centre)


def _nearest(fit: Samples, held_out: Samples) -> float:
    """The share of held-out rows whose class is the commonest among the 5 nearest rows; the smallest of equals."""
    mean, spread = fit.features.mean(axis=0), fit.features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    known, asked = (fit.features - mean) / spread, (held_out.features - mean) / spread
    classes, labels = np.unique(fit.target, return_inverse=True)
    nearest = min(5, len(fit))
    right = 0
    for start in range(0, len(asked), 256):
        block = asked[start : start + 256]
        apart = (block**2).sum(axis=1)[:, None] - 2 * block @ known.T + (known**2).sum(axis=1)
        votes = np.zeros((len(block), len(classes)))
        chosen = np.argsort(apart, axis=1, kind="stable")[:, :nearest]
        np.add.at(votes, (np.arange(len(block))[:, None], labels[chosen]), 1)
        right += int((classes[votes.argmax(axis=1)] == held_out.target[start : start + 256]).sum())
    return right / len(held_out)


def _r_squared(target: Floats, predicted: Floats) -> float:
    total = float(((target - target.mean()) ** 2).sum())
    return 0.0 if total == 0 else 1 - float(((target - predicted) ** 2).sum()) / total


MENU: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        Model("ridge/1", "Ridge regression, R²", "岭回归，决定系数", _ridge),
        Model("nearest/1", "Five nearest neighbours, accuracy", "五近邻分类，准确率", _nearest),
    )
}
