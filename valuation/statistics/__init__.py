"""Figures of the market as a whole: price indices of classes, and composite indices with published weights."""

from valuation.statistics.index import FEWEST_MATCHED, Movement, PriceIndex, price_index
from valuation.statistics.weights import Composite, composite, critic, entropy

__all__ = [
    "FEWEST_MATCHED",
    "Composite",
    "Movement",
    "PriceIndex",
    "composite",
    "critic",
    "entropy",
    "price_index",
]
