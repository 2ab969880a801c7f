"""Every method does to each value what its definition says, for every type it takes, and refuses the others."""

import datetime as dt
import math
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.desensitization.keys import Keys
from contracts.desensitization.methods import prepare
from contracts.desensitization.plan import ColumnRule
from contracts.errors import PlanError

KEYS = Keys(bytes(range(32)), "agreement-1")
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def run(array: pa.Array, method: str, **parameters: object) -> pa.Array:
    prepared = prepare(ColumnRule("c", method, parameters), array.type, KEYS)
    assert prepared is not None
    out = prepared.transform(array)
    out.validate(full=True)
    assert out.type == prepared.type
    assert len(out) == len(array)
    return out


def masked(value: str, first: int, last: int, char: str) -> str:
    if len(value) <= first + last:
        return char * len(value)
    return value[:first] + char * (len(value) - first - last) + value[len(value) - last :]


@settings(deadline=None, max_examples=150)
@given(
    values=st.lists(st.one_of(st.none(), TEXT, st.text("0123456789", min_size=11, max_size=11))),
    first=st.integers(0, 5),
    last=st.integers(0, 5),
    char=st.sampled_from("*#＊"),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
    cut=st.integers(0, 2),
)
def test_mask_replaces_characters_and_never_shows_a_short_value_whole(
    *, values: list[str | None], first: int, last: int, char: str, kind: pa.DataType, cut: int
) -> None:
    out = run(pa.array(values, kind)[cut:], "mask", keep_first=first, keep_last=last, char=char)
    assert out.to_pylist() == [None if v is None else masked(v, first, last, char) for v in values[cut:]]


@pytest.mark.parametrize("rows", [1, 10, 50_000])
def test_mask_of_phone_numbers_of_one_length(rows: int) -> None:
    phones = pa.array([f"138{n:08d}" for n in range(rows)])
    assert run(phones, "mask", keep_first=3, keep_last=4).to_pylist() == [
        f"138****{n:08d}"[:7] + f"{n:08d}"[-4:] for n in range(rows)
    ]


def test_mask_takes_whole_numbers_by_their_digits() -> None:
    out = run(pa.array([13812345678, None, 7], pa.int64()), "mask", keep_first=3, keep_last=4)
    assert out.to_pylist() == ["138****5678", None, "*"]


@given(st.lists(st.one_of(st.none(), TEXT)), st.integers(0, 6))
def test_a_prefix_keeps_the_first_characters(values: list[str | None], size: int) -> None:
    out = run(pa.array(values, pa.string()), "generalize", prefix=size)
    assert out.to_pylist() == [None if v is None else v[:size] for v in values]


@settings(deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    width=st.integers(1, 10**15),
)
def test_integers_fall_to_the_lower_end_of_their_bin(values: list[int | None], width: int) -> None:
    out = run(pa.array(values, pa.int64()), "generalize", width=width).to_pylist()
    lowest = -(2**63 // width) * width
    assert out == [None if v is None else max(v // width * width, lowest) for v in values]


@settings(deadline=None)
@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1)),
    digits=st.integers(-15, 3),
)
def test_integers_round_half_to_even(values: list[int], digits: int) -> None:
    out = run(pa.array(values, pa.int64()), "round", digits=digits).to_pylist()
    for value, rounded in zip(values, out, strict=True):
        exact = round(value, digits)
        if -(2**63) // 10**15 * 10**15 + 10**16 < exact < 2**63 - 10**16:
            assert rounded == exact
        assert abs(rounded - value) <= 10 ** max(0, -digits)


def test_unsigned_and_narrow_integers_keep_their_values() -> None:
    for kind in (pa.uint64(), pa.uint8(), pa.int8(), pa.int16(), pa.uint32()):
        assert run(pa.array([127, 5, None], kind), "generalize", width=50).to_pylist() == [100, 0, None]
        assert run(pa.array([127, 5, 15, None], kind), "round", digits=-1).to_pylist() == [130, 0, 20, None]
    assert run(pa.array([2**64 - 1], pa.uint64()), "generalize", width=10**6).to_pylist() == [
        (2**64 - 1) // 10**6 * 10**6
    ]


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [
        (0.3, 0.1, 0.3),
        (0.29, 0.1, 0.2),
        (-0.05, 0.1, -0.1),
        (99.999, 50, 50.0),
        (7.0, "0.25", 7.0),
        (0.0, 5, 0.0),
        (-0.0, 5, 0.0),
    ],
)
def test_floats_fall_to_a_clean_decimal_lower_end(value: float, width: object, expected: float) -> None:
    out = run(pa.array([value]), "generalize", width=width)[0].as_py()
    assert repr(out) == repr(expected)


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False)), st.sampled_from([0.1, 0.25, 1, 3, 50, "0.001", 1e-6]))
def test_a_float_never_leaves_its_bin_by_more_than_the_tolerance(values: list[float], width: object) -> None:
    out = run(pa.array(values, pa.float64()), "generalize", width=width).to_pylist()
    step = Fraction(Decimal(str(width)))
    for value, low in zip(values, out, strict=True):
        slack = step / 10**6 + abs(Fraction(value)) / 10**15
        assert Fraction(low) <= Fraction(value) + slack
        assert Fraction(value) < Fraction(low) + step + slack


