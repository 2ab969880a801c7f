"""An upload becomes an immutable, encrypted version, or nothing at all."""

import hashlib
import io

import pyarrow.parquet as pq
import pytest

from exchange.catalog import sealed, uploads
from exchange.catalog.errors import UploadCutShortError
from exchange.errors import (
    ConflictError,
    IdempotencyError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    StorageError,
)


def test_a_table_becomes_parquet_encrypted_at_rest_and_published_by_its_provider(market, sample_csv, nothing):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    version = market.version(market.upload(firm, dataset, sample_csv))
    assert (version.state, version.kind, version.rows, version.number) == ("ready", "table", 200, 1)
    assert version.published_at is not None
    assert version.dataset.current_version_id == version.id
    assert sorted(market.kinds(dataset)) == ["dataset.version_published", "quality.reported"]
    (plain,) = market.read(version.id)
    assert version.files[0].plain_digest == "sha256:" + hashlib.sha256(plain).hexdigest()
    table = pq.read_table(io.BytesIO(plain))
    assert table.column_names == [column["name"] for column in version.schema]
    assert table.num_rows == 200
    for digest in market.exchange.operations.services.objects.digests():
        with market.exchange.operations.services.objects.open(digest) as stored:
            content = stored.read()
        assert b"PAR1" not in content
        assert "张伟".encode() not in content
    assert market.leftovers() == nothing


