"""The sentences a buyer reads: written out here, so that a change of a word is seen."""

from __future__ import annotations

import pytest

from contracts.odrl import describe, parse
from contracts.odrl.operands import OPERANDS, Kind
from contracts.odrl.operators import operators_of
from contracts.odrl.phrases import phrase
from contracts.odrl.reasons import name_of


def _one(left, operator, right, unit=None):
    constraint = {"leftOperand": left, "operator": operator, "rightOperand": right}
    return constraint | ({"unit": unit} if unit else {})


@pytest.mark.parametrize(
    ("constraints", "en", "zh"),
    [
        ([], "The consumer may use the data.", "使用方可以使用该数据。"),
        (
            [_one("count", "lteq", "1")],
            "The consumer may use the data at most once.",
            "使用方可以使用该数据：最多 1 次。",
        ),
        (
            [_one("dateTime", "lt", "2027-01-01T00:00:00+08:00")],
            "The consumer may use the data until the end of 31 December 2026 (UTC+8).",
            "使用方可以使用该数据：截至2026年12月31日（含当日，北京时间）。",
        ),
        (
            [_one("dateTime", "gteq", "2026-01-01T08:30:00Z"), _one("dateTime", "lteq", "2026-12-31Z")],
            "The consumer may use the data from 1 January 2026, 08:30 (UTC) on and until 31 December 2026 (UTC).",
            "使用方可以使用该数据：自2026年1月1日 08:30（UTC）起；截至2026年12月31日（UTC）。",
        ),
        (
            [_one("elapsedTime", "lteq", "P1Y2M3DT4H5M6S")],
            "The consumer may use the data within 1 year 2 months 3 days 4 hours 5 minutes 6 seconds of the first use.",
            "使用方可以使用该数据：在首次使用后 1 年 2 个月 3 天 4 小时 5 分钟 6 秒内。",
        ),
        (
            [_one("purpose", "isAnyOf", ["research", "urn:x:own"]), _one("spatial", "isPartOf", "CN")],
            "The consumer may use the data only for research or “urn:x:own”, and only within China.",
            "使用方可以使用该数据：仅用于科学研究或“urn:x:own”；仅在中国范围内。",
        ),
        (
            [{"or": [_one("count", "lteq", "5"), _one("payAmount", "gteq", "1234.5", "CNY")]}],
            "The consumer may use the data either at most 5 times or once CNY 1,234.50 has been paid.",
            "使用方可以使用该数据：（最多 5 次，或在支付人民币 1,234.50 元后）。",
        ),
        (
            [{"xone": [_one("industry", "isPartOf", "C34"), _one("recipient", "eq", "urn:x:plant")]}],
            "The consumer may use the data exactly one of these: only within the industry C34;"
            " only for “urn:x:plant” as recipient.",
            "使用方可以使用该数据：（以下恰好满足一项：仅在 C34 行业范围内；仅由“urn:x:plant”接收）。",
        ),
        (
            [{"andSequence": [_one("event", "gt", "urn:x:trial"), _one("version", "gteq", "1.2")]}],
            "The consumer may use the data first after the event “urn:x:trial”, then only in versions from 1.2 on.",
            "使用方可以使用该数据：（先在事件“urn:x:trial”之后，再仅限 1.2 及更新版本）。",
        ),
    ],
)
def test_a_permission_reads_as_one_sentence(offer, constraints, en, zh):
    policy = offer(*constraints)
    assert describe(policy, "en") == [en]
    assert describe(policy, "zh") == describe(policy, "zh_Hans_CN") == [zh]


def test_rules_that_differ_in_the_action_only_are_one_sentence(ask):
    policy = parse({"@id": "urn:x", "permission": [{"action": ["read", "aggregate", "derive"]}]})
    assert describe(policy, "en") == [
        "The consumer may read the data, combine the data with other data or derive new data from the data."
    ]
    assert describe(policy, "zh") == ["使用方可以读取该数据、将该数据与其他数据汇聚或基于该数据生成衍生数据。"]


