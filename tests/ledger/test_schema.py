"""A log with a schema takes typed statements alone: kind, fields, types, counter and signer are those defined."""

import dataclasses
import re
from typing import Any

import pytest

from ledger.entry import Statement
from ledger.errors import AdmissionError
from ledger.log import Log
from ledger.schema import (
    DIGEST,
    FLAG,
    ID,
    INTEGER,
    KEY_ID,
    MOMENT,
    PUBLIC_KEY,
    TEXT,
    Document,
    Integer,
    Kind,
    ListOf,
    Maybe,
    OneOf,
    Party,
    Pattern,
    Record,
    Schema,
    Text,
)
from ledger.storage.memory import MemoryStorage

FIRM = "urn:uuid:0190a000-0000-7000-8000-00000000000a"
OTHER = "urn:uuid:0190a000-0000-7000-8000-00000000000b"
AGREEMENT = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"
OFFERED = Kind("offer.published", (Party.PROVIDER,), {"provider": ID, "price": INTEGER, "note": TEXT}, "listed",
               optional=frozenset({"note"}))  # fmt: skip
AGREED = Kind("negotiation.agreed", (Party.PROVIDER,), {"price": INTEGER}, "signed", counted="always")
ENDED = Kind("negotiation.terminated", (Party.PROVIDER, Party.EXCHANGE), {}, "ended", counted="in an agreement")
DECIDED = Kind("transfer.decided", (Party.EXCHANGE,), {"permit": FLAG}, "decided")
SCHEMA = Schema.of((OFFERED, AGREED, ENDED, DECIDED), "tests/ledger/test_schema.py")


def statement(kind: str = "offer.published", **changes: Any) -> Statement:
    values = {
        "kind": kind,
        "id": "urn:uuid:0190a000-0000-7000-8000-000000000001",
        "at": "2026-11-20T08:00:00Z",
        "fields": {"provider": FIRM, "price": 5},
        "signer": FIRM,
        "custody": "custodial",
    }
    return Statement(**(values | changes))


@pytest.mark.parametrize(
    "given",
    [
        statement(),
        statement(fields={"provider": FIRM, "price": 5, "note": "words"}),
        statement("negotiation.agreed", fields={"price": 5}, agreement=AGREEMENT, counter=1),
        statement("negotiation.terminated", fields={}),
        statement("negotiation.terminated", fields={}, agreement=AGREEMENT, counter=2),
        statement("transfer.decided", fields={"permit": True}, signer="exchange", custody="exchange"),
    ],
)
def test_what_is_as_defined_is_taken(given: Statement) -> None:
    SCHEMA.check(given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            statement("offer.invented"),
            "no kind of statement 'offer.invented': define it in tests/ledger/test_schema.py",
        ),
        (statement(fields={"provider": FIRM}), "the field 'price' is missing"),
        (statement(fields={"provider": FIRM, "price": 5, "extra": 1}), "there is no field 'extra'"),
        (statement(fields={"provider": FIRM, "price": "5"}), "the field 'price' is no integer"),
        (statement(fields={"provider": "East China Bearing", "price": 5}), "the field 'provider' is no id"),
        (statement(signer=OTHER), "its signer is not its provider"),
        (statement(signer="exchange", custody="exchange"), "the exchange does not sign it"),
        (statement(agreement=AGREEMENT, counter=1), "it carries an agreement's counter"),
        (statement("negotiation.agreed", fields={"price": 5}), "it lacks its agreement's counter"),
        (statement("transfer.decided", fields={"permit": True}), "the exchange alone signs it"),
        (statement("transfer.decided", fields={"permit": True}, signer="exchange"), "the exchange does not sign it"),
        (statement("transfer.decided", fields={"permit": True}, custody="exchange"), "the exchange alone signs it"),
    ],
)
def test_what_is_not_as_defined_is_refused_by_kind_and_field(given: Statement, says: str) -> None:
    with pytest.raises(AdmissionError, match=re.escape(says)):
        SCHEMA.check(given)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (TEXT, ["", "张伟"], [None, 5, b"x", ["x"]]),
        (Text(3), ["abc"], ["abcd"]),
        (INTEGER, [0, 2**53 - 1], [-1, 2**53, True, 1.0, "1", None]),
        (Integer(-5), [-5], [-6]),
        (FLAG, [True, False], [0, 1, "true", None]),
        (ID, [FIRM], ["0190a000", FIRM.upper(), None]),
        (DIGEST, ["sha256:" + "0" * 64], ["sha256:" + "0" * 63, "0" * 64, "SHA256:" + "0" * 64, None]),
        (KEY_ID, ["ed25519:" + "0" * 16], ["ed25519:" + "0" * 15]),
        (MOMENT, ["2026-11-20T08:00:00Z", "2026-11-20T08:00:00.000001Z"], ["2026-02-30T08:00:00Z", "2026-11-20", "", 5]),
        (PUBLIC_KEY, ["A" * 43 + "="], ["A" * 42, "", "!" * 44, 5, None]),
        (OneOf(("permit", "deny", 3)), ["permit", 3], ["Permit", True, None, 3.0]),
        (OneOf((1, 2)), [1], [True, "1"]),
        (Maybe(INTEGER), [None, 1], ["1", False]),
        (ListOf(INTEGER), [[], [1, 2]], [(1,), [1, "2"], None, {}]),
        (Record({"a": TEXT, "b": FLAG}, frozenset({"b"})), [{"a": "x"}, {"a": "x", "b": True}],
         [{}, {"b": True}, {"a": "x", "c": 1}, {"a": 1}, [], None]),
        (Document("ODRL Offer"), [{}, {"any": [1]}], [[], None, "x"]),
        (Pattern("three digits", re.compile(r"\d{3}")), ["123"], ["1234", 123]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_a_type_takes_its_values_and_no_others(kind: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not kind.takes(value)] == []
    assert [value for value in bad if kind.takes(value)] == []
    assert kind.name


def test_two_kinds_of_one_name_are_refused() -> None:
    with pytest.raises(AdmissionError, match="two kinds"):
        Schema.of((OFFERED, dataclasses.replace(AGREED, name=OFFERED.name)), "here")


def test_the_log_refuses_at_admission_and_writes_nothing(log_key: Any, statement_key: Any, record: Any) -> None:
    log = Log(MemoryStorage(), log_key, "exchange.example/log", schema=SCHEMA)
    log.open(statement_key)
    record(log, kind="offer.published", fields={"provider": FIRM, "price": 5}, signer=FIRM)
    with pytest.raises(AdmissionError, match="'price' is no integer"):
        record(log, kind="offer.published", fields={"provider": FIRM, "price": -5}, signer=FIRM)
    with pytest.raises(AdmissionError, match="no kind"):
        record(log, kind="dataset.offered")
    assert log.size() == 2
