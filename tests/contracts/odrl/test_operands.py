"""Every left operand, with every operator that means something for it: permitted, denied, not known."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from contracts.odrl import Request, World
from contracts.odrl.operands import OPERANDS, Kind
from contracts.odrl.operators import operators_of
from contracts.odrl.vocabulary import OPERATORS
from contracts.odrl.wordings import ACTUAL

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def _row(left, operator, right, permitted, *, unit=None, **facts):
    constraint = {"leftOperand": left, "operator": operator, "rightOperand": right}
    if unit:
        constraint["unit"] = unit
    return pytest.param(constraint, facts, permitted, id=f"{left}-{operator}-{right}-{facts}-{permitted}")


def _compared(left, right, facts, unit=None):
    """Rows for all six comparisons, from a fact that lies before, at and after the right operand."""
    holds = {"eq": (0, 1, 0), "neq": (1, 0, 1), "lt": (1, 0, 0), "lteq": (1, 1, 0), "gt": (0, 0, 1), "gteq": (0, 1, 1)}
    for operator, results in holds.items():
        for fact, result in zip(facts, results, strict=True):
            yield _row(left, operator, right, bool(result), unit=unit, **fact)


def _world(**values):
    return {"world": World(**values)}


def _claim(**attributes):
    return {"request": {"attributes": attributes}}


UNITS = {"payAmount": "CNY", "resolution": "Hz"}
EVENT = {"start": (NOW + DAY, None), "running": (NOW - DAY, NOW + DAY), "over": (NOW - 2 * DAY, NOW - DAY)}


def _event(period):
    return _world(attributes={"event": {"urn:x:trial": period}})


ROWS = [
    *_compared("dateTime", "2026-06-15T20:00:00+08:00", [{"request": {"at": NOW + n * DAY}} for n in (-1, 0, 1)]),
    _row("dateTime", "eq", {"@value": "2026-06-15Z", "@type": "xsd:date"}, True),
    _row("dateTime", "lt", "2026-06-15Z", False),
    _row("dateTime", "lteq", "2026-06-15Z", True),
    _row("dateTime", "gt", "2026-06-14Z", True),
    _row("dateTime", "isAnyOf", ["2026-06-15T12:00Z", "2026-01-01T00:00Z"], True),
    _row("dateTime", "isNoneOf", ["2026-06-15T12:00Z"], False),
    _row("dateTime", "isAllOf", ["2026-06-15T12:00Z", "2026-06-15Z"], True),
    *_compared("elapsedTime", "P30D", [_world(first_use=NOW - n * DAY) for n in (29, 30, 31)]),
    _row("elapsedTime", "lteq", "P30D", True, **_world(first_use=None)),
    _row("elapsedTime", "gteq", "PT1S", False, **_world(first_use=None)),
    *_compared("ex:sinceAgreement", "P30D", [_world(agreement_start=NOW - n * DAY) for n in (29, 30, 31)]),
    _row("ex:sinceAgreement", "lteq", "P30D", False, **_world(agreement_start=None)),
    _row("ex:sinceAgreement", "lteq", "P1M", True, **_world(agreement_start=NOW - 31 * DAY)),
    _row("ex:sinceAgreement", "lteq", "P1M", False, **_world(agreement_start=NOW - 32 * DAY)),
    # The use that is asked about counts: after four uses this is the fifth.
    *_compared("count", "5", [_world(counts={"use": n}) for n in (3, 4, 5)]),
    _row("count", "lteq", 5, True, **_world(counts={"use": 4})),
    _row("count", "lteq", "5", False, **_world(counts={})),
    _row("count", "lteq", "5", False, **_world(counts={"read": 0})),
    _row("count", "isAnyOf", ["1", "3"], True, **_world(counts={"use": 2})),
    _row("count", "isNoneOf", ["1", "3"], False, **_world(counts={"use": 2})),
    *_compared("payAmount", "5000.00", [_world(paid_fen=n) for n in (499_999, 500_000, 500_001)], unit="CNY"),
    _row("payAmount", "gteq", "0.01", False, unit="CNY", **_world()),
    _row("purpose", "eq", "research", True, request={"purpose": "research"}),
    _row("purpose", "eq", "research", False, request={"purpose": "Research"}),
    _row("purpose", "eq", "research", False, request={"purpose": None}),
    _row("purpose", "neq", "research", False, request={"purpose": None}),
    _row("purpose", "neq", "research", True, request={"purpose": "marketing"}),
    _row("purpose", "isAnyOf", ["research", "audit"], True, request={"purpose": "audit"}),
    _row("purpose", "isAnyOf", ["research", "audit"], False, request={"purpose": "other"}),
    _row("purpose", "isNoneOf", ["research", "audit"], False, request={"purpose": "audit"}),
    _row("purpose", "isNoneOf", ["research", "audit"], True, request={"purpose": "other"}),
    _row("purpose", "isAllOf", ["research"], True, request={"purpose": "research"}),
    _row("purpose", "isAllOf", ["research", "audit"], False, request={"purpose": "research"}),
    _row(
        "purpose", "isA", "research", True, request={"purpose": "trial"}, world=World(broader={"trial": ["research"]})
    ),
    _row(
        "purpose",
        "isA",
        "science",
        True,
        request={"purpose": "trial"},
        world=World(broader={"trial": ["research"], "research": ["science", "trial"]}),
    ),
    _row("purpose", "isA", "audit", False, request={"purpose": "trial"}, world=World(broader={"trial": ["research"]})),
    _row("purpose", "isA", "research", False, request={"purpose": "trial"}),
    _row(
        "purpose",
        "hasPart",
        "trial",
        True,
        request={"purpose": "research"},
        world=World(broader={"trial": ["research"]}),
    ),
    _row("purpose", "hasPart", "trial", False, request={"purpose": "research"}),
    _row("recipient", "eq", "urn:x:plant", True, request={"recipient": "urn:x:plant"}),
    _row("recipient", "eq", "urn:x:plant", False, request={"recipient": "urn:x:rival"}),
    _row("recipient", "isAnyOf", ["urn:x:plant"], False, request={"recipient": None}),
    _row("recipient", "isNoneOf", ["urn:x:rival"], True, request={"recipient": "urn:x:plant"}),
    _row("recipient", "isNoneOf", ["urn:x:rival"], False, request={"recipient": "urn:x:rival"}),
    _row(
        "recipient",
        "isPartOf",
        "urn:x:group",
        True,
        request={"recipient": "urn:x:plant"},
        world=World(broader={"urn:x:plant": {"urn:x:group"}}),
    ),
    _row("spatial", "eq", "CN", True, **_claim(spatial="CN")),
    _row("spatial", "eq", "CN", False, **_claim(spatial="CN-31")),
    _row("spatial", "isPartOf", "CN", True, **_claim(spatial="CN-31")),
    _row("spatial", "isPartOf", "CN", True, **_claim(spatial="CN")),
    _row("spatial", "isPartOf", "CN", False, **_claim(spatial="US-CA")),
    _row("spatial", "isPartOf", "CN", False),
    _row("spatial", "isPartOf", "CN", True, **_claim(spatial=["CN-31", "CN-44"])),
    _row("spatial", "isPartOf", "CN", False, **_claim(spatial=["CN-31", "US-CA"])),
    _row("spatial", "isAllOf", ["CN-31", "CN-44"], True, **_claim(spatial=["CN-31", "CN-44", "CN-11"])),
    _row("spatial", "isAllOf", ["CN-31", "CN-44"], False, **_claim(spatial="CN-31")),
    _row("spatial", "hasPart", "CN-31", True, **_claim(spatial="CN")),
    _row("spatial", "isNoneOf", ["US"], True, **_claim(spatial="CN")),
    _row("spatial", "isNoneOf", ["US"], False, **_claim(spatial=["CN", "US"])),
    _row("industry", "isPartOf", "C34", True, **_claim(industry="C3411")),
    _row("industry", "isPartOf", "C", True, **_claim(industry="C3411")),
    _row("industry", "isPartOf", "C35", False, **_claim(industry="C3411")),
    _row("industry", "eq", "C34", False, **_claim(industry="C3411")),
    _row("industry", "eq", "C34", False),
    _row("fileFormat", "eq", "text/csv", True, **_claim(fileFormat="text/csv")),
    _row("fileFormat", "eq", "text/csv", False, **_claim(fileFormat="application/json")),
    _row("fileFormat", "isPartOf", "text", True, **_claim(fileFormat="text/csv")),
    _row("fileFormat", "isPartOf", "text", False, **_claim(fileFormat="application/json")),
    *_compared("version", "1.10", [_claim(version=version) for version in ("1.9", "1.10", "1.11")]),
    _row("version", "eq", "latest", True, **_claim(version="latest")),
    _row("version", "lteq", "1.10", False, **_claim(version="latest")),
    _row("version", "isPartOf", "1.2", True, **_claim(version="1.2.7")),
    _row("version", "isPartOf", "1.2", False, **_claim(version="1.20")),
    _row("version", "isAnyOf", ["1.1", "1.2"], True, **_claim(version="1.2")),
    *_compared("event", "urn:x:trial", [_event(EVENT[name]) for name in ("start", "running", "over")]),
    _row("event", "lt", "urn:x:trial", True, **_event((None, None))),
    _row("event", "eq", "urn:x:trial", True, **_event((NOW, None))),
    _row("event", "gt", "urn:x:trial", False, **_event((NOW, None))),
    _row("event", "eq", "urn:x:other", False, **_event(EVENT["running"])),
    _row("event", "eq", "urn:x:trial", False, **_event("soon")),
    _row("event", "eq", "urn:x:trial", False, **_event(("yesterday", None))),
    _row("event", "eq", "urn:x:trial", False),
    _row("event", "isAnyOf", ["urn:x:trial", "urn:x:other"], True, **_event(EVENT["running"])),
    _row("event", "isNoneOf", ["urn:x:trial"], False, **_event(EVENT["running"])),
    _row("event", "isNoneOf", ["urn:x:trial"], True, **_event(EVENT["over"])),
    _row("event", "isNoneOf", ["urn:x:trial", "urn:x:other"], False, **_event(EVENT["over"])),
    # One use a week: before the first any interval has passed; when the last was is not known, it denies.
    _row("timeInterval", "eq", "P7D", True, **_world()),
    _row("timeInterval", "eq", "P7D", True, **_world(first_use=NOW - 9 * DAY, last_use=NOW - 7 * DAY)),
    _row("timeInterval", "eq", "P7D", True, **_world(first_use=NOW - 9 * DAY, last_use=NOW - 8 * DAY)),
    _row("timeInterval", "eq", "P7D", False, **_world(first_use=NOW - 9 * DAY, last_use=NOW - 6 * DAY)),
    _row("timeInterval", "gt", "P7D", False, **_world(first_use=NOW - 9 * DAY, last_use=NOW - 7 * DAY)),
    _row("timeInterval", "gteq", "P7D", False, **_world(first_use=NOW - 9 * DAY)),
    _row("delayPeriod", "eq", "P30D", True, **_world(agreement_start=NOW - 30 * DAY)),
    _row("delayPeriod", "gteq", "P30D", False, **_world(agreement_start=NOW - 29 * DAY)),
    _row("delayPeriod", "gt", "P30D", False, **_world(agreement_start=NOW - 30 * DAY)),
    _row("delayPeriod", "eq", "P30D", False, **_world()),
    *_compared("meteredTime", "PT10H", [_world(meters={"use": timedelta(hours=n)}) for n in (9, 10, 11)]),
    _row("meteredTime", "lteq", "PT10H", False, **_world(meters={"read": timedelta(0)})),
    _row("meteredTime", "lteq", "PT10H", False, **_world(meters={"use": 36_000})),
    *_compared("percentage", "12.5", [_claim(percentage=n) for n in ("12.49", 12.5, 13)]),
    _row("percentage", "lteq", 100, True, unit="%", **_claim(percentage=100)),
    _row("percentage", "lteq", 100, False, **_claim(percentage=True)),
    _row("percentage", "lteq", 100, False, **_claim(percentage="much")),
    *_compared("resolution", "1", [_claim(resolution=n) for n in ("999 Hz", "1 kHz", "1001 Hz")], unit="kHz"),
    _row("resolution", "lteq", "1", True, unit="http://qudt.org/vocab/unit/HZ", **_claim(resolution="0.5 Hz")),
    _row("resolution", "lteq", "1", False, unit="Hz", **_claim(resolution="1 s")),
    _row("resolution", "lteq", "1", False, unit="Hz", **_claim(resolution="1")),
    _row("language", "eq", "zh", True, **_claim(language="zh")),
    _row("language", "eq", "zh", False, **_claim(language="zh-CN")),
    _row("language", "isPartOf", "zh", True, **_claim(language="zh-CN")),
    _row("language", "isPartOf", "zh", False, **_claim(language="en")),
    *_compared("ex:grade", "2", [_world(attributes={"ex:grade": n}) for n in (1, "2", 3)]),
    _row("ex:grade", "lteq", "2", False, **_claim(**{"ex:grade": 1})),
    *_compared("ex:securityLevel", "3", [_world(attributes={"ex:securityLevel": n}) for n in (2, 3, 4)]),
    _row("ex:securityLevel", "gteq", "3", False, **_claim(**{"ex:securityLevel": 5})),
    _row("ex:dataCategory", "eq", "general", True, **_world(attributes={"ex:dataCategory": "general"})),
    _row("ex:dataCategory", "isNoneOf", ["core"], False, **_world(attributes={"ex:dataCategory": "core"})),
    _row("ex:dataCategory", "isNoneOf", ["core"], False, **_claim(**{"ex:dataCategory": "general"})),
    _row("ex:crossBorder", "eq", False, True, **_world(attributes={"ex:crossBorder": False})),
    _row("ex:crossBorder", "eq", {"@value": "false", "@type": "xsd:boolean"}, False, **_world()),
    _row("ex:crossBorder", "eq", "false", False, **_world(attributes={"ex:crossBorder": "true"})),
    _row("ex:crossBorder", "neq", True, True, **_world(attributes={"ex:crossBorder": "false"})),
    _row("ex:crossBorder", "neq", True, False, **_claim(**{"ex:crossBorder": False})),
    *(
        _row(
            "ex:artefactState",
            operator,
            right,
            permitted,
            **_world(attributes={"ex:artefactState": ["sealed", "encrypted"]}),
        )
        for operator, right, permitted in (
            ("eq", "sealed", True),
            ("eq", "anonymized", False),
            ("neq", "anonymized", True),
            ("neq", "sealed", False),
            ("hasPart", "encrypted", True),
            ("isAllOf", ["sealed", "encrypted"], True),
            ("isAllOf", ["sealed", "anonymized"], False),
            ("isAnyOf", ["sealed", "anonymized"], True),
            ("isNoneOf", ["anonymized"], True),
            ("isNoneOf", ["sealed"], False),
        )
    ),
    _row("ex:artefactState", "neq", "sealed", False, **_claim(**{"ex:artefactState": "encrypted"})),
]


@pytest.mark.parametrize(("constraint", "facts", "permitted"), ROWS)
def test_a_permission_under_one_constraint(offer, ask, constraint, facts, permitted):
    decision = ask(offer(constraint), world=facts.get("world"), **facts.get("request", {}))
    assert decision.permitted is permitted
    if not permitted:
        (reason,) = decision.reasons
        assert reason.code in {"constraint", "undecided"}
        assert (reason.rule, reason.constraint) == ("$.permission[0]", "$.permission[0].constraint[0]")
        assert (reason.left_operand, reason.operator) == (constraint["leftOperand"], constraint["operator"])
        assert reason.text_en != reason.text_zh
        assert reason.expected
        assert (
            "is not known" in reason.text_en
            or reason.actual is not None
            or reason.left_operand in {"purpose", "recipient", "event"}
        )


def test_the_table_shows_each_left_operand_permitted_and_denied():
    shown = {(row.values[0]["leftOperand"], row.values[2]) for row in ROWS}
    assert shown == set(itertools.product(OPERANDS, (True, False)))


def test_the_table_shows_each_of_the_twelve_operators_permitted_and_denied():
    shown = {(row.values[0]["operator"], row.values[2]) for row in ROWS}
    assert shown == set(itertools.product(OPERATORS, (True, False)))
    assert len(OPERATORS) == 12


@pytest.mark.parametrize(("name", "operator"), [(n, o) for n in OPERANDS for o in OPERATORS])
def test_an_operator_without_meaning_for_an_operand_denies_and_is_named(offer, ask, name, operator):
    right = {
        Kind.INSTANT: "2026-06-15T12:00Z",
        Kind.ELAPSED: "P1D",
        Kind.INTEGER: "1",
        Kind.MONEY: "1",
        Kind.TERM: "a",
        Kind.VERSION: "1",
        Kind.EVENT: "a",
        Kind.WAIT: "P1D",
        Kind.SPAN: "PT1H",
        Kind.DECIMAL: "1",
        Kind.QUANTITY: "1",
        Kind.FLAG: "true",
        Kind.STATE: "sealed",
    }[OPERANDS[name].kind]
    constraint = {"leftOperand": name, "operator": operator, "rightOperand": right}
    if name in UNITS:
        constraint["unit"] = UNITS[name]
    decision = ask(offer(constraint), world=World(counts={"use": 0}))
    unknown = not decision.permitted and decision.reasons[0].code == "unknown"
    assert unknown is (operator not in operators_of(OPERANDS[name].kind))


@pytest.mark.parametrize("name", sorted(set(OPERANDS) - {"dateTime", "payAmount", "elapsedTime", "timeInterval"}))
def test_a_fact_that_is_missing_denies_and_is_named_in_both_languages(offer, ask, name):
    right = {"meteredTime": "PT1H", "ex:sinceAgreement": "P1D", "delayPeriod": "P1D", "ex:crossBorder": "false"}
    constraint = {"leftOperand": name, "operator": "eq", "rightOperand": right.get(name, "1")}
    if name in UNITS:
        constraint["unit"] = UNITS[name]
    [reason] = ask(offer(constraint), world=World(first_use=NOW)).reasons
    missing_en, missing_zh = ACTUAL[name][2:]
    assert (reason.code, reason.left_operand, reason.actual) == ("undecided", name, reason.actual)
    assert missing_en in reason.text_en
    assert missing_zh in reason.text_zh


def test_a_count_is_taken_by_the_rules_uid_then_its_path_then_its_action(offer, ask):
    limit = {"leftOperand": "count", "operator": "lteq", "rightOperand": "5"}
    policy = offer(limit, rule={"@id": "urn:x:rule"})
    counts = {"urn:x:rule": 5, "$.permission[0]": 0, "use": 0}
    assert not ask(policy, world=World(counts=counts)).permitted
    del counts["urn:x:rule"]
    assert ask(policy, world=World(counts=counts)).permitted
    counts["$.permission[0]"] = 5
    assert not ask(policy, world=World(counts=counts)).permitted


@pytest.mark.parametrize("count", [None, "3", 2.5])
def test_a_count_that_is_no_whole_number_is_not_known(offer, ask, count):
    policy = offer({"leftOperand": "count", "operator": "lteq", "rightOperand": "5"})
    assert ask(policy, world=World(counts={"use": count})).reasons[0].code == "undecided"


def test_a_use_under_a_narrower_action_counts_for_the_rule_that_covers_it(offer, ask):
    policy = offer({"leftOperand": "count", "operator": "lteq", "rightOperand": "1"})
    assert not ask(policy, "read", world=World(counts={"use": 1})).permitted


def test_what_the_exchange_verified_is_believed_over_what_the_request_claims(offer, ask):
    policy = offer({"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "CN"})
    world = World(attributes={"spatial": "US"})
    assert not ask(policy, world=world, attributes={"spatial": "CN"}).permitted


@pytest.mark.parametrize("claim", ["", [], [""], [None], 5, {"CN": 1}, [["CN"]]])
def test_a_claim_that_is_no_term_is_not_known(offer, ask, claim):
    policy = offer({"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "CN"})
    assert ask(policy, attributes={"spatial": claim}).reasons[0].code == "undecided"


def test_a_limit_beyond_the_calendar_is_not_known_and_denies(offer, ask):
    policy = offer({"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P1000Y36525D"})
    late = datetime(8999, 1, 1, tzinfo=UTC)
    assert ask(policy, at=late, world=World(first_use=late)).reasons[0].code == "undecided"


def test_a_time_without_zone_is_refused_when_the_question_is_put():
    from contracts.errors import RequestError

    naive = datetime(2026, 6, 15)  # noqa: DTZ001 - the zone is missing on purpose.
    with pytest.raises(RequestError, match="no time zone"):
        Request("use", "a", "b", at=naive)
    with pytest.raises(RequestError, match="outside the years"):
        Request("use", "a", "b", at=datetime.max.replace(tzinfo=UTC))
    with pytest.raises(RequestError, match="agreement_start"):
        World(agreement_start=naive)
    with pytest.raises(RequestError, match="first_use"):
        World(first_use=naive)


def test_a_term_whose_kind_nobody_stated_cannot_be_told_apart_from_a_prohibited_kind(offer, ask):
    rule = {"action": "use", "constraint": [{"leftOperand": "purpose", "operator": "isA", "rightOperand": "military"}]}
    policy = offer(prohibition=[rule], conflict="prohibit")
    assert ask(policy, purpose="drone-guidance").reasons[0].code == "not-excluded"
    stated = World(broader={"drone-guidance": ["agriculture"]})
    assert ask(policy, purpose="drone-guidance", world=stated).permitted
