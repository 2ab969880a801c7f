"""The object store: one suite for the folder and for S3. `make test-s3` runs the S3 part on a real Ceph gateway."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.config import load
from exchange.errors import NotFoundError, SettingsError, StorageError
from exchange.objects import FolderStore, ObjectStore, S3Store, make_object_store

ENDPOINT = os.environ.get("EXCHANGE_TEST_S3_ENDPOINT", "")
ABSENT = hashlib.sha256(b"never stored").hexdigest()


def s3_settings(home: Path, **overrides: Any) -> Any:
    if not ENDPOINT:
        pytest.skip("EXCHANGE_TEST_S3_ENDPOINT names no S3 server; `make test-s3` starts one")
    given = {
        "object_store": "s3://exchange-test/prefix", "s3_endpoint": ENDPOINT,
        "s3_access_key": os.environ["EXCHANGE_TEST_S3_ACCESS_KEY"], "s3_secret_key": os.environ["EXCHANGE_TEST_S3_SECRET_KEY"],
    }  # fmt: skip
    return load({}, home=home, **{**given, **overrides})


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh bucket on the S3 server."""
    name = f"exchange-{secrets.token_hex(6)}"
    store = S3Store(s3_settings(tmp_path_factory.mktemp("home")))
    store._client.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store: a local folder, then an S3 bucket under a prefix of its own."""
    if request.param == "folder":
        return make_object_store(load({}, home=tmp_path / "home"))
    name = request.getfixturevalue("bucket")
    return make_object_store(s3_settings(tmp_path / "home", object_store=f"s3://{name}/{secrets.token_hex(6)}"))


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A maker of files."""

    def make(data: bytes) -> Path:
        path = tmp_path / secrets.token_hex(8)
        path.write_bytes(data)
        return path

    return make


def test_what_is_put_comes_back_under_its_own_digest(store: ObjectStore, file: Any) -> None:
    data = secrets.token_bytes(100_000)
    digest = store.put(file(data))
    assert digest == hashlib.sha256(data).hexdigest()
    assert store.size(digest) == len(data)
    with store.open(digest) as stream:
        assert stream.read() == data
    assert list(store.digests()) == [digest]


def test_any_place_of_an_object_can_be_read(store: ObjectStore, file: Any) -> None:
    data = secrets.token_bytes(3_000_000)
    with store.open(store.put(file(data))) as stream:
        assert stream.seekable()
        for position, length in (
            (0, 10),
            (2_999_990, 100),
            (1_500_000, 1_048_577),
            (5, 0),
            (3_000_000, 5),
            (4_000_000, 5),
        ):
            assert stream.seek(position) == position
            assert stream.read(length) == data[position : position + length]
        assert stream.seek(-7, io.SEEK_END) == len(data) - 7
        assert stream.read() == data[-7:]
        assert stream.tell() == len(data)
        stream.seek(10)
        stream.seek(5, io.SEEK_CUR)
        assert stream.read(3) == data[15:18]


def test_an_empty_object_is_an_object(store: ObjectStore, file: Any) -> None:
    digest = store.put(file(b""))
    assert store.size(digest) == 0
    with store.open(digest) as stream:
        assert stream.read() == b""


def test_parquet_can_be_read_from_an_object(store: ObjectStore, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"reading": list(range(1000))})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    with store.open(store.put(tmp_path / "t.parquet")) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
        assert parquet.read_row_group(7).column("reading").to_pylist() == list(range(700, 800))


def test_the_same_bytes_again_are_the_same_object(store: ObjectStore, file: Any) -> None:
    assert store.put(file(b"once")) == store.put(file(b"once"))
    assert len(list(store.digests())) == 1


def test_putting_the_same_bytes_at_once_from_many_threads_makes_one_object(store: ObjectStore, file: Any) -> None:
    paths = [file(b"at once" * 10_000) for _ in range(6)]
    together = threading.Barrier(6)

    def put(path: Path) -> str:
        together.wait(timeout=10)
        return store.put(path)

    with ThreadPoolExecutor(6) as pool:
        digests = set(pool.map(put, paths, timeout=60))
    assert len(digests) == 1
    assert list(store.digests()) == list(digests)
    with store.open(digests.pop()) as stream:
        assert stream.read() == b"at once" * 10_000


def test_one_object_is_read_by_several_threads_at_once(store: ObjectStore, file: Any) -> None:
    data = secrets.token_bytes(400_000)
    digest = store.put(file(data))

    def read(start: int) -> bool:
        with store.open(digest) as stream:
            stream.seek(start)
            return bool(stream.read(50_000) == data[start : start + 50_000])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(0, 400_000, 50_000), timeout=60))


def test_what_is_missing_is_not_found(store: ObjectStore) -> None:
    for look in (store.open, store.size):
        with pytest.raises(NotFoundError):
            look(ABSENT)
    assert list(store.digests()) == []


def test_what_is_deleted_is_gone_and_may_be_deleted_again_and_put_again(store: ObjectStore, file: Any) -> None:
    digest = store.put(file(b"short-lived"))
    store.delete(digest)
    store.delete(digest)
    with pytest.raises(NotFoundError):
        store.open(digest)
    assert list(store.digests()) == []
    assert store.put(file(b"short-lived")) == digest
    assert store.size(digest) == 11


def test_many_objects_are_all_listed(store: ObjectStore, file: Any) -> None:
    digests = {store.put(file(str(number).encode())) for number in range(40)}
    assert set(store.digests()) == digests


# -- the folder ------------------------------------------------------------------------------------------------------


