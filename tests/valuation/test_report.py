"""A stranger makes every number of a report again from the report and the files, and notices any change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger import canonical
from valuation import sample
from valuation.approaches import Comparable, CostInputs, IncomeInputs, MarketInputs
from valuation.approaches.market import COEFFICIENTS
from valuation.classification import grade
from valuation.errors import EstimateError, RecomputeError, ReportError, ValuationError
from valuation.profile import Profile, profile
from valuation.quality import Declaration, QualityReport, Rule, assess, catalogue
from valuation.recompute import differing, recompute
from valuation.report import ValuationReport, complete, describe

Write = Callable[..., Path]
Profiled = Callable[..., Profile]
COSTS: dict[str, Any] = {
    "items": {"collection": 8_000_000, "cleaning": 2_500_000},
    "margin": Decimal("0.08"),
    "age_years": Decimal("0.5"),
    "life_years": Decimal(4),
}


INCOME = IncomeInputs("direct", (4_000_000, 4_500_000, 3_000_000), Decimal("0.1"))
MARKET = MarketInputs(
    tuple(
        Comparable(f"urn:uuid:{n}", 9_000_000 + n * 500_000, dict.fromkeys(COEFFICIENTS, Decimal("1.02")))
        for n in range(3)
    )
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files with some columns of the synthetic machining cell."""
    folder = tmp_path_factory.mktemp("files")
    table = pa.Table.from_batches(sample.rows(4_000)).select(
        ["timestamp", "machine_id", "vibration_mm_s", "operator_name", "unit_price_cny"]
    )
    pq.write_table(table.slice(0, 2_500), folder / "one.parquet")
    pq.write_table(table.slice(2_500), folder / "two.parquet")
    return [folder / "one.parquet", folder / "two.parquet"]


