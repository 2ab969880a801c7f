"""Bytes leave in parts, each decided again: ranges, resumes, and the stop in the middle of a running answer."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from exchange.errors import ConflictError, PolicyDeniedError
from exchange.transfer.models import TransferProcess


def running(trade: Any, transfer: str, path: str = "artefact") -> tuple[Any, Any]:
    """Begin a download and return the answer with its blocks still to come."""
    client = trade.exchange.client(trade.consumer)
    answer = client.get(f"/api/v1/transfers/{transfer}/{path}", buffered=False)
    assert answer.status_code == 200
    return answer, answer.iter_encoded()


def read_until(blocks: Any, error: type[Exception]) -> int:
    """Read on and return how many bytes came before `error` stopped the answer."""
    received: list[int] = []
    with pytest.raises(error):
        received.extend(map(len, blocks))
    return sum(received)


@pytest.mark.parametrize("path", ["artefact", "content"])
def test_any_range_is_the_same_bytes_as_in_the_whole(embedded: Any, path: str) -> None:
    client = embedded.client(embedded.consumer)
    address = f"/api/v1/transfers/{embedded.started()}/{path}"
    whole = client.get(address)
    size = len(whole.data)
    assert whole.status_code == 200
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert int(whole.headers["Content-Length"]) == size
    for header, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        (f"bytes={size - 7}-", size - 7, size),
        ("bytes=-5", size - 5, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=1-{size * 9}", 1, size),
    ):
        part = client.get(address, headers={"Range": header})
        assert (part.status_code, part.data) == (206, whole.data[start:end]), header
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["ETag"] == whole.headers["ETag"]


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-9", "bytes=", "bytes=-", "items=0-5", "bytes=a-b", "bytes=5", "bytes=٣-٤"]
)
def test_a_range_that_is_none_is_answered_with_the_whole(embedded: Any, header: str) -> None:
    from exchange.transfer.delivery import parse_range

    assert parse_range(header, 1000) is None


def test_a_range_beyond_the_end_is_refused_and_leaves_no_file_open(embedded: Any, refused: Any) -> None:
    client = embedded.client(embedded.consumer)
    transfer = embedded.started()
    for path in ("artefact", "content"):
        for header in ("bytes=99999999-", "bytes=5-2", "bytes=-0"):
            answer = client.get(f"/api/v1/transfers/{transfer}/{path}", headers={"Range": header})
            refused(answer, 416, "range-not-satisfiable")


def test_a_resume_of_other_bytes_starts_from_the_beginning(embedded: Any) -> None:
    client = embedded.client(embedded.consumer)
    address = f"/api/v1/transfers/{embedded.started()}/artefact"
    whole = client.get(address)
    headers = {"Range": "bytes=100-", "If-Range": '"another-version"'}
    assert client.get(address, headers=headers).data == whole.data
    headers["If-Range"] = whole.headers["ETag"]
    assert client.get(address, headers=headers).data == whole.data[100:]


def test_a_head_request_tells_the_size_and_sends_nothing(embedded: Any) -> None:
    client = embedded.client(embedded.consumer)
    address = f"/api/v1/transfers/{embedded.started()}/artefact"
    head = client.head(address)
    assert head.status_code == 200
    assert head.data == b""
    assert int(head.headers["Content-Length"]) == len(client.get(address).data)


@pytest.mark.usefixtures("in_small_parts")
@pytest.mark.parametrize("path", ["artefact", "content"])
def test_a_lapse_stops_a_running_answer_at_its_next_part(embedded: Any, later: Any, path: str) -> None:
    agreement = embedded.agreement(template="duration", parameters={"days": 1})
    transfer = embedded.started(agreement)
    answer, blocks = running(embedded, transfer, path)
    next(blocks)
    later(timedelta(days=1, seconds=1))
    assert 0 < read_until(blocks, PolicyDeniedError) <= 4096
    answer.close()
    assert embedded.transfer(transfer).state == "SUSPENDED"
    assert embedded.kinds(transfer)[-1] == "transfer.part_denied"


@pytest.mark.usefixtures("in_small_parts")
@pytest.mark.parametrize("act", ["suspend", "terminate"])
def test_a_provider_who_stops_a_transfer_stops_its_running_answer(trade: Any, refused: Any, act: str) -> None:
    transfer = trade.started()
    answer, blocks = running(trade, transfer)
    next(blocks)
    trade.run(trade.provider, f"transfer.{act}", transfer=transfer, reason="A leak is being looked into.")
    assert read_until(blocks, ConflictError) <= 4096
    answer.close()
    client = trade.client(trade.consumer)
    for path in ("artefact", "content"):
        refused(client.get(f"/api/v1/transfers/{transfer}/{path}", headers={"Range": "bytes=9-"}), 409)
    refused(client.post(f"/api/v1/transfers/{transfer}/token"), 409)


@pytest.mark.usefixtures("in_small_parts")
def test_a_refund_in_the_middle_stops_the_answer(embedded: Any) -> None:
    agreement = embedded.agreement(price_fen=5_000)
    transfer = embedded.started(agreement)
    answer, blocks = running(embedded, transfer)
    next(blocks)
    embedded.run(embedded.provider, "settlement.refund", agreement=agreement, reason="We delivered the wrong machine.")
    assert read_until(blocks, ConflictError) <= 4096
    answer.close()


def test_a_suspended_transfer_is_resumed_by_its_provider_alone_and_goes_on_where_it_stopped(
    embedded: Any, refused: Any
) -> None:
    transfer = embedded.started()
    consumer, provider = embedded.client(embedded.consumer), embedded.client(embedded.provider)
    address = f"/api/v1/transfers/{transfer}"
    whole = consumer.get(f"{address}/artefact").data
    assert provider.post(f"{address}/suspension", json={"reason": "Maintenance"}).json["state"] == "SUSPENDED"
    refused(consumer.get(f"{address}/artefact", headers={"Range": "bytes=50-"}), 409)
    refused(consumer.post(f"{address}/resumption"), 404)
    refused(consumer.post(f"{address}/suspension", json={"reason": "Mine"}), 404)
    assert provider.post(f"{address}/resumption").json["state"] == "STARTED"
    assert consumer.get(f"{address}/artefact", headers={"Range": "bytes=50-"}).data == whole[50:]
    assert embedded.kinds(transfer)[-2:] == ["transfer.suspended", "transfer.resumed"]


@pytest.mark.parametrize("side", ["provider", "consumer"])
def test_either_side_ends_a_transfer_for_good(embedded: Any, refused: Any, side: str) -> None:
    transfer = embedded.started()
    address = f"/api/v1/transfers/{transfer}"
    client = embedded.client(getattr(embedded, side))
    assert client.post(f"{address}/termination", json={"reason": "Not needed."}).json["state"] == "TERMINATED"
    for act, body in (("resumption", None), ("termination", {"reason": "Again."})):
        refused(embedded.client(embedded.provider).post(f"{address}/{act}", json=body), 409)
    refused(embedded.client(embedded.consumer).get(f"{address}/artefact"), 409)
    digest = embedded.transfer(transfer).plain_digest
    refused(embedded.client(embedded.consumer).post(f"{address}/acknowledgement", json={"digest": digest}), 409)


def test_a_wrong_digest_is_no_acknowledgement_and_releases_no_money(trade: Any, refused: Any) -> None:
    from sqlalchemy import select

    from exchange.settlement.models import Escrow

    def escrow() -> str:
        with trade.exchange.operations.database.reading() as session:
            return str(session.scalar(select(Escrow.state).where(Escrow.agreement_id == agreement)))

    agreement = trade.agreement(price_fen=5_000)
    transfer = trade.started(agreement)
    client = trade.client(trade.consumer)
    address = f"/api/v1/transfers/{transfer}/acknowledgement"
    wrong = "sha256:" + hashlib.sha256(b"something else").hexdigest()
    refused(client.post(address, json={"digest": wrong}), 409, "digest-differs")
    for malformed in ("", "sha256:", wrong.upper(), wrong + "0", wrong.removeprefix("sha256:"), "md5:00", wrong + "\n"):
        refused(client.post(address, json={"digest": malformed}), 422)
    refused(trade.client(trade.provider).post(address, json={"digest": trade.transfer(transfer).plain_digest}), 404)
    assert (trade.transfer(transfer).state, escrow()) == ("STARTED", "held")
    assert "delivery.acknowledged" not in trade.kinds(transfer)

    sealed = f"sha256:{trade.transfer(transfer).artefact}"
    assert client.post(address, json={"digest": sealed}).json["state"] == "COMPLETED"
    assert (trade.transfer(transfer).state, escrow()) == ("COMPLETED", "released")
    # A second one changes nothing; one with another digest is refused.
    assert client.post(address, json={"digest": sealed}).json["state"] == "COMPLETED"
    refused(client.post(address, json={"digest": wrong}), 409)
    assert trade.kinds(transfer).count("delivery.acknowledged") == 1
    assert trade.kinds(trade.agreement_row(agreement).ledger_id).count("escrow.released") == 1


def test_a_completed_transfer_can_be_fetched_again_until_its_artefact_expires(embedded: Any) -> None:
    transfer = embedded.started()
    digest = embedded.transfer(transfer).plain_digest
    embedded.run(embedded.consumer, "transfer.acknowledge", transfer=transfer, digest=digest)
    answer = embedded.client(embedded.consumer).get(f"/api/v1/transfers/{transfer}/content")
    assert "sha256:" + hashlib.sha256(answer.data).hexdigest() == digest


@pytest.mark.parametrize("end", ["expired", "terminated"])
def test_an_artefact_that_nobody_can_fetch_any_more_is_removed_with_its_keys(
    trade: Any, refused: Any, end: str
) -> None:
    operations = trade.exchange.operations
    lasting, ended = trade.started(), trade.started()
    if end == "expired":
        with trade.changing(TransferProcess, ended) as row:
            row.expires_at = row.created_at
    else:
        trade.run(trade.consumer, "transfer.terminate", transfer=ended, reason="Not needed any more.")
    artefact = trade.transfer(ended).artefact
    assert ended in operations.run_as_system("transfer.discard_due").result["discarded"]
    row = trade.transfer(ended)
    assert (row.wrapped_key, row.recipient_wrapped_key) == (None, None)
    # What was delivered stays known by its digest.
    assert row.artefact == artefact
    assert artefact not in set(operations.services.objects.digests())
    refused(trade.client(trade.consumer).get(f"/api/v1/transfers/{ended}/content"), 409)
    assert trade.client(trade.consumer).get(f"/api/v1/transfers/{lasting}/content").status_code == 200
    assert ended not in operations.run_as_system("transfer.discard_due").result["discarded"]
