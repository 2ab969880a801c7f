"""Faults of disk and keys: each ends with a reason, takes no use and leaves nothing behind."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SealingError
from exchange import jobs
from exchange.catalog.models import DatasetVersion
from exchange.transfer.models import TransferProcess


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], Any]]:
    """A maker of real, small disks: while one is mounted, a folder holds so many kilobytes and no more."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")

    @contextmanager
    def mounted(folder: Path, kilobytes: int) -> Iterator[None]:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs", str(folder)]
        made = subprocess.run(command, check=False, capture_output=True, timeout=10)
        if made.returncode:
            pytest.skip(f"no disk can be mounted here: {made.stderr.decode().strip()}")
        try:
            yield
        finally:
            # Lazily: a file that is still open must not leave a disk behind; it goes with its last file.
            subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)

    with ExitStack() as stack:
        yield lambda folder, kilobytes: stack.enter_context(_closing(mounted(folder, kilobytes)))


@contextmanager
def _closing(context: Any) -> Iterator[Callable[[], None]]:
    """Yield what ends `context` early; it ends at the latest with the test."""
    with ExitStack() as stack:
        stack.enter_context(context)
        yield stack.close


def noise(rows: int = 2_000) -> bytes:
    """Return a table that compresses badly, so that its artefact needs room."""
    lines = ["machine,reading"] + [f"M-{number % 9},{secrets.token_hex(24)}" for number in range(rows)]
    return "\n".join(lines).encode()


def failed(trade: Any, agreement: str, *, code: str) -> Any:
    """Request a use that cannot be prepared; check that it ended well, and return its row."""
    operations = trade.exchange.operations
    stored = set(operations.services.objects.digests())
    transfer = trade.request(agreement)["transfer"]
    row = trade.transfer(transfer)
    assert row.state == "TERMINATED"
    assert row.reason
    assert row.reasons[0]["text_zh"]
    assert (row.artefact, trade.used(agreement)) == ("", 0)
    assert trade.kinds(transfer)[-1] == "transfer.terminated"
    with operations.database.reading() as session:
        job = jobs.get(session, row.job_id)
    assert job.state == "failed"
    assert job.error["code"] == code
    assert set(operations.services.objects.digests()) == stored
    return row


def test_a_full_disk_ends_the_preparation_with_a_reason_and_room_makes_it_possible_again(
    embedded: Any, small_disk: Callable[..., Any]
) -> None:
    agreement = embedded.agreement(data=noise(), template="n-times", parameters={"count": 1})
    spool = embedded.exchange.settings.spool
    free = small_disk(spool, 16)
    row = failed(embedded, agreement, code="disk-full")
    assert "space" in row.reason
    assert list(spool.iterdir()) == []
    free()
    assert embedded.started(agreement)
    assert embedded.used(agreement) == 1


def test_a_full_object_store_ends_the_preparation_with_a_reason(embedded: Any, small_disk: Callable[..., Any]) -> None:
    agreement = embedded.agreement(data=noise())
    objects = Path(embedded.exchange.settings.object_store)
    # The disk lies over the store's folder, so the version's own bytes are put onto it first.
    version = embedded.agreement_row(agreement).version_id
    with embedded.exchange.operations.database.reading() as session:
        sources = [file.object_digest for file in session.get_one(DatasetVersion, version).files]
    kept = {digest: (objects / digest[:2] / digest[2:]).read_bytes() for digest in sources}
    room = sum(len(data) for data in kept.values()) // 1024 + 32
    free = small_disk(objects, room)
    for digest, data in kept.items():
        (objects / digest[:2]).mkdir()
        (objects / digest[:2] / digest[2:]).write_bytes(data)
    row = failed(embedded, agreement, code="disk-full")
    assert "stored" in row.reason
    assert not list(objects.rglob(".incoming-*"))
    free()
    assert embedded.started(agreement)


