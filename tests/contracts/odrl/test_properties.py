"""What holds for every policy: a prohibition never permits more, order does not matter, nothing raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts.odrl import Deny, Permit, Request, World, describe, evaluate, parse
from contracts.odrl.vocabulary import INCLUDED_IN

actions = st.sampled_from(["use", "read", "display", "play", "aggregate", "distribute", "transfer", "sell"])
terms = st.sampled_from(["a", "b", "CN", "CN-31", "C34", "C3411", "1.2", "text/csv"])
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
moments = st.integers(0, 10 * 366 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
ordered = st.sampled_from(["eq", "neq", "lt", "lteq", "gt", "gteq"])


def _constraint(left, operators, rights, **more):
    return st.builds(
        lambda operator, right: {"leftOperand": left, "operator": operator, "rightOperand": right, **more},
        operators,
        rights,
    )


atoms = st.one_of(
    _constraint("dateTime", ordered, moments.map(lambda at: at.isoformat())),
    _constraint("elapsedTime", ordered, st.integers(0, 900).map(lambda days: f"P{days}D")),
    _constraint("ex:sinceAgreement", ordered, st.integers(0, 40).map(lambda months: f"P{months}M")),
    _constraint("count", ordered, st.integers(0, 5)),
    _constraint("payAmount", ordered, st.sampled_from(["0", "1", "2.50"]), unit="CNY"),
    *(
        _constraint(left, st.sampled_from(["eq", "neq", "isA", "isPartOf", "hasPart"]), terms)
        for left in ("purpose", "recipient", "spatial", "industry", "fileFormat")
    ),
    *(
        _constraint(left, st.sampled_from(["isAnyOf", "isNoneOf", "isAllOf"]), st.lists(terms, min_size=1, max_size=3))
        for left in ("purpose", "spatial", "industry", "version")
    ),
    _constraint("timeInterval", st.sampled_from(["eq", "gt", "gteq"]), st.sampled_from(["P1D", "P7D"])),
    _constraint("delayPeriod", st.sampled_from(["eq", "gt", "gteq"]), st.sampled_from(["P1D", "P7D"])),
    _constraint("meteredTime", ordered, st.sampled_from(["PT1H", "PT2H"])),
    _constraint("percentage", ordered, st.sampled_from(["10", "50.5"])),
    _constraint("resolution", ordered, st.sampled_from(["1", "2"]), unit="Hz"),
    _constraint("language", st.sampled_from(["eq", "neq", "isPartOf"]), st.sampled_from(["zh", "zh-CN", "en"])),
    _constraint("ex:grade", ordered, st.integers(1, 3)),
    _constraint("ex:securityLevel", ordered, st.integers(1, 5)),
    _constraint("ex:dataCategory", st.sampled_from(["eq", "neq"]), st.sampled_from(["general", "core"])),
    _constraint("ex:crossBorder", st.sampled_from(["eq", "neq"]), st.booleans()),
    _constraint("ex:artefactState", st.sampled_from(["eq", "neq", "hasPart"]), st.sampled_from(["sealed", "a"])),
    _constraint("event", ordered, st.sampled_from(["urn:x:e", "urn:x:f"])),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.builds(
        lambda operator, parts: {operator: parts},
        st.sampled_from(["and", "or", "xone", "andSequence"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
duties = st.sampled_from(
    [
        {"action": "delete"},
        {"action": "inform", "@id": "urn:x:inform", "consequence": [{"action": "delete", "@id": "urn:x:delete"}]},
        {"action": "ex:log"},
        {
            "action": "compensate",
            "constraint": [{"leftOperand": "payAmount", "operator": "eq", "rightOperand": "1", "unit": "CNY"}],
        },
    ]
)


def _rules(**more):
    return st.fixed_dictionaries({"action": actions}, optional={"constraint": st.lists(conditions, max_size=3), **more})


permissions = _rules(duty=st.lists(duties, max_size=2))
prohibitions = _rules()
policies = st.fixed_dictionaries(
    {"@id": st.just("urn:x"), "permission": st.lists(permissions, max_size=3)},
    optional={
        "prohibition": st.lists(prohibitions, max_size=2),
        "conflict": st.sampled_from(["perm", "prohibit", "invalid"]),
    },
)
facts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("spatial", "industry", "fileFormat", "version"), terms | st.lists(terms, max_size=3))
)
requests = st.builds(
    Request,
    actions,
    st.just("urn:x:buyer"),
    st.just("urn:x:data"),
    st.none() | terms,
    st.none() | terms,
    at=moments,
    attributes=facts,
)
verified = st.fixed_dictionaries(
    {},
    optional={
        "percentage": st.sampled_from(["5", 50.5]),
        "resolution": st.sampled_from(["1 Hz", "2 kHz", "1 s"]),
        "language": st.sampled_from(["zh", "zh-CN"]),
        "ex:grade": st.integers(1, 3),
        "ex:securityLevel": st.integers(1, 5),
        "ex:dataCategory": st.sampled_from(["general", "core"]),
        "ex:crossBorder": st.booleans(),
        "ex:artefactState": st.lists(st.sampled_from(["sealed", "encrypted"]), min_size=1, unique=True),
    },
)
periods = st.tuples(st.none() | moments, st.none() | moments)
worlds = st.builds(
    World,
    counts=st.fixed_dictionaries({}, optional={"use": st.integers(0, 5), "read": st.integers(0, 5)}),
    agreement_start=st.none() | moments,
    first_use=st.none() | moments,
    paid_fen=st.integers(0, 300),
    attributes=st.builds(lambda one, two, period: one | two | {"event": {"urn:x:e": period}}, facts, verified, periods),
    last_use=st.none() | moments,
    meters=st.fixed_dictionaries({}, optional={"use": st.sampled_from([timedelta(hours=1), timedelta(hours=3)])}),
    performed=st.dictionaries(st.sampled_from(["urn:x:inform", "urn:x:delete"]), st.booleans(), max_size=2),
    broader=st.dictionaries(terms, st.lists(terms, max_size=2), max_size=3),
)


@given(policies, requests, worlds, prohibitions)
def test_adding_a_prohibition_never_permits_more(document, request, world, prohibition):
    before = evaluate(parse(document), request, world)
    more = document | {"prohibition": [*document.get("prohibition", []), prohibition]}
    after = evaluate(parse(more), request, world)
    assert before.permitted or not after.permitted


@given(policies, requests, worlds, permissions)
def test_adding_a_constraint_to_a_permission_never_permits_more(document, request, world, other):
    narrowed = document | {
        "permission": [
            rule | {"constraint": [*rule.get("constraint", []), *other.get("constraint", [])]}
            for rule in document["permission"]
        ]
    }
    before, after = (evaluate(parse(item), request, world) for item in (document, narrowed))
    assert before.permitted or not after.permitted or bool(document.get("prohibition"))


@given(policies, requests, worlds)
def test_knowing_less_never_permits_more(document, request, world):
    policy = parse(document)
    blank = Request(request.action, request.assignee, request.target, at=request.at)
    dumb = World(first_use=world.first_use, paid_fen=world.paid_fen, last_use=world.last_use, performed=world.performed)
    if evaluate(policy, blank, dumb).permitted:
        assert evaluate(policy, request, world).permitted


@given(policies, requests, worlds)
def test_the_order_of_rules_does_not_change_the_decision(document, request, world):
    turned = document | {
        name: list(reversed(document[name])) for name in ("permission", "prohibition") if name in document
    }
    one, two = (evaluate(parse(item), request, world) for item in (document, turned))
    assert one.permitted is two.permitted
    if isinstance(one, Permit) and isinstance(two, Permit):
        owed = [{(item.action, item.amount_fen) for item in decision.obligations} for decision in (one, two)]
        assert owed[0] == owed[1]


@given(policies, requests, worlds)
def test_writing_a_policy_out_and_reading_it_back_changes_no_decision(document, request, world):
    policy = parse(document)
    again = parse(json.loads(json.dumps(policy.to_json())))
    assert again == policy
    assert evaluate(again, request, world) == evaluate(policy, request, world)


@given(policies, requests, worlds)
def test_a_decision_is_the_same_every_time_and_always_explained(document, request, world):
    policy = parse(document)
    decision = evaluate(policy, request, world)
    assert evaluate(policy, request, world) == decision
    json.dumps(decision.to_json(), allow_nan=False)
    if isinstance(decision, Deny):
        assert decision.reasons
        for reason in decision.reasons:
            assert reason.rule.startswith("$")
            assert reason.text_en.endswith(".")
            assert reason.text_zh.endswith("。")
            assert not any("一" <= letter <= "鿿" for letter in reason.text_en)
    else:
        assert decision.rules


@given(policies, requests, worlds, st.sampled_from(["leftOperand", "operator", "rightOperand"]))
def test_one_unknown_part_anywhere_denies_everything(document, request, world, part):
    constraint = {"leftOperand": "count", "operator": "lteq", "rightOperand": "1"} | {part: "unheard-of"}
    for name in ("permission", "prohibition"):
        rule = {"action": "archive", "constraint": [constraint]}
        more = document | {name: [*document.get(name, []), rule]}
        decision = evaluate(parse(more), request, world)
        assert isinstance(decision, Deny)
        assert {reason.code for reason in decision.reasons} == {"unknown"}


@given(requests, worlds, st.sampled_from(["perm", "prohibit", "invalid"]))
def test_an_empty_policy_denies_every_request(request, world, conflict):
    assert not evaluate(parse({"@id": "urn:x", "conflict": conflict}), request, world).permitted


@given(policies)
def test_every_policy_can_be_described_in_both_languages(document):
    policy = parse(document)
    for locale, end in (("en", "."), ("zh", "。")):
        sentences = describe(policy, locale)
        assert sentences
        assert all(sentence.endswith(end) and "{" not in sentence for sentence in sentences)


@given(st.text(max_size=10), worlds)
def test_a_request_of_any_action_never_raises(action, world):
    policy = parse({"@id": "urn:x", "permission": [{"action": "use"}]})
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1)
    decision = evaluate(policy, Request(action, "b", "d", at=at), world)
    assert decision.permitted is (action in INCLUDED_IN and action not in {"transfer", "sell", "give"})
