"""Appraisal's one door: quality and value of versions, and (by import) its operations."""

from __future__ import annotations

from exchange.appraisal.estimates import own_valuation, valuation_of, valuations_of, value_view
from exchange.appraisal.quality import profile_of, quality_of, scores_of

__all__ = ["own_valuation", "profile_of", "quality_of", "scores_of", "valuation_of", "valuations_of", "value_view"]
