"""The object store: one contract, kept by a local folder and by a server that speaks S3.

The S3 half runs where EXCHANGE_TEST_S3_ENDPOINT names a server (`make test-s3` starts one) and makes a bucket of its own.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.config import load
from exchange.errors import NotFoundError, StorageError
from exchange.objects import FolderStore, make_object_store

LARGE = 65 * 1024 * 1024


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty object store of each kind."""
    if request.param == "folder":
        yield make_object_store(load({}, home=tmp_path))
        return
    endpoint = os.environ.get("EXCHANGE_TEST_S3_ENDPOINT")
    if not endpoint:
        pytest.skip("EXCHANGE_TEST_S3_ENDPOINT names no S3 server; `make test-s3` starts one")
    boto3 = pytest.importorskip("boto3")
    access, secret = os.environ["EXCHANGE_TEST_S3_ACCESS_KEY"], os.environ["EXCHANGE_TEST_S3_SECRET_KEY"]
    bucket = f"exchange-{secrets.token_hex(6)}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret, region_name="us-east-1"
    )
    client.create_bucket(Bucket=bucket)
    made = make_object_store(
        load(
            {},
            home=tmp_path,
            object_store=f"s3://{bucket}/some/prefix",
            s3_endpoint=endpoint,
            s3_access_key=access,
            s3_secret_key=secret,
        )
    )
    yield made
    for digest in list(made.digests()):
        made.delete(digest)
    client.delete_bucket(Bucket=bucket)
    client.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a few blocks."""
    path = tmp_path / "file"
    path.write_bytes(secrets.token_bytes(3 * 1024 * 1024 + 17))
    return path


def test_what_was_put_is_named_by_its_digest_and_comes_back(store: Any, file: Path) -> None:
    digest = store.put(file)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert store.size(digest) == file.stat().st_size
    with store.open(digest) as stream:
        assert stream.read() == file.read_bytes()
    assert list(store.digests()) == [digest]
    assert file.exists()


def test_an_empty_object_is_an_object(store: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    digest = store.put(tmp_path / "empty")
    assert store.size(digest) == 0
    with store.open(digest) as stream:
        assert stream.read() == b""


def test_any_part_can_be_read(store: Any, file: Path) -> None:
    data = file.read_bytes()
    with store.open(store.put(file)) as stream:
        for start, size in ((0, 1), (1, 10), (len(data) - 5, 5), (2**20 - 3, 7), (len(data), 4), (5, 0)):
            assert stream.seek(start) == start
            assert stream.read(size) == data[start : start + size]
        assert stream.seek(-4, os.SEEK_END) == len(data) - 4
        assert stream.read() == data[-4:]
        stream.seek(100)
        buffer = bytearray(50)
        assert stream.readinto(buffer) == 50
        assert bytes(buffer) == data[100:150]


def test_an_object_beyond_one_request_is_kept_whole(store: Any, tmp_path: Path) -> None:
    path = tmp_path / "large"
    block = secrets.token_bytes(1024 * 1024)
    with path.open("wb") as large:
        for _ in range(LARGE // len(block)):
            large.write(block)
    digest = store.put(path)
    assert store.size(digest) == LARGE
    with store.open(digest) as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == digest


def test_the_same_bytes_are_one_object(store: Any, file: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    twin.write_bytes(file.read_bytes())
    assert store.put(file) == store.put(twin)
    assert len(list(store.digests())) == 1


def test_the_same_bytes_put_by_many_at_once_are_one_whole_object(store: Any, file: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(store.put(file))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    with store.open(found[0]) as stream:
        assert stream.read() == file.read_bytes()


def test_what_is_not_there_is_not_found_and_may_be_deleted(store: Any) -> None:
    missing = "0" * 64
    store.delete(missing)
    for look in (store.open, store.size):
        with pytest.raises(NotFoundError):
            look(missing)


def test_a_deleted_object_is_gone(store: Any, file: Path) -> None:
    digest = store.put(file)
    store.delete(digest)
    with pytest.raises(NotFoundError):
        store.size(digest)
    assert list(store.digests()) == []


def test_a_folder_is_closed_to_others_and_shows_no_half_written_object(tmp_path: Path, file: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    digest = store.put(file)
    (tmp_path / "objects" / digest[:2] / ".incoming-crash").write_bytes(b"half")
    assert list(store.digests()) == [digest]
    assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "objects")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exchange.objects.os.fsync", full)
    with pytest.raises(StorageError) as refused:
        store.put(file)
    assert refused.value.code == "disk-full"
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


def test_a_server_that_does_not_answer_is_a_storage_error(tmp_path: Path, file: Path) -> None:
    pytest.importorskip("boto3")
    store = make_object_store(
        load(
            {},
            home=tmp_path,
            object_store="s3://nowhere",
            s3_endpoint="http://127.0.0.1:9",
            s3_access_key="a",
            s3_secret_key="b",
        )
    )
    with pytest.raises(StorageError):
        store.put(file)
