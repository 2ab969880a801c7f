"""Versions: signed by their provider, corrected before they are offered, readable only with the key, safe against a crash."""

import base64
import io

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select, update

from exchange.access import Actor
from exchange.audit.models import SignatureRequest
from exchange.catalog import sealed, versions
from exchange.catalog.models import DatasetVersion, VersionFile, VersionSource
from exchange.errors import AwaitingSignatureError, ConflictError, InvalidInputError, NotFoundError, StorageError
from exchange.jobs import Job
from ledger.signatures import SigningKey

CODES = b"code,value\n001,1.5\n002,2.5\n"


def self_held_firm(exchange):
    key = SigningKey.generate()
    owner = exchange.firm(
        "Own Keys", verified=False, custody="self-held",
        signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(bytes(range(32))).decode(),
    )  # fmt: skip
    with pytest.raises(AwaitingSignatureError) as waiting:
        exchange.operations.run(owner, "participants.join")
    give(exchange, owner, key, waiting.value)
    exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)
    return exchange.actor(owner.user), key


def give(exchange, actor, key, waiting):
    signatures = {
        item["digest"]: key.sign(item["domain"], base64.b64decode(item["payload"])) for item in waiting.payloads
    }
    return exchange.operations.give_signatures(actor, waiting.request_id, signatures)


def test_a_self_held_firms_version_waits_for_its_signature_and_is_not_offered_before(market):
    firm, key = self_held_firm(market.exchange)
    dataset = market.dataset(firm)
    version = market.version(market.upload(firm, dataset, CODES))
    assert (version.state, version.published_at) == ("ready", None)
    assert "dataset.version_published" not in market.kinds(dataset)
    with market.exchange.operations.database.reading() as session:
        asked = session.scalars(select(SignatureRequest).where(SignatureRequest.state == "awaiting_signature")).one()
        assert asked.operation == "catalog.publish_version"
        assert asked.arguments == {"version": version.id}
        waiting = AwaitingSignatureError(asked.id, asked.payloads)
    give(market.exchange, firm, key, waiting)
    assert market.version(version.id).published_at is not None
    assert "dataset.version_published" in market.kinds(dataset)


def test_publishing_a_version_twice_records_it_once(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    version = embedded.upload(firm, dataset, CODES)
    embedded.run(firm, "catalog.publish_version", version=version)
    assert embedded.kinds(dataset).count("dataset.version_published") == 1


def test_types_are_shown_and_corrected_as_a_new_version(market, nothing):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    first = market.version(market.upload(firm, dataset, b"batch,value\n1,1.5\n2,2.5\n"))
    assert [(column["name"], column["type"]) for column in first.schema] == [("batch", "int64"), ("value", "float64")]
    again = market.run(firm, "catalog.reread_version", version=first.id, options={"types": {"batch": "text"}})
    second = market.version(again["version"])
    assert (second.number, second.state) == (2, "ready")
    assert [column["type"] for column in second.schema] == ["text", "float64"]
    assert second.dataset.current_version_id == second.id
    assert market.version(first.id).digest == first.digest, "the earlier version is as it was"
    assert pq.read_table(io.BytesIO(market.read(second.id)[0])).column("batch").to_pylist() == ["1", "2"]
    assert market.leftovers() == nothing


def test_a_type_that_does_not_fit_fails_with_the_cell_named(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    first = embedded.upload(firm, embedded.dataset(firm), b"batch\nA1\n")
    again = embedded.run(firm, "catalog.reread_version", version=first, options={"types": {"batch": "int64"}})
    failed = embedded.version(again["version"])
    assert (failed.state, failed.error["code"]) == ("failed", "not-of-type")
    assert "batch" in failed.error["field"]
    assert embedded.version(first).dataset.current_version_id == first
    assert embedded.leftovers() == nothing


def test_an_offered_version_is_not_read_again(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, CODES)
    offer = embedded.row(embedded.offer(firm, dataset))
    with pytest.raises(ConflictError) as refused:
        embedded.run(firm, "catalog.reread_version", version=offer.version_id, options={"types": {"code": "text"}})
    assert refused.value.code == "no-sources"
    assert embedded.version(offer.version_id).sources == []


def test_an_unknown_option_or_type_is_refused(embedded):
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), CODES)
    for options in ({"colour": "red"}, {"delimiter": ";;"}, {"types": ["text"]}):
        with pytest.raises(InvalidInputError):
            embedded.run(firm, "catalog.reread_version", version=version, options=options)


def test_a_version_opens_only_with_its_own_key_and_place(embedded):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, b"a\n1\n", "x.csv", part=1, parts=2)
    version = embedded.upload(firm, dataset, b"a\n2\n", "y.csv", part=2, parts=2)
    with embedded.exchange.operations.database.writing() as session:
        row = session.get_one(DatasetVersion, version)
        first, second = row.files
        first.object_digest, second.object_digest = second.object_digest, first.object_digest
    with pytest.raises(StorageError) as refused:
        embedded.read(version)
    assert refused.value.code == "wrong-key"
    with embedded.exchange.operations.database.writing() as session:
        row = session.get_one(DatasetVersion, version)
        row.wrapped_key = bytes(60)
    with pytest.raises(StorageError):
        embedded.read(version)


