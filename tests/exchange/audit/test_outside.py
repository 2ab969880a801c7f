"""Whoever stands outside finds on one page what is needed to hold the log to account, and copies and checks all of it."""

from __future__ import annotations

import html
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ledger.tiles.layout import tiles_of


def test_the_page_shows_checkpoint_key_and_the_ways_to_audit_without_login(embedded: Any) -> None:
    client = embedded.exchange.app.test_client()
    log = embedded.exchange.operations.services.log
    for locale, title in (("en", "Audit from outside"), ("zh", "从外部审计")):
        page = html.unescape(client.get("/audit/outside", headers={"Accept-Language": locale}).text)
        assert f"<h1>{title}" in page
        assert log.checkpoint() in page
        assert f"--key '{log.vkey}'" in page
        assert page.count("python -m ledger") >= 6
    for link in ("/audit/attestations", "/audit/anchors", "/audit/verify"):
        assert f'href="{link}"' in page
        assert client.get(link).status_code == 200


def copy(client: Any, folder: Path, query: str = "") -> list[str]:
    """Copy the public log into a folder, as the page tells it."""
    folder.mkdir(exist_ok=True)
    note = client.get("/checkpoint").data
    (folder / "checkpoint").write_bytes(note)
    size = note.decode().split("\n")[1]
    addresses = client.get(f"/audit/outside/files?size={size}{query}").text.splitlines()
    for address in addresses:
        answer = client.get(urlsplit(address).path)
        assert answer.status_code == 200, address
        target = folder / urlsplit(address).path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(answer.data)
    return addresses


def fsck(folder: Path, key: str, kept: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ledger", "fsck", str(folder), "--public", "--checkpoint", str(kept), "--key", key]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_outsider_copies_the_whole_log_and_checks_it_with_a_kept_checkpoint(embedded: Any, tmp_path: Path) -> None:
    client = embedded.exchange.app.test_client()
    log = embedded.exchange.operations.services.log
    kept = tmp_path / "kept"
    kept.write_bytes(client.get("/checkpoint").data)
    embedded.exchange.firm("Later Works")
    folder = tmp_path / "log"
    addresses = copy(client, folder)
    assert addresses[0].startswith(embedded.exchange.settings.public_url + "/tile/entries/")
    checked = fsck(folder, log.vkey, kept)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    entries = next(path for path in folder.glob("tile/entries/000*/*"))
    entries.write_bytes(entries.read_bytes().replace(b'"kind":"participant.joined"', b'"kind":"participant.banned"', 1))
    assert fsck(folder, log.vkey, kept).returncode != 0


def test_the_list_names_each_tile_once_and_leaves_out_what_was_full_before(embedded: Any) -> None:
    client = embedded.exchange.app.test_client()
    log, site = embedded.exchange.operations.services.log, embedded.exchange.settings.public_url
    size = log.latest().size
    listed = client.get("/audit/outside/files").text.splitlines()
    assert listed == [f"{site}/{tile.path()}" for tile in tiles_of(size)]
    assert len(set(listed)) == len(listed)
    assert client.get(f"/audit/outside/files?size={size}&since={size}").text.splitlines() == [
        f"{site}/{tile.path()}" for tile in tiles_of(size, size)
    ]
    assert client.get("/audit/outside/files?size=0").text == ""


@pytest.mark.parametrize("asked", ["size=-1", "size=x", "size=99999999", "since=1.5", "size=" + "9" * 30, "since=٣"])
def test_a_size_that_the_log_never_had_is_refused_and_named(embedded: Any, asked: str) -> None:
    answer = embedded.exchange.app.test_client().get(f"/audit/outside/files?{asked}")
    assert answer.status_code == 422
    assert asked.partition("=")[0] in answer.text
