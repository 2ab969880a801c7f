"""Quality is counted on the data, says what it could not assess, and finds the defects of real files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation import sample
from valuation.errors import RuleError
from valuation.profile import Profile
from valuation.quality import (
    Declaration,
    DimensionScore,
    QualityMeasurement,
    QualityReport,
    Rule,
    assess,
    catalogue,
    overall,
)

Write = Callable[..., Path]
Profiled = Callable[..., Profile]
Assessed = Callable[..., QualityReport]


@pytest.fixture
def assessed(tmp_path: Path, profiled: Profiled) -> Assessed:
    """The quality report of files."""

    def _assessed(*paths: Path, **options: object) -> QualityReport:
        settings = {"memory_limit": "256MB", "temp_directory": tmp_path / "spill", **options}
        return assess(profiled(*paths), list(paths), **settings)

    return _assessed


def counts(report: QualityReport, indicator: str) -> tuple[int, int]:
    measurement = report.measurement(indicator)
    assert measurement.assessed
    return measurement.numerator, measurement.denominator


def test_the_catalogue_has_six_dimensions_twenty_indicators_and_weights_that_add_up() -> None:
    found = catalogue()
    sizes = [len(found.of(dimension.id)) for dimension in found.dimensions]
    assert sizes == [6, 2, 5, 2, 3, 2]
    assert sum(found.weights.values()) == 1
    lower = {indicator.id for indicator in found.indicators if indicator.direction == "lower"}
    assert lower == {"duplication_rate", "dirty_data_rate"}


def test_the_worked_example_scores_0_9555() -> None:
    scores = ["0.96", "0.99", "0.94", "0.97", "0.90", "0.98"]
    weights = catalogue().weights
    given_scores = [
        DimensionScore(name, weight, Decimal(score), 1, 1)
        for (name, weight), score in zip(weights.items(), scores, strict=True)
    ]
    assert overall(given_scores) == (Decimal("0.9555"), Decimal(1))


def test_the_gas_turbine_is_complete_and_repeats_seven_rows(gas_turbine: Sequence[Path], assessed: Assessed) -> None:
    report = assessed(*gas_turbine)
    assert counts(report, "element_completeness") == (404_063, 404_063)
    assert counts(report, "record_completeness") == (36_733, 36_733)
    assert counts(report, "duplication_rate") == (7, 36_733)
    assert report.finding("duplicate_rows")[0].count == 7
    assert not report.measurement("sequence").assessed
    assert report.coverage == Decimal("0.60")


def test_the_steel_plant_steps_back_365_times_in_its_report(steel_energy: Path, assessed: Assessed) -> None:
    report = assessed(steel_energy)
    assert counts(report, "sequence") == (35_039 - 365, 35_039)
    assert counts(report, "uniqueness") == (35_040, 35_040)
    assert counts(report, "point_timeliness") == (35_040, 35_040)
    assert [(f.column, f.count) for f in report.finding("backward_steps")] == [("date", 365)]
    assert report.finding("repeated_times") == ()


def test_the_machine_repeats_twelve_stamps_and_steps_back_once_in_its_report(
    machine_temperature: Path, assessed: Assessed
) -> None:
    report = assessed(machine_temperature)
    assert counts(report, "uniqueness") == (22_683, 22_695)
    assert counts(report, "sequence") == (22_693, 22_694)
    assert counts(report, "duplication_rate")[0] == 0
    assert report.finding("repeated_times")[0].count == 12
    assert report.finding("backward_steps")[0].count == 1


def test_what_is_not_assessed_is_neither_nought_nor_one_and_lowers_the_coverage(
    write: Write, assessed: Assessed
) -> None:
    path = write({"speed": [1.0, 2.0, 3.0], "load": [1.0, 2.0, 2.5]})
    plain = assessed(path)
    missing = plain.measurement("accessible")
    assert not missing.assessed
    assert missing.score is None
    assert missing.note_en.startswith("Not assessed")
    assert missing.note_zh.startswith("未评估")
    assert "Needs counts of attempts" in missing.note_en
    assert (plain.quality, plain.coverage) == (Decimal(1), Decimal("0.60"))
    measured = assessed(path, declared=Declaration(counts={"accessible": (0, 10)}))
    assert measured.measurement("accessible").note_en == (
        "Attempts to fetch the data that succeeded, of all attempts counted."
    )
    assert measured.measurement("accessible").note_zh == "请求访问数据的成功次数占请求访问总次数的比例。"
    assert measured.coverage == Decimal("0.70")
    assert measured.quality is not None
    assert round(measured.quality, 20) == round(Decimal("0.6") / Decimal("0.7"), 20)


def test_a_table_without_rows_has_a_report(write: Write, assessed: Assessed) -> None:
    report = assessed(write(pa.Table.from_batches(sample.rows(0), sample.SCHEMA)))
    assert report.finding("no_rows")
    assert not report.measurement("element_completeness").assessed
    assert not report.measurement("duplication_rate").assessed
    assert report.coverage == Decimal("0.15")
    canonical.encode(report.to_json())


def test_blank_words_and_nan_are_not_filled_and_infinite_cells_are_dirty(write: Write, assessed: Assessed) -> None:
    inf, nan = float("inf"), float("nan")
    path = write({"x": [1.0, nan, inf, None], "t": ["a", " ", "N/A", "b\ufffd"], "k": [1, 2, 3, 4]})
    report = assessed(path)
    assert counts(report, "element_completeness") == (2 + 2 + 4, 12)
    assert counts(report, "record_completeness") == (1, 4)
    assert counts(report, "dirty_data_rate") == (2, 2 + 4 + 4)
    only = assessed(path, declared=Declaration(mandatory=("k",), expected_records=5))
    assert counts(only, "element_completeness") == (4, 4)
    assert counts(only, "record_completeness") == (4, 5)


def test_machine_made_and_repeated_names_are_no_metadata(write: Write, assessed: Assessed) -> None:
    names = ["spindle_speed", "Unnamed: 0", "column3", "load", "load", "", "转速", "x1"]
    table = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)
    assert counts(assessed(write(table)), "metadata") == (3, 8)


RULED = {
    "speed": [100.0, 250.0, -5.0, float("nan"), None],
    "grade": ["A", "B", "C", "A", None],
    "serial": ["SN-1", "SN-2", "SN-2", "bad", None],
    "low": [1, 2, 3, 4, 5],
    "high": [2, 2, 2, 9, None],
    "sum": [3, 4, 5.5, 13, 1],
    "text": ["1", "2.5", "x", "", None],
}


@pytest.mark.parametrize(
    ("rule", "indicator", "expected"),
    [
        (Rule("range", ("speed",), {"minimum": "0", "maximum": 200}), "dirty_data_rate", (3, 4)),
        (Rule("accepted", ("grade",), {"values": ["A", "B"]}), "reference_data", (3, 4)),
        (Rule("pattern", ("serial",), {"regex": "SN-[0-9]+"}), "format_compliance", (3, 4)),
        (Rule("length", ("serial",), {"minimum": 4}), "format_compliance", (3, 4)),
        (Rule("parses", ("text",), {"as": "decimal"}), "format_compliance", (2, 4)),
        (Rule("unique", ("serial",)), "uniqueness", (3, 4)),
        (Rule("unique", ("grade", "serial")), "uniqueness", (4, 4)),
        (Rule("compare", ("low", "high"), {"operator": "<="}), "related_data", (3, 4)),
        (Rule("sum", ("low", "high", "sum"), {"tolerance": "0.5"}), "related_data", (4, 4)),
        (Rule("filled", ("grade",)), "business_rules", (4, 5)),
        (Rule("range", ("speed",), {"minimum": 0}, "business_rules"), "business_rules", (2, 4)),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_rules_are_counted_with_bound_values(
    rule: Rule, indicator: str, expected: tuple[int, int], write: Write, assessed: Assessed
) -> None:
    report = assessed(write(RULED), rules=[rule])
    part = next(p for p in report.measurement(indicator).parts if p.rule == rule.name)
    assert (part.numerator, part.denominator) == expected
    passed = expected[1] - expected[0] if indicator == "dirty_data_rate" else expected[0]
    assert bool(report.finding("rule_failed")) == (passed < expected[1])
    assert Rule.from_json(json.loads(canonical.encode(rule.to_json()))) == rule


def test_bounds_of_decimals_and_times_are_exact(write: Write, assessed: Assessed) -> None:
    price = pa.array([Decimal("0.10"), Decimal("0.11")], pa.decimal128(12, 2))
    stamps = pa.array([0, 60_000_000], pa.timestamp("us", tz="UTC"))
    rules = [
        Rule("range", ("price",), {"maximum": "0.10"}, "business_rules"),
        Rule("range", ("t",), {"minimum": "1970-01-01T08:00:01+08:00"}, "business_rules"),
    ]
    report = assessed(write({"price": price, "t": stamps, "when": stamps.cast(pa.timestamp("us"))}), rules=rules)
    assert [part.numerator for part in report.measurement("business_rules").parts] == [1, 1]


def test_names_and_values_that_look_like_sql_are_only_names_and_values(write: Write, assessed: Assessed) -> None:
    name = 'x"; DROP TABLE s; --'
    path = write({name: ["'; DROP TABLE s; --", "b"], "列.名 'a'": [1, 2]})
    rules = [
        Rule("accepted", (name,), {"values": ["'; DROP TABLE s; --"]}),
        Rule("range", ("列.名 'a'",), {"minimum": 2}),
    ]
    report = assessed(path, rules=rules, declared=Declaration(keys=((name,),)))
    assert counts(report, "reference_data") == (1, 2)
    assert counts(report, "uniqueness") == (2, 2)


def test_declarations_make_more_indicators_assessed(machine_temperature: Path, assessed: Assessed) -> None:
    declared = Declaration(
        keys=(("timestamp",),),
        time_axis="timestamp",
        schema={"timestamp": "timestamp", "value": "integer"},
        period=("2013-12-02T21:15:00", "2013-12-31T23:59:59"),
        cadence="60",
        counts={"content_correctness": (99, 100)},
        sources={"content_correctness": "truth sample of 100 records"},
    )
    report = assessed(machine_temperature, declared=declared)
    assert counts(report, "data_model") == (1, 2)
    assert counts(report, "uniqueness") == (22_683, 22_695)
    assert counts(report, "content_correctness") == (99, 100)
    inside, total = counts(report, "period_correctness")
    assert 0 < inside < total == 22_695
    there, wanted = counts(report, "point_timeliness")
    assert (there, wanted) == (22_683, 22_682 * 5 + 1)
    assert Declaration.from_json(json.loads(canonical.encode(declared.to_json()))) == declared


def test_several_files_are_compared_column_by_column(write: Write, assessed: Assessed) -> None:
    one = write({"a": [1], "b": [1]}, "one.parquet")
    two = write({"a": [2], "b": [1.5]}, "two.parquet")
    report = assessed(one, two)
    assert counts(report, "data_model") == (1, 2)
    assert report.finding("schema_difference")


def test_a_column_that_goes_back_and_forth_is_no_time_axis(write: Write, assessed: Assessed) -> None:
    due = pa.array([5, 1, 4, 2, 3], pa.timestamp("s"))
    report = assessed(write({"due": due}))
    assert not report.measurement("sequence").assessed
    assert not report.measurement("point_timeliness").assessed
    stated = assessed(write({"due": due}), declared=Declaration(time_axis="due"))
    assert counts(stated, "sequence") == (2, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rule("magic", ("a",)),
        lambda: Rule("range", ("a",)),
        lambda: Rule("range", ("a", "b"), {"minimum": 1}),
        lambda: Rule("range", ("a",), {"least": 1}),
        lambda: Rule("compare", ("a", "b"), {"operator": "; DROP TABLE s"}),
        lambda: Rule("parses", ("a",), {"as": "BLOB"}),
        lambda: Rule("accepted", ("a",), {"values": []}),
        lambda: Rule("length", ("a",), {"minimum": "1"}),
        lambda: Rule("unique", ("a",), indicator="beauty"),
        lambda: Rule("sum", ("a", "b", "c"), {"tolerance": "NaN"}),
        lambda: Rule.from_json({"kind": "unique"}),
        lambda: Declaration(counts={"usable": (2, 1)}),
        lambda: Declaration(counts={"beauty": (1, 1)}),
        lambda: Declaration(cadence="0"),
        lambda: Declaration(expected_records=0),
        lambda: Declaration(period=("2024-02-01", "2024-01-01")),
        lambda: Declaration.from_json({"nonsense": 1}),
        lambda: Declaration.from_json({"mandatory": "a"}),
    ],
)
def test_malformed_rules_and_declarations_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(RuleError):
        make()


@pytest.mark.parametrize(
    "rule",
    [
        Rule("unique", ("nowhere",)),
        Rule("range", ("text",), {"minimum": 1}),
        Rule("range", ("low",), {"minimum": "soon"}),
        Rule("pattern", ("text",), {"regex": "("}),
        Rule("sum", ("low", "high", "text"), {"tolerance": 0}),
    ],
    ids=lambda rule: rule.name,
)
def test_rules_that_do_not_fit_the_table_are_refused_by_name(rule: Rule, write: Write, assessed: Assessed) -> None:
    with pytest.raises(RuleError):
        assessed(write(RULED), rules=[rule])


def test_weights_must_cover_all_dimensions_and_add_up(write: Write, assessed: Assessed) -> None:
    path = write({"a": [1]})
    for change in ({"accuracy": Decimal("0.5")}, {"beauty": Decimal(0)}):
        with pytest.raises(RuleError):
            assessed(path, weights={**catalogue().weights, **change})


def test_a_report_is_for_the_files_of_its_profile(write: Write, profiled: Profiled, tmp_path: Path) -> None:
    other = profiled(write({"a": [1, 2]}, "other.parquet"))
    with pytest.raises(RuleError, match="not that of these files"):
        assess(other, [write({"a": [1]})], temp_directory=tmp_path)


def test_the_report_is_the_same_every_time_and_has_a_digest(write: Write, assessed: Assessed) -> None:
    path = write(pa.Table.from_batches(sample.rows(5_000)))
    one, two = assessed(path), assessed(path)
    assert one.canonical() == two.canonical()
    assert one.digest().startswith("sha256:")
    assert json.loads(one.canonical())["measurements"][6]["numerator"] == one.measurements[6].numerator


@settings(deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 10**12), st.sampled_from(["higher", "lower"]))
def test_a_score_lies_between_nought_and_one_and_turns_with_the_direction(
    part: int, whole: int, direction: str
) -> None:
    part = min(part, whole)
    score = QualityMeasurement("accuracy", "x", part, whole, direction, True, "", "").score  # type: ignore[arg-type]
    assert score is not None
    assert 0 <= score <= 1
    if direction == "higher":
        assert abs(score * whole - part) < Decimal("1e-15")
    else:
        assert abs((1 - score) * whole - part) < Decimal("1e-15")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), st.one_of(st.none(), st.decimals(0, 1, places=6))), min_size=1))
def test_the_overall_score_lies_between_the_worst_and_the_best_dimension(
    rows: list[tuple[int, Decimal | None]],
) -> None:
    total = sum(weight for weight, _ in rows)
    scores = [DimensionScore("d", Decimal(weight) / total, score, 1, 1) for weight, score in rows]
    quality, coverage = overall(scores)
    assessed = [score for _, score in rows if score is not None]
    if not assessed:
        assert quality is None
        assert coverage == 0
    else:
        assert quality is not None
        assert min(assessed) - Decimal("1e-25") <= quality <= max(assessed) + Decimal("1e-25")
        assert 0 < coverage <= Decimal("1.000001")


@pytest.mark.parametrize("indicator", [item.id for item in catalogue().indicators])
def test_what_was_assessed_is_not_said_to_be_needed(write: Write, assessed: Assessed, indicator: str) -> None:
    report = assessed(write({"speed": [1.0, 2.0]}), declared=Declaration(counts={indicator: (9, 10)}))
    found = report.measurement(indicator)
    assert found.assessed
    for words in ("Needs", "Not assessed", "需", "未评估"):
        assert words not in found.note_en + found.note_zh