def test_what_is_missing_or_cut_is_not_deliverable(embedded):
    operations = embedded.exchange.operations
    firm = embedded.exchange.firm("Maker")
    version = embedded.upload(firm, embedded.dataset(firm), CODES)
    with operations.database.reading() as session:
        versions.deliverable(operations.services, session, versions.get_version(session, version))
    operations.services.objects.delete(embedded.version(version).files[0].object_digest)
    with operations.database.reading() as session, pytest.raises(ConflictError) as refused:
        versions.deliverable(operations.services, session, versions.get_version(session, version))
    assert refused.value.code == "not-deliverable"


def test_a_version_of_another_firm_looks_like_none(embedded):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    version = embedded.upload(firm, embedded.dataset(firm), CODES)
    for name, arguments in (
        ("catalog.publish_version", {}),
        ("catalog.reread_version", {"options": {"types": {"code": "text"}}}),
    ):
        with pytest.raises(NotFoundError):
            embedded.run(other, name, version=version, **arguments)


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing below the process gets a say."""


@pytest.mark.parametrize("moment", ["catalog.note_object", "catalog.version_ready", "catalog.publish_version"])
def test_a_job_killed_at_any_moment_is_carried_out_by_the_next_worker(market, nothing, monkeypatch, moment):
    operations = market.exchange.operations
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    handed = []
    monkeypatch.setattr(operations.services.jobs, "_hand_over", handed.append)
    version = market.upload(firm, dataset, CODES)
    original = operations.run

    def dies(actor, name, /, **arguments):
        if name == moment:
            raise Killed
        return original(actor, name, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(operations, "run", dies)
        # A killed process cleans nothing up.
        patch.setattr("exchange.catalog.sealed.shutil.rmtree", lambda *_args, **_options: None)
        with pytest.raises(Killed):
            operations.services.jobs._execute_by_id(handed[0])
    with operations.database.writing() as session:
        session.execute(update(Job).values(state="queued", worker=""))
    for folder in market.exchange.settings.spool.iterdir():
        sealed.shutil.rmtree(folder)
    operations.services.jobs._execute_by_id(handed[0])
    row = market.version(version)
    assert row.state == "ready"
    assert row.published_at is not None
    assert market.kinds(dataset).count("dataset.version_published") == 1
    with operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(VersionFile)) == 1
    assert market.leftovers() == nothing


def test_a_worker_that_dies_at_every_attempt_does_not_hold_up_the_dataset(embedded, monkeypatch, nothing):
    operations = embedded.exchange.operations
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    with monkeypatch.context() as patch:
        patch.setattr(operations.services.jobs, "_hand_over", lambda _identifier: None)
        stuck = embedded.upload(firm, dataset, CODES)
    with operations.database.writing() as session:
        session.execute(update(Job).values(state="failed", error={"code": "too-many-attempts"}))
    assert embedded.version(embedded.upload(firm, dataset, CODES)).state == "ready"
    assert embedded.version(stuck).state == "failed"
    with operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(VersionSource)) == 1
    assert embedded.leftovers() == nothing


def test_a_disabled_uploader_leaves_the_version_unpublished_but_safe(embedded, monkeypatch):
    from exchange.participants.models import User

    operations = embedded.exchange.operations
    owner = embedded.exchange.firm("Maker")
    publisher = embedded.exchange.person(owner, "publisher")
    dataset = embedded.dataset(publisher)
    handed = []
    with monkeypatch.context() as patch:
        patch.setattr(operations.services.jobs, "_hand_over", handed.append)
        version = embedded.upload(publisher, dataset, CODES)
        with operations.database.writing() as session:
            session.get_one(User, publisher.user).disabled = True
    operations.services.jobs._execute_by_id(handed[0])
    assert (embedded.version(version).state, embedded.version(version).published_at) == ("ready", None)
    embedded.run(owner, "catalog.publish_version", version=version)
    assert embedded.version(version).published_at is not None


def test_only_the_program_itself_may_declare_a_version_ready(embedded):
    from exchange.errors import PermissionDeniedError

    firm = embedded.exchange.firm("Maker")
    for name in ("catalog.version_ready", "catalog.version_failed", "catalog.note_object", "appraisal.quality_ready"):
        with pytest.raises(PermissionDeniedError):
            embedded.exchange.operations.run(firm, name, version="x")
        with pytest.raises(PermissionDeniedError):
            embedded.exchange.operations.run(Actor(), name, version="x")


def test_a_version_shows_as_ready_only_once_its_job_has_signed_it(embedded, monkeypatch):
    seen = []
    operations = embedded.exchange.operations
    firm = embedded.exchange.firm("Maker")
    client = embedded.exchange.client(firm)
    dataset = embedded.dataset(firm)
    original = operations.run

    def look(actor, name, /, **arguments):
        if name == "catalog.publish_version":
            seen.append(client.get(f"/api/v1/versions/{arguments['version']}").json["state"])
        return original(actor, name, **arguments)

    monkeypatch.setattr(operations, "run", look)
    version = embedded.upload(firm, dataset, CODES)
    assert seen == ["ingesting"], "whoever waits for it may offer it at once afterwards"
    assert client.get(f"/api/v1/versions/{version}").json["state"] == "ready"
