"""Exporting to a bucket: what stands there is always a whole log, tiles are written once, and two exports do not mix."""

import hashlib
import io
import json

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ledger import checkpoint
from ledger.cli import main
from ledger.errors import LedgerError, LedgerUnavailableError, VerificationError
from ledger.fsck import fsck
from ledger.signatures import SigningKey
from ledger.tiles import BucketTarget, TileLog, export
from ledger.tiles.layout import tiles_of
from ledger.tiles.publish import tile_bytes

VKEY = checkpoint.vkey("exchange.example/log", SigningKey.from_seed(b"L" * 32).public)


class Server:
    """What an S3 server answers, as far as an export asks; it can be told to fail at the n-th request."""

    def __init__(self):
        self.objects, self.described, self.puts, self.asked, self.fails_at = {}, {}, [], 0, None

    def _request(self):
        self.asked += 1
        if self.asked == self.fails_at:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    def _found(self, key, operation):
        self._request()
        if key not in self.objects:
            raise refusal(404, "NoSuchKey", operation)
        data = self.objects[key]
        return {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "ContentLength": len(data), "Body": io.BytesIO(data)}  # noqa: S324

    def get_object(self, **asked):
        return self._found(asked["Key"], "GetObject")

    def head_object(self, **asked):
        return self._found(asked["Key"], "HeadObject")

    def put_object(self, **asked):
        self._request()
        key, data, must, must_not = (asked.get(name) for name in ("Key", "Body", "IfMatch", "IfNoneMatch"))
        there = self.objects.get(key)
        tag = None if there is None else hashlib.md5(there).hexdigest()  # noqa: S324
        if (must_not and tag) or (must and must != tag):
            raise refusal(412, "PreconditionFailed", "PutObject")
        self.objects[key] = data
        self.described[key] = {name: asked[name] for name in ("ContentType", "CacheControl")}
        self.puts.append(key)

    def delete_object(self, **asked):
        self._request()
        del self.objects[asked["Key"]]

    def get_paginator(self, name):
        return self

    def paginate(self, **asked):
        self._request()
        yield {"Contents": [{"Key": key} for key in list(self.objects) if key.startswith(asked["Prefix"])]}
        yield {}


def refusal(status, code, operation):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


class BucketSource:
    def __init__(self, server, prefix):
        self.server, self.prefix = server, prefix

    def read(self, path):
        return self.server.objects.get(self.prefix + path)

    def beside(self, tile):
        return []


def sound(server, size, prefix="log/"):
    report = fsck(TileLog(BucketSource(server, prefix)), VKEY)
    assert (report.problems, report.size) == ([], size)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def put(server, grown):
    def at(size, address="s3://bucket/log"):
        return export(grown, grown.signed(size), VKEY, BucketTarget(server, address))

    return at


@pytest.mark.parametrize(
    ("address", "prefix"), [("s3://bucket", ""), ("s3://bucket/", ""), ("s3://bucket/a/b/", "a/b/")]
)
def test_the_bucket_holds_the_tiles_with_types_and_ages(server, put, grown, address, prefix):
    assert put(700, address).written == 8
    names = {tile.path() for tile in tiles_of(700)}
    assert set(server.objects) == {prefix + name for name in {"checkpoint", *names}}
    for tile in tiles_of(700):
        assert server.objects[prefix + tile.path()] == tile_bytes(grown, tile, 700)
        assert server.described[prefix + tile.path()] == {
            "ContentType": "application/octet-stream", "CacheControl": "public, max-age=31536000, immutable",
        }  # fmt: skip
    assert server.described[f"{prefix}checkpoint"] == {
        "ContentType": "text/plain; charset=utf-8", "CacheControl": "public, max-age=2",
    }  # fmt: skip
    assert server.puts[-1] == f"{prefix}checkpoint"
    sound(server, 700, prefix)


def test_an_export_that_dies_anywhere_leaves_a_whole_log_and_the_next_one_writes_only_what_is_missing(server, put):
    put(300)
    for step in range(1, 60):
        server.fails_at, server.asked = step, 0
        if _survives(put):
            break
        sound(server, 1300 if server.puts.count("log/checkpoint") > 1 else 300)
    else:
        pytest.fail("the export never came to its end")
    sound(server, 1300)
    # The checkpoint was written twice, each other file once in all these exports.
    assert len(server.puts) == len(set(server.puts)) + 1
    assert step > 12


def _survives(put):
    try:
        put(1300)
    except LedgerUnavailableError:
        return False
    return True


def test_what_full_tiles_replace_is_cleared(server, put):
    put(300)
    put(1300)
    assert {name for name in server.objects if ".p/" in name} - {"log/tile/1/000.p/1"} == {
        f"log/{tile.path()}" for tile in tiles_of(1300) if not tile.is_full
    }


def test_of_two_exports_at_once_the_later_checkpoint_is_not_replaced(server, put, grown, monkeypatch):
    put(300)
    slow = BucketTarget(server, "s3://bucket/log")
    real = slow.write

    def write(path, data):
        if path == "checkpoint":
            put(700)
        return real(path, data)

    monkeypatch.setattr(slow, "write", write)
    with pytest.raises(LedgerError, match="another export"):
        export(grown, grown.signed(400), VKEY, slow)
    sound(server, 700)
    with pytest.raises(VerificationError, match="beyond 400"):
        put(400)


def test_a_repeated_put_of_the_checkpoint_whose_first_answer_was_lost_is_no_conflict(server, put, monkeypatch):
    """The client repeats by itself what was not answered, and finds its own object there."""
    put(300)
    real = server.put_object

    def twice(**given):
        real(**given)
        real(**given)

    monkeypatch.setattr(server, "put_object", twice)
    assert put(700).size == 700
    sound(server, 700)


def test_a_bucket_that_is_not_there_is_no_empty_one(server, put, monkeypatch):
    def absent(**given):
        raise refusal(404, "NoSuchBucket", "GetObject")

    monkeypatch.setattr(server, "get_object", absent)
    with pytest.raises(LedgerUnavailableError, match="s3://bucket does not answer, or refuses: NoSuchBucket"):
        put(300)


@pytest.mark.parametrize("address", ["s3://", "s3:///log", "http://bucket/log"])
def test_what_names_no_bucket_is_refused(server, address):
    with pytest.raises(LedgerError, match="no address of a bucket"):
        BucketTarget(server, address)


def test_the_command_exports_to_a_bucket(server, sqlite_log, sqlite_url, record, capsys, monkeypatch):
    for _ in range(5):
        record(sqlite_log)
    sqlite_log.integrate()
    named = []
    monkeypatch.setattr("boto3.client", lambda service, endpoint_url: named.append((service, endpoint_url)) or server)
    command = ["export", sqlite_url, "s3://bucket/log", "--key", sqlite_log.vkey, "--json"]
    assert main([*command, "--s3-endpoint", "http://127.0.0.1:9"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "size": "6", "before": "0", "written": 3}
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0
    assert named == [("s3", "http://127.0.0.1:9"), ("s3", None)]