@settings(deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9)), st.integers(0, 4))
def test_floats_of_few_decimals_round_half_to_even(units: list[int], digits: int) -> None:
    decimals = [Decimal(unit) / 10**5 for unit in units]
    out = run(pa.array([float(d) for d in decimals], pa.float64()), "round", digits=digits).to_pylist()
    for value, rounded in zip(decimals, out, strict=True):
        exact = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
        # A tie is decided on the double, so beside one the neighbour is right as well.
        assert abs(Decimal(repr(rounded)) - exact) in (0, Decimal(1).scaleb(-digits))
        assert abs(Decimal(repr(rounded)) - value) <= Decimal(1).scaleb(-digits) / 2 + Decimal("1e-12")


def test_exact_ties_round_to_even_and_a_negative_zero_does_not_show() -> None:
    out = run(pa.array([0.125, 2.5, 3.5, -2.5, -0.4, 1234.5]), "round", digits=0).to_pylist()
    assert [repr(v) for v in out] == ["0.0", "2.0", "4.0", "-2.0", "0.0", "1234.0"]
    assert run(pa.array([0.125]), "round", digits=2).to_pylist() == [0.12]
    assert run(pa.array([250.0, 350.0]), "round", digits=-2).to_pylist() == [200.0, 400.0]


def test_nan_and_infinities_and_nulls_pass_through_numbers() -> None:
    values = pa.array([math.nan, math.inf, -math.inf, None, 1e300])
    for out in (run(values, "round", digits=2), run(values, "generalize", width=5)):
        assert math.isnan(out[0].as_py())
        assert out.to_pylist()[1:] == [math.inf, -math.inf, None, 1e300]


def test_short_floats_keep_their_type() -> None:
    for kind in (pa.float32(), pa.float16()):
        out = run(pa.array([1.25, None], pa.float32()).cast(kind), "round", digits=1)
        assert out.type == kind
        assert out[0].as_py() == pytest.approx(1.2, abs=1e-3)


DECIMALS = st.decimals(-999999, 999999, allow_nan=False, places=3)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), DECIMALS)), st.sampled_from(["0.5", "0.001", "25", "1000"]))
def test_decimals_fall_to_the_lower_end_exactly(values: list[Decimal | None], width: str) -> None:
    out = run(pa.array(values, pa.decimal128(9, 3)), "generalize", width=width).to_pylist()
    step = Decimal(width)
    expected = [None if v is None else (v / step).to_integral_value(ROUND_FLOOR) * step for v in values]
    assert out == expected


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), DECIMALS)), st.integers(-12, 5))
def test_decimals_round_half_to_even_without_overflow(values: list[Decimal | None], digits: int) -> None:
    out = run(pa.array(values, pa.decimal128(9, 3)), "round", digits=digits).to_pylist()
    unit = Decimal(1).scaleb(-digits)
    expected = [None if v is None else (v / unit).to_integral_value(ROUND_HALF_EVEN) * unit for v in values]
    assert out == expected


def test_a_decimal_of_full_precision_still_rounds_up() -> None:
    value = Decimal("9" * 35 + ".999")
    assert run(pa.array([value], pa.decimal128(38, 3)), "round", digits=0).to_pylist() == [Decimal(10) ** 35]


