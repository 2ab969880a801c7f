"""Every exception that leaves this package.

ValuationError
├── SourceError            a data file cannot be read, or the files do not belong together
├── ResourceError          the memory limit or the spill folder was too small, or the disk full
├── RuleError              a quality rule or a declaration is malformed or names an unknown column
├── ClassificationError    an unknown domain, question or answer
├── EstimateError          inputs of an estimate contradict each other or the method's preconditions
├── ContributionError      a split, a model or its samples are malformed
├── PricingError           no price plan can be suggested from what was given
├── StatisticsError        an index has no rows, wrong weights, or a price that is none
├── MaturityError          a self-assessment names what the catalogue does not have
├── ReportError            a report is malformed
└── RecomputeError         a report was recomputed and does not agree, `differences` says where
"""

from __future__ import annotations

from collections.abc import Sequence


class ValuationError(Exception):
    """Root of the package's exceptions; its text is one sentence, fit for a page."""


class SourceError(ValuationError):
    """A data file cannot be read, or the files given together do not belong together."""


class ResourceError(ValuationError):
    """The work did not fit in the memory limit and the spill folder."""


class RuleError(ValuationError):
    """A quality rule or a declaration is malformed, or names a column that is not there."""


class ClassificationError(ValuationError):
    """A domain, a question or an answer is not one of the catalogue's."""


class EstimateError(ValuationError):
    """The inputs of an estimate contradict each other, or break a precondition of the method."""


class ContributionError(ValuationError):
    """A split has no players, a model is unknown, or samples are not what it needs."""


class PricingError(ValuationError):
    """No price plan can be suggested from what was given."""


class StatisticsError(ValuationError):
    """An index has nothing to be made of, or its weights or prices are not what they must be."""


class MaturityError(ValuationError):
    """A self-assessment answers what the catalogue does not ask, or not in its words."""


class ReportError(ValuationError):
    """A report is not canonical JSON of the expected shape."""


class RecomputeError(ValuationError):
    """A report was recomputed and does not agree with what it states."""

    def __init__(self, differences: Sequence[str]) -> None:
        self.differences = tuple(differences)
        super().__init__("the report does not agree with its inputs: " + "; ".join(self.differences))
