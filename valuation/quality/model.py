"""A quality report: measurements with numerator, denominator and direction, scores, and what was found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from ledger import canonical
from valuation import numbers
from valuation.quality.catalogue import Direction

FORMAT = "valuation-quality/1"


@dataclass(frozen=True)
class Part:
    """What one column, rule or declaration adds to a measurement."""

    subject: str
    numerator: int
    denominator: int
    rule: str | None = None


@dataclass(frozen=True)
class QualityMeasurement:
    """One indicator's ratio A/B. Where it is not assessed both are 0 and the note says what is missing.

    Not assessed is neither 0 nor 1: `score` is None and the coverage of the report falls.
    """

    dimension: str
    indicator: str
    numerator: int
    denominator: int
    direction: Direction
    assessed: bool
    note_en: str
    note_zh: str
    parts: tuple[Part, ...] = ()

    @property
    def score(self) -> Decimal | None:
        """The ratio turned so that 1 is best, at 34 digits; None where not assessed."""
        if not self.assessed:
            return None
        with numbers.arithmetic():
            ratio = numbers.ratio(self.numerator, self.denominator)
            return ratio if self.direction == "higher" else 1 - ratio


@dataclass(frozen=True)
class DimensionScore:
    """The mean of a dimension's assessed indicators, or None where none was."""

    dimension: str
    weight: Decimal
    score: Decimal | None
    assessed: int
    indicators: int


@dataclass(frozen=True)
class QualityFinding:
    """Something a publisher should look at, counted."""

    code: str
    column: str | None
    count: int
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class QualityReport:
    """What was measured on a table, under which rules and weights, and what it comes to.

    `quality` is Q = Σ w·x / Σ w over the assessed dimensions and `coverage` κ = Σ w of the assessed; Q is
    None where nothing was assessed.
    """

    standard: str
    rows: int
    columns: int
    measurements: tuple[QualityMeasurement, ...]
    dimensions: tuple[DimensionScore, ...]
    quality: Decimal | None
    coverage: Decimal
    findings: tuple[QualityFinding, ...]
    rules: tuple[Mapping[str, Any], ...]
    declared: Mapping[str, Any]

    def measurement(self, indicator: str) -> QualityMeasurement:
        """The measurement of an indicator. Requires an indicator of the catalogue."""
        return next(value for value in self.measurements if value.indicator == indicator)

    def finding(self, code: str) -> tuple[QualityFinding, ...]:
        """The findings of one code."""
        return tuple(value for value in self.findings if value.code == code)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values that RFC 8785 can encode; decimals are text."""
        return {
            "format": FORMAT,
            "standard": self.standard,
            "rows": self.rows,
            "columns": self.columns,
            "quality": None if self.quality is None else numbers.text(self.quality),
            "coverage": numbers.text(self.coverage),
            "dimensions": [
                {
                    "dimension": value.dimension,
                    "weight": numbers.text(value.weight),
                    "score": None if value.score is None else numbers.text(value.score),
                    "assessed": value.assessed,
                    "indicators": value.indicators,
                }
                for value in self.dimensions
            ],
            "measurements": [{**asdict(value), "parts": _parts(value)} for value in self.measurements],
            "findings": [asdict(value) for value in self.findings],
            "rules": [dict(rule) for rule in self.rules],
            "declared": dict(self.declared),
        }

    def canonical(self) -> bytes:
        """The report's bytes (RFC 8785)."""
        return canonical.encode(self.to_json())

    def digest(self) -> str:
        """`sha256:` and the hexadecimal SHA-256 of the canonical bytes."""
        return "sha256:" + hashlib.sha256(self.canonical()).hexdigest()


def _parts(measurement: QualityMeasurement) -> list[dict[str, Any]]:
    return [{name: value for name, value in asdict(part).items() if value is not None} for part in measurement.parts]
