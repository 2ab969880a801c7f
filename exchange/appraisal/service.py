"""Appraisal's door: quality of versions now, value estimates beside it."""

from __future__ import annotations

from exchange.appraisal.quality import profile_of, quality_of

__all__ = ["profile_of", "quality_of"]
