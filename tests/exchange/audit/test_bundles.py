"""Evidence bundles: each verifies offline by itself, holds what it proves, and is given to its parties alone."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.agreement import SignedAgreement, verify
from exchange.supervision import service as supervision
from ledger.bundle import verify_bundle


def fetch(client: Any, path: str, target: Path) -> Path:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/zip"
    target.write_bytes(answer.data)
    return target


def judge(trade: Any, path: Path) -> Any:
    """Verify with the log's key known beforehand; name what failed."""
    report = verify_bundle(path, trade.exchange.operations.services.log.vkey)
    assert report.ok, [(check.name, check.subject, check.detail) for check in report.checks if not check.ok]
    assert report.pinned
    return report


def documents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if name.startswith("documents/")}


def test_the_bundle_of_an_agreement_verifies_and_holds_the_whole_journey(trade: Any, tmp_path: Path) -> None:
    agreement = trade.agreement(price_fen=12_300)
    transfer = trade.started(agreement)
    digest = trade.transfer(transfer).plain_digest
    trade.run(trade.consumer, "transfer.acknowledge", transfer=transfer, digest=digest)
    address = f"/api/v1/ledger/bundles/agreements/{agreement}"
    reports = [
        judge(trade, fetch(trade.client(actor), address, tmp_path / f"{number}.zip"))
        for number, actor in enumerate((trade.provider, trade.consumer))
    ]
    kinds = [entry.kind for entry in reports[0].entries]
    for kind in (
        "participant.verified", "dataset.version_published", "dataset.rights_declared", "dataset.graded", "offer.published",
        "negotiation.requested", "negotiation.agreed", "negotiation.verified", "escrow.held", "negotiation.finalized",
        "transfer.requested", "transfer.decided", "transfer.started", "delivery.acknowledged", "escrow.released",
    ):  # fmt: skip
        assert kind in kinds, f"{kind} is missing from {kinds}"
    assert [entry.index for entry in reports[0].entries] == [entry.index for entry in reports[1].entries]


