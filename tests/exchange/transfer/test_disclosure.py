"""Before anybody signs, the plan says which numbers the buyer's mark may change and by how much; nothing else is changed."""

from __future__ import annotations

import io
import json
import random
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from exchange.catalog import service as catalog

ROWS = 3_000
COLUMNS = ("speed", "load", "level", "exactly", "state")


def numbers() -> bytes:
    """Return a table whose first three columns can carry a mark, then one that is kept exactly, and a coarse one."""
    dice = random.Random(7)
    lines = [",".join(COLUMNS)]
    for _ in range(ROWS):
        values = (
            f"{dice.gauss(60, 8):.2f}",
            str(dice.randrange(100, 50_000)),
            f"{dice.gauss(5, 1):.4f}",
            f"{dice.gauss(1, 9):.3f}",
            str(dice.randrange(4)),
        )
        lines.append(",".join(values))
    return "\n".join(lines).encode()


@pytest.fixture
def agreement(trade: Any) -> str:
    """An agreement in force over the table, in which one column is rounded and one is kept exactly."""
    offer = trade.offer(
        data=numbers(),
        name="numbers.csv",
        draft_columns=[
            {"column": "level", "method": "round", "parameters": {"digits": 2}},
            {"column": "exactly", "method": "keep", "parameters": {"exact": True}},
        ],
    )
    trade.disclosing = offer
    return str(trade.agreement(offer))


def source(trade: Any, agreement: str) -> Any:
    """Return the rows as they are stored."""
    with trade.exchange.operations.database.reading() as session:
        version = catalog.get_version(session, trade.agreement_row(agreement).version_id)
        openers = catalog.open_version(trade.exchange.operations.services, session, version)
    with openers[0]() as reader:
        return pq.read_table(io.BytesIO(reader.read()))


MARKS = {"speed": "0.01", "load": "1", "level": "0.01", "exactly": None, "state": None}


def test_both_sides_read_and_sign_columns_and_largest_change(trade: Any, agreement: str) -> None:
    shown = trade.client(trade.consumer).get(f"/api/v1/offers/{trade.disclosing}").json
    document = json.loads(trade.agreement_row(agreement).document)
    for plan in (shown["plan"], document["plan"]):
        assert {rule["column"]: rule.get("mark") for rule in plan["columns"]} == MARKS
    assert (
        '"speed": delivered as it is, but a number may differ by up to 0.01, which carries the buyer\'s mark.'
        in (shown["desensitization"]["en"])
    )
    assert any("load" in text and "不超过 1 的改动" in text for text in shown["desensitization"]["zh"])
    assert '"state": delivered as it is.' in shown["desensitization"]["en"]
    negotiation = trade.agreement_row(agreement).negotiation_id
    for side in (trade.provider, trade.consumer):
        told = trade.client(side).get(f"/api/v1/negotiations/{negotiation}").text
        assert '"mark"' in told


def test_what_is_delivered_differs_by_no_more_than_was_signed_and_only_there(trade: Any, agreement: str) -> None:
    transfer = trade.started(agreement)
    before, after = source(trade, agreement), trade.delivered_table(transfer)
    assert {column["name"] for column in trade.transfer(transfer).marked_columns} == {"speed", "load", "level"}
    for name in COLUMNS:
        plain = pc.round(before[name], 2, "half_to_even") if name == "level" else before[name]
        old, new = plain.to_pylist(), after[name].to_pylist()
        moved = [abs(Decimal(repr(a)) - Decimal(repr(b))) for a, b in zip(old, new, strict=True)]
        if MARKS[name] is None:
            assert max(moved) == 0, name
        else:
            assert 0 < max(moved) <= Decimal(MARKS[name]) + Decimal("1e-9"), name


def test_a_mark_that_somebody_asks_for_is_replaced_by_what_the_data_allows(embedded: Any) -> None:
    offer = embedded.offer(
        data=numbers(),
        name="numbers.csv",
        draft_columns=[
            {"column": "speed", "method": "keep", "mark": "1000"},
            {"column": "state", "method": "keep", "mark": "1"},
        ],
    )
    plan = embedded.client(embedded.consumer).get(f"/api/v1/offers/{offer}").json["plan"]
    marks = {rule["column"]: rule.get("mark") for rule in plan["columns"]}
    assert (marks["speed"], marks["state"]) == ("0.01", None)


def test_under_a_plan_that_discloses_no_mark_nothing_is_marked(embedded: Any) -> None:
    """An agreement that was signed without a word of a mark is delivered without one."""
    from exchange.catalog.models import DatasetVersion

    exact = [{"column": name, "method": "keep", "parameters": {"exact": True}} for name in COLUMNS]
    agreement = embedded.agreement(embedded.offer(data=numbers(), name="numbers.csv", draft_columns=exact))
    transfer = embedded.started(agreement)
    assert embedded.transfer(transfer).marked_columns == []
    assert embedded.delivered_table(transfer).equals(source(embedded, agreement))
    with embedded.exchange.operations.database.reading() as session:
        row = session.get_one(DatasetVersion, embedded.agreement_row(agreement).version_id)
    assert {item["name"]: item.get("last_digit") for item in row.schema} == {
        "speed": "0.01",
        "load": "1",
        "level": "0.0001",
        "exactly": "0.001",
        "state": None,
    }
