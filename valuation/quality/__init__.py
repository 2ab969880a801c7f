"""Quality of a table in the six dimensions and twenty indicators of GB/T 36344-2018."""

from valuation.quality.assess import assess
from valuation.quality.catalogue import Catalogue, Dimension, Indicator, catalogue
from valuation.quality.model import (
    DimensionScore,
    Part,
    QualityFinding,
    QualityMeasurement,
    QualityReport,
)
from valuation.quality.rules import Declaration, Rule
from valuation.quality.score import dimension_scores, overall

__all__ = [
    "Catalogue",
    "Declaration",
    "Dimension",
    "DimensionScore",
    "Indicator",
    "Part",
    "QualityFinding",
    "QualityMeasurement",
    "QualityReport",
    "Rule",
    "assess",
    "catalogue",
    "dimension_scores",
    "overall",
]