def test_prohibitions_duties_and_who_wins_are_said(offer):
    policy = offer(
        rule={"duty": [{"action": "delete", "constraint": [_one("elapsedTime", "lteq", "P30D")]}]},
        prohibition=[
            {
                "action": "use",
                "constraint": [_one("purpose", "eq", "research"), _one("spatial", "neq", "CN")],
                "remedy": [{"action": "delete"}],
            },
            {"action": "distribute", "assignee": "urn:x:rival", "target": "urn:x:other"},
        ],
        obligation=[
            {"action": "inform", "informedParty": "urn:x:seller", "consequence": [{"action": "delete"}]},
            {"action": "compensate", "constraint": [_one("payAmount", "eq", "5000", "CNY")]},
            {"action": "anonymize"},
            {"action": "attribute"},
            {"action": "ex:log"},
        ],
    )
    assert describe(policy, "en") == [
        "The consumer may use the data.",
        "The consumer must delete the data within 30 days of each delivery.",
        "The consumer may not use the data for research and anywhere other than in China.",
        "If this is broken: the consumer must delete the data at once.",
        "“urn:x:rival” may not pass the dataset “urn:x:other” on to third parties.",
        "The consumer must inform “urn:x:seller” of each use.",
        "If this is not done: the consumer must delete the data at once.",
        "The consumer must pay CNY 5,000.00 before the data is released.",
        "The data must be anonymized before it is released.",
        "The consumer must name the provider as the source of the data.",
        "Each use must be put on record.",
        "Where a permission and a prohibition both apply, nothing is permitted.",
    ]
    assert describe(policy, "zh") == [
        "使用方可以使用该数据。",
        "使用方须在每次交付后 30 天内删除该数据。",
        "同时符合下列情形时，使用方不得使用该数据：用于科学研究；在除中国以外的地区。",
        "若违反上述禁止：使用方须立即删除该数据。",
        "“urn:x:rival”不得向第三方提供数据集“urn:x:other”。",
        "使用方须将每次使用情况告知“urn:x:seller”。",
        "若未履行上述义务：使用方须立即删除该数据。",
        "使用方须先支付人民币 5,000.00 元，数据方可交付。",
        "数据须经匿名化后方可交付。",
        "使用方须注明数据来源为提供方。",
        "每次使用均须留存记录。",
        "许可与禁止同时适用时，不允许任何操作。",
    ]


def test_a_duty_with_a_date_says_the_last_day(offer):
    duty = {"action": "delete", "constraint": [_one("dateTime", "lt", "2027-01-01T00:00:00+08:00")]}
    policy = offer(rule={"duty": [duty]})
    assert describe(policy, "en")[1] == "The consumer must delete the data by the end of 31 December 2026 (UTC+8)."
    assert describe(policy, "zh")[1] == "使用方须在2026年12月31日（含当日，北京时间）之前删除该数据。"


def test_an_empty_policy_says_that_nothing_is_permitted():
    assert describe(parse({"@id": "urn:x"}), "en") == ["Nothing is permitted."]
    assert describe(parse({"@id": "urn:x"}), "zh") == ["不允许任何操作。"]


def test_what_is_not_understood_comes_first_with_its_place_and_effect(offer):
    policy = offer(_one("partner", "eq", "gold"))
    first, second = describe(policy, "en")
    assert first.startswith(
        "The policy says the left operand “partner” at $.permission[0].constraint[0].leftOperand, which is not"
        " understood here, so nothing is allowed. Ask the provider to use count, dateTime, "
    )
    assert second == "The consumer may use the data with partner eq “gold”."
    assert describe(policy, "zh")[0].startswith(
        "策略在 $.permission[0].constraint[0].leftOperand 处使用了无法识别的左操作数“partner”，因此不允许任何操作。"
    )


RIGHT = {
    Kind.INSTANT: "2026-06-15T12:00:00Z",
    Kind.ELAPSED: "P30D",
    Kind.INTEGER: "5",
    Kind.MONEY: "5.00 CNY",
    Kind.TERM: "research",
    Kind.VERSION: "1.2",
    Kind.EVENT: "urn:x:trial",
    Kind.WAIT: "P7D",
    Kind.SPAN: "PT10H",
    Kind.DECIMAL: "12.5",
    Kind.QUANTITY: "1 kHz",
    Kind.FLAG: "true",
    Kind.STATE: "sealed",
}
PHRASES = [
    (name, operator, RIGHT[operand.kind])
    for name, operand in OPERANDS.items()
    for operator in operators_of(operand.kind)
]


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_operand_has_a_phrase_of_its_own_for_every_operator(locale):
    """All-of over a single time or number is odd; it is quoted as written. Everything else reads as words."""
    said = {}
    for name, operator, right in PHRASES:
        text = phrase(name, operator, right, locale)
        if not (operator in {"isAllOf", "isAnyOf", "isNoneOf"} and OPERANDS[name].kind is not Kind.TERM):
            assert f" {operator} " not in text, (name, operator)
        assert "{" not in text
        said.setdefault((name, text), []).append(operator)
    same = [set(operators) for operators in said.values() if len(operators) > 1]
    aliases = ({"eq", "isAnyOf", "hasPart"}, {"isA", "isPartOf"}, {"neq", "isNoneOf"}, {"eq", "gteq"})
    assert all(any(group <= alias for alias in aliases) for group in same), same


def test_a_rule_is_named_by_its_number():
    assert name_of("$.permission[0]", "en") == "permission 1"
    assert name_of("$.permission[1].duty[0]", "en") == "duty 1 of permission 2"
    assert name_of("$.permission[1].duty[0]", "zh") == "第 2 项许可的第 1 项义务"
    assert name_of("$.odrl:prohibition", "en") == "prohibition 1"
    assert name_of("$", "zh") == "该策略"
