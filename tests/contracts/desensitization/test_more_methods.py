"""Hierarchies, tokens, noise, order, shifted dates, groups and free text do what their definitions say."""

import datetime as dt
import hashlib
import hmac
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.desensitization.engine import apply, compile_plan
from contracts.desensitization.keys import Keys
from contracts.desensitization.methods import prepare
from contracts.desensitization.plan import ColumnRule, Plan
from contracts.errors import PlanError

SECRET = bytes(range(32))
KEYS = Keys(SECRET, "agreement-1", {"chain": bytes([7]) * 32})


def run(
    array: pa.Array, method: str, reference: str | None = None, keys: Keys = KEYS, **parameters: object
) -> pa.Array:
    prepared = prepare(ColumnRule("c", method, parameters, reference), array.type, keys)
    assert prepared is not None
    out = prepared.transform(array)
    out.validate(full=True)
    assert out.type == prepared.type
    assert len(out) == len(array)
    return out


def test_characters_before_or_after_a_sign_are_masked() -> None:
    mails = pa.array(["wang.wu@example.com", None, "nobody", "@x", "a@b@c"])
    assert run(mails, "mask", before="@").to_pylist() == ["*******@example.com", None, "******", "@x", "*@b@c"]
    assert run(mails, "mask", after="@", keep_last=4).to_pylist() == [
        "wang.wu@*******.com", None, "******", "@*", "a@***",
    ]  # fmt: skip
    assert run(mails, "mask", before="@", keep_first=2)[0].as_py() == "wa*****@example.com"


def test_ranges_name_the_range_that_a_number_lies_in() -> None:
    values = pa.array([17.9, 18.0, 59.99, 60.0, None, math.nan, -math.inf])
    assert run(values, "generalize", ranges=[18, 60]).to_pylist() == [
        "< 18", "[18, 60)", "[18, 60)", ">= 60", None, "*", "< 18",
    ]  # fmt: skip
    assert run(pa.array([5, 10]), "generalize", ranges=[10]).to_pylist() == ["< 10", ">= 10"]


def test_a_hierarchy_gives_its_word_and_hides_what_it_does_not_know() -> None:
    words = {"车工": "机加工", "铣工": "机加工", "电工": "动力"}
    values = pa.array(["铣工", "电工", "厂长", None, "铣工"])
    for array in (values, values.dictionary_encode(), values.cast(pa.large_string())):
        assert run(array, "generalize", hierarchy=words).to_pylist() == ["机加工", "动力", "*", None, "机加工"]
    assert run(pa.array([1, 2]), "generalize", hierarchy={"1": "low"}).to_pylist() == ["low", "*"]


def test_regions_of_area_codes_and_addresses() -> None:
    values = pa.array(
        [
            "320505",
            "江苏省苏州市虎丘区科技城1号",
            "上海市浦东新区张江路2号",
            "内蒙古自治区呼和浩特市新城区3号",
            "不详",
            None,
        ]
    )
    expected = {
        "province": ["32", "江苏省", "上海市", "内蒙古自治区", "*", None],
        "city": ["3205", "江苏省苏州市", "上海市", "内蒙古自治区呼和浩特市", "*", None],
        "county": ["320505", "江苏省苏州市虎丘区", "上海市浦东新区", "内蒙古自治区呼和浩特市新城区", "*", None],
    }
    for level, regions in expected.items():
        assert run(values, "generalize", region=level).to_pylist() == regions
    assert run(pa.array([320505]), "generalize", region="province").to_pylist() == ["32"]


def test_top_and_bottom_coding_alone_and_before_bins() -> None:
    ages = pa.array([3, 18, 44, 99, None], pa.int8())
    assert run(ages, "generalize", bottom=18, top=65).to_pylist() == [18, 18, 44, 65, None]
    assert run(ages, "generalize", bottom=18, top=65, width=10).to_pylist() == [10, 10, 40, 60, None]
    assert run(pa.array([0.5, math.nan, 9.5]), "generalize", top=5).to_pylist()[::2] == [0.5, 5.0]


def test_hmac_pseudonyms_are_those_of_any_other_implementation() -> None:
    values = ["SN-1", None, "", "SN-1", "长城"]
    key = KEYS.column("pseudonymize", "c")
    for kind in (pa.string(), pa.dictionary(pa.int8(), pa.string())):
        out = run(pa.array(values).cast(kind), "pseudonymize", algorithm="hmac-sha256", length=64).to_pylist()
        assert out == [None if v is None else hmac.new(key, v.encode(), hashlib.sha256).hexdigest() for v in values]
    assert run(pa.array([b"\0"]), "pseudonymize", algorithm="hmac-sha256")[0].as_py() != out[0]


