"""A draft without content: an upload that is tried again takes it up, and its owner removes it."""

from __future__ import annotations

import io
import random
import re
from typing import Any

import pytest

from exchange.catalog import service as catalog
from exchange.errors import ConflictError, NotFoundError

CSV = b"a,b\n1,2\n"
WORDS = {"delimiter": "", "encoding": "", "description": "", "keywords": "", "domain": "", "coverage": "", "update_frequency": ""}  # fmt: skip


def own(market: Any, actor: Any) -> list[Any]:
    with market.exchange.operations.database.reading() as session:
        return catalog.own_datasets(session, actor)[0]


def upload(reader: Any, status: int, content: bytes, name: str, **fields: Any) -> Any:
    given = {**WORDS, "title": "Lathe", "files": (io.BytesIO(content), name), **fields}
    return reader.send("/datasets/new", "/datasets/new", status, **given)


def test_a_refused_upload_is_tried_again_in_the_same_draft(embedded: Any, visitor: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    reader = visitor(embedded.exchange, firm)
    refused = upload(reader, 422, CSV, "..").text
    assert "A file has a name" in refused
    assert "Choose the files again." in refused
    draft = re.search(r'name="draft" type="hidden" value="([^"]+)"', refused)
    assert draft
    taken = upload(reader, 303, CSV, "a.csv", draft=draft[1], title="Lathe 7")
    assert draft[1] in taken.headers["Location"]
    assert [row.title for row in own(embedded, firm)] == ["Lathe 7"]


def test_an_upload_that_starts_over_takes_up_the_empty_draft_of_that_title_and_no_other(
    embedded: Any, visitor: Any
) -> None:
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    foreign = embedded.dataset(other, title="Lathe")
    reader = visitor(embedded.exchange, firm)
    upload(reader, 422, CSV, "..")
    upload(reader, 303, CSV, "a.csv", draft=foreign, description="Second attempt")
    assert [row.description for row in own(embedded, firm)] == ["Second attempt"]
    # What has content is never taken up: the same title makes another dataset.
    upload(reader, 303, CSV, "a.csv")
    assert len(own(embedded, firm)) == 2
    assert [row.title for row in own(embedded, other)] == ["Lathe"]


def test_a_draft_without_content_is_removed_on_its_page(market: Any, visitor: Any, nothing: Any) -> None:
    firm = market.exchange.firm("Maker")
    failed, begun = market.dataset(firm, title="Failed"), market.dataset(firm, title="Begun")
    market.upload(firm, failed, b"a,b\n1,2,3\n")
    market.upload(firm, begun, CSV, part=1, parts=2)
    reader = visitor(market.exchange, firm)
    for dataset in (failed, begun):
        assert f'action="/datasets/{dataset}/remove"' in reader.get("/datasets")
        reader.send(f"/datasets/{dataset}/manage", f"/datasets/{dataset}/remove")
        reader.get(f"/datasets/{dataset}/manage", 404)
        assert market.kinds(dataset) == []
    assert own(market, firm) == []
    assert market.leftovers() == nothing


def test_a_removal_is_recorded_where_the_ledger_speaks_of_the_draft(market: Any, rights: Any) -> None:
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    market.run(firm, "catalog.declare_rights", dataset=dataset, **rights)
    market.run(firm, "catalog.remove_draft", dataset=dataset)
    assert market.kinds(dataset) == ["dataset.rights_declared", "dataset.removed"]


def test_only_its_own_firm_removes_a_draft_and_only_without_content(embedded: Any, visitor: Any) -> None:
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    dataset = embedded.dataset(firm)
    with pytest.raises(NotFoundError):
        embedded.run(other, "catalog.remove_draft", dataset=dataset)
    buyer = visitor(embedded.exchange, embedded.exchange.person(firm, "buyer"))
    assert "/remove" not in buyer.get("/datasets")
    embedded.upload(firm, dataset, CSV)
    with pytest.raises(ConflictError) as refused:
        embedded.run(firm, "catalog.remove_draft", dataset=dataset)
    assert refused.value.code == "draft-has-content"
    assert "/remove" not in visitor(embedded.exchange, firm).get(f"/datasets/{dataset}/manage")
    answer = embedded.exchange.client(firm).delete(f"/api/v1/datasets/{dataset}")
    assert (answer.status_code, answer.json["code"]) == (409, "draft-has-content")
    empty = embedded.dataset(firm)
    assert embedded.exchange.client(firm).delete(f"/api/v1/datasets/{empty}").json["state"] == "removed"


def test_several_drafts_are_removed_at_once_and_nobody_elses(embedded: Any, visitor: Any) -> None:
    firm, other = embedded.exchange.firm("Maker"), embedded.exchange.firm("Other")
    drafts = [embedded.dataset(firm) for _ in range(3)]
    full, foreign = embedded.dataset(firm), embedded.dataset(other)
    embedded.upload(firm, full, CSV)
    reader = visitor(embedded.exchange, firm)
    page = reader.get("/datasets")
    assert all(f'value="{draft}" form="remove-drafts"' in page for draft in drafts)
    assert f'value="{full}" form="remove-drafts"' not in page
    reader.send("/datasets", "/datasets/remove", dataset=drafts[:2])
    assert "2 drafts are removed." in reader.get("/datasets")
    reader.send("/datasets", "/datasets/remove", dataset=[drafts[2], full, foreign])
    assert "1 of 3 are removed" in reader.get("/datasets")
    assert {item["id"] for item in embedded.exchange.client(firm).get("/api/v1/datasets").json["items"]} == {full}
    assert visitor(embedded.exchange, other).get(f"/datasets/{foreign}/manage")


def test_the_provider_reads_in_its_own_preview_what_the_buyers_mark_may_change(embedded: Any, visitor: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    dice = random.Random(7)
    lines = ["speed,state", *(f"{dice.gauss(60, 8):.2f},{dice.randrange(4)}" for _ in range(3_000))]
    dataset = embedded.prepared(firm, "\n".join(lines).encode())
    offer = embedded.draft(firm, dataset)
    assert any(rule.get("mark") for rule in embedded.row(offer).plan["columns"])
    shown = visitor(embedded.exchange, firm).get(f"/offers/{offer}/edit")
    assert "The plan as the buyer reads it" in shown
    assert "carries the buyer&#39;s mark" in shown
    assert "承载买方的数字指纹" in visitor(embedded.exchange, firm, "zh").get(f"/offers/{offer}/edit")