def test_a_file_is_visible_whole_or_not_at_all(tmp_path: Path, file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "objects")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(StorageError) as error:
            store.put(file(b"will not fit"))
    assert error.value.code == "disk-full"
    assert list(store.digests()) == []
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


def test_only_the_exchange_can_look_into_the_folder(tmp_path: Path, file: Any) -> None:
    store = FolderStore(tmp_path / "objects")
    digest = store.put(file(b"private"))
    assert (tmp_path / "objects").stat().st_mode & 0o077 == 0
    assert (tmp_path / "objects" / digest[:2] / digest[2:]).stat().st_mode & 0o077 == 0


def test_what_a_killed_put_left_is_no_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    (tmp_path / "objects" / "ab").mkdir()
    (tmp_path / "objects" / "ab" / ".incoming-x").write_bytes(b"half")
    assert list(store.digests()) == []


def test_half_written_uploads_are_removed_and_whole_objects_stay(store: ObjectStore, file: Any) -> None:
    digest = store.put(file(b"whole"))
    if isinstance(store, S3Store):
        store._client.create_multipart_upload(Bucket=store._bucket, Key=store._key(ABSENT))
    else:
        assert isinstance(store, FolderStore)
        (store._folder / digest[:2] / ".incoming-x").write_bytes(b"half")
    now = datetime.now(UTC)
    assert store.discard_incomplete(now - timedelta(hours=1)) == 0
    assert store.discard_incomplete(now + timedelta(hours=1)) == 1
    assert store.discard_incomplete(now + timedelta(hours=1)) == 0
    assert list(store.digests()) == [digest]


# -- S3 --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3_store(bucket: str, tmp_path: Path) -> S3Store:
    return S3Store(s3_settings(tmp_path, object_store=f"s3://{bucket}/{secrets.token_hex(6)}"))


def test_an_object_in_s3_is_never_replaced(s3_store: S3Store, file: Any) -> None:
    from botocore.exceptions import ClientError

    digest = s3_store.put(file(b"first"))
    with pytest.raises(ClientError) as error:
        s3_store._client.put_object(Bucket=s3_store._bucket, Key=s3_store._key(digest), Body=b"second", IfNoneMatch="*")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    with s3_store.open(digest) as stream:
        assert stream.read() == b"first"


def test_a_large_object_travels_in_parts(s3_store: S3Store, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as large:
        for _ in range(66):
            large.write(secrets.token_bytes(1024) * 1024)
    digest = s3_store.put(path)
    assert s3_store.size(digest) == 66 * 1024 * 1024
    with s3_store.open(digest) as stream, path.open("rb") as right:
        for position in (0, 64 * 1024 * 1024 - 5, 65 * 1024 * 1024):
            stream.seek(position)
            right.seek(position)
            assert stream.read(100_000) == right.read(100_000)


def test_wrong_credentials_are_refused_as_a_fault_of_the_store(bucket: str, tmp_path: Path, file: Any) -> None:
    store = S3Store(s3_settings(tmp_path / "home", object_store=f"s3://{bucket}", s3_secret_key="wrong"))
    with pytest.raises(StorageError):
        store.put(file(b"x"))
    for look in (store.size, store.open, store.delete, lambda _: list(store.digests())):
        with pytest.raises(StorageError):
            look(ABSENT)


def test_a_bucket_that_does_not_exist_is_a_fault_of_the_store(tmp_path: Path, file: Any) -> None:
    store = S3Store(s3_settings(tmp_path / "home", object_store="s3://no-such-bucket-here"))
    with pytest.raises(StorageError):
        store.put(file(b"x"))


def test_an_s3_server_that_does_not_answer_is_a_fault_of_the_store(tmp_path: Path, file: Any) -> None:
    pytest.importorskip("boto3")
    settings = load(
        {}, home=tmp_path, object_store="s3://somewhere", s3_endpoint="http://127.0.0.1:9", s3_access_key="a", s3_secret_key="b"
    )  # fmt: skip
    store = make_object_store(settings)
    with pytest.raises(StorageError):
        store.put(file(b"x"))
    for look in (store.size, store.open, store.delete, lambda _: list(store.digests())):
        with pytest.raises(StorageError):
            look(ABSENT)


def test_an_s3_store_without_credentials_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        load({}, home=tmp_path, object_store="s3://somewhere")


def test_an_exchange_runs_on_s3_from_upload_to_delivery(bucket: str, make_exchange: Any) -> None:
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("s3_trade", Path(__file__).parent / "transfer" / "conftest.py")
    shortcuts = importlib.util.module_from_spec(spec)
    sys.modules["s3_trade"] = shortcuts
    spec.loader.exec_module(shortcuts)
    exchange = make_exchange(
        object_store=f"s3://{bucket}/{secrets.token_hex(6)}", s3_endpoint=ENDPOINT,
        s3_access_key=os.environ["EXCHANGE_TEST_S3_ACCESS_KEY"], s3_secret_key=os.environ["EXCHANGE_TEST_S3_SECRET_KEY"],
    )  # fmt: skip
    trade = shortcuts.Trade(exchange, exchange.firm("East China Bearing"), exchange.firm("Delta Institute"))
    transfer = trade.started()
    client = trade.client(trade.consumer)
    whole = client.get(f"/api/v1/transfers/{transfer}/artefact").data
    assert hashlib.sha256(whole).hexdigest() == trade.transfer(transfer).artefact
    assert client.get(f"/api/v1/transfers/{transfer}/artefact", headers={"Range": "bytes=70-"}).data == whole[70:]
    assert trade.delivered_table(transfer).num_rows == 60