def test_the_agreement_inside_its_bundle_is_signed_by_both_and_named_by_an_entry(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.agreement()
    path = fetch(
        embedded.client(embedded.consumer), f"/api/v1/ledger/bundles/agreements/{agreement}", tmp_path / "b.zip"
    )
    judge(embedded, path)
    found = documents(path)
    assert set(found) == {"documents/agreement.json", "documents/agreement.signed.json"}
    signed = verify(SignedAgreement.from_json(json.loads(found["documents/agreement.signed.json"])))
    assert signed.id == agreement
    assert signed.canonical() == found["documents/agreement.json"]


def test_an_agreement_that_nobody_paid_yet_has_a_bundle_as_well(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.signed()
    path = fetch(
        embedded.client(embedded.provider), f"/api/v1/ledger/bundles/agreements/{agreement}", tmp_path / "b.zip"
    )
    judge(embedded, path)
    assert set(documents(path)) == {"documents/agreement.json"}


def test_a_bundle_does_not_tell_one_buyer_the_terms_of_another(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.agreement()
    dataset = embedded.agreement_row(agreement).dataset_id
    rival = embedded.exchange.firm("Rival Works")
    other = embedded.run(
        embedded.provider, "catalog.draft_offer", dataset=dataset, template="internal-use", visibility="authorised",
        price={"kind": "one-off", "amount_fen": 87_654_321, "currency": "CNY"}, audience=[rival.participant],
    )  # fmt: skip
    embedded.run(embedded.provider, "catalog.publish_offer", offer=other.result["id"])
    path = fetch(
        embedded.client(embedded.consumer), f"/api/v1/ledger/bundles/agreements/{agreement}", tmp_path / "b.zip"
    )
    judge(embedded, path)
    with zipfile.ZipFile(path) as bundle:
        content = b"".join(bundle.read(name) for name in bundle.namelist())
    assert other.result["id"].encode() not in content
    assert rival.participant.encode() not in content
    assert b"87654321" not in content


def test_everything_said_about_a_firm_verifies_with_the_keys_of_those_who_said_it(trade: Any, tmp_path: Path) -> None:
    trade.started(price_fen=500)
    for number, actor in enumerate((trade.provider, trade.consumer)):
        path = fetch(trade.client(actor), "/api/v1/ledger/bundles/participant", tmp_path / f"{number}.zip")
        report = judge(trade, path)
        assert {"participant.joined", "negotiation.requested", "transfer.started"} <= {
            entry.kind for entry in report.entries
        }


def test_a_withdrawn_offer_is_part_of_its_datasets_evidence(embedded: Any, tmp_path: Path) -> None:
    from exchange.audit import bundles
    from exchange.catalog.models import Offer

    offer = embedded.offer()
    embedded.run(embedded.provider, "catalog.withdraw_offer", offer=offer)
    operations = embedded.exchange.operations
    with operations.database.reading() as session:
        dataset = session.get_one(Offer, offer).dataset_id
        statements = bundles.of_dataset(session, dataset, embedded.provider.participant)
        subject = {"kind": "dataset", "id": dataset}
        path = bundles.write(session, operations.services, statements, subject, tmp_path / "b.zip", {})
    kinds = [entry.kind for entry in judge(embedded, path).entries]
    assert kinds.index("offer.published") < kinds.index("offer.withdrawn")


@pytest.mark.parametrize("choice", ["agreement", "participant", "period"])
def test_an_export_for_an_auditor_verifies_and_is_an_entry_of_its_own(
    embedded: Any, tmp_path: Path, choice: str
) -> None:
    # The firms joined before the period starts; their keys are attested in the export all the same.
    start = datetime.now(UTC)
    agreement = embedded.agreement(price_fen=900)
    chosen = {
        "agreement": {"agreement": agreement},
        "participant": {"participant": embedded.provider.participant},
        "period": {"start": start, "end": datetime.now(UTC)},
    }[choice]
    log = embedded.exchange.operations.services.log
    before = log.size()
    count = supervision.export(embedded.exchange.operations, tmp_path / "b.zip", **chosen)
    report = judge(embedded, tmp_path / "b.zip")
    # The genesis is always in a bundle.
    assert len(report.entries) == count + 1
    assert [entry.kind for entry in log.entries(before, log.size())] == ["audit.exported"]


def test_a_bundle_with_one_altered_opening_is_refused(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.agreement(price_fen=12_300)
    path = fetch(
        embedded.client(embedded.consumer), f"/api/v1/ledger/bundles/agreements/{agreement}", tmp_path / "b.zip"
    )
    altered = io.BytesIO()
    changed = 0
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(altered, "w") as target:
        for info in source.infolist():
            data = source.read(info)
            if info.filename.startswith("openings/") and b"12300" in data:
                data, changed = data.replace(b"12300", b"12299"), changed + 1
            target.writestr(info, data)
    assert changed
    path.write_bytes(altered.getvalue())
    report = verify_bundle(path, embedded.exchange.operations.services.log.vkey)
    assert not report.ok
    assert {"opening", "manifest"} <= {check.name for check in report.checks if not check.ok}


def test_strangers_and_other_firms_get_no_bundle(embedded: Any, refused: Any) -> None:
    agreement = embedded.agreement()
    address = f"/api/v1/ledger/bundles/agreements/{agreement}"
    refused(embedded.client().get(address), 401)
    refused(embedded.client(embedded.exchange.firm("Rival Works")).get(address), 404)
    refused(embedded.client(embedded.exchange.staff("operator")).get(address), 403)


def test_a_bundle_leaves_nothing_in_the_spool(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.agreement()
    fetch(embedded.client(embedded.consumer), f"/api/v1/ledger/bundles/agreements/{agreement}", tmp_path / "b.zip")
    assert list(embedded.exchange.settings.spool.iterdir()) == []