def test_a_group_key_joins_agreements_tables_and_columns_and_nothing_else_does() -> None:
    serials = pa.array(["SN-1"])
    other = Keys(bytes([9]) * 32, "agreement-2", {"chain": bytes([7]) * 32, "more": bytes([8]) * 32})
    joined = run(serials, "pseudonymize", "group:chain")
    assert joined.equals(run(serials, "pseudonymize", "group:chain", other))
    assert not joined.equals(run(serials, "pseudonymize", "group:more", other))
    assert not joined.equals(run(serials, "pseudonymize"))
    assert not run(serials, "pseudonymize").equals(run(serials, "pseudonymize", "agreement", other))
    with pytest.raises(PlanError, match="does not share"):
        run(serials, "pseudonymize", "group:secret")
    with pytest.raises(PlanError, match="32 bytes"):
        Keys(SECRET, "a", {"chain": b"short"})
    assert "groups" not in repr(other)


def test_tokens_depend_on_the_agreement_and_whole_numbers_are_taken_by_their_digits() -> None:
    phones = pa.array(["13812345678"] * 5_000 + [None])
    first = run(phones, "tokenize", keep_first=3)
    assert first.to_pylist()[:2] == first.to_pylist()[1:3]
    assert first[0].as_py().startswith("138")
    assert not first.equals(run(phones, "tokenize", keep_first=3, keys=Keys(SECRET, "agreement-2")))
    assert run(pa.array([13812345678]), "tokenize").to_pylist() == run(phones[:1], "tokenize").to_pylist()


@pytest.mark.parametrize(
    ("distribution", "deviation"), [("uniform", 5 / math.sqrt(3)), ("normal", 5), ("laplace", 5 * math.sqrt(2))]
)
def test_noise_has_mean_zero_and_the_spread_that_was_agreed(distribution: str, deviation: float) -> None:
    values = np.arange(200_000) / 7
    out = run(pa.array(values), "perturb", spread=5, distribution=distribution).to_numpy()
    noise = out - values
    assert abs(noise.mean()) < 0.08
    assert abs(noise.std() / deviation - 1) < 0.02
    assert distribution != "uniform" or np.abs(noise).max() <= 5
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.01


def test_equal_numbers_get_equal_noise_and_integers_stay_whole() -> None:
    out = run(pa.array([10.0, 10.0, 0.0, -0.0, None, math.nan, math.inf]), "perturb", spread=1).to_pylist()
    assert out[0] == out[1] != 10
    assert out[2] == out[3]
    assert out[4] is None
    assert math.isnan(out[5])
    assert out[6] == math.inf
    whole = run(pa.array([100, 2**63 - 1, None], pa.int64()), "perturb", spread=20)
    assert whole.type == pa.int64()
    assert abs(whole[0].as_py() - 100) <= 20
    digits = run(pa.array([10.0, 11.0]), "perturb", spread=1, digits=1).to_pylist()
    assert [round(value, 1) for value in digits] == digits


def test_a_shuffle_keeps_the_values_and_moves_them() -> None:
    values = pa.array([None, *range(999)])
    once = run(values, "shuffle")
    assert sorted(map(str, once.to_pylist())) == sorted(map(str, values.to_pylist()))
    assert sum(a == b for a, b in zip(once.to_pylist(), values.to_pylist(), strict=True)) < 20
    assert once.equals(run(values, "shuffle"))
    assert not once.equals(run(values, "shuffle", keys=Keys(SECRET, "agreement-2")))
    assert run(pa.array(range(19)), "shuffle").null_count == 19


def batch_of(columns: dict[str, pa.Array], rules: list[ColumnRule], keys: Keys = KEYS) -> dict[str, list[object]]:
    batch = pa.RecordBatch.from_pydict(columns)
    return apply(batch, compile_plan(Plan(tuple(rules)), batch.schema, keys)).to_pydict()


