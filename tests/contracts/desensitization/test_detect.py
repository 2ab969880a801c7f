"""Detection finds what it should in a labelled set with hard negatives, and nothing personal in sensor data."""

import datetime as dt
import os
import random
import string
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

from contracts.desensitization.detect import Finding, detect
from contracts.desensitization.kinds import KINDS
from contracts.errors import PlanError

DATA = Path(os.environ.get("EXCHANGE_DATA", Path(__file__).parents[4] / "shared" / "data"))
ROWS = 400
RANDOM = random.Random(20260101)  # Test data, no secret.
CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def digits(count: int) -> str:
    return "".join(RANDOM.choice(string.digits) for _ in range(count))


def resident_id() -> str:
    day = dt.date(1950, 1, 1) + dt.timedelta(days=RANDOM.randrange(20_000))
    body = f"{RANDOM.choice(['110101', '310115', '440305', '990000'])}{day:%Y%m%d}{RANDOM.randrange(1000):03d}"
    product = 0
    for digit in body:
        product = (product + int(digit)) * 2 % 11
    return body + "10X98765432"[product]


def uscc() -> str:
    body = "91" + digits(6) + "".join(RANDOM.choice(CODE) for _ in range(9))
    return body + CODE[-sum(CODE.index(c) * pow(3, i, 31) for i, c in enumerate(body)) % 31]


def luhn(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def phone() -> str:
    return f"1{RANDOM.choice('3456789')}" + digits(9)


def vin() -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    text = [RANDOM.choice(letters) for _ in range(17)]
    total = sum(int(values.get(c, c)) * w for c, w in zip(text, weights, strict=True))
    text[8] = "0123456789X"[total % 11]
    return "".join(text)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in text)


def name() -> str:
    return RANDOM.choice("王李张刘陈杨赵黄周吴徐孙") + "".join(
        RANDOM.choice("伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂") for _ in range(RANDOM.choice((1, 2)))
    )


def column(make: Callable[[], object]) -> list[object]:
    return [make() for _ in range(ROWS)]


POSITIVE: list[tuple[str, str, list[object]]] = [
    ("resident_id", "col1", column(resident_id)),
    ("resident_id", "身份证号", column(lambda: resident_id().lower())),
    ("resident_id", "full", column(lambda: full_width(resident_id()))),
    ("resident_id", "spaced", column(lambda: " " + resident_id() + " ")),
    ("resident_id", "parted", column(lambda: (v := resident_id())[:6] + " " + v[6:14] + " " + v[14:])),
    ("resident_id", "mostly_empty", column(lambda: RANDOM.choice([None, "", "", resident_id()]))),
    ("resident_id", "remark", column(lambda: f"持证人 {resident_id()}，已核对。")),
    ("resident_id", "rare", [*column(lambda: "无异常，设备运行正常"), f"联系身份证{resident_id()} 备案"]),
    ("mobile_phone", "col2", column(phone)),
    ("mobile_phone", "tel", column(lambda: "+86 " + phone())),
    ("mobile_phone", "split", column(lambda: (v := phone())[:3] + "-" + v[3:7] + "-" + v[7:])),
    ("mobile_phone", "wide", column(lambda: full_width(phone()))),
    ("mobile_phone", "as_number", column(lambda: int(phone()))),
    ("mobile_phone", "as_float", column(lambda: RANDOM.choice([None, float(phone())]))),
    ("mobile_phone", "note", column(lambda: f"请致电{phone()}确认")),
    ("fixed_phone", "office_tel", column(lambda: f"0{RANDOM.choice(['10', '21', '755'])}-8{digits(7)}")),
    ("bank_card", "payee", column(lambda: luhn("622202" + digits(12)))),
    ("bank_card", "银行卡号", column(lambda: luhn("6217" + digits(11)))),
    ("uscc", "company", column(uscc)),
    ("uscc", "信用代码", column(lambda: RANDOM.choice([uscc(), "不详"]))),
    ("email", "who", column(lambda: f"user{digits(4)}@example.com")),
    ("email", "comment", column(lambda: f"write to a.b{digits(3)}@mail.example.cn please")),
    ("ip", "host", column(lambda: ".".join(str(RANDOM.randrange(256)) for _ in range(4)))),
    ("ip", "v6", column(lambda: ":".join(f"{RANDOM.randrange(65536):x}" for _ in range(8)))),
    ("mac", "nic", column(lambda: ":".join(f"{RANDOM.randrange(256):02x}" for _ in range(6)))),
    ("vin", "vehicle", column(vin)),
    ("plate", "car", column(lambda: "沪A" + "".join(RANDOM.choice("BCDEF12345") for _ in range(5)))),
    ("plate", "green", column(lambda: "粤B" + RANDOM.choice("DF") + digits(5))),
    ("gps", "where", column(lambda: f"{RANDOM.uniform(20, 40):.5f}, {RANDOM.uniform(100, 120):.5f}")),
    ("gps", "latitude", column(lambda: RANDOM.uniform(20, 40))),
    ("passport", "护照号", column(lambda: "E" + digits(8))),
    ("person_name", "col3", column(name)),
    ("person_name", "姓名", ["王伟", "李娜"] * 20),
    ("operator_name", "操作员", column(name)),
    ("operator_name", "operator_id", column(lambda: f"OP-{RANDOM.randrange(30):02d}")),
    ("supplier_name", "supplierName", column(lambda: f"第{RANDOM.randrange(40)}钢铁公司")),
    ("customer_name", "客户名称", column(lambda: f"客户{RANDOM.randrange(40)}")),
    ("unit_price", "unit_price", column(lambda: RANDOM.uniform(5, 500))),
    ("unit_price", "单价", column(lambda: Decimal(RANDOM.randrange(100, 9999)) / 100)),
    ("machine_serial", "machineSerial", column(lambda: f"CNC{digits(8)}")),
    ("machine_serial", "设备编号", column(lambda: f"EQ-{digits(5)}")),
]

