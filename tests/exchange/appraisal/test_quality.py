"""Quality is assessed once, in private, recorded with its digest, and shows nobody a value of the data."""

import hashlib
import json

import pytest
from sqlalchemy import select, update

from exchange.access import STRANGER
from exchange.appraisal import service
from exchange.appraisal.models import QualityAssessment
from exchange.catalog import service as catalog
from exchange.errors import NotFoundError
from exchange.jobs import Job
from ledger.canonical import encode


def assessment(market, version):
    with market.exchange.operations.database.reading() as session:
        return service.quality_of(session, version)


def test_a_version_is_assessed_after_it_is_read_and_its_report_is_on_the_ledger(market, sample_csv, nothing):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    version = market.upload(firm, dataset, sample_csv)
    found = assessment(market, version)
    assert found.digest == "sha256:" + hashlib.sha256(encode(found.report)).hexdigest()
    assert found.report["rows"] == 200
    dimensions = {item["dimension"]: item["score"] for item in found.report["dimensions"]}
    assert set(dimensions) == {"normative", "completeness", "accuracy", "consistency", "timeliness", "accessibility"}
    assert dimensions["consistency"] is None, "what was not assessed is neither 0 nor 1"
    assert found.report["coverage"] == "0.85"
    log = market.exchange.operations.services.log
    from exchange.audit.service import statements_of

    with market.exchange.operations.database.reading() as session:
        opened = [log.openings(statement) for statement in statements_of(session, version)]
    digests = [openings["report_digest"].value for openings in opened if "report_digest" in openings]
    assert digests == [found.digest]
    assert market.leftovers() == nothing


def test_measurements_say_numerator_denominator_and_direction(embedded):
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), b"a,b\n1,2\n1,2\n3,\n")
    measured = {item["indicator"]: item for item in assessment(embedded, version).report["measurements"]}
    duplicates = measured["duplication_rate"]
    assert (duplicates["numerator"], duplicates["denominator"], duplicates["direction"]) == (1, 3, "lower")
    assert (measured["element_completeness"]["numerator"], measured["element_completeness"]["denominator"]) == (5, 6)
    assert measured["accessible"]["assessed"]
    assert not measured["related_data"]["assessed"]


def test_the_report_and_the_open_columns_hold_no_value_of_the_data(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), sample_csv)
    found = assessment(embedded, version)
    shown = json.dumps([found.report, found.columns, found.basis], ensure_ascii=False)
    for secret in ("张伟", "13800000001", "华东轴承", "59.75", "2026-01-28"):
        assert secret not in shown
    assert "张伟".encode() not in found.profile, "the profile is sealed at rest"


def test_the_profile_opens_for_its_owner_only(embedded, sample_csv):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.prepared(firm, sample_csv)
    embedded.offer(firm, dataset)
    version = embedded.exchange.operations
    with version.database.reading() as session:
        row = catalog.current_version(session, catalog.own_dataset(session, firm, dataset))
        profile = service.profile_of(version.services, session, firm, row.id)
        assert profile.column("单价").maximum == "59.75"
        for actor in (other, STRANGER, embedded.exchange.staff("auditor")):
            with pytest.raises(NotFoundError):
                service.profile_of(version.services, session, actor, row.id)


def test_an_opaque_file_is_not_assessed(embedded):
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), b"%PDF-1.7 drawing", "drawing.pdf")
    assert assessment(embedded, version) is None


def test_an_assessment_repeated_after_a_crash_is_recorded_once(market, sample_csv, nothing):
    operations = market.exchange.operations
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    version = market.upload(firm, dataset, sample_csv)
    with operations.database.writing() as session:
        job = session.scalar(select(Job.id).where(Job.kind == "appraisal.appraise"))
        session.execute(update(Job).where(Job.id == job).values(state="queued", worker=""))
    operations.services.jobs._execute_by_id(job)
    with operations.database.reading() as session:
        assert session.get(Job, job).state == "done"
        assert len(session.scalars(select(QualityAssessment)).all()) == 1
    assert market.kinds(dataset).count("quality.reported") == 1
    found = assessment(market, version)
    operations.run_as_system(
        "appraisal.quality_ready", version=version, report=found.report, digest="sha256:other", basis={}, columns=[],
        profile="",
    )  # fmt: skip
    assert assessment(market, version).digest == found.digest
    assert market.leftovers() == nothing


def test_an_assessment_that_fails_says_so_and_leaves_nothing(embedded, sample_csv, nothing, monkeypatch):
    from valuation.errors import ResourceError

    def too_small(*_args, **_options):
        raise ResourceError("The memory limit and the spill folder were too small.")

    monkeypatch.setattr("exchange.appraisal.work.profile", too_small)
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), sample_csv)
    assert assessment(embedded, version) is None
    with embedded.exchange.operations.database.reading() as session:
        job = session.scalars(select(Job).where(Job.kind == "appraisal.appraise")).one()
        assert (job.state, job.error["code"]) == ("failed", "not-assessed")
        assert job.participant == firm.participant, "its owner may watch it"
    assert embedded.leftovers() == nothing