def test_shifted_dates_keep_the_intervals_of_one_person_and_differ_between_persons() -> None:
    start = [dt.date(2024, 2, 28) + dt.timedelta(days=7 * n) for n in range(50)]
    end = [dt.datetime(2024, 3, 9, 8, 30, tzinfo=dt.UTC) + dt.timedelta(days=7 * n) for n in range(50)]
    columns = {
        "who": pa.array([f"P{n % 10}" for n in range(49)] + [None]),
        "start": pa.array([*start[:-1], None]),
        "end": pa.array(end, pa.timestamp("us", "UTC")),
    }
    rules = [
        ColumnRule("who", "suppress"),
        ColumnRule("start", "shift_dates", {"days": 30, "by": "who"}),
        ColumnRule("end", "shift_dates", {"days": 30, "by": "who"}),
    ]
    out = batch_of(columns, rules)
    assert set(out) == {"start", "end"}
    shifts: dict[str, set[int]] = {}
    for row in range(49):
        days = (out["start"][row] - start[row]).days
        assert out["end"][row] - end[row] == dt.timedelta(days=days)
        assert 1 <= abs(days) <= 30
        shifts.setdefault(f"P{row % 10}", set()).add(days)
    assert all(len(days) == 1 for days in shifts.values())
    assert len({days.pop() for days in shifts.values()}) > 3
    assert out["start"][49] is None
    alike = batch_of({"start": columns["start"]}, [ColumnRule("start", "shift_dates", {"days": 400})])
    assert len({(moved - old).days for moved, old in zip(alike["start"][:-1], start[:-1], strict=True)}) == 1


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns", "Asia/Shanghai")]
)
def test_every_type_of_date_moves_by_whole_days(kind: pa.DataType) -> None:
    moments = (
        pa.array([dt.date(2025, 5, 1), None])
        .cast(pa.timestamp("s"))
        .cast(kind if pa.types.is_date(kind) else pa.timestamp(kind.unit))
        .cast(kind)
    )
    out = run(moments, "shift_dates", days=10)
    wide = pa.timestamp("ns")
    days = (out.cast(wide).cast(pa.int64())[0].as_py() - moments.cast(wide).cast(pa.int64())[0].as_py()) / 86_400e9
    assert days == int(days) != 0
    assert out[1].as_py() is None


def test_dates_shift_by_a_column_that_is_there_and_can_name_persons() -> None:
    dates = pa.array([dt.date(2025, 1, 1)])
    rule = ColumnRule("day", "shift_dates", {"by": "who"})
    for columns, named in (({"day": dates}, "'who'"), ({"day": dates, "who": pa.array([1.5])}, "neither text")):
        rules = [rule, *(ColumnRule(name, "suppress") for name in columns if name != "day")]
        with pytest.raises(PlanError, match=named):
            batch_of(columns, rules)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan)), max_size=60),
    st.integers(3, 7),
    st.sampled_from(["mean", "median"]),
)
def test_every_number_stands_for_a_group_of_the_agreed_size(
    values: list[float | None], size: int, function: str
) -> None:
    out = run(pa.array(values, pa.float64()), "aggregate", size=size, function=function).to_pylist()
    numbers = sorted((value, row) for row, value in enumerate(values) if value is not None and not math.isnan(value))
    if len(numbers) < size:
        assert out == [None] * len(values)
        return
    groups = max(1, len(numbers) // size)
    for group in range(groups):
        members = numbers[group * size : (group + 1) * size if group < groups - 1 else None]
        assert size <= len(members) < 2 * size
        middle = np.mean if function == "mean" else np.median
        for _, row in members:
            assert out[row] == pytest.approx(middle([value for value, _ in members]), rel=1e-9, abs=1e-6)


TEXTS = [
    ("张工电话13812345678，请联系", "张工电话[mobile_phone]，请联系"),
    ("phone:+86 138-1234-5678.", "phone:[mobile_phone]."),
    ("证件 110101 19900307 7758 已登记", "证件 [resident_id] 已登记"),
    ("证件110101199003077758", "证件[resident_id]"),
    ("a.b@mail.example.cn 与 c@d.cn", "[email] 与 [email]"),
    ("卡号6222 0212 3456 7890 123", "卡号[bank_card]"),
    ("车辆沪A12345进厂", "车辆[plate]进厂"),
    ("from 10.1.2.200 to 00:1a:2b:3c:4d:5e", "from [ip] to [mac]"),
    ("电话：１３８１２３４５６７８", "电话:[mobile_phone]"),
    ("位置 31.23045,121.47371", "位置 [gps]"),
    ("热电偶 K 型, 温度 180.5", "热电偶 K 型, 温度 180.5"),
    ("", ""),
    (None, None),
]


def test_identifiers_leave_free_text_and_the_rest_stays() -> None:
    before, after = [text for text, _ in TEXTS], [text for _, text in TEXTS]
    for array in (pa.array(before), pa.array(before).dictionary_encode(), pa.array(before, pa.large_string())):
        assert run(array, "redact").to_pylist() == after
    assert run(pa.array(before[:1]), "redact", kinds=["email"]).to_pylist() == before[:1]
    words = run(pa.array(["华东钢厂 与 华东 (A+B)"]), "redact", words=["华东", "华东钢厂", "(a+b)"])
    assert words.to_pylist() == ["[…] 与 […] […]"]


def test_local_suppression_leaves_the_frequent_values() -> None:
    values = pa.array(["A", "rare", None, "B"])
    for array in (values, values.dictionary_encode()):
        assert run(array, "local_suppress", values=["A", "B"]).to_pylist() == ["A", None, None, "B"]
    assert run(pa.array([1, 2, 3]), "local_suppress", values=[2]).to_pylist() == [None, 2, None]


@pytest.mark.parametrize(
    ("method", "parameters", "kind"),
    [
        ("tokenize", {}, pa.float64()),
        ("perturb", {"spread": 1}, pa.string()),
        ("shift_dates", {}, pa.string()),
        ("shift_dates", {}, pa.time32("s")),
        ("aggregate", {}, pa.string()),
        ("redact", {}, pa.int64()),
        ("local_suppress", {"values": ["a"]}, pa.int64()),
        ("local_suppress", {"values": ["a"]}, pa.float64()),
        ("generalize", {"ranges": [1]}, pa.string()),
        ("generalize", {"region": "city"}, pa.float64()),
        ("generalize", {"hierarchy": {"a": "b"}}, pa.bool_()),
        ("generalize", {"top": 1}, pa.string()),
        ("generalize", {"top": 1, "width": 1}, pa.string()),
    ],
)
def test_a_method_that_does_not_fit_a_type_is_refused_by_name(method: str, parameters: dict, kind: pa.DataType) -> None:
    with pytest.raises(PlanError, match="'c'"):
        prepare(ColumnRule("c", method, parameters), kind, KEYS)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("mask", {"before": "@", "after": "@"}),
        ("mask", {"before": "@@"}),
        ("generalize", {"ranges": []}),
        ("generalize", {"ranges": [2, 1]}),
        ("generalize", {"ranges": [1, True]}),
        ("generalize", {"hierarchy": {}}),
        ("generalize", {"hierarchy": {"a": 1}}),
        ("generalize", {"region": "street"}),
        ("generalize", {"top": 1, "bottom": 2}),
        ("generalize", {"top": 1, "unit": "day"}),
        ("generalize", {"top": "x"}),
        ("pseudonymize", {"algorithm": "md5"}),
        ("pseudonymize", {"length": 64}),
        ("tokenize", {"alphabet": "a"}),
        ("tokenize", {"alphabet": "aab"}),
        ("tokenize", {"alphabet": "张王"}),
        ("perturb", {}),
        ("perturb", {"spread": 0}),
        ("perturb", {"spread": 1, "distribution": "poisson"}),
        ("shift_dates", {"days": 0}),
        ("shift_dates", {"by": ""}),
        ("aggregate", {"size": 2}),
        ("aggregate", {"function": "max"}),
        ("redact", {"kinds": ["soul"]}),
        ("redact", {"words": []}),
        ("redact", {"words": "abc"}),
        ("local_suppress", {}),
        ("local_suppress", {"values": [1.5]}),
        ("shuffle", {"seed": 1}),
    ],
)
def test_parameters_that_mean_nothing_are_refused(method: str, parameters: dict) -> None:
    with pytest.raises(PlanError) as caught:
        ColumnRule("c", method, parameters)
    assert caught.value.text_zh != caught.value.text_en


