"""A valuation report: one canonical JSON document from which, with the files, every number can be made again.

It names the files by their SHA-256, holds the rules, the declaration, the weights and the inputs of every
estimate, and the version of the code; its own digest is what is recorded elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ledger import canonical
from ledger.errors import CanonicalError
from valuation import __version__, numbers
from valuation.approaches import cost, income, market
from valuation.approaches.cost import CostInputs
from valuation.approaches.estimate import Estimate
from valuation.approaches.income import IncomeInputs
from valuation.approaches.market import MarketInputs
from valuation.approaches.reconcile import WEIGHTS, Reconciliation, reconcile
from valuation.classification import Grading
from valuation.errors import ReportError, SourceError
from valuation.pricing import PricePlan, suggest
from valuation.quality import QualityReport, catalogue
from valuation.source import read_schema

FORMAT: Final = "valuation-report/1"
_BLOCK: Final = 1024 * 1024
_KEYS: Final = frozenset(
    {
        *("format", "subject", "at", "files", "quality", "quality_digest", "rules_digest", "weights", "inputs"),
        *("inputs_digest", "estimates", "approach_weights", "reconciliation", "expected_licences", "price_plans"),
        *("grading", "code"),
    }
)


@dataclass(frozen=True)
class ValuationReport:
    """The report's JSON document. Requires what `complete` made or `from_bytes` accepted."""

    document: Mapping[str, Any]

    @property
    def quality(self) -> Mapping[str, Any]:
        """The quality report as JSON."""
        value: Mapping[str, Any] = self.document["quality"]
        return value

    @property
    def estimates(self) -> Sequence[Mapping[str, Any]]:
        """The estimates as JSON, one for each approach."""
        value: Sequence[Mapping[str, Any]] = self.document["estimates"]
        return value

    @property
    def price_plans(self) -> Sequence[Mapping[str, Any]]:
        """The suggested price plans as JSON, the recommended one first."""
        value: Sequence[Mapping[str, Any]] = self.document["price_plans"]
        return value

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return dict(self.document)

    def canonical(self) -> bytes:
        """The report's bytes (RFC 8785). Raises ReportError where the document cannot be encoded."""
        try:
            return canonical.encode(self.to_json())
        except CanonicalError as error:
            raise ReportError(f"The report cannot be written as canonical JSON: {error}.") from error

    def digest(self) -> str:
        """`sha256:` and the hexadecimal SHA-256 of the canonical bytes."""
        return digest(self.canonical())

    @classmethod
    def from_bytes(cls, data: bytes) -> ValuationReport:
        """The report of canonical bytes. Raises ReportError for anything else."""
        try:
            document = canonical.decode(data)
        except CanonicalError as error:
            raise ReportError(f"This is not a report in canonical JSON: {error}.") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ReportError(f"This is not a report of the format {FORMAT}.")
        if set(document) != _KEYS:
            raise ReportError(f"The report lacks or adds the keys {sorted(set(document) ^ _KEYS)}.")
        return cls(document)


def describe(paths: Sequence[Path], quality: QualityReport) -> dict[str, Any]:
    """What a report says before anything is valued: files, quality, weights and code; `complete` adds the rest.

    Raises SourceError where a file cannot be read.
    """
    rules = {"rules": [dict(rule) for rule in quality.rules], "declared": dict(quality.declared)}
    return {
        "format": FORMAT,
        "files": [describe_file(path) for path in paths],
        "quality": quality.to_json(),
        "quality_digest": quality.digest(),
        "rules_digest": digest(canonical.encode(rules)),
        "weights": _weights(quality),
        "code": {"package": "valuation", "version": __version__, "catalogue": catalogue().version},
    }


def complete(
    basis: Mapping[str, Any],
    inputs: CostInputs | None,
    *,
    subject: Mapping[str, str],
    at: str,
    income_inputs: IncomeInputs | None = None,
    market_inputs: MarketInputs | None = None,
    approach_weights: Mapping[str, Decimal] = WEIGHTS,
    expected_licences: int = 1,
    grading: Grading | None = None,
) -> ValuationReport:
    """The report on what `describe` described, valued by cost from `inputs`.

    `subject` says what is valued, in the words of the caller (dataset, version), `at` when, as RFC 3339
    text. Income and market inputs add those approaches, and `approach_weights` make one value of all. Without
    any inputs the report has no estimate and no price, and where the methods disagree it has no price. Raises
    ReportError where `inputs` do not carry the quality and coverage of the basis, EstimateError and
    PricingError as the approaches and the pricing do.
    """
    if inputs is not None:
        stated_quality = (basis["quality"]["quality"], basis["quality"]["coverage"])
        if (numbers.text(inputs.quality), numbers.text(inputs.coverage)) != stated_quality:
            raise ReportError("The inputs of the estimate carry another quality than the quality report.")
    estimates: list[Estimate] = []
    if inputs is not None:
        estimates.append(cost.estimate(inputs))
    if income_inputs is not None:
        estimates.append(income.estimate(income_inputs))
    if market_inputs is not None:
        estimates.append(market.estimate(market_inputs))
    positive = _worth_something(estimates)
    whole = reconcile(positive, approach_weights) if positive else None
    named = {"cost": inputs, "income": income_inputs, "market": market_inputs}
    stated = {name: found.to_json() for name, found in named.items() if found is not None}
    report = ValuationReport(
        {
            **basis,
            "subject": dict(subject),
            "at": at,
            "inputs": stated,
            "inputs_digest": digest(canonical.encode(stated)),
            "estimates": [found.to_json() for found in estimates],
            "approach_weights": {name: numbers.text(weight) for name, weight in approach_weights.items()},
            "reconciliation": None if whole is None else whole.to_json(),
            "expected_licences": expected_licences,
            "price_plans": [plan.to_json() for plan in _plans(estimates, whole, expected_licences)],
            "grading": None if grading is None else grading.to_json(),
        }
    )
    report.canonical()
    return report


def _worth_something(estimates: Sequence[Estimate]) -> list[Estimate]:
    """The estimates above zero: an asset whose useful life is over has nothing for the others to be weighed with."""
    return [found for found in estimates if found.exact > 0]


def _plans(estimates: Sequence[Estimate], whole: Reconciliation | None, licences: int) -> tuple[PricePlan, ...]:
    if len(estimates) == 1:
        return suggest(estimates[0], expected_licences=licences)
    if whole is None or whole.exact is None:
        return ()
    return suggest(whole, expected_licences=licences)


def digest(data: bytes) -> str:
    """`sha256:` and the hexadecimal SHA-256 of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """A file's SHA-256, bytes and rows, without its name. Raises SourceError where it cannot be read."""
    sha, size = hashlib.sha256(), 0
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                sha.update(block)
                size += len(block)
    except OSError as error:
        raise SourceError(f"{Path(path).name} cannot be read: {error.strerror}.") from error
    return {"sha256": sha.hexdigest(), "bytes": size, "rows": read_schema(path).rows}


def weights_of(document: Mapping[str, Any]) -> dict[str, Decimal]:
    """The weights of a report's document."""
    return {name: Decimal(text) for name, text in document["weights"].items()}


def _weights(quality: QualityReport) -> dict[str, str]:
    return {value.dimension: numbers.text(value.weight) for value in quality.dimensions}
