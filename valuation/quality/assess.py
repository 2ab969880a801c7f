"""The quality of a table in the six dimensions of GB/T 36344."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from valuation.errors import RuleError
from valuation.profile import Profile, Progress
from valuation.quality.catalogue import Indicator, catalogue
from valuation.quality.compile import evaluate
from valuation.quality.findings import findings
from valuation.quality.indicators import MEASURES, Shown, Subject
from valuation.quality.model import Part, QualityFinding, QualityMeasurement, QualityReport
from valuation.quality.rules import Declaration, Rule
from valuation.quality.score import check_weights, dimension_scores, overall
from valuation.source import Source, open_source


def assess(
    profile: Profile,
    paths: Sequence[Path],
    *,
    rules: Sequence[Rule] = (),
    declared: Declaration | None = None,
    weights: Mapping[str, Decimal] | None = None,
    memory_limit: str = "512MB",
    temp_directory: Path,
    progress: Progress | None = None,
    threads: int | None = None,
) -> QualityReport:
    """The quality report of the files `paths`, whose profile is `profile`, under `rules` and `declared`.

    Every indicator is counted on the files, added from rules, taken from declared counts, or not assessed.
    `weights` replaces the published weights of the six dimensions. Raises RuleError where a rule, a
    declaration or the weights do not fit the table, SourceError where the files cannot be read or are not
    those of the profile.
    """
    published = weights if weights is not None else catalogue().weights
    check_weights(published, catalogue())
    stated = declared or Declaration()
    with open_source(paths, memory_limit=memory_limit, temp_directory=temp_directory, threads=threads) as source:
        _check_profile(profile, source)
        tested = []
        for number, rule in enumerate(rules):
            tested.append((rule, *evaluate(source, rule)))
            if progress is not None:
                progress((number + 1) / (len(rules) + 1), f"testing {rule.name}")
        subject = Subject(profile, source, stated)
        measurements = tuple(
            _measurement(indicator, MEASURES[indicator.id](subject), tested, stated)
            for indicator in catalogue().indicators
        )
    scores = dimension_scores(measurements, published, catalogue())
    quality, coverage = overall(scores)
    if progress is not None:
        progress(1.0, "assessed")
    return QualityReport(
        standard=f"{catalogue().standard}, catalogue {catalogue().version}",
        rows=profile.rows,
        columns=len(profile.columns),
        measurements=measurements,
        dimensions=scores,
        quality=quality,
        coverage=coverage,
        findings=(*findings(profile), *_failed(tested)),
        rules=tuple(rule.to_json() for rule in rules),
        declared=stated.to_json(),
    )


def _check_profile(profile: Profile, source: Source) -> None:
    names = [column.name for column in profile.columns]
    if profile.rows != source.rows or names != [column.name for column in source.columns]:
        raise RuleError("The profile is not that of these files: rows or columns differ.")


def _measurement(
    indicator: Indicator, shown: Shown, tested: Sequence[tuple[Rule, int, int]], declared: Declaration
) -> QualityMeasurement:
    """One indicator's measurement from what the table shows, the rules tested and the counts declared."""
    parts = list(shown.parts)
    for rule, passed, total in tested:
        if rule.indicator == indicator.id and total:
            good = passed if indicator.direction == "higher" else total - passed
            parts.append(Part(", ".join(rule.columns), good, total, rule.name))
    if indicator.id in declared.counts:
        source = declared.sources.get(indicator.id, "declared")
        parts.append(Part(source, *declared.counts[indicator.id], "declared, not measured here"))
    numerator = sum(part.numerator for part in parts)
    denominator = sum(part.denominator for part in parts)
    assessed = denominator > 0
    needs_en, needs_zh = shown.needs or (shown.note_en, shown.note_zh)
    return QualityMeasurement(
        dimension=indicator.dimension,
        indicator=indicator.id,
        numerator=numerator if assessed else 0,
        denominator=denominator,
        direction=indicator.direction,
        assessed=assessed,
        note_en=shown.note_en if assessed else f"Not assessed. {needs_en}",
        note_zh=shown.note_zh if assessed else f"未评估。{needs_zh}",
        parts=tuple(parts) if assessed else (),
    )


def _failed(tested: Sequence[tuple[Rule, int, int]]) -> list[QualityFinding]:
    return [
        QualityFinding(
            "rule_failed",
            rule.columns[0],
            total - passed,
            f"{total - passed} of {total} records break the rule {rule.name}.",
            f"{total} 条记录中有 {total - passed} 条违反规则 {rule.name}。",
        )
        for rule, passed, total in tested
        if passed < total
    ]
