"""The log's static files over HTTP and by `exchange audit publish`: anybody fetches them, and checks the whole log offline."""

from __future__ import annotations

import gzip
import os
import secrets
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.audit import publishing, tiles
from exchange.cli import main as exchange_tool
from exchange.errors import InvalidInputError, SettingsError, StorageError
from ledger import checkpoint
from ledger.cli import main as ledger_tool
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.signatures import SigningKey
from ledger.tiles.layout import tiles_of

NAME = "Lathe Works of Chongqing"
ENDPOINT = os.environ.get("EXCHANGE_TEST_S3_ENDPOINT", "")


def grow(exchange: Any, size: int) -> None:
    """Raise alerts until the log has so many entries."""
    log = exchange.operations.services.log
    while log.size() < size:
        exchange.operations.run_as_system(
            "supervision.raise_alert", about="ledger", severity="notice", findings=["padding"]
        )


def mirror(client: Any, folder: Path) -> int:
    """Fetch the whole log as a mirror does; return its size."""
    note = client.get("/checkpoint")
    assert note.status_code == 200
    size = int(note.text.split("\n")[1])
    for tile in tiles_of(size):
        answer = client.get(f"/{tile.path()}")
        assert answer.status_code == 200
        path = folder / tile.path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer.data)
    (folder / "checkpoint").write_text(note.text)
    return size


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".export"
    }


def test_a_stranger_mirrors_the_log_and_checks_all_of_it_offline(exchange: Any, tmp_path: Path) -> None:
    exchange.firm(NAME)
    grow(exchange, 260)
    client, vkey = exchange.client(), exchange.operations.services.log.vkey
    size = mirror(client, tmp_path / "mirror")
    assert size >= 260
    assert ledger_tool(["fsck", str(tmp_path / "mirror"), "--key", vkey]) == 0
    # A file server that serves the published folder gives the same bytes.
    made = publishing.publish(exchange.operations.services, str(tmp_path / "published"))
    assert (made.size, made.before) == (size, 0)
    assert files(tmp_path / "published") == files(tmp_path / "mirror")
    # Nothing but commitments: no name, and no identifier of the firm.
    everything = b"".join(files(tmp_path / "mirror").values())
    assert NAME.encode() not in everything
    assert all(
        str(actor.participant).encode() not in everything for actor in exchange.actors.values() if actor.participant
    )


def test_tiles_may_be_kept_for_ever_and_the_checkpoint_for_seconds(sqlite_exchange: Any) -> None:
    client = sqlite_exchange.client()
    width = sqlite_exchange.operations.services.log.size()
    for path in (f"/tile/0/000.p/{width}", f"/tile/entries/000.p/{width}"):
        answer = client.get(path)
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Set-Cookie" not in answer.headers
        assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        assert client.head(path).headers["ETag"] == answer.headers["ETag"]
    answer = client.get("/checkpoint")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=2"
    assert "Set-Cookie" not in answer.headers
    tag = answer.headers["ETag"]
    assert client.get("/checkpoint", headers={"If-None-Match": tag}).status_code == 304
    sqlite_exchange.firm("Later Works")
    assert client.get("/checkpoint", headers={"If-None-Match": tag}).status_code == 200
    # What is part of a longer tile now is still there for who reads at the size before.
    assert client.get(f"/tile/0/000.p/{width}").status_code == 200


def test_entries_travel_compressed_to_who_asks_and_are_the_same(sqlite_exchange: Any) -> None:
    client = sqlite_exchange.client()
    path = f"/tile/entries/000.p/{sqlite_exchange.operations.services.log.size()}"
    plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "gzip"})
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert len(packed.data) < len(plain.data)


NOT_THERE = (
    "0/000", "0/001.p/1", "0/000.p/0", "0/000.p/256", "1/000.p/1", "entries/000", "entries/999", "64/000", "0/x000/000", "0", "x",
    "0/../0/000", "0/000.p/1/", "entries/000.p/255", "62/x001/x002/x003/x004/x005/x006/007", "0/x999/x999/x999/x999/x999/x999/999",
)  # fmt: skip


def test_what_is_not_there_yet_or_never_is_404_and_not_to_be_kept(sqlite_exchange: Any) -> None:
    client = sqlite_exchange.client()
    for name in NOT_THERE:
        answer = client.get(f"/tile/{name}")
        assert (name, answer.status_code, answer.headers["Cache-Control"]) == (name, 404, "no-store")


def test_one_address_cannot_keep_the_exchange_busy_with_tiles(
    sqlite_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "PER_MINUTE", 3)
    client = sqlite_exchange.client()
    answers = [
        client.get("/tile/0/000.p/1", environ_overrides={"REMOTE_ADDR": "192.0.2.5"}).status_code for _ in range(5)
    ]
    assert answers == [200, 200, 200, 429, 429]
    assert client.get("/tile/0/000.p/1", environ_overrides={"REMOTE_ADDR": "192.0.2.6"}).status_code == 200
    assert client.get("/checkpoint", environ_overrides={"REMOTE_ADDR": "192.0.2.5"}).status_code == 200


