"""The templates: each builds a policy that is understood, says what it does, and permits and denies accordingly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.errors import PolicyError
from contracts.odrl import World, describe, parse, templates, unknowns

PARAMETERS = {
    "internal-use": {},
    "n-times": {"count": 3},
    "until-date": {"date": "2026-12-31"},
    "duration": {"days": 30},
    "purpose": {"purposes": ["research"]},
    "purpose-and-count": {"purposes": ["research", "audit"], "count": 3},
    "no-onward-transfer": {},
    "delete-after": {"days": 30},
}
KEPT_EN = "The consumer may not pass the data on to third parties or hand over the ownership of the data."
KEPT_ZH = "使用方不得向第三方提供该数据或转让该数据。"


def test_the_templates_are_exactly_these():
    assert list(templates.TEMPLATES) == list(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_template_round_trips_is_understood_and_has_words(name):
    document = templates.build(name, **PARAMETERS[name])
    policy = parse(document)
    assert policy.to_json() == document
    assert unknowns(policy) == ()
    assert policy.type == "Offer"
    assert len(describe(policy, "en")) == len(describe(policy, "zh")) >= 2
    template = templates.TEMPLATES[name]
    assert template.title("en") != template.title("zh") == template.title_zh
    for parameter in template.parameters:
        assert parameter.label("en") != parameter.label("zh_CN") == parameter.label_zh


@pytest.mark.parametrize(
    ("name", "parameters", "en", "zh"),
    [
        ("internal-use", {}, ["The consumer may use the data."], ["使用方可以使用该数据。"]),
        (
            "n-times",
            {"count": 3},
            ["The consumer may use the data at most 3 times."],
            ["使用方可以使用该数据：最多 3 次。"],
        ),
        (
            "until-date",
            {"date": date(2026, 12, 31)},
            ["The consumer may use the data until the end of 31 December 2026 (UTC+8)."],
            ["使用方可以使用该数据：截至2026年12月31日（含当日，北京时间）。"],
        ),
        (
            "until-date",
            {"date": "2026-12-31", "zone": "Z"},
            ["The consumer may use the data until the end of 31 December 2026 (UTC)."],
            ["使用方可以使用该数据：截至2026年12月31日（含当日，UTC）。"],
        ),
        (
            "duration",
            {"days": 90},
            ["The consumer may use the data within 90 days of the start of the agreement."],
            ["使用方可以使用该数据：在协议生效后 90 天内。"],
        ),
        (
            "duration",
            {"days": 90, "starts": "first-use"},
            ["The consumer may use the data within 90 days of the first use."],
            ["使用方可以使用该数据：在首次使用后 90 天内。"],
        ),
        (
            "purpose",
            {"purposes": ["predictive-maintenance"]},
            ["The consumer may use the data only for predictive maintenance."],
            ["使用方可以使用该数据：仅用于预测性维护。"],
        ),
        (
            "purpose-and-count",
            {"purposes": ["research", "audit"], "count": 1},
            ["The consumer may use the data only for research or “audit”, and at most once."],
            ["使用方可以使用该数据：仅用于科学研究或“audit”；最多 1 次。"],
        ),
        (
            "delete-after",
            {"days": 30},
            ["The consumer may use the data.", "The consumer must delete the data within 30 days of each delivery."],
            ["使用方可以使用该数据。", "使用方须在每次交付后 30 天内删除该数据。"],
        ),
    ],
)
def test_each_template_says_what_it_does(name, parameters, en, zh):
    policy = parse(templates.build(name, **parameters))
    assert describe(policy, "en") == [*en, KEPT_EN]
    assert describe(policy, "zh") == [*zh, KEPT_ZH]


def test_no_onward_transfer_says_what_follows_when_it_is_broken():
    policy = parse(templates.build("no-onward-transfer"))
    assert describe(policy, "en") == [
        "The consumer may use the data.",
        KEPT_EN,
        "If this is broken: the consumer must delete the data at once.",
        "If this is broken: the consumer must inform the provider.",
    ]


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_template_lets_the_data_be_passed_on_unless_asked(ask, name):
    world = World(counts={"use": 0}, agreement_start=datetime(2026, 6, 1, tzinfo=UTC))
    policy = parse(templates.build(name, **PARAMETERS[name]))
    assert ask(policy, purpose="research", world=world).permitted
    assert not ask(policy, "distribute", purpose="research", world=world).permitted
    assert not ask(policy, "transfer", purpose="research", world=world).permitted
    if any(parameter.name == "onward" for parameter in templates.TEMPLATES[name].parameters):
        open_ = parse(templates.build(name, **PARAMETERS[name], onward="true"))
        assert ask(open_, "distribute", purpose="research", world=world).permitted
        assert not ask(open_, "transfer", purpose="research", world=world).permitted
        assert KEPT_EN not in describe(open_, "en")


def test_the_limits_of_the_templates_are_where_they_say(ask):
    def built(name, **parameters):
        return parse(templates.build(name, **parameters))

    three = built("n-times", count="3")
    assert [ask(three, world=World(counts={"use": used})).permitted for used in (0, 2, 3)] == [True, True, False]
    dated = built("until-date", date="2026-12-31")
    end = datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert [ask(dated, at=end + timedelta(seconds=n)).permitted for n in (-1, 0)] == [True, False]
    start = datetime(2026, 6, 1, tzinfo=UTC)
    lasting = built("duration", days=30)
    world = World(agreement_start=start)
    assert [ask(lasting, at=start + timedelta(days=n), world=world).permitted for n in (30, 31)] == [True, False]
    assert not ask(lasting, at=start).permitted
    purposes = built("purpose", purposes="research")
    assert [ask(purposes, purpose=purpose).permitted for purpose in ("research", "other", None)] == [True, False, False]
    (obligation,) = ask(built("delete-after", days=7), at=start).obligations
    assert obligation.deadline == start + timedelta(days=7)


def test_the_identifier_is_the_callers_or_follows_from_the_content():
    one, two, three = (templates.build("n-times", count=count) for count in (3, "3", 4))
    assert one == two
    assert one["@id"] != three["@id"]
    document = templates.build("n-times", count=3, uid="urn:x:mine", assigner="urn:x:seller", target="urn:x:data")
    assert (document["@id"], document["assigner"], document["target"]) == ("urn:x:mine", "urn:x:seller", "urn:x:data")


@pytest.mark.parametrize(
    ("name", "parameters", "path"),
    [
        ("rent", {}, "parameters.name"),
        ("n-times", {}, "parameters.count"),
        ("n-times", {"count": ""}, "parameters.count"),
        ("n-times", {"count": 0}, "parameters.count"),
        ("n-times", {"count": -1}, "parameters.count"),
        ("n-times", {"count": "1.5"}, "parameters.count"),
        ("n-times", {"count": 2.0}, "parameters.count"),
        ("n-times", {"count": True}, "parameters.count"),
        ("n-times", {"count": 10**9}, "parameters.count"),
        ("n-times", {"count": "²"}, "parameters.count"),
        ("n-times", {"count": 3, "days": 3}, "parameters.days"),
        ("n-times", {"count": 3, "onward": "maybe"}, "parameters.onward"),
        ("until-date", {"date": "31.12.2026"}, "parameters.date"),
        ("until-date", {"date": "2026-02-30"}, "parameters.date"),
        ("until-date", {"date": "20261231"}, "parameters.date"),
        ("until-date", {"date": 5}, "parameters.date"),
        ("until-date", {"date": "9999-12-31"}, "parameters.date"),
        ("until-date", {"date": "2026-12-31", "zone": "Mars"}, "parameters.zone"),
        ("duration", {"days": 36_501}, "parameters.days"),
        ("duration", {"days": 3, "starts": "soon"}, "parameters.starts"),
        ("duration", {"days": 3, "starts": ["agreement"]}, "parameters.starts"),
        ("purpose", {"purposes": []}, "parameters.purposes"),
        ("purpose", {"purposes": [" "]}, "parameters.purposes"),
        ("purpose", {"purposes": ["research", 5]}, "parameters.purposes"),
        ("purpose", {"purposes": 5}, "parameters.purposes"),
    ],
)
def test_a_parameter_that_is_missing_unknown_or_out_of_range_is_named(name, parameters, path):
    with pytest.raises(PolicyError) as refusal:
        templates.build(name, **parameters)
    assert refusal.value.path == path
    assert refusal.value.mend_en
    assert refusal.value.mend_zh != refusal.value.mend_en