FLOORS = {
    "year": lambda t: t.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0),
    "quarter": lambda t: t.replace(month=(t.month - 1) // 3 * 3 + 1, day=1, hour=0, minute=0, second=0, microsecond=0),
    "month": lambda t: t.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
    "week": lambda t: t.replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=t.weekday()),
    "day": lambda t: t.replace(hour=0, minute=0, second=0, microsecond=0),
    "hour": lambda t: t.replace(minute=0, second=0, microsecond=0),
    "minute": lambda t: t.replace(second=0, microsecond=0),
}
MOMENTS = st.datetimes(dt.datetime.fromisoformat("1950-01-01"), dt.datetime.fromisoformat("2100-01-01"))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), MOMENTS)), st.sampled_from(sorted(FLOORS)))
def test_times_without_a_zone_fall_to_the_start_of_their_unit(values: list[dt.datetime | None], unit: str) -> None:
    expected = [None if v is None else FLOORS[unit](v) for v in values]
    assert run(pa.array(values, pa.timestamp("us")), "generalize", unit=unit).to_pylist() == expected
    for zone in ("UTC", "Z", "+00:00"):
        zoned = pa.array(values, pa.timestamp("us")).view(pa.timestamp("us", zone))
        out = run(zoned, "generalize", unit=unit)
        assert out.type.tz == zone
        assert out.view(pa.timestamp("us")).to_pylist() == expected


@settings(deadline=None)
@given(st.lists(MOMENTS), st.sampled_from(sorted(FLOORS)), st.sampled_from(["Asia/Shanghai", "+08:00"]))
def test_times_with_a_zone_fall_by_their_own_wall_clock(values: list[dt.datetime], unit: str, zone: str) -> None:
    utc = [v.replace(year=max(v.year, 1992), tzinfo=dt.UTC) for v in values if (v.month, v.day) != (2, 29)]
    out = run(pa.array(utc, pa.timestamp("us", zone)), "generalize", unit=unit)
    shanghai = dt.timezone(dt.timedelta(hours=8))
    expected = [FLOORS[unit](v.astimezone(shanghai)) for v in utc]
    assert [v.astimezone(dt.UTC) for v in out.cast(pa.timestamp("us", "UTC")).to_pylist()] == expected


def test_the_hour_that_daylight_saving_repeats_takes_its_first_instant() -> None:
    zone = ZoneInfo("America/New_York")
    twice = [
        dt.datetime(2026, 11, 1, 1, 30, tzinfo=zone, fold=0),
        dt.datetime(2026, 11, 1, 1, 30, tzinfo=zone, fold=1),
    ]
    out = run(pa.array(twice, pa.timestamp("us", "America/New_York")), "generalize", unit="hour")
    first = dt.datetime(2026, 11, 1, 5, 0, tzinfo=dt.UTC)
    assert [v.as_py().astimezone(dt.UTC) for v in out] == [first, first]


def test_dates_and_times_of_day() -> None:
    day = dt.date(2026, 5, 17)
    for kind in (pa.date32(), pa.date64()):
        out = run(pa.array([day, None], kind), "generalize", unit="month")
        assert out.type == kind
        assert out.to_pylist() == [dt.date(2026, 5, 1), None]
    out = run(pa.array([dt.time(13, 45, 59), None]), "generalize", unit="hour")
    assert out.to_pylist() == [dt.time(13), None]


def test_an_unknown_zone_is_refused_with_the_mend() -> None:
    with pytest.raises(PlanError, match="tzdata"):
        prepare(ColumnRule("c", "generalize", {"unit": "day"}), pa.timestamp("us", "Nowhere/Land"), KEYS)


def pseudonym(column: str, value: str, agreement: str = "agreement-1", length: int = 32) -> str:
    mac = CMAC(AES(Keys(bytes(range(32)), agreement).column("pseudonymize", column)))
    mac.update(value.encode())
    return mac.finalize().hex()[:length]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), TEXT)), st.sampled_from([16, 24, 32]), st.integers(0, 2))
def test_pseudonyms_are_the_cmac_under_the_column_s_own_key(values: list[str | None], length: int, cut: int) -> None:
    out = run(pa.array(values, pa.string())[cut:], "pseudonymize", length=length)
    expected = [None if v is None else pseudonym("c", v, length=length) for v in values[cut:]]
    assert out.to_pylist() == expected


def test_few_distinct_values_give_the_same_pseudonyms_as_many() -> None:
    few = [f"supplier {n % 7}" if n % 11 else None for n in range(20_000)]
    expected = [None if v is None else pseudonym("c", v) for v in few]
    assert run(pa.array(few), "pseudonymize").to_pylist() == expected
    assert run(pa.array(few).dictionary_encode(), "pseudonymize").to_pylist() == expected


def test_numbers_dates_and_bytes_are_pseudonymised_by_their_text() -> None:
    assert run(pa.array([42, None]), "pseudonymize").to_pylist() == [pseudonym("c", "42"), None]
    assert run(pa.array([Decimal("1.50")]), "pseudonymize").to_pylist() == [pseudonym("c", "1.50")]
    day = pa.array([dt.date(2026, 1, 2)])
    assert run(day, "pseudonymize").to_pylist() == [pseudonym("c", "2026-01-02")]
    assert run(pa.array([b"abc"]), "pseudonymize").to_pylist() == [pseudonym("c", "abc")]