NEGATIVE: list[tuple[str, list[object]]] = [
    ("order_no", column(lambda: "1" + RANDOM.choice("3456789") + digits(9))),
    ("订单号", column(lambda: int("13" + digits(9)))),
    ("counter", [13_800_000_000 + 3 * n for n in range(ROWS)]),
    ("epoch_ms", [1_700_000_000_000 + 250 * n for n in range(ROWS)]),
    ("epoch_us", [1_700_000_000_000_000 + 250 * n for n in range(ROWS)]),
    ("epoch_s", [1_700_000_000 + n for n in range(ROWS)]),
    ("sequence_no", [luhn(f"62220212345{n:07d}") for n in range(ROWS)]),
    ("trace", column(lambda: digits(16))),
    ("id18", column(lambda: digits(18))),
    ("hash", column(lambda: "".join(RANDOM.choice("0123456789abcdef") for _ in range(32)))),
    ("stamp", [f"2026-01-01 12:{n % 60:02d}:{n % 59:02d}" for n in range(ROWS)]),
    ("compact", [f"20260101{n:010d}" for n in range(ROWS)]),
    ("firmware", column(lambda: f"{RANDOM.randrange(250)}.{RANDOM.randrange(200)}.1.{RANDOM.randrange(9)}")),
    ("release", column(lambda: f"{RANDOM.randrange(9)}.{RANDOM.randrange(20)}.1.{RANDOM.randrange(99)}")),
    ("weekday", ["周一", "周二", "周三", "周四", "周五", "周六", "周日"] * 60),
    ("shift", ["白班", "夜班", "中班"] * 130),
    ("colour", ["黄色", "白色", "蓝色", "红色", "金色", "马赛克"] * 60),
    ("town", ["苏州", "常州", "温州", "江苏", "安徽", "云南", "高雄", "金华"] * 50),
    ("material", ["黄铜", "白铁", "金属", "石墨", "方钢", "毛坯", "管材"] * 50),
    ("alarm", ["高温", "高压", "低压", "过载", "温度高", "元件老化"] * 60),
    ("contact_pressure", column(lambda: RANDOM.gauss(5, 1))),
    ("temperature", column(lambda: RANDOM.gauss(60, 5))),
    ("latency", column(lambda: RANDOM.uniform(1, 90))),
    ("status", ["RUN", "IDLE", "STOP"] * 130),
    ("plc_tag", column(lambda: f"DB{RANDOM.randrange(99)}.DBD{RANDOM.randrange(999)}")),
    ("time_of_day", ["12:30:45", "08:00:01"] * 200),
    ("vin_like", column(lambda: "".join(RANDOM.choice("ABCDEFGH12345678") for _ in range(17)))),
    ("flag", [True, False] * 200),
    ("empty", [None] * ROWS),
    ("blank", [""] * ROWS),
    ("big", column(lambda: RANDOM.uniform(1e11, 2e11))),
    ("counts", column(lambda: RANDOM.randrange(100))),
]


@pytest.mark.parametrize(("kind", "label", "values"), POSITIVE, ids=lambda value: str(value)[:20])
def test_a_labelled_column_is_found_as_what_it_is(kind: str, label: str, values: list[object]) -> None:
    findings = detect(pa.table({label: values}))
    assert [finding.kind for finding in findings] == [kind]
    (finding,) = findings
    assert finding.column == label
    assert finding.category == KINDS[kind].category
    assert 0.5 <= finding.confidence <= 1
    assert 0 <= finding.matched <= finding.tested <= len(values)
    assert finding.reason_en
    assert finding.reason_zh