@pytest.fixture(scope="module")
def report(files: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> ValuationReport:
    """A report on the two files with rules, a declaration, other weights, three approaches, a grade and a price."""
    tmp_path = tmp_path_factory.mktemp("spill")
    quality = assess(
        profile(files, temp_directory=tmp_path),
        files,
        rules=[Rule("range", ("vibration_mm_s",), {"minimum": 0, "maximum": "2.5"})],
        declared=Declaration(keys=(("timestamp",),), counts={"accessible": (99, 100)}),
        weights={**catalogue().weights, "accuracy": Decimal("0.30"), "timeliness": Decimal("0.10")},
        temp_directory=tmp_path,
    )
    return complete(
        describe(files, quality),
        CostInputs.for_report(quality, **COSTS),
        subject={"dataset": "urn:uuid:0197", "title": "加工单元"},
        at="2026-01-02T03:04:05Z",
        income_inputs=INCOME,
        market_inputs=MARKET,
        expected_licences=5,
        grading=grade({"safety": 1, "loss": 2, "reach": 2}),
    )


def altered(report: ValuationReport, *path: str | int, value: object) -> ValuationReport:
    """The report with one value changed."""
    document = json.loads(report.canonical())
    place = document
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    return ValuationReport.from_bytes(canonical.encode(document))


def test_a_report_is_made_again_from_itself_and_the_files(
    report: ValuationReport, files: Sequence[Path], tmp_path: Path
) -> None:
    received = ValuationReport.from_bytes(report.canonical())
    found = recompute(received, files, temp_directory=tmp_path, memory_limit="256MB")
    assert found.report.canonical() == report.canonical()
    assert found.report.digest() == report.digest()
    assert found.compared > 250
    assert found.notes == ()


def test_a_report_without_an_estimate_is_made_again_too(
    files: Sequence[Path], profiled: Profiled, tmp_path: Path
) -> None:
    quality = assess(profiled(*files), files, temp_directory=tmp_path)
    report = complete(describe(files, quality), None, subject={}, at="2026-01-02T03:04:05Z")
    assert recompute(report, files, temp_directory=tmp_path).report.estimates == []
    assert report.price_plans == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("estimates", 0, "value_fen"), 1),
        (("inputs", "cost", "margin"), "0.09"),
        (("inputs", "cost", "items", "cleaning"), 1),
        (("inputs", "cost", "quality"), "1"),
        (("quality", "measurements", 6, "numerator"), 1),
        (("quality", "rules", 0, "parameters", "maximum"), "9"),
        (("quality", "declared", "counts", "accessible", 0), 100),
        (("weights", "accuracy"), "0.31"),
        (("inputs", "income", "revenue", 0), 4_000_001),
        (("inputs", "market", "comparables", 1, "price_fen"), 1_000_000),
        (("approach_weights", "income"), "0.5"),
        (("reconciliation", "value_fen"), 1),
        (("expected_licences",), 4),
        (("grading", "answers", 1, "grade"), 1),
        (("files", 1, "sha256"), "00"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_no_input_and_no_result_can_be_changed_unnoticed(
    path: tuple[str | int, ...], value: object, report: ValuationReport, files: Sequence[Path], tmp_path: Path
) -> None:
    with pytest.raises(ValuationError):
        recompute(altered(report, *path, value=value), files, temp_directory=tmp_path)


def test_the_price_rests_on_all_approaches_together(report: ValuationReport) -> None:
    whole = report.document["reconciliation"]
    assert [found["approach"] for found in report.estimates] == ["cost", "income", "market"]
    assert whole["agree"]
    assert report.price_plans[0]["amount_fen"] == round(Decimal(whole["exact_fen"]) / 5)
    assert "several approaches" in report.price_plans[0]["reason_en"]


def test_methods_that_disagree_leave_the_report_without_a_price(
    files: Sequence[Path], profiled: Profiled, tmp_path: Path
) -> None:
    quality = assess(profiled(*files), files, declared=Declaration(keys=(("timestamp",),)), temp_directory=tmp_path)
    high = IncomeInputs("direct", (500_000_000,), Decimal("0.1"))
    costs = CostInputs.for_report(quality, **COSTS)
    report = complete(describe(files, quality), costs, subject={}, at="", income_inputs=high)
    assert report.document["reconciliation"]["agree"] is False
    assert report.price_plans == []
    recompute(report, files, temp_directory=tmp_path)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every value of a JSON document that is no list and no object."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))
    else:
        yield path


def test_every_single_value_of_a_report_is_compared(report: ValuationReport) -> None:
    made = json.loads(report.canonical())
    found = list(places(made))
    assert len(found) > 250
    for path in found:
        forged = json.loads(report.canonical())
        place = forged
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = f"{place[path[-1]]}0"
        assert len(list(differing(forged, made))) == 1, path


def test_other_files_fewer_files_and_another_order_are_noticed(
    report: ValuationReport, files: Sequence[Path], tmp_path: Path, write: Write
) -> None:
    other = write(pa.Table.from_batches(sample.rows(2_500, 8)), "other.parquet")
    for given in ([files[0]], [files[1], files[0]], [other, files[1]], [files[0], tmp_path / "none"]):
        with pytest.raises(RecomputeError, match="files"):
            recompute(report, given, temp_directory=tmp_path)


def test_another_version_of_the_code_is_a_note_as_long_as_the_numbers_agree(
    report: ValuationReport, files: Sequence[Path], tmp_path: Path
) -> None:
    older = altered(report, "code", "version", value="0.0.1")
    assert "0.0.1" in recompute(older, files, temp_directory=tmp_path).notes[0]


def test_inputs_with_another_quality_are_refused(files: Sequence[Path], profiled: Profiled, tmp_path: Path) -> None:
    quality = assess(profiled(*files), files, temp_directory=tmp_path)
    inputs = CostInputs(**COSTS, quality=Decimal("0.9"))
    with pytest.raises(ReportError, match="another quality"):
        complete(describe(files, quality), inputs, subject={}, at="")


def test_a_table_of_which_too_little_can_be_assessed_has_no_value(
    write: Write, profiled: Profiled, tmp_path: Path
) -> None:
    path = write({"a": pa.array([], pa.int64())})
    quality: QualityReport = assess(profiled(path), [path], temp_directory=tmp_path)
    with pytest.raises(EstimateError):
        complete(describe([path], quality), CostInputs.for_report(quality, **COSTS), subject={}, at="")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": "valuation-report/1"}', b'{"format":"x"}', b"\xff"])
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(ReportError):
        ValuationReport.from_bytes(data)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "valuation", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_command_line_agrees_differs_and_refuses(
    report: ValuationReport, files: Sequence[Path], tmp_path: Path
) -> None:
    good, bad, junk = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "junk.json"
    good.write_bytes(report.canonical())
    bad.write_bytes(altered(report, "estimates", 0, "value_fen", value=1).canonical())
    junk.write_text("nonsense")
    given = [argument for file in files for argument in ("--file", file)]

    agreed = run("recompute", good, *given, "--digest", report.digest())
    assert agreed.returncode == 0, agreed.stderr
    assert report.digest() in agreed.stdout
    differed = run("recompute", bad, *given, "--json")
    assert differed.returncode == 1
    assert json.loads(differed.stdout)["differences"][0].startswith("estimates[0].value_fen: 1 is stated")
    assert run("recompute", bad, *given, "--digest", report.digest()).returncode == 1
    refused = run("recompute", junk, *given)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert run("recompute", tmp_path / "none.json", *given).returncode == 2
    assert run("recompute").returncode == 2


def test_the_command_line_needs_nothing_of_the_exchange() -> None:
    code = (
        "import sys, valuation.__main__; foreign = {'exchange', 'flask', 'sqlalchemy', 'contracts'};"
        "print(sorted(foreign & {name.split('.')[0] for name in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
