"""A report made again from the report and the files alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from valuation.approaches import CostInputs, IncomeInputs, MarketInputs
from valuation.classification import Grading, grade
from valuation.errors import RecomputeError, ReportError, SourceError
from valuation.profile import Progress, profile
from valuation.quality import Declaration, Rule, assess
from valuation.report import ValuationReport, complete, describe, describe_file, weights_of

_MOST_DIFFERENCES: Final = 50


@dataclass(frozen=True)
class Recomputed:
    """A report that agrees: the one made again, how many values were compared, and remarks."""

    report: ValuationReport
    compared: int
    notes: tuple[str, ...]


def recompute(
    report: ValuationReport,
    paths: Sequence[Path],
    *,
    memory_limit: str = "512MB",
    temp_directory: Path,
    progress: Progress | None = None,
) -> Recomputed:
    """Make every number of `report` again from the files `paths`, in the order of the report.

    Nothing but the files, the rules, the declaration, the weights, the answers and the inputs is taken from
    the report. Raises RecomputeError with every difference, ReportError where the report cannot be
    followed, and the errors of profiling and assessing.
    """
    document = report.document
    found = _files(document, paths)
    if found:
        raise RecomputeError(found)
    try:
        again = _again(document, paths, memory_limit, temp_directory, progress)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ReportError(f"The report lacks what is needed to follow it: {error!r}.") from error
    notes = []
    if document["code"] != again.document["code"]:
        notes.append(f"The report was made by {document['code']}, recomputed by {again.document['code']}.")
    stated, made = ({**value, "code": None} for value in (document, again.document))
    differences = list(differing(stated, made))
    if differences:
        raise RecomputeError(differences[:_MOST_DIFFERENCES])
    return Recomputed(again, sum(1 for _ in leaves(made)), tuple(notes))


def _files(document: Mapping[str, Any], paths: Sequence[Path]) -> list[str]:
    """Where the files are not those of the report."""
    stated = document["files"]
    if not isinstance(stated, list) or len(stated) != len(paths):
        return [f"files: the report is about {len(stated)}, {len(paths)} were given"]
    different = []
    for number, (path, value) in enumerate(zip(paths, stated, strict=True)):
        try:
            found = describe_file(path)
        except SourceError as error:
            different.append(f"files[{number}]: {error}")
            continue
        different += differing(value, found, f"files[{number}]")
    return different


def _again(
    document: Mapping[str, Any],
    paths: Sequence[Path],
    memory_limit: str,
    temp_directory: Path,
    progress: Progress | None,
) -> ValuationReport:
    quality = assess(
        profile(paths, memory_limit=memory_limit, temp_directory=temp_directory, progress=progress),
        paths,
        rules=[Rule.from_json(rule) for rule in document["quality"]["rules"]],
        declared=Declaration.from_json(document["quality"]["declared"]),
        weights=weights_of(document),
        memory_limit=memory_limit,
        temp_directory=temp_directory,
    )
    inputs, given = None, document["inputs"]
    if "cost" in given:
        stated = given["cost"]
        inputs = CostInputs.for_report(
            quality,
            stated["items"],
            **{name: stated[name] for name in ("margin", "age_years", "life_years", "quality_reference")},
        )
    return complete(
        describe(paths, quality),
        inputs,
        subject=document["subject"],
        at=document["at"],
        income_inputs=IncomeInputs.from_json(given["income"]) if "income" in given else None,
        market_inputs=MarketInputs.from_json(given["market"]) if "market" in given else None,
        approach_weights={name: Decimal(text) for name, text in document["approach_weights"].items()},
        expected_licences=document["expected_licences"],
        grading=_grading(document["grading"]),
    )


def _grading(document: Mapping[str, Any] | None) -> Grading | None:
    if document is None:
        return None
    answers = {answer["question"]: answer["grade"] for answer in document["answers"]}
    return grade(answers, tag=document["category"])


def differing(stated: Any, made: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, each as the path and both values."""
    if isinstance(stated, Mapping) and isinstance(made, Mapping):
        for name in sorted(stated.keys() | made.keys()):
            here = f"{path}.{name}" if path else str(name)
            if name not in stated or name not in made:
                yield f"{here}: only in the {'recomputed' if name in made else 'stated'} report"
            else:
                yield from differing(stated[name], made[name], here)
    elif isinstance(stated, list) and isinstance(made, list) and len(stated) == len(made):
        for number, (one, other) in enumerate(zip(stated, made, strict=True)):
            yield from differing(one, other, f"{path}[{number}]")
    elif stated != made or type(stated) is not type(made):
        yield f"{path}: {_short(stated)} is stated, {_short(made)} was found"


def leaves(value: Any) -> Iterator[Any]:
    """Every value of a JSON document that is no list and no object."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
