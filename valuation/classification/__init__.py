"""Classification and grading of industrial data by the national rules, as versioned data."""

from valuation.classification.grade import Grading, grade, highest
from valuation.classification.guide import (
    Answer,
    Category,
    DataDomain,
    Guide,
    Question,
    Subclass,
    categories,
    category,
    guide,
)
from valuation.classification.suggest import Reason, Suggestion, suggest

__all__ = [
    "Answer",
    "Category",
    "DataDomain",
    "Grading",
    "Guide",
    "Question",
    "Reason",
    "Subclass",
    "Suggestion",
    "categories",
    "category",
    "grade",
    "guide",
    "highest",
    "suggest",
]