@pytest.mark.parametrize("method", ["pseudonymize", "tokenize", "shuffle", "shift_dates", "perturb"])
def test_a_keyed_method_without_a_key_is_refused(method: str) -> None:
    rule = ColumnRule("c", method, {"spread": 1} if method == "perturb" else {})
    kind = {"shift_dates": pa.date32(), "perturb": pa.float64()}.get(method, pa.string())
    with pytest.raises(PlanError, match="no key"):
        prepare(rule, kind, None)


def test_every_new_rule_reads_back_and_reads_in_both_languages() -> None:
    rules = (
        ColumnRule("a", "mask", {"before": "@"}),
        ColumnRule("b", "generalize", {"ranges": [1, 2.5]}),
        ColumnRule("c", "generalize", {"hierarchy": {"x": "y"}}),
        ColumnRule("d", "generalize", {"region": "city"}),
        ColumnRule("e", "generalize", {"top": 90, "bottom": 10.0}),
        ColumnRule("f", "generalize", {"top": 90, "width": 5}),
        ColumnRule("g", "pseudonymize", {"algorithm": "hmac-sha256", "length": 64}, "group:chain"),
        ColumnRule("h", "tokenize", {"keep_first": 3}),
        ColumnRule("i", "perturb", {"spread": 2.5, "distribution": "laplace"}),
        ColumnRule("j", "shuffle"),
        ColumnRule("k", "shift_dates", {"by": "g"}),
        ColumnRule("l", "aggregate"),
        ColumnRule("m", "redact", {"kinds": ["email"], "words": ["华东"]}),
        ColumnRule("n", "local_suppress", {"values": ["A", 1, True]}),
        ColumnRule("o", "redact"),
    )
    plan = Plan(rules)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.digest() == plan.digest()
    for locale, mark in (("en", '"'), ("zh", "“")):
        sentences = plan.describe(locale)
        assert len(set(sentences)) == len(rules)
        assert all(sentence.startswith(mark) and "{" not in sentence for sentence in sentences)