def test_a_full_disk_under_the_database_is_503_and_room_makes_it_go_on(
    small_disk: Callable[..., Any], open_exchange: Any, make_trade: Any, refused: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    free = small_disk(home, 32_000)
    trade = make_trade(open_exchange(home=home))
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    recorded = trade.exchange.operations.services.log.size()
    client = trade.client(trade.consumer)
    try:
        with pytest.raises(OSError, match="space"):
            (home / "filler").write_bytes(bytes(64 * 1024 * 1024))
        # Whatever room was left inside the database's own files is used up first.
        answers = []
        while len(answers) < 200 and 503 not in answers:
            answers.append(
                client.post("/api/v1/datasets", json={"title": "x" * 200, "domain": "production"}).status_code
            )
        answer = client.post(f"/api/v1/agreements/{agreement}/transfers", json={}, headers={"Idempotency-Key": "full"})
        refused(answer, 503, "unavailable")
        (home / "filler").unlink()
        assert (
            client.post(
                f"/api/v1/agreements/{agreement}/transfers", json={}, headers={"Idempotency-Key": "full"}
            ).status_code
            == 202
        )
        assert trade.used(agreement) == 1
        assert trade.exchange.operations.services.log.size() > recorded
    finally:
        trade.exchange.operations.database.dispose()
        free()


def test_a_version_whose_key_is_another_one_is_not_delivered(embedded: Any) -> None:
    agreement = embedded.agreement()
    with embedded.changing(DatasetVersion, embedded.agreement_row(agreement).version_id) as row:
        right, row.wrapped_key = row.wrapped_key, secrets.token_bytes(60)
    assert failed(embedded, agreement, code="wrong-key")
    with embedded.changing(DatasetVersion, embedded.agreement_row(agreement).version_id) as row:
        row.wrapped_key = right
    assert embedded.started(agreement)


@pytest.mark.parametrize("fault", ["altered", "cut short", "missing"])
def test_stored_bytes_that_are_not_those_of_the_version_are_not_delivered(embedded: Any, fault: str) -> None:
    agreement = embedded.agreement()
    with embedded.exchange.operations.database.reading() as session:
        version = session.get_one(DatasetVersion, embedded.agreement_row(agreement).version_id)
        digest = version.files[0].object_digest
    path = Path(embedded.exchange.settings.object_store) / digest[:2] / digest[2:]
    whole = path.read_bytes()
    middle = len(whole) // 2
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(
            whole[:middle] + (bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if fault == "altered" else b"")
        )
    transfer = embedded.transfer(embedded.request(agreement)["transfer"])
    assert (transfer.state, transfer.artefact, embedded.used(agreement)) == ("TERMINATED", "", 0)
    assert transfer.reason
    path.write_bytes(whole)
    assert embedded.started(agreement)


def test_a_package_whose_key_is_another_one_is_not_opened_and_the_reason_is_told(embedded: Any, refused: Any) -> None:
    transfer = embedded.started()
    client = embedded.client(embedded.consumer)
    with embedded.changing(TransferProcess, transfer) as row:
        row.recipient_wrapped_key = secrets.token_bytes(len(row.recipient_wrapped_key))
    refused(client.get(f"/api/v1/transfers/{transfer}/content"), 507, "wrong-key")
    assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200


@pytest.mark.usefixtures("in_small_parts")
def test_of_an_altered_package_no_altered_byte_is_handed_out_opened(embedded: Any, refused: Any) -> None:
    transfer = embedded.started(data=noise(4_000))
    row = embedded.transfer(transfer)
    right = embedded.client(embedded.consumer).get(f"/api/v1/transfers/{transfer}/content").data
    path = Path(embedded.exchange.settings.object_store) / row.artefact[:2] / row.artefact[2:]
    whole = path.read_bytes()
    position = len(whole) // 2
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    answer = embedded.exchange.client(embedded.consumer).get(f"/api/v1/transfers/{transfer}/content", buffered=False)
    received: list[bytes] = []
    with pytest.raises(SealingError):
        received.extend(answer.iter_encoded())
    answer.close()
    assert right.startswith(b"".join(received))
    # Cut short it is not even begun.
    path.write_bytes(whole[:position])
    refused(embedded.client(embedded.consumer).get(f"/api/v1/transfers/{transfer}/content"), 507, "wrong-key")


def test_a_buyer_who_computes_another_digest_learns_that_the_bytes_differ(embedded: Any, refused: Any) -> None:
    transfer = embedded.started()
    row = embedded.transfer(transfer)
    path = Path(embedded.exchange.settings.object_store) / row.artefact[:2] / row.artefact[2:]
    path.write_bytes(path.read_bytes()[:-1] + b"\\x00")
    import hashlib

    client = embedded.client(embedded.consumer)
    data = client.get(f"/api/v1/transfers/{transfer}/artefact").data
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    refused(
        client.post(f"/api/v1/transfers/{transfer}/acknowledgement", json={"digest": digest}), 409, "digest-differs"
    )
