"""A plan is strict data: it reads back, hashes the same everywhere, says what it does, and refuses the unknown."""

import copy
import json
import pickle

import pyarrow as pa
import pytest

from contracts.desensitization.finding import Finding
from contracts.desensitization.kinds import KINDS
from contracts.desensitization.plan import ColumnRule, Plan, RowFilter, derive
from contracts.errors import PlanError

PLAN = Plan(
    (
        ColumnRule("ts", "keep", {"exact": True}),
        ColumnRule("phone", "mask", {"keep_first": 3, "keep_last": 4}, reason="mobile_phone"),
        ColumnRule("id", "suppress", reason="resident_id"),
        ColumnRule("serial", "pseudonymize", key_reference="agreement", reason="machine_serial"),
        ColumnRule("price", "generalize", {"width": 50}),
        ColumnRule("day", "generalize", {"unit": "month"}),
        ColumnRule("region", "generalize", {"prefix": 2}),
        ColumnRule("temp", "round", {"digits": 1}),
        ColumnRule("big", "round", {"digits": -3}),
        ColumnRule("vibration", "keep", mark="0.001"),
        ColumnRule("load", "round", {"digits": -1}, mark="10"),
    ),
    (RowFilter("plant", "isAnyOf", ["A", "B"]), RowFilter("temp", "gteq", 20)),
)


def test_a_plan_reads_back_from_json_text_pickle_and_copy() -> None:
    again = Plan.from_json(json.loads(json.dumps(PLAN.to_json())))
    assert again == PLAN
    assert again.digest() == PLAN.digest()
    assert pickle.loads(pickle.dumps(PLAN)) == PLAN  # noqa: S301  # Our own bytes.
    assert copy.deepcopy(PLAN) == PLAN
    assert hash(PLAN) == hash(again)


def test_the_sentences_say_which_numbers_the_buyers_mark_may_change_and_by_how_much() -> None:
    english, chinese = PLAN.describe("en"), PLAN.describe("zh")
    assert (
        '"vibration": delivered as it is, but a number may differ by up to 0.001, which carries the buyer\'s mark.'
        in english
    )
    assert any(text.startswith('"load": rounded') and "up to 10, which carries" in text for text in english)
    assert "“vibration”：按原值交付，但数值可能有不超过 0.001 的改动，用以承载买方的数字指纹。" in chinese
    # Without a mark nothing is said of one.
    assert sum("mark" in text for text in english) == sum("数字指纹" in text for text in chinese) == 2


@pytest.mark.parametrize("mark", ["0", "-1", "NaN", "Infinity", "", "a bit", 0.01, True])
def test_a_mark_is_a_number_above_zero_as_text(mark: object) -> None:
    with pytest.raises(PlanError, match="mark"):
        ColumnRule("x", "keep", mark=mark)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "parameters"), [("keep", {"exact": True}), ("suppress", {}), ("generalize", {"width": 5}), ("mask", {})]
)
def test_what_is_hidden_binned_or_exact_carries_no_mark(method: str, parameters: dict[str, object]) -> None:
    with pytest.raises(PlanError, match="mark"):
        ColumnRule("x", method, parameters, mark="0.01")


def test_the_digest_is_fixed_and_defaults_are_part_of_it() -> None:
    short = Plan((ColumnRule("a", "mask"),))
    spelled = Plan((ColumnRule("a", "mask", {"keep_first": 0, "keep_last": 0, "char": "*"}),))
    assert short.digest() == spelled.digest()
    assert short.digest() == "sha256:" + short.digest().removeprefix("sha256:")
    others = [
        Plan((ColumnRule("a", "mask", {"keep_first": 1}),)),
        Plan((ColumnRule("b", "mask"),)),
        Plan((ColumnRule("a", "mask"),), (RowFilter("a", "eq", "x"),)),
    ]
    assert len({plan.digest() for plan in [short, *others]}) == 4


