"""Publishing on the command line: all is checked before anything is sent, rights are declared in words, money is exact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.cli import checking
from exchange.cli.publishing import pairs
from exchange.cli.values import yuan
from exchange.client import ApiError, Client
from exchange.errors import InvalidInputError
from tests.exchange.cli_tools import answering, one_sentence, serving, wrong_usage

# A token that is never looked at, for an exchange at which nobody listens: what is refused here was refused before.
NOBODY = ["--url", "http://127.0.0.1:9", "--token", "ide_x"]
DECLARED = ["--declare-rights", "--source", "own-production", "--evidence", "Own machines, inventory no. 7"]
OFFERED = ["--domain", "production", *DECLARED, "--impact", "1", "1", "1", "--price", "1500"]


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> None:
    lines = [f"2026-01-01 00:{minute:02d}:00,{minute * 1.5},M-{minute % 3:03d}" for minute in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["time,temperature,machine", *lines]), encoding="utf-8")


@pytest.fixture
def firm(sqlite_exchange: Any) -> Iterator[list[str]]:
    """The options with which a verified firm speaks to an exchange that is really served."""
    owner = sqlite_exchange.firm("Works")
    with serving(sqlite_exchange.app) as address:
        yield ["--url", address, "--token", sqlite_exchange.token(owner)]


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (["--domain", "nonsense"], "--domain"),
        (["--title", "x"], "--title"),
        (["--title", "x" * 201], "--title"),
        (["--description", "x" * 8001], "--description"),
        (["--keyword", "x" * 51], "--keyword"),
        (["--coverage", "a\nb"], "--coverage"),
        (["--frequency", "often"], "--frequency"),
        (["--encoding", "klingon"], "--encoding"),
        (["--delimiter", ",,"], "--delimiter"),
        (["--type", "temperature"], "--type"),
        (["--type", "a=text", "--type", "a=integer"], "--type"),
        (["--source", "own-production"], "--declare-rights"),
        (["--evidence", "Own machines, inventory no. 7"], "--declare-rights"),
        (["--declare-rights", "--evidence", "Own machines, inventory no. 7"], "--source"),
        (["--declare-rights", "--source", "own-production"], "--evidence"),
        ([*DECLARED[:-1], "short"], "--evidence"),
        (["--public"], "--price"),
        (["--parameter", "count=3"], "--price"),
        ([*OFFERED[2:]], "--domain"),
        (["--domain", "production", "--impact", "1", "1", "1", "--price", "0"], "--declare-rights"),
        (["--domain", "production", *DECLARED, "--price", "0"], "--impact"),
        ([*OFFERED, "--impact", "1", "3", "1"], "--impact"),
        ([*OFFERED, "--impact", "1", "2", "1", "--public"], "--public"),
        ([*OFFERED, "--template", "nonsense"], "--template"),
        ([*OFFERED, "--template", "n-times"], "--parameter: count"),
        ([*OFFERED, "--template", "n-times", "--parameter", "count=many"], "--parameter: count"),
        ([*OFFERED, "--template", "n-times", "--parameter", "count=3", "--parameter", "days=3"], "--parameter: days"),
        (
            [*OFFERED, "--template", "duration", "--parameter", "days=3", "--parameter", "starts=soon"],
            "--parameter: starts",
        ),
        ([*OFFERED, "--template", "until-date", "--parameter", "date=2026-02-30"], "--parameter: date"),
        ([*OFFERED, "--parameter", "count"], "--parameter"),
    ],
)
def test_what_cannot_be_published_is_refused_before_anything_is_sent(given: list[str], option: str, run: Any) -> None:
    told = one_sentence(run("publish", "table.csv", *given, *NOBODY))
    assert told.startswith(f"Error: {option}"), told
    # Nothing was sent, or the exchange that is not there would have been missed.
    assert "does not answer" not in told


def test_a_file_without_content_or_without_leave_to_read_is_refused_before_anything_is_sent(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.csv").touch()
    assert "empty.csv is empty" in one_sentence(run("publish", "table.csv", "empty.csv", *NOBODY))

    def refuse(self: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "may not read or write table.csv" in one_sentence(run("publish", "table.csv", *NOBODY))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0.001", "more than two decimals"),
        ("1500.505", "more than two decimals"),
        ("1e3", "not an amount"),
        ("-1", "not an amount"),
        ("nan", "not an amount"),
        ("inf", "not an amount"),
        ("1,500", "not an amount"),
        ("¥15", "not an amount"),
        ("１５", "not an amount"),
        ("", "not an amount"),
        ("1" + "0" * 11, "is more than"),
    ],
)
@pytest.mark.parametrize(
    "command", [["publish", "table.csv"], ["request", "urn:x", "--purpose", "p"], ["counter", "urn:x"]]
)
def test_an_amount_that_is_none_is_wrong_usage_with_the_mend(
    command: list[str], written: str, said: str, run: Any
) -> None:
    told = wrong_usage(run(*command, f"--price={written}", *NOBODY))
    assert said in told
    assert told.endswith(".")


@pytest.mark.parametrize(
    ("written", "fen"), [("0", 0), ("0.01", 1), ("0.29", 29), ("1500", 150_000), ("1500.5", 150_050), ("19.990", 1999)]
)
def test_an_amount_reaches_the_exchange_to_the_fen(written: str, fen: int, run: Any) -> None:
    answer = b'{"negotiation": "n", "state": "REQUESTED"}'
    with answering((201, "application/json", answer)) as (address, received):
        asked = run("request", "urn:x", "--purpose", "p", "--price", written, "--url", address, "--token", "x")
    assert asked.exit_code == 0, asked.output
    assert f'"proposed_price_fen": {fen}'.encode() in received[0]


def test_an_amount_is_shown_as_people_write_it() -> None:
    assert [yuan(fen) for fen in (0, 1, 150_050, 10**12)] == [
        "CNY 0.00", "CNY 0.01", "CNY 1,500.50", "CNY 10,000,000,000.00",
    ]  # fmt: skip


def test_only_parameters_that_take_several_values_become_lists() -> None:
    assert checking.terms("duration", {"days": "30", "starts": "first-use"}) == {"days": "30", "starts": "first-use"}
    assert checking.terms("purpose", {"purposes": "predictive-maintenance, own-words"}) == {
        "purposes": ["predictive-maintenance", "own-words"]
    }
    assert pairs("--parameter", ["purposes=a=b"], "NAME=VALUE") == {"purposes": "a=b"}


def test_a_dataset_is_published_offered_and_told_in_words(run: Any, firm: list[str], tmp_path: Path) -> None:
    # The first line holds values, which the reading remarks on.
    (tmp_path / "bare.csv").write_text("\n".join(f"{n},{n * 2},x{n}" for n in range(50)), encoding="utf-8")
    terms = ["--template", "duration", "--parameter", "days=30", "--parameter", "starts=first-use"]
    made = run("publish", "bare.csv", "--title", "Cell", *OFFERED, *terms, *firm)
    assert made.exit_code == 0, made.output
    assert "is open at CNY 1,500.00" in made.stdout
    assert made.stderr == ""
    (note,) = [line for line in made.stdout.splitlines() if line.startswith("  note:")]
    assert note.endswith(".")
    assert "{" not in note
    client = Client(firm[1], firm[3])
    (listed,) = client.search("Cell")["items"]
    offer = client.offer(listed["offer"])
    assert offer["parameters"] == {"days": "30", "starts": "first-use"}
    assert offer["price"]["amount_fen"] == 150_000


def test_rights_are_declared_only_where_that_is_said(run: Any, firm: list[str]) -> None:
    plain = run("publish", "table.csv", *firm)
    assert plain.exit_code == 0, plain.output
    assert "Nobody sees it yet" in plain.stdout
    said = run("publish", "table.csv", *DECLARED, *firm)
    assert said.exit_code == 0, said.output
    client = Client(firm[1], firm[3])
    rights = [client.dataset(result.stdout.split()[1].rstrip(":"))["rights"] for result in (plain, said)]
    assert rights[0] is None
    assert [rights[1][name] for name in ("holding", "processing", "operating")] == [True, True, True]


def test_what_only_the_data_can_show_is_refused_with_the_way_to_go_on(
    run: Any, firm: list[str], tmp_path: Path
) -> None:
    lines = [f"M-{number},1380000{number:04d},{10 + number * 0.25:.2f}" for number in range(60)]
    (tmp_path / "people.csv").write_text("\n".join(["设备编号,联系电话,单价", *lines]), encoding="utf-8")
    told = one_sentence(run("publish", "people.csv", *OFFERED, *firm))
    assert "--impact-reason: " in told
    dataset = told.partition("--dataset ")[2].split()[0].rstrip("`")
    # The same options go on with what was uploaded, without the file.
    reason = ["--impact-reason", "Numbers and prices in it are invented for a test."]
    made = run("publish", "--dataset", dataset, *OFFERED, *reason, *firm)
    assert made.exit_code == 0, made.output
    assert f"Dataset {dataset}: 60 rows, version 1" in made.stdout
    assert "is open at CNY 1,500.00" in made.stdout
    client = Client(firm[1], firm[3])
    assert [item["id"] for item in client.get("/datasets")["items"]] == [dataset]


def test_files_for_a_dataset_become_its_next_version_and_what_is_known_is_not_asked_again(
    run: Any, firm: list[str], tmp_path: Path
) -> None:
    first = run("publish", "table.csv", "--domain", "production", *DECLARED, "--impact", "1", "1", "1", *firm)
    dataset = first.stdout.split()[1].rstrip(":")
    (tmp_path / "next.csv").write_text((tmp_path / "table.csv").read_text() + "\n2026-02-01,1,M-001", encoding="utf-8")
    second = run("publish", "next.csv", "--dataset", dataset, "--price", "5", *firm)
    assert second.exit_code == 0, second.output
    assert "61 rows, version 2" in second.stdout
    assert Client(firm[1], firm[3]).dataset(dataset)["title"] == "table"


def test_without_files_and_without_content_there_is_nothing_to_publish(run: Any, firm: list[str]) -> None:
    assert "FILES: There is nothing to publish" in one_sentence(run("publish", *NOBODY))
    empty = Client(firm[1], firm[3]).create_dataset(title="Empty")["id"]
    assert "FILES: There is nothing to publish" in one_sentence(run("publish", "--dataset", empty, *firm))
    assert "nothing here for you" in one_sentence(run("publish", "--dataset", "urn:uuid:x", *firm))


def test_a_file_that_cannot_be_read_leaves_no_empty_dataset(run: Any, firm: list[str], tmp_path: Path) -> None:
    (tmp_path / "ragged.csv").write_text("a,b\n1,2,3,4,5\n1\n2,3,4\n", encoding="utf-8")
    assert one_sentence(run("publish", "ragged.csv", *firm))
    assert Client(firm[1], firm[3]).get("/datasets")["items"] == []


def test_a_free_dataset_is_free(run: Any, firm: list[str]) -> None:
    made = run("publish", "table.csv", *OFFERED[:-1], "0", "--public", *firm)
    assert "is open at no charge" in made.stdout
    assert "free" in run("offers", *firm).stdout


def test_an_upload_that_is_asked_for_again_is_sent_again_as_a_whole(tmp_path: Path) -> None:
    busy = (503, "application/problem+json", b'{"detail": "Busy."}')
    with answering(busy, (200, "application/json", b'{"version": "v"}')) as (address, received):
        Client(address, "ide_x").upload("urn:x", [tmp_path / "table.csv"])
    assert received == [(tmp_path / "table.csv").read_bytes()] * 2


def test_a_refusal_carries_its_reference() -> None:
    problem = {"detail": "It broke.", "mend": "Try again.", "reference": "abc123"}
    assert str(ApiError(500, problem)) == "It broke. Try again. Reference abc123."
    assert str(ApiError(500, {})) == "The exchange answered 500."


def test_a_delivery_that_broke_says_how_to_go_on(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.client._TRIES", 1)
    facts = b'{"id": "urn:t", "state": "STARTED", "custody": "custodial", "plain_size": 9, "plain_digest": "sha256:0", "rows": 1}'
    known = [(200, "application/json", facts)] * 3
    with answering(*known, (200, "application/octet-stream", b"different")) as (address, _):
        told = one_sentence(run("fetch", "urn:t", "--url", address, "--token", "x"))
    assert "not what the exchange recorded" in told
    assert "exchange fetch urn:t" in told
    assert not list(Path().glob("delivery*"))


def test_data_that_arrived_is_told_as_such_while_its_acknowledgement_waits_for_a_key(run: Any) -> None:
    digest = "sha256:" + hashlib.sha256(b"the data").hexdigest()
    facts = {
        "id": "urn:t",
        "state": "STARTED",
        "custody": "custodial",
        "plain_size": 8,
        "plain_digest": digest,
        "rows": 1,
    }
    known = [(200, "application/json", json.dumps(facts).encode())] * 3
    waiting = (202, "application/json", b'{"code": "awaiting-signature", "request": "urn:r"}')
    with answering(*known, (200, "application/octet-stream", b"the data"), waiting) as (address, _):
        fetched = run("fetch", "urn:t", "--url", address, "--token", "x")
    assert fetched.exit_code == 0, fetched.output
    assert "exchange sign urn:r" in fetched.stdout
    assert Path("delivery-urn:t.zip").read_bytes() == b"the data"


@pytest.mark.parametrize("problem", [InvalidInputError("A reason.", "A mend.", field="--x")])
def test_the_field_of_a_refusal_is_the_option(problem: InvalidInputError) -> None:
    from exchange.cli.failures import told

    assert told(problem) == "--x: A reason. A mend."
    assert told(ApiError(422, {"field": "intended_use", "detail": "Too short."})) == "--use: Too short."
    assert told(ApiError(422, {"field": "unknown", "detail": "Too short."})) == "unknown: Too short."