def test_another_column_agreement_or_secret_gives_unrelated_pseudonyms() -> None:
    value = pa.array(["SN-1"])

    def of(column: str, keys: Keys) -> str:
        prepared = prepare(ColumnRule(column, "pseudonymize"), pa.string(), keys)
        assert prepared is not None
        return prepared.transform(value)[0].as_py()

    tokens = {
        of("a", Keys(bytes(32), "1")),
        of("b", Keys(bytes(32), "1")),
        of("a", Keys(bytes(32), "2")),
        of("a", Keys(bytes([1]) * 32, "1")),
        of("aa", Keys(bytes(32), "1")),
    }
    assert len(tokens) == 5


def test_keys_are_long_named_and_never_printed() -> None:
    with pytest.raises(PlanError, match="32 bytes"):
        Keys(b"short", "agreement")
    with pytest.raises(PlanError):
        Keys(bytes(32), "")
    assert "7f7f" not in repr(Keys(b"\x7f" * 32, "a")).replace("\\x7f", "7f")
    with pytest.raises(PlanError, match="no key"):
        prepare(ColumnRule("c", "pseudonymize"), pa.string(), None)


REFUSED = [
    ("mask", {}, pa.float64()),
    ("mask", {}, pa.timestamp("us")),
    ("mask", {}, pa.bool_()),
    ("mask", {}, pa.list_(pa.string())),
    ("generalize", {"width": 5}, pa.string()),
    ("generalize", {"width": 0.5}, pa.int64()),
    ("generalize", {"width": "0.0001"}, pa.decimal128(9, 3)),
    ("generalize", {"unit": "day"}, pa.string()),
    ("generalize", {"unit": "day"}, pa.int64()),
    ("generalize", {"unit": "hour"}, pa.date32()),
    ("generalize", {"unit": "day"}, pa.time64("us")),
    ("generalize", {"prefix": 2}, pa.float64()),
    ("round", {"digits": 1}, pa.string()),
    ("round", {"digits": 1}, pa.bool_()),
    ("pseudonymize", {}, pa.float64()),
    ("pseudonymize", {}, pa.bool_()),
    ("pseudonymize", {}, pa.timestamp("us")),
    ("pseudonymize", {}, pa.struct([("a", pa.string())])),
]


@pytest.mark.parametrize(("method", "parameters", "kind"), REFUSED, ids=str)
def test_a_method_that_does_not_fit_a_type_is_refused_by_name(method: str, parameters: dict, kind: pa.DataType) -> None:
    with pytest.raises(PlanError, match="temperature") as caught:
        prepare(ColumnRule("temperature", method, parameters), kind, KEYS)
    assert "temperature" in caught.value.text_zh


KEPT = [
    pa.array([1, None], pa.int8()),
    pa.array([True, None]),
    pa.array([{"a": "x", "b": [1]}, None]),
    pa.array([["x", None], None]),
    pa.array([b"\x00", None]),
    pa.array([dt.timedelta(seconds=3), None]),
    pa.array([None, None]),
    pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
]


@pytest.mark.parametrize("array", KEPT, ids=lambda array: str(array.type))
def test_any_type_can_be_kept(array: pa.Array) -> None:
    assert run(array, "keep").equals(array)


def test_encodings_are_taken_off_so_that_no_unused_dictionary_value_leaves() -> None:
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, None, 0]), pa.array(["kept", "canary"]))
    for array in (encoded, encoded.cast(pa.string()).cast(pa.string_view())):
        out = run(array, "keep")
        assert out.type == pa.string()
        assert out.to_pylist() == ["kept", None, "kept"]
    nested = pa.array([["a"], None], pa.list_(pa.dictionary(pa.int32(), pa.string())))
    assert run(nested, "keep").type == pa.list_(pa.string())
    ends = pc.run_end_encode(pa.array(["a", "a", None]))
    assert run(ends, "keep").to_pylist() == ["a", "a", None]
    assert run(ends, "mask").to_pylist() == ["*", "*", None]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("mask", {}),
        ("generalize", {"prefix": 2}),
        ("pseudonymize", {}),
    ],
)
def test_columns_without_rows_or_without_values_work(method: str, parameters: dict) -> None:
    for values in ([], [None, None], [""], ["", None]):
        out = run(pa.array(values, pa.string()), method, **parameters)
        assert [v is None for v in out.to_pylist()] == [v is None for v in values]
    assert run(pa.nulls(3), method, **parameters).to_pylist() == [None] * 3