@pytest.mark.parametrize(("label", "values"), NEGATIVE, ids=[label for label, _ in NEGATIVE])
def test_a_column_that_only_resembles_an_identifier_is_left_alone(label: str, values: list[object]) -> None:
    assert detect(pa.table({label: values})) == ()


def test_no_finding_shows_a_value() -> None:
    table = pa.table({label: values[:50] for _, label, values in POSITIVE if len(values) >= 50})
    for finding in detect(table):
        shown = str(finding.to_json())
        assert not any(str(value) in shown for value in table[finding.column].to_pylist() if value)


@pytest.mark.parametrize(
    "path", sorted(DATA.glob("*/*.csv")) or [pytest.param(None, marks=pytest.mark.skip(reason=f"no data at {DATA}"))]
)
def test_no_personal_identifier_is_seen_in_real_sensor_data(path: Path) -> None:
    table = pyarrow.csv.read_csv(path)
    assert [finding for finding in detect(table) if KINDS[finding.kind].personal] == []
    as_text = pa.table({column: table[column].cast(pa.string()) for column in table.column_names})
    assert [finding for finding in detect(as_text) if KINDS[finding.kind].personal] == []


def test_batches_tables_and_every_encoding_of_text_give_the_same_findings() -> None:
    table = pa.table({"a": column(phone), "b": column(resident_id), "c": column(RANDOM.random)})
    expected = detect(table)
    assert [finding.kind for finding in expected] == ["mobile_phone", "resident_id"]
    assert detect(iter(table.to_batches(max_chunksize=37))) == expected
    assert detect(table.to_batches()[0]) == expected
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        other = table.cast(pa.schema([("a", kind), ("b", kind), ("c", pa.float64())]))
        assert detect(other) == expected


def test_lists_and_structs_are_looked_into() -> None:
    people = [{"who": name(), "tel": phone()} for _ in range(100)]
    table = pa.table({"contacts": [[person["tel"]] for person in people], "person": people})
    assert {(finding.column, finding.kind) for finding in detect(table)} == {
        ("contacts", "mobile_phone"),
        ("person", "person_name"),
        ("person", "mobile_phone"),
    }


def test_a_table_without_rows_or_columns_has_no_findings() -> None:
    assert detect([]) == ()
    assert detect(pa.table({})) == ()
    assert detect(pa.table({"phone": pa.array([], pa.string())})) == ()
    assert detect(pa.table({"odd": pa.array([None], pa.month_day_nano_interval())})) == ()


def test_a_sample_is_spread_over_a_table_and_stops_an_iterable() -> None:
    values = [str(n) for n in range(9_000)] + [phone() for _ in range(21_000)]
    findings = detect(pa.table({"x": values}), sample_rows=3_000)
    assert [finding.kind for finding in findings] == ["mobile_phone"]
    assert findings[0].tested == 3_000
    read: list[int] = []

    def batches() -> object:
        for number in range(100):
            read.append(number)
            yield pa.RecordBatch.from_pydict({"x": values[:1_000]})

    detect(batches(), sample_rows=2_500)
    assert read == [0, 1, 2]


def test_a_price_comes_with_a_width_that_fits_it() -> None:
    for low, high, width in ((10, 20, 1), (1_000, 9_000, 1_000), (0.01, 0.02, 0.001), (5, 5, 0.5)):
        values = [low + (high - low) * n / 999 for n in range(1_000)]
        (finding,) = detect(pa.table({"unit_price": values}))
        assert finding.width == width
    (finding,) = detect(pa.table({"price": pa.array([3, 4, 5])}))
    assert finding.width == 1


def test_a_very_long_cell_is_looked_at_only_so_far() -> None:
    values = [f"持证人 {resident_id()} " + "x" * 5_000_000, *(["无"] * 50)]
    assert [finding.kind for finding in detect(pa.table({"note": values}))] == ["resident_id"]
    assert detect(pa.table({"note": ["x" * 5_000_000 + f" {resident_id()}"]})) == ()


def test_findings_read_back_from_json_and_strange_ones_are_refused() -> None:
    table = pa.table({"tel": column(phone), "price": column(lambda: RANDOM.uniform(1, 9))})
    for finding in detect(table):
        assert Finding.from_json(finding.to_json()) == finding
    good = detect(table)[0].to_json()
    for wrong in ({}, good | {"extra": 1}, good | {"kind": "soul"}, good | {"category": "sensitive"}):
        with pytest.raises(PlanError):
            Finding.from_json(wrong)


def test_hostile_values_are_only_values() -> None:
    values = ["(" * 5_000, "\\d+", "a" * 100_000, "\x00", "%s%n", "=cmd|' /C calc'!A0", "🙂" * 50, "１" * 1_000] * 10
    started = time.monotonic()
    assert detect(pa.table({"x": values, "phone": values, "身份证": values})) == ()
    assert time.monotonic() - started < 20
