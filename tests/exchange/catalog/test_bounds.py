"""What the columns suggest is a lower bound: going below it takes a reason, in writing, signed with the grade."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from exchange.audit.models import StatementIndex
from exchange.errors import ConflictError, InvalidInputError

PLAIN = b"code,value\n001,1.5\n002,2.5\n"
PHONES = "编号,联系电话\n".encode() + b"".join(b"M-%d,1380000%04d\n" % (n, n) for n in range(40))
LOW = {"answers": {"safety": 1, "loss": 1, "reach": 1}, "category": "general"}
WHY = "The phones are those of our own desk, printed on every invoice."


def opened(market: Any, dataset: str, kind: str) -> list[dict[str, Any]]:
    """Return what the statements of a kind about a dataset say, oldest first."""
    operations = market.exchange.operations
    with operations.database.reading() as session:
        query = select(StatementIndex).where(StatementIndex.subject == dataset, StatementIndex.kind == kind)
        rows = session.scalars(query.order_by(StatementIndex.at)).all()
    return [
        {name: opening.value for name, opening in operations.services.log.openings(row.statement).items()}
        for row in rows
    ]


@pytest.mark.parametrize("reason", ["", "   ", "short"])
def test_without_a_reason_an_answer_below_the_suggestion_is_refused(embedded: Any, reason: str) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, PHONES)
    with pytest.raises(InvalidInputError) as refused:
        embedded.run(firm, "catalog.grade_dataset", dataset=dataset, **LOW, reason=reason)
    assert refused.value.field == "reason"
    if not reason.strip():
        assert refused.value.code == "grade-below-suggestion"
        assert "“Reach beyond the enterprise”" in refused.value.reason[0]
        assert refused.value.details["suggested"] == {"safety": 1, "loss": 1, "reach": 2}


def test_an_answer_below_the_suggestion_takes_a_written_reason_that_is_signed(market: Any) -> None:
    firm = market.exchange.firm("Maker")
    dataset = market.dataset(firm)
    market.upload(firm, dataset, PHONES)
    graded = market.run(firm, "catalog.grade_dataset", dataset=dataset, **LOW, reason=WHY)
    assert graded["grade"] == 1
    [said] = opened(market, dataset, "dataset.graded")
    assert (said["reason"], said["suggested"]) == (WHY, {"safety": 1, "loss": 1, "reach": 2})


def test_the_suggested_answer_takes_no_reason(embedded: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, PHONES)
    answers = {"safety": 1, "loss": 1, "reach": 2}
    assert embedded.run(firm, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general")["grade"] == 2  # fmt: skip


@pytest.mark.parametrize("reason", ["", WHY])
def test_what_a_later_version_suggests_is_answered_for_before_it_is_offered(
    embedded: Any, visitor: Any, rights: Any, reason: str
) -> None:
    """Grading first and uploading the phones afterwards is no way around the bound, nor is a reason for something else."""
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, PLAIN)
    embedded.run(firm, "catalog.declare_rights", dataset=dataset, **rights)
    embedded.run(firm, "catalog.grade_dataset", dataset=dataset, **LOW, reason=reason)
    embedded.upload(firm, dataset, PHONES)
    offer = embedded.draft(firm, dataset)
    with pytest.raises(ConflictError) as refused:
        embedded.run(firm, "catalog.publish_offer", offer=offer)
    assert refused.value.code == "grade-below-suggestion"
    reader = visitor(embedded.exchange, firm)
    assert "An answer is below what the columns suggest" in reader.get(f"/datasets/{dataset}/manage")
    embedded.run(firm, "catalog.grade_dataset", dataset=dataset, **LOW, reason=WHY)
    embedded.run(firm, "catalog.publish_offer", offer=offer)
    assert WHY in reader.get(f"/datasets/{dataset}/manage")


@pytest.mark.parametrize(
    ("language", "bound"), [("en", "Many users, enterprises or a region"), ("zh", "影响较多用户、企业或区域")]
)
def test_the_page_shows_the_bound_in_words_with_its_reason(
    embedded: Any, visitor: Any, language: str, bound: str
) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.dataset(firm)
    embedded.upload(firm, dataset, PHONES)
    reader, path = visitor(embedded.exchange, firm, language), f"/datasets/{dataset}/grading"
    page = reader.get(path)
    note = page[page.index("note note-info") :].partition("</ul>")[0]
    assert bound in note
    assert "联系电话" in note
    assert page.count("note note-info") == 1, "the other two questions have no bound"
    sent = {"safety": "1", "loss": "1", "reach": "1", "category": "general", "risk_assessment": ""}
    refused = reader.send(path, path, 422, **sent, reason="").text
    assert "reason-error" in refused
    reader.send(path, path, **sent, reason=WHY)
    assert WHY in reader.get(path)


def test_the_api_gives_the_owner_the_suggestion_and_nobody_else(embedded: Any) -> None:
    firm = embedded.exchange.firm("Maker")
    dataset = embedded.prepared(firm, PHONES)
    embedded.offer(firm, dataset)
    shown = embedded.exchange.client(firm).get(f"/api/v1/datasets/{dataset}").json["suggestion"]
    assert shown["answers"]["reach"] == 2
    assert "suggestion" not in json.dumps(embedded.exchange.client().get(f"/api/v1/datasets/{dataset}").json)
