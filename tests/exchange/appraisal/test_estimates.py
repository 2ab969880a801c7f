"""A value estimate is computed from stated costs and measured quality, recorded, and can be made again from the files."""

import hashlib
from decimal import Decimal

import pytest

from exchange.access import STRANGER
from exchange.appraisal import service
from exchange.catalog import service as catalog
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError
from ledger.canonical import encode
from valuation.recompute import recompute
from valuation.report import ValuationReport

COSTS = {
    "items": {"preliminary": 12_000_000, "collection": 86_000_000, "cleaning": 21_000_000},
    "margin": "0.08",
    "age_years": "1.5",
    "life_years": "5",
}


def test_the_value_follows_from_costs_and_quality_and_is_on_the_ledger(market, sample_csv):
    firm = market.exchange.firm("Maker")
    dataset = market.prepared(firm, sample_csv)
    made = market.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
    quality = Decimal(made["quality"])
    expected = (
        Decimal(119_000_000)
        * Decimal("1.08")
        * (1 - Decimal("1.5") / 5)
        * min(quality / Decimal("0.95"), Decimal("1.2"))
    )
    assert made["value_fen"] == int(expected.to_integral_value(rounding="ROUND_HALF_EVEN"))
    assert made["low_fen"] < made["value_fen"] < made["high_fen"]
    assert [step["formula"] for step in made["steps"]][-1].startswith("P = TC")
    assert "valuation.reported" in market.kinds(dataset)
    with market.exchange.operations.database.reading() as session:
        row = service.own_valuation(session, firm, made["id"])
    assert row.digest == made["digest"] == "sha256:" + hashlib.sha256(encode(row.report)).hexdigest()


def test_the_report_is_made_again_from_the_versions_files(embedded, sample_csv, tmp_path):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv, grade=2)
    made = embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS, expected_licences=4)
    with embedded.exchange.operations.database.reading() as session:
        document = service.own_valuation(session, firm, made["id"]).report
    (plain,) = embedded.read(made["version"])
    file = tmp_path / "data.parquet"
    file.write_bytes(plain)
    report = ValuationReport.from_bytes(encode(document))
    assert report.digest() == made["digest"]
    assert recompute(report, [file], temp_directory=tmp_path).report.digest() == made["digest"]
    assert document["grading"]["grade"] == 2


def test_without_a_quality_report_there_is_no_value(embedded):
    firm = embedded.exchange.firm("Maker")
    empty = embedded.dataset(firm)
    opaque = embedded.dataset(firm)
    embedded.upload(firm, opaque, b"%PDF-1.7 drawing", "drawing.pdf")
    for dataset in (empty, opaque):
        with pytest.raises(ConflictError) as refused:
            embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
        assert refused.value.code == "not-assessed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("items", {}),
        ("items", {"collection": 0}),
        ("items", {"bribes": 100}),
        ("items", {"collection": -1}),
        ("items", {"collection": True}),
        ("margin", "-0.1"),
        ("margin", "a lot"),
        ("margin", "NaN"),
        ("age_years", "-1"),
        ("life_years", "0"),
        ("life_years", "Infinity"),
        ("expected_licences", 0),
    ],
)
def test_an_input_out_of_range_is_named(embedded, sample_csv, field, value):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    with pytest.raises(InvalidInputError) as refused:
        embedded.run(firm, "appraisal.estimate", dataset=dataset, **{**COSTS, field: value})
    assert refused.value.field == field
    assert "valuation.reported" not in embedded.kinds(dataset)


def test_too_little_assessed_quality_gives_no_value(embedded, sample_csv):
    from sqlalchemy import select

    from exchange.appraisal.models import QualityAssessment

    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    with embedded.exchange.operations.database.writing() as session:
        row = session.scalars(select(QualityAssessment)).one()
        row.report = {**row.report, "coverage": "0.55"}
    with pytest.raises(ConflictError) as refused:
        embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
    assert refused.value.code == "coverage-too-low"


def test_a_suggested_price_is_written_into_the_draft(embedded, sample_csv):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    made = embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS, expected_licences=10)
    plan = made["price_plans"][0]
    assert (plan["kind"], plan["recommended"]) == ("one-off", True)
    assert abs(plan["amount_fen"] - made["value_fen"] / 10) <= 1
    offer = embedded.draft(firm, dataset)
    priced = embedded.run(firm, "appraisal.price_offer", offer=offer, valuation=made["id"], kind="one-off")
    assert (
        embedded.row(offer).price
        == priced["price"]
        == {"kind": "one-off", "amount_fen": plan["amount_fen"], "currency": "CNY"}
    )
    elsewhere = embedded.draft(firm, embedded.prepared(firm, sample_csv))
    for actor, target in ((other, offer), (firm, elsewhere)):
        with pytest.raises(NotFoundError):
            embedded.run(actor, "appraisal.price_offer", offer=target, valuation=made["id"], kind="one-off")


def test_others_see_the_value_and_not_the_costs(embedded, sample_csv):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    made = embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
    with embedded.exchange.operations.database.reading() as session:
        found = service.valuation_of(session, made["version"])
        seen = service.value_view(found, own=False)
        assert seen["value_fen"] == made["value_fen"]
        assert not {"inputs", "steps", "sensitivities", "price_plans"} & set(seen)
        assert "86000000" not in repr(seen)
        with pytest.raises(NotFoundError):
            service.own_valuation(session, other, made["id"])
        with pytest.raises(NotFoundError):
            catalog.visible_version(session, STRANGER, made["version"])


def test_only_those_who_appraise_for_the_firm_may_estimate(embedded, sample_csv):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    with pytest.raises(NotFoundError):
        embedded.run(other, "appraisal.estimate", dataset=dataset, **COSTS)
    with pytest.raises(PermissionDeniedError):
        embedded.run(embedded.exchange.person(firm, "buyer"), "appraisal.estimate", dataset=dataset, **COSTS)


def test_the_newest_estimate_counts_and_the_earlier_ones_stay(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, sample_csv)
    first = embedded.run(firm, "appraisal.estimate", dataset=dataset, **COSTS)
    second = embedded.run(firm, "appraisal.estimate", dataset=dataset, **{**COSTS, "margin": "0.2"})
    with embedded.exchange.operations.database.reading() as session:
        row = catalog.own_dataset(session, firm, dataset)
        assert [item.id for item in service.valuations_of(session, row)] == [second["id"], first["id"]]
        assert service.valuation_of(session, first["version"]).id == second["id"]