def test_the_digest_of_a_known_plan_never_changes() -> None:
    plan = Plan((ColumnRule("a", "keep"), ColumnRule("b", "generalize", {"width": 0.5})))
    text = (
        b'{"columns":[{"column":"a","method":"keep","parameters":{"exact":false}},'
        b'{"column":"b","method":"generalize","parameters":{"width":0.5}}],"version":1}'
    )
    import hashlib

    assert plan.digest() == "sha256:" + hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"version": 2, "columns": []},
        {"version": True, "columns": []},
        {"version": 1},
        {"version": 1, "columns": "abc"},
        {"version": 1, "columns": [], "extra": 1},
        {"version": 1, "columns": [{"column": "a"}]},
        {"version": 1, "columns": [{"column": "a", "method": "encrypt"}]},
        {"version": 1, "columns": [{"column": 1, "method": "keep"}]},
        {"version": 1, "columns": [{"column": "\ud800", "method": "keep"}]},
        {"version": 1, "columns": [{"column": "a", "method": "keep", "surprise": 1}]},
        {"version": 1, "columns": [{"column": "a", "method": "keep", "parameters": []}]},
        {"version": 1, "columns": [{"column": "a", "method": "keep", "parameters": {"width": 1}}]},
        {"version": 1, "columns": [{"column": "a", "method": "keep", "key_reference": "agreement"}]},
        {"version": 1, "columns": [{"column": "a", "method": "pseudonymize", "key_reference": "other"}]},
        {"version": 1, "columns": [{"column": "a", "method": "pseudonymize", "parameters": {"length": 8}}]},
        {"version": 1, "columns": [{"column": "a", "method": "mask", "parameters": {"keep_first": -1}}]},
        {"version": 1, "columns": [{"column": "a", "method": "mask", "parameters": {"keep_first": True}}]},
        {"version": 1, "columns": [{"column": "a", "method": "mask", "parameters": {"char": "ab"}}]},
        {"version": 1, "columns": [{"column": "a", "method": "mask", "parameters": {"char": "\n"}}]},
        {"version": 1, "columns": [{"column": "a", "method": "generalize"}]},
        {"version": 1, "columns": [{"column": "a", "method": "generalize", "parameters": {"width": 0}}]},
        {"version": 1, "columns": [{"column": "a", "method": "generalize", "parameters": {"width": "x"}}]},
        {"version": 1, "columns": [{"column": "a", "method": "generalize", "parameters": {"unit": "era"}}]},
        {
            "version": 1,
            "columns": [{"column": "a", "method": "generalize", "parameters": {"width": 1, "unit": "day"}}],
        },
        {"version": 1, "columns": [{"column": "a", "method": "round"}]},
        {"version": 1, "columns": [{"column": "a", "method": "round", "parameters": {"digits": 99}}]},
        {"version": 1, "columns": [{"column": "a", "method": "keep"}, {"column": "a", "method": "keep"}]},
        {"version": 1, "columns": [], "row_filter": [{"column": "a", "operator": "like", "value": "x"}]},
        {"version": 1, "columns": [], "row_filter": [{"column": "a", "operator": "eq", "value": [1]}]},
        {"version": 1, "columns": [], "row_filter": [{"column": "a", "operator": "isAnyOf", "value": []}]},
        {"version": 1, "columns": [], "row_filter": [{"column": "a", "operator": "eq", "value": None}]},
        {"version": 1, "columns": [], "row_filter": [{"column": "a", "operator": "eq", "value": 2**60}]},
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_a_plan_that_is_not_fully_understood_is_refused(document: object) -> None:
    with pytest.raises(PlanError) as caught:
        Plan.from_json(document)
    assert caught.value.text_zh != caught.value.text_en


def test_a_plan_reads_in_both_languages() -> None:
    english, chinese = PLAN.describe("en"), PLAN.describe("zh-CN")
    assert len(english) == len(chinese) == 13
    assert english[0] == 'Only rows whose "plant" is one of A, B are delivered.'
    assert english[3] == (
        '"phone": masked: every character except the first 3 and the last 4 is replaced by "*" '
        "(found to be mobile phone numbers)."
    )
    assert chinese[3] == "“phone”：遮盖，除前 3 位和后 4 位外的字符替换为“*”（识别为手机号）。"
    assert english[4] == '"id": not delivered (found to be resident identity numbers).'
    assert "multiples of 1000" in english[10]
    assert all("{" not in sentence for sentence in english + chinese)


def finding(column: str, kind: str, width: float | None = None) -> Finding:
    return Finding(column, kind, KINDS[kind].category, 0.9, 10, 10, "shown by its values", "由数值可见", width)


SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us")),
        ("phone", pa.string()),
        ("phone_number", pa.int64()),
        ("id", pa.string()),
        ("name", pa.string()),
        ("price", pa.float64()),
        ("serial", pa.string()),
        ("lat", pa.float64()),
        ("tags", pa.list_(pa.string())),
        ("temp", pa.float64()),
    ]
)
FINDINGS = [
    finding("phone", "mobile_phone"),
    finding("phone_number", "mobile_phone"),
    finding("id", "resident_id"),
    finding("id", "bank_card"),
    finding("name", "person_name"),
    finding("price", "unit_price", 50.0),
    finding("serial", "machine_serial"),
    finding("lat", "gps"),
    finding("tags", "person_name"),
]


def methods(grade: int) -> dict[str, str]:
    return {rule.column: rule.method for rule in derive(SCHEMA, FINDINGS, grade).columns}


def test_a_derived_plan_covers_every_column_and_hides_more_at_a_higher_grade() -> None:
    assert methods(1) == {
        "time": "keep",
        "phone": "mask",
        "phone_number": "mask",
        "id": "pseudonymize",
        "name": "pseudonymize",
        "price": "generalize",
        "serial": "pseudonymize",
        "lat": "round",
        "tags": "suppress",
        "temp": "keep",
    }
    assert methods(2)["id"] == "suppress"
    strict = methods(3)
    assert strict["time"] == "generalize"
    assert strict["serial"] == "pseudonymize"
    assert {strict[name] for name in ("phone", "id", "name", "price", "lat")} == {"suppress"}


def test_a_price_is_shown_in_steps_that_fit_it_or_not_at_all() -> None:
    plan = derive(SCHEMA, [finding("price", "unit_price", 50.0)], 2)
    rule = plan.rule("price")
    assert rule is not None
    assert dict(rule.parameters) == {"width": 200.0}
    unknown = derive(SCHEMA, [finding("price", "unit_price")], 1).rule("price")
    assert unknown is not None
    assert unknown.method == "suppress"


def test_every_kind_has_a_rule_at_every_grade_for_text_and_numbers() -> None:
    for kind in KINDS:
        for grade in (1, 2, 3):
            for kind_of_column in (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.null()):
                plan = derive(pa.schema([("c", kind_of_column)]), [finding("c", kind, 5.0)], grade)
                assert plan.columns[0].method != "keep"


@pytest.mark.parametrize("grade", [0, 4, True, "1"])
def test_there_are_three_grades(grade: object) -> None:
    with pytest.raises(PlanError, match="grade"):
        derive(SCHEMA, [], grade)  # type: ignore[arg-type]  # The wrong type is the point.


def test_a_finding_on_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(PlanError, match="ghost"):
        derive(SCHEMA, [finding("ghost", "email")], 1)
