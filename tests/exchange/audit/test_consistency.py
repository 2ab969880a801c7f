"""Whoever kept a checkpoint learns with one download whether today's log extends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import checkpoint
from ledger.__main__ import main
from ledger.signatures import SigningKey


@pytest.fixture
def old(embedded: Any, tmp_path: Path) -> Path:
    """A checkpoint that was kept before the log grew."""
    kept = tmp_path / "old"
    kept.write_text(embedded.client().get("/checkpoint").text)
    embedded.exchange.firm("Later Works")
    return kept


@pytest.mark.parametrize("source", ["text", "json"])
def test_the_offline_tool_takes_the_logs_answer_as_it_is(
    embedded: Any, old: Path, tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    size, client = old.read_text().split("\n")[1], embedded.client()
    if source == "text":
        answer = client.get(f"/checkpoint?old={size}")
        assert answer.content_type.startswith("text/plain")
        text = answer.text
    else:
        found = client.get(f"/api/v1/ledger/consistency?old={size}").json
        assert (found["old"], found["new"]) == (int(size), embedded.exchange.operations.services.log.size())
        assert found["checkpoint"] in found["extension"]
        text = found["extension"]
    new = tmp_path / "new"
    new.write_text(text)
    vkey = embedded.exchange.operations.services.log.vkey
    assert main(["consistency", str(old), str(new), "--key", vkey]) == 0
    assert "CONSISTENT" in capsys.readouterr().out


def test_a_checkpoint_of_a_fork_is_not_extended(embedded: Any, old: Path, tmp_path: Path) -> None:
    log = embedded.exchange.operations.services.log
    size = int(old.read_text().split("\n")[1])
    # The log's own key has signed another history of the same size.
    forked = tmp_path / "forked"
    forked.write_text(checkpoint.sign(log.origin, size, b"\7" * 32, log.notary._keys[0]))
    new = tmp_path / "new"
    new.write_text(embedded.client().get(f"/checkpoint?old={size}").text)
    assert main(["consistency", str(forked), str(new), "--key", log.vkey]) == 1
    assert (
        main(["consistency", str(old), str(new), "--key", checkpoint.vkey(log.origin, SigningKey.generate().public)])
        == 1
    )


def test_sizes_that_the_log_never_had_are_refused(embedded: Any, refused: Any) -> None:
    size = embedded.exchange.operations.services.log.size()
    client = embedded.client()
    refused(client.get(f"/api/v1/ledger/consistency?old={size + 1}"), 422, "invalid-input")
    for old in (str(size + 1), "0", "-1", "x", ""):
        assert client.get(f"/checkpoint?old={old}").status_code == 422