def test_the_command_publishes_to_a_folder_and_adds_what_is_new(sqlite_exchange: Any, tmp_path: Path) -> None:
    home, folder = str(sqlite_exchange.settings.home), tmp_path / "public"
    words = ["audit", "publish", "--home", home, str(folder)]
    done = CliRunner().invoke(exchange_tool, words)
    assert done.exit_code == 0, done.output
    size = int((folder / "checkpoint").read_text().split("\n")[1])
    assert f"holds the log at size {size}, before 0; 3 files were written." in done.output
    sqlite_exchange.firm("Later Works")
    done = CliRunner().invoke(exchange_tool, words)
    assert f"before {size};" in done.output
    vkey = sqlite_exchange.operations.services.log.vkey
    assert vkey in done.output
    assert ledger_tool(["fsck", str(folder), "--key", vkey]) == 0
    assert ledger_tool(["consistency", str(folder), sqlite_exchange.settings.database_url, "--key", vkey]) == 0


def test_the_server_publishes_by_itself_where_the_setting_says(make_exchange: Any, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    exchange = make_exchange(database_url=f"sqlite:///{tmp_path / 'exchange.db'}", publish_log_to=str(folder))
    before = os.umask(0o077)
    try:
        assert exchange.operations.run_as_system(publishing.TIMER).result["queued"] is not None
        first = int((folder / "checkpoint").read_text().split("\n")[1])
        exchange.firm("Later Works")
        exchange.operations.run_as_system(publishing.TIMER)
    finally:
        os.umask(before)
    services = exchange.operations.services
    assert int((folder / "checkpoint").read_text().split("\n")[1]) == services.log.size() > first
    assert ledger_tool(["fsck", str(folder), "--key", services.log.vkey]) == 0
    # The file server is another user of the machine.
    for path in (folder, *folder.rglob("*")):
        if path.name != ".export":
            assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_without_the_setting_nothing_is_published(sqlite_exchange: Any) -> None:
    assert sqlite_exchange.operations.run_as_system(publishing.TIMER).result == {"queued": None}


def test_what_is_in_the_way_is_named_in_both_languages(sqlite_exchange: Any, tmp_path: Path) -> None:
    services = sqlite_exchange.operations.services
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError) as found:
        publishing.publish(services, str(tmp_path / "file/public"))
    assert "file/public cannot be written" in found.value.text("en")[0]
    assert "无法将账本发布到" in found.value.text("zh")[0]
    (tmp_path / "other").mkdir()
    stranger = checkpoint.sign(services.log.origin, 5, bytes(32), SigningKey.generate())
    (tmp_path / "other/checkpoint").write_text(stranger)
    with pytest.raises(InvalidInputError, match="holds another log") as refused:
        publishing.publish(services, str(tmp_path / "other"))
    assert "账本未发布到" in refused.value.text("zh")[0]
    assert (tmp_path / "other/checkpoint").read_text() == stranger


def test_without_the_package_for_s3_the_mend_is_named(sqlite_exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="boto3"):
        publishing.publish(sqlite_exchange.operations.services, "s3://bucket/log")


@pytest.mark.skipif(not ENDPOINT, reason="EXCHANGE_TEST_S3_ENDPOINT names no S3 server; `make test-s3` starts one")
def test_a_real_s3_server_holds_the_log_and_two_exports_do_not_mix(make_exchange: Any, tmp_path: Path) -> None:
    exchange = make_exchange(
        database_url=f"sqlite:///{tmp_path / 'exchange.db'}",
        s3_endpoint=ENDPOINT,
        s3_access_key=os.environ["EXCHANGE_TEST_S3_ACCESS_KEY"],
        s3_secret_key=os.environ["EXCHANGE_TEST_S3_SECRET_KEY"],
    )
    services, bucket = exchange.operations.services, f"log-{secrets.token_hex(6)}"
    client = publishing.s3_client(services.settings)
    client.create_bucket(Bucket=bucket)
    grow(exchange, 250)
    assert publishing.publish(services, f"s3://{bucket}/log").written == 3
    grow(exchange, 300)
    made = publishing.publish(services, f"s3://{bucket}/log")
    assert (made.before, made.size, made.written) == (250, 300, 6)
    names = {tile.path() for tile in tiles_of(300)} | {"checkpoint"}
    found = {item["Key"].removeprefix("log/") for item in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert found == names
    for name in names:
        answer = client.get_object(Bucket=bucket, Key=f"log/{name}")
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(answer["Body"].read())
        assert answer["CacheControl"].startswith(
            "public, max-age=2" if name == "checkpoint" else "public, max-age=31536000"
        )
    assert ledger_tool(["fsck", str(tmp_path / "mirror"), "--key", services.log.vkey]) == 0
    # The same again writes nothing, and only who has seen the newest checkpoint replaces it.
    assert publishing.publish(services, f"s3://{bucket}/log").written == 0
    late = publishing.BucketTarget(client, f"s3://{bucket}/log")
    with pytest.raises(LedgerError, match="another export"):
        late.write("checkpoint", b"late")
    with pytest.raises(LedgerUnavailableError, match="NoSuchBucket"):
        publishing.BucketTarget(client, f"s3://{bucket}-none/log").read("checkpoint")
