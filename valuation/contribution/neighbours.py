"""The value of each row to a k-nearest-neighbour classifier, in closed form (Jia et al. 2019, theorem 1).

For one held-out row, with the N rows ordered from the nearest to the farthest, s_N = 1[y_N = y] · min(K, N)/(N·K)
and s_i = s_{i+1} + (1[y_i = y] - 1[y_{i+1} = y])/K · min(K, i)/i; the value of a row is the mean over the
held-out rows. Starting at min(K, N)/(N·K), not at 1/N, keeps it right where K exceeds N.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from valuation.contribution.models import Floats, Samples
from valuation.errors import ContributionError


def row_values(fit: Samples, held_out: Samples, *, neighbours: int) -> Floats:
    """The Shapley value of each row of `fit`, shape (N,), whose sum is the mean likelihood on `held_out`.

    Rows at the same distance are ordered by the SHA-256 of their features and target, and rows that are
    equal in all by their place, so that the order of a file changes nothing. Memory is some copies of `fit`,
    however many rows are held out. Raises ContributionError for no rows, no neighbours or features that differ in number.
    """
    if len(fit) == 0 or len(held_out) == 0 or neighbours < 1:
        raise ContributionError("Row values need rows, rows held out, and at least one neighbour.")
    if fit.features.shape[1] != held_out.features.shape[1]:
        raise ContributionError("The rows held out have other features than the rows to value.")
    order = _by_hash(fit)
    known, labels = fit.features[order], fit.target[order]
    rows = len(known)
    # min(K, i) / (K·i) for i = 1 … N - 1 weighs the steps, and the last row starts at min(K, N) / (N·K).
    ranks = np.arange(1, rows + 1)
    weights = np.minimum(neighbours, ranks) / (ranks * neighbours)
    sums = np.zeros(rows)
    for asked, wanted in zip(held_out.features, held_out.target, strict=True):
        # Differences, not the expanded square: rounding there would make unequal what is equally far.
        apart = known - asked
        nearest = np.argsort(np.einsum("ij,ij->i", apart, apart), kind="stable")
        match = (labels[nearest] == wanted).astype(np.float64)
        steps = match * weights
        steps[:-1] -= match[1:] * weights[:-1]
        sums[nearest] += steps[::-1].cumsum()[::-1]
    values = np.empty(rows)
    values[order] = sums / len(held_out)
    return values


def _by_hash(fit: Samples) -> npt.NDArray[np.intp]:
    """The places of the rows, ordered by the hash of each row."""
    table = np.ascontiguousarray(np.column_stack([fit.features, fit.target]), dtype="<f8")
    hashes = np.array([hashlib.sha256(row).digest() for row in table.view(np.uint8)], dtype="S32")
    return np.argsort(hashes, kind="stable")
