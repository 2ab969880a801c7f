"""Domains, grades and categories are those of the national rules, and a suggestion says why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation.classification import categories, category, grade, guide, highest, suggest
from valuation.errors import ClassificationError
from valuation.sample import SCHEMA

answers = st.fixed_dictionaries({name: st.integers(1, 3) for name in ("safety", "loss", "reach")})


def test_the_guide_has_five_domains_for_industrial_and_two_for_platform_enterprises() -> None:
    names = [domain.name_zh for domain in guide().of("industrial")]
    assert names == ["研发数据域", "生产数据域", "运维数据域", "管理数据域", "外部数据域"]
    assert [len(domain.subclasses) for domain in guide().of("industrial")] == [2, 4, 2, 4, 1]
    assert [domain.name_zh for domain in guide().of("platform")] == ["平台运营数据域", "企业管理数据域"]
    assert guide().document == "工信厅信发〔2020〕6号"


def test_every_name_and_wording_is_there_in_both_languages_and_every_id_once() -> None:
    subclasses = [subclass for domain in guide().domains for subclass in domain.subclasses]
    ids = [domain.id for domain in guide().domains] + [subclass.id for subclass in subclasses]
    assert len(set(ids)) == len(ids)
    named = [*guide().domains, *subclasses, *guide().questions, *categories()]
    assert all(item.name_en and item.name_zh for item in named)
    wordings = [answer for question in guide().questions for answer in question.answers]
    assert all(answer.text_en and answer.text_zh for answer in wordings)
    assert [[a.grade for a in q.answers] for q in guide().questions] == [[1, 2, 3]] * 3


def test_three_is_the_highest_grade_and_concerns_the_state() -> None:
    worst = guide().question("reach").answers[-1]
    assert worst.grade == 3
    assert "国家安全" in worst.text_zh


@settings(deadline=None)
@given(answers)
def test_the_grade_is_the_highest_answer_and_the_rule_is_stored_with_the_answers(given_answers: dict[str, int]) -> None:
    found = grade(given_answers)
    assert found.grade == max(given_answers.values())
    document = json.loads(canonical.encode(found.to_json()))
    assert {a["question"]: a["grade"] for a in document["answers"]} == given_answers
    assert document["rule"] == "highest-of-three/1"
    assert document["rule_zh"]
    assert all(a["text_zh"] for a in document["answers"])


@settings(deadline=None)
@given(answers, st.sampled_from(["safety", "loss", "reach"]))
def test_a_graver_answer_never_lowers_the_grade(given_answers: dict[str, int], question: str) -> None:
    graver = {**given_answers, question: 3}
    assert grade(graver).grade >= grade(given_answers).grade


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"safety": 1, "loss": 1},
        {"safety": 1, "loss": 1, "reach": 4},
        {"safety": 1, "loss": 1, "reach": 0},
        {"safety": True, "loss": 1, "reach": 1},
        {"safety": 1, "loss": 1, "beauty": 1},
    ],
)
def test_unknown_missing_and_impossible_answers_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ClassificationError):
        grade(bad)


def test_data_is_general_important_or_core() -> None:
    assert [value.id for value in categories()] == ["general", "important", "core"]
    assert category("important").name_zh == "重要数据"
    with pytest.raises(ClassificationError):
        category("secret")
    with pytest.raises(ClassificationError):
        grade({"safety": 1, "loss": 1, "reach": 1}, tag="secret")


def test_of_mixed_parts_the_highest_rules() -> None:
    parts = [
        grade({"safety": 1, "loss": 2, "reach": 1}),
        grade({"safety": 1, "loss": 1, "reach": 1}, tag="important"),
    ]
    assert highest(parts) == (2, "important")
    with pytest.raises(ClassificationError):
        highest([])


def test_the_machining_cell_is_production_data_with_reasons_column_by_column() -> None:
    findings = [
        {"column": "operator_resident_id", "kind": "resident_id"},
        {"column": "unit_price_cny", "kind": "unit_price"},
    ]
    found = suggest(SCHEMA.names, findings)
    assert (found.domain, found.subclass) == ("production", "condition")
    assert any(r.column == "coolant_temperature_c" and "temperature" in r.text_en for r in found.reasons)
    assert any(r.column == "unit_price_cny" and r.points_to == "statistics" for r in found.reasons)
    assert found.answers == {"safety": 1, "loss": 2, "reach": 2}
    assert any("operator_resident_id" in r.text_zh for r in found.answer_reasons)
    canonical.encode(found.to_json())


def test_chinese_names_are_understood_and_platforms_have_their_own_domains() -> None:
    assert suggest(["客户名称", "订单号", "合同编号"]).domain == "management"
    assert suggest(["传感器温度", "网关编号"], enterprise="platform").domain == "platform_operation"
    with pytest.raises(ClassificationError):
        suggest(["a"], enterprise="government")


def test_names_that_say_nothing_lead_to_no_suggestion() -> None:
    found = suggest(["timestamp", "value", ""])
    assert (found.domain, found.subclass, found.share, found.reasons) == (None, None, "0/3", ())
    assert suggest([]).domain is None
    assert found.answers == {"safety": 1, "loss": 1, "reach": 1}


def test_words_are_matched_whole_so_that_a_letter_group_inside_another_word_does_not_vote() -> None:
    assert suggest(["macaroni", "stopwatch", "Recondition"]).domain is None
    assert suggest(["SpindleSpeed", "toolWear"]).domain == "production"