def test_the_same_bytes_give_the_same_version_digest(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    first = embedded.version(embedded.upload(firm, embedded.dataset(firm), sample_csv))
    second = embedded.version(embedded.upload(firm, embedded.dataset(firm), sample_csv))
    assert first.digest == second.digest
    assert first.files[0].object_digest != second.files[0].object_digest, "each is sealed under a key of its own"


def test_sensitive_columns_are_found_and_no_value_is_kept_beside_the_bytes(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    version = embedded.version(embedded.upload(firm, embedded.dataset(firm), sample_csv))
    found = {finding["column"]: finding["kind"] for finding in version.findings}
    assert found["联系电话"] == "mobile_phone"
    assert "操作员姓名" in found
    kept = repr([version.schema, version.findings, version.warnings])
    assert "13800000001" not in kept
    assert "张伟" not in kept


def test_a_file_that_is_no_table_is_kept_byte_for_byte(embedded):
    firm = embedded.exchange.firm("Maker")
    data = b"%PDF-1.7\n" + bytes(range(256)) * 400
    version = embedded.version(embedded.upload(firm, embedded.dataset(firm), data, "drawing.pdf"))
    assert (version.kind, version.rows, version.findings) == ("opaque", 0, [])
    assert embedded.read(version.id) == [data]
    assert version.files[0].name == "drawing.pdf"


def test_a_table_among_other_files_is_not_let_through_unmasked(embedded, sample_csv):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, b"%PDF-1.7 no table", "drawing.pdf", part=1, parts=2)
    version = embedded.version(embedded.upload(firm, dataset, sample_csv, "data.csv", part=2, parts=2))
    assert version.state == "failed"
    assert version.error["code"] == "not-a-table"


def test_several_files_become_one_version_once_the_last_part_is_there(market, nothing):
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    second = market.upload(firm, dataset, b"a,b\n3,4\n", "y2.csv", part=2, parts=2)
    assert market.version(second).state == "receiving"
    first = market.upload(firm, dataset, b"a,b\n1,2\n", "y1.csv", part=1, parts=2)
    assert first == second
    version = market.version(first)
    assert (version.state, version.rows, [file.name for file in version.files]) == (
        "ready",
        2,
        ["y1.parquet", "y2.parquet"],
    )
    assert market.leftovers() == nothing


def test_a_part_sent_again_replaces_the_earlier_one(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, b"a\n1\n", "x.csv", part=1, parts=2)
    embedded.upload(firm, dataset, b"a\n5\n6\n", "x.csv", part=1, parts=2)
    version = embedded.version(embedded.upload(firm, dataset, b"a\n7\n", "y.csv", part=2, parts=2))
    assert version.rows == 3
    assert embedded.leftovers() == nothing


def test_an_upload_of_another_number_of_parts_starts_over(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, b"a\n1\n", "x.csv", part=1, parts=3)
    version = embedded.version(embedded.upload(firm, dataset, b"a\n2\n", "x.csv"))
    assert (version.state, version.number, version.rows) == ("ready", 1, 1)
    assert embedded.leftovers() == nothing


def test_an_abandoned_upload_leaves_nothing(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, b"a\n1\n", "x.csv", part=1, parts=3)
    embedded.run(firm, "catalog.abandon_upload", dataset=dataset)
    embedded.run(firm, "catalog.abandon_upload", dataset=dataset)
    assert embedded.leftovers() == nothing
    assert list(embedded.exchange.operations.services.objects.digests()) == []


def test_a_body_cut_short_is_refused_and_nothing_is_kept(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    with pytest.raises(UploadCutShortError, match="5 of 100 bytes"):
        embedded.upload(firm, dataset, b"a,b\n1", length=100)
    assert embedded.leftovers() == nothing
    assert list(embedded.exchange.operations.services.objects.digests()) == []


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(embedded, nothing):
    class Broken(io.RawIOBase):
        def __init__(self):
            self.sent = 0

        def read(self, size=-1):
            self.sent += 1
            if self.sent > 3:
                raise ConnectionResetError("gone")
            return b"x" * 1000

    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    with pytest.raises((ConnectionResetError, StorageError)):
        uploads.take(embedded.exchange.operations, firm, dataset, Broken(), name="a.csv")
    assert embedded.leftovers() == nothing


def test_other_bytes_than_announced_are_refused(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    right = "sha256:" + hashlib.sha256(b"a\n1\n").hexdigest()
    with pytest.raises(InvalidInputError) as refused:
        embedded.upload(firm, dataset, b"a\n2\n", expected_digest=right)
    assert (refused.value.code, refused.value.field) == ("digest-mismatch", "digest")
    assert embedded.leftovers() == nothing
    assert embedded.version(embedded.upload(firm, dataset, b"a\n1\n", expected_digest=right)).state == "ready"


def test_a_body_beyond_the_limit_is_refused_announced_or_not(make_exchange, market_of, nothing):
    market = market_of(make_exchange(max_upload_bytes=1000))
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    for length in (None, 1001):
        with pytest.raises(PayloadTooLargeError):
            market.upload(firm, dataset, b"x" * 1001, length=length)
    assert market.leftovers() == nothing
    assert market.version(market.upload(firm, dataset, b"a\n" + b"1\n" * 400)).state == "ready"


def test_a_full_disk_is_named_and_nothing_is_kept(embedded, nothing, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(28, "No space left on device")

    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    with monkeypatch.context() as patch:
        patch.setattr(sealed.Path, "open", lambda *_args, **_options: Full())
        with pytest.raises(StorageError) as refused:
            embedded.upload(firm, dataset, b"a\n1\n")
    assert refused.value.code == "disk-full"
    assert embedded.leftovers() == nothing


def test_a_disk_that_fills_while_reading_fails_the_version_and_leaves_nothing(embedded, nothing, monkeypatch):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("exchange.catalog.work.to_parquet", full)
        version = embedded.version(embedded.upload(firm, dataset, b"a\n1\n"))
    assert (version.state, version.error["code"]) == ("failed", "disk-full")
    assert embedded.leftovers() == nothing
    assert embedded.version(embedded.upload(firm, dataset, b"a\n1\n")).state == "ready", (
        "the next upload is not held up"
    )


def test_a_repeated_request_gets_the_first_answer_and_stores_nothing_more(embedded, nothing):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    first = embedded.upload(firm, dataset, b"a\n1\n", request_key="key-1")
    assert embedded.upload(firm, dataset, b"a\n1\n", request_key="key-1") == first
    assert embedded.leftovers() == nothing
    with pytest.raises(IdempotencyError):
        embedded.upload(firm, dataset, b"a\n2\n", request_key="key-1")
    assert embedded.leftovers() == nothing
    assert embedded.version(first).dataset.current_version_id == first


def test_another_firms_dataset_looks_like_none(embedded):
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.dataset(firm)
    with pytest.raises(NotFoundError):
        embedded.upload(other, dataset, b"a\n1\n")
    with pytest.raises(NotFoundError):
        embedded.upload(other, "urn:uuid:00000000-0000-7000-8000-000000000000", b"a\n1\n")


def test_a_pending_firm_may_not_make_or_fill_a_dataset(embedded, nothing):
    pending = embedded.exchange.firm("Newcomer", verified=False)
    with pytest.raises(PermissionDeniedError) as refused:
        embedded.dataset(pending)
    assert refused.value.code == "participant-not-verified"
    assert embedded.leftovers() == nothing


def test_a_version_that_is_being_read_is_not_overtaken(embedded, monkeypatch):
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    # The worker does not get to it, as on a busy exchange.
    monkeypatch.setattr(embedded.exchange.operations.services.jobs, "_hand_over", lambda _identifier: None)
    waiting = embedded.upload(firm, dataset, b"a\n1\n")
    assert embedded.version(waiting).state == "ingesting"
    with pytest.raises(ConflictError) as refused:
        embedded.upload(firm, dataset, b"a\n2\n")
    assert refused.value.code == "still-reading"


@pytest.mark.parametrize("name", ["", "..", "/", " ", "a" * 300])
def test_a_file_without_a_usable_name_is_refused(embedded, name):
    firm = embedded.exchange.firm("Maker")
    with pytest.raises(InvalidInputError) as refused:
        embedded.upload(firm, embedded.dataset(firm), b"a\n1\n", name)
    assert refused.value.field == "filename"


def test_a_name_with_a_path_keeps_its_last_part_only():
    assert uploads.file_name("../../etc/passwd.csv") == "passwd.csv"
    assert uploads.file_name("C:\\data\\数据 2024.csv") == "数据 2024.csv"
    assert uploads.file_name('a"b<c>.csv') == "a_b_c_.csv"


def test_the_spool_is_closed_to_other_users_of_the_machine(embedded, monkeypatch):
    seen = []
    original = sealed.seal

    def look(blocks, target, key, context):
        seen.append(target.parent.stat().st_mode & 0o777)
        return original(blocks, target, key, context)

    monkeypatch.setattr(sealed, "seal", look)
    firm = embedded.exchange.firm("Maker")
    embedded.upload(firm, embedded.dataset(firm), b"a\n1\n")
    assert set(seen) == {0o700}
