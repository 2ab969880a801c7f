"""What leaves is exactly what the plan says: complete, the same every time, in order, and nothing besides."""

import base64
import datetime as dt
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.desensitization import engine
from contracts.desensitization.engine import (
    apply,
    combined_digest,
    compile_plan,
    open_parquet,
    preview,
    run,
)
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import ColumnRule, Plan, RowFilter
from contracts.errors import PlanError, SealingError
from contracts.sealing import OpenReader, SealWriter

KEYS = Keys(bytes(range(32)), "agreement-1")


def machine_table(rows: int) -> pa.Table:
    return pa.table(
        {
            "time": pa.array(
                [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=n) for n in range(rows)],
                pa.timestamp("us", "UTC"),
            ),
            "operator": [f"CANARY-OP-{n % 50:03d}" for n in range(rows)],
            "phone": [f"138{n:08d}" if n % 10 else None for n in range(rows)],
            "identity": [f"CANARY-ID-{n:012d}" for n in range(rows)],
            "serial": pa.array([f"CANARY-SN-{n % 9}" for n in range(rows)]).dictionary_encode(),
            "price": [1234.5678 + n for n in range(rows)],
            "plant": ["CANARY-PLANT-X" if n % 4 == 0 else f"P{n % 4}" for n in range(rows)],
        }
    ).replace_schema_metadata({"pandas": "CANARY-METADATA", "owner": "CANARY-METADATA"})


PLAN = Plan(
    (
        ColumnRule("time", "generalize", {"unit": "minute"}),
        ColumnRule("operator", "pseudonymize"),
        ColumnRule("phone", "mask", {"keep_first": 3, "keep_last": 4}),
        ColumnRule("identity", "suppress"),
        ColumnRule("serial", "pseudonymize"),
        ColumnRule("price", "generalize", {"width": 100}),
        ColumnRule("plant", "keep"),
    ),
    (RowFilter("plant", "neq", "CANARY-PLANT-X"),),
)


@pytest.fixture
def source(tmp_path: Path) -> Callable[[], pq.ParquetFile]:
    path = tmp_path / "source.parquet"
    pq.write_table(machine_table(10_000), path, row_group_size=1_700)
    return lambda: open_parquet(path)


def digests(source: Callable[[], pq.ParquetFile], threads: int, keys: Keys = KEYS) -> list[str]:
    return [part.sha256 for part in run(source, PLAN, keys, threads=threads)]


def test_one_part_a_row_group_in_order_with_every_row_that_stays(source: Callable) -> None:
    parts = list(run(source, PLAN, KEYS, threads=2))
    assert [part.index for part in parts] == list(range(6))
    assert sum(part.rows for part in parts) == 7_500
    table = pa.concat_tables(pq.read_table(pa.BufferReader(part.data)) for part in parts)
    expected = machine_table(10_000).filter(pa.array([n % 4 != 0 for n in range(10_000)]))
    assert table.column_names == ["time", "operator", "phone", "serial", "price", "plant"]
    assert table["plant"].to_pylist() == expected["plant"].to_pylist()
    assert table["price"].to_pylist() == [v // 100 * 100 for v in expected["price"].to_pylist()]
    for before, after in zip(expected["phone"].to_pylist(), table["phone"].to_pylist(), strict=True):
        assert after == (None if before is None else before[:3] + "****" + before[-4:])
    for part in parts:
        assert part.sha256 == hashlib.sha256(part.data).hexdigest()
        assert part.rows == pq.ParquetFile(pa.BufferReader(part.data)).metadata.num_rows


def test_the_bytes_do_not_depend_on_threads_or_on_the_run(source: Callable) -> None:
    first = digests(source, 1)
    assert digests(source, 2) == first
    assert digests(source, 7) == first
    assert combined_digest(first).startswith("sha256:")
    assert combined_digest(first) != combined_digest(reversed(first))
    assert digests(source, 2, Keys(bytes(range(32)), "agreement-2")) != first


def test_another_process_gives_the_same_bytes(source: Callable, tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from contracts.desensitization.engine import open_parquet, run\n"
        "from contracts.desensitization.keys import Keys\n"
        "from contracts.desensitization.plan import Plan\n"
        "plan = Plan.from_json(json.loads(sys.argv[2]))\n"
        "keys = Keys(bytes(range(32)), 'agreement-1')\n"
        "parts = run(lambda: open_parquet(sys.argv[1]), plan, keys, threads=3)\n"
        "print('\\n'.join(part.sha256 for part in parts))\n"
    )
    import json

    path, document = str(tmp_path / "source.parquet"), json.dumps(PLAN.to_json())
    root = str(Path(engine.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", script, path, document], capture_output=True, env=environment, check=True
    )
    assert done.stdout.decode().split() == digests(source, 1)


def test_nothing_that_was_taken_out_is_in_the_delivered_bytes(source: Callable) -> None:
    """Compression is taken off as well: every part is rewritten uncompressed by its raw pages and searched."""
    for part in run(source, PLAN, KEYS, threads=2):
        data = part.data.to_pybytes()
        assert b"CANARY" not in data
        assert b"identity" not in data
        file = pq.ParquetFile(pa.BufferReader(part.data))
        assert set(file.schema_arrow.metadata or {}) == set()
        assert set(file.metadata.metadata or {}) <= {b"ARROW:schema"}
        arrow_schema = base64.b64decode((file.metadata.metadata or {}).get(b"ARROW:schema", b""))
        assert b"plant" in arrow_schema
        assert b"CANARY" not in arrow_schema
        assert b"identity" not in arrow_schema
        plain = io.BytesIO()
        pq.write_table(file.read(), plain, compression="none", use_dictionary=False)
        assert b"CANARY" not in plain.getvalue()
        for group in range(file.metadata.num_row_groups):
            for column in range(file.metadata.num_columns):
                statistics = file.metadata.row_group(group).column(column).statistics
                shown = f"{statistics.min} {statistics.max}" if statistics and statistics.has_min_max else ""
                assert "CANARY" not in shown


def test_uncompressed_parts_hold_no_canary_in_any_page(source: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = pq.ParquetWriter

    def uncompressed(sink: object, schema: pa.Schema, **options: object) -> pq.ParquetWriter:
        return writer(sink, schema, **{**options, "compression": "none"})

    monkeypatch.setattr(engine.pq, "ParquetWriter", uncompressed)
    parts = [part.data.to_pybytes() for part in run(source, PLAN, KEYS, threads=1)]
    assert any(b"138****" in data for data in parts)
    for data in parts:
        assert b"CANARY" not in data
        assert b"identity" not in data


def rules(schema: pa.Schema, **methods: ColumnRule) -> Plan:
    return Plan(tuple(methods.get(name, ColumnRule(name, "keep")) for name in schema.names))


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (Plan((ColumnRule("a", "keep"),)), "'b'"),
        (Plan((ColumnRule("a", "keep"), ColumnRule("b", "keep"), ColumnRule("ghost", "keep"))), "'ghost'"),
        (
            Plan((ColumnRule("a", "keep"), ColumnRule("b", "keep")), (RowFilter("ghost", "eq", 1),)),
            "'ghost'",
        ),
        (Plan((ColumnRule("a", "suppress"), ColumnRule("b", "suppress"))), "nothing to deliver"),
        (Plan((ColumnRule("a", "keep"), ColumnRule("b", "mask"))), "'b'"),
        (Plan((ColumnRule("a", "keep"), ColumnRule("b", "keep")), (RowFilter("b", "eq", "x"),)), "'b'"),
        (Plan((ColumnRule("a", "keep"), ColumnRule("b", "keep")), (RowFilter("b", "eq", True),)), "'b'"),
    ],
)
def test_a_plan_that_does_not_fit_the_table_exactly_is_refused_by_name(plan: Plan, named: str) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.float64())])
    with pytest.raises(PlanError, match=named):
        compile_plan(plan, schema, KEYS)


def test_a_table_with_a_repeated_column_is_refused() -> None:
    schema = pa.schema([("a", pa.string()), ("a", pa.string())])
    with pytest.raises(PlanError, match="more than one"):
        compile_plan(Plan((ColumnRule("a", "keep"),)), schema, KEYS)


@pytest.mark.parametrize(
    "kind", [pa.month_day_nano_interval(), pa.dense_union([pa.field("x", pa.int8())]), pa.struct([])]
)
def test_a_type_that_parquet_cannot_hold_is_refused_when_kept_and_fine_when_suppressed(
    kind: pa.DataType,
) -> None:
    schema = pa.schema([("a", pa.string()), ("odd", kind)])
    with pytest.raises(PlanError, match="odd"):
        compile_plan(rules(schema), schema, KEYS)
    compiled = compile_plan(rules(schema, odd=ColumnRule("odd", "suppress")), schema, KEYS)
    assert compiled.schema.names == ["a"]


def test_the_kernel_refuses_a_batch_of_another_shape() -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.float64()), ("c", pa.string())])
    compiled = compile_plan(rules(schema, c=ColumnRule("c", "suppress")), schema, KEYS)
    assert compiled.needed == ("a", "b")
    whole = pa.RecordBatch.from_pydict({"b": [1.0], "a": ["x"], "c": ["y"]}, schema=None)
    assert apply(whole, compiled).to_pylist() == [{"a": "x", "b": 1.0}]
    for wrong in ({"a": ["x"]}, {"a": ["x"], "b": [1]}, {"a": ["x"], "b": [1.0], "d": [1]}):
        with pytest.raises(PlanError):
            apply(pa.RecordBatch.from_pydict(wrong), compiled)


def test_a_compiled_plan_prints_no_key() -> None:
    schema = pa.schema([("a", pa.string())])
    keys = Keys(b"SECRETSECRETSECRETSECRETSECRET32", "agreement")
    compiled = compile_plan(rules(schema, a=ColumnRule("a", "pseudonymize")), schema, keys)
    assert "SECRET" not in repr(compiled)
    assert keys.column("pseudonymize", "a").hex() not in repr(compiled)


def test_an_error_while_processing_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = pa.schema([("a", pa.string())])
    compiled = compile_plan(rules(schema, a=ColumnRule("a", "generalize", {"prefix": 2})), schema, KEYS)

    def fail(*_args: object) -> None:
        raise pa.ArrowInvalid("could not parse 'CANARY'")

    monkeypatch.setattr("contracts.desensitization.methods.pc.utf8_slice_codeunits", fail)
    with pytest.raises(PlanError) as caught:
        apply(pa.RecordBatch.from_pydict({"a": ["CANARY"]}), compiled)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


FILTERS = [
    (pa.array([1, 2, None, 4]), "gt", 1, [2, 4]),
    (pa.array([1, 2, None, 4]), "neq", 2, [1, 4]),
    (pa.array([1, 2, None, 4]), "isAnyOf", [1, 4, 9], [1, 4]),
    (pa.array([1, 2, None, 4]), "isNoneOf", [1], [2, 4]),
    (pa.array(["a", None, "c"]), "lteq", "b", ["a"]),
    (pa.array(["a", None, "c"]).dictionary_encode(), "eq", "c", ["c"]),
    (pa.array([True, False, None]), "eq", True, [True]),
    (pa.array([0.5, 1.5]), "lt", 1, [0.5]),
    (pa.array([Decimal("1.10"), Decimal("2.00")]), "gteq", "1.5", [Decimal("2.00")]),
    (pa.array([dt.date(2026, 1, 1), dt.date(2026, 2, 1)]), "gt", "2026-01-15", [dt.date(2026, 2, 1)]),
    (
        pa.array([dt.datetime(2026, 1, 1, 8, tzinfo=dt.UTC)], pa.timestamp("ns", "Asia/Shanghai")),
        "eq",
        "2026-01-01T16:00:00+08:00",
        [dt.datetime(2026, 1, 1, 8, tzinfo=dt.UTC)],
    ),
    (pa.array([dt.time(8), dt.time(20)]), "lt", "12:00", [dt.time(8)]),
    (pa.array([1, 2]), "gt", 99, []),
]


@pytest.mark.parametrize(("array", "operator", "value", "expected"), FILTERS)
def test_row_filters_compare_in_the_column_s_own_type(
    array: pa.Array, operator: str, value: object, expected: list
) -> None:
    batch = pa.RecordBatch.from_arrays([array], ["c"])
    plan = Plan((ColumnRule("c", "keep"),), (RowFilter("c", operator, value),))
    assert apply(batch, compile_plan(plan, batch.schema, KEYS)).column(0).to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.timestamp("us", "UTC"), "2026-01-01T00:00:00"),
        (pa.timestamp("us"), "2026-01-01T00:00:00Z"),
        (pa.timestamp("us"), 5),
        (pa.int64(), "five"),
        (pa.int8(), 1000),
        (pa.string(), 5),
        (pa.bool_(), 1),
        (pa.int64(), True),
        (pa.list_(pa.int64()), 1),
        (pa.decimal128(5, 2), "x"),
    ],
)
def test_a_filter_value_of_another_type_is_refused(kind: pa.DataType, value: object) -> None:
    schema = pa.schema([("c", kind)])
    for operator, operand in (("eq", value), ("isAnyOf", [value])):
        with pytest.raises(PlanError, match="'c'"):
            compile_plan(Plan((ColumnRule("c", "keep"),), (RowFilter("c", operator, operand),)), schema, KEYS)


def test_a_filter_on_a_suppressed_column_works_and_the_column_stays_away() -> None:
    table = pa.table({"plant": ["A", "B"], "value": [1, 2]})
    plan = Plan((ColumnRule("plant", "suppress"), ColumnRule("value", "keep")), (RowFilter("plant", "eq", "B"),))
    out = apply(table.to_batches()[0], compile_plan(plan, table.schema, KEYS))
    assert out.to_pydict() == {"value": [2]}


def test_a_source_without_rows_or_row_groups_gives_one_part_with_the_columns() -> None:
    table = machine_table(1).slice(0, 0)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema):
        pass
    for data in (sink.getvalue(), _bytes(table)):
        parts = list(run(lambda data=data: open_parquet(pa.BufferReader(data)), PLAN, KEYS, threads=2))
        assert [(part.index, part.rows) for part in parts] == [(0, 0)]
        assert pq.read_schema(pa.BufferReader(parts[0].data)).names[0] == "time"


def _bytes(table: pa.Table, **options: object) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_several_files_are_delivered_one_after_the_other() -> None:
    whole = machine_table(600)
    data = [_bytes(whole.slice(start, 200), row_group_size=100) for start in (0, 200, 400)]
    sources = [lambda d=d: open_parquet(pa.BufferReader(d)) for d in data]
    parts = list(run(sources, PLAN, KEYS, threads=2))
    single = _bytes(whole, row_group_size=100)
    expected = list(run(lambda: open_parquet(pa.BufferReader(single)), PLAN, KEYS, threads=1))
    assert [part.sha256 for part in parts] == [part.sha256 for part in expected]
    other = _bytes(pa.table({"a": [1]}))
    with pytest.raises(PlanError, match="different columns"):
        list(run([*sources, lambda: open_parquet(pa.BufferReader(other))], PLAN, KEYS, threads=1))
    with pytest.raises(PlanError, match="no file"):
        list(run([], PLAN, KEYS, threads=1))


def test_columns_whose_names_hold_dots_or_look_like_parents_are_told_apart() -> None:
    table = pa.table({"a": ["delivered"], "a.b": ["CANARY"], "列 名": ["x"], "": ["y"]})
    plan = rules(table.schema, **{"a.b": ColumnRule("a.b", "suppress")})
    data = _bytes(table)
    (part,) = run(lambda: open_parquet(pa.BufferReader(data)), plan, KEYS, threads=1)
    out = pq.read_table(pa.BufferReader(part.data))
    assert out.to_pydict() == {"a": ["delivered"], "列 名": ["x"], "": ["y"]}
    assert b"CANARY" not in part.data.to_pybytes()


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(machine_table(100), path)
    asked: list[list[str]] = []

    class Watched:
        def __init__(self) -> None:
            self.file = open_parquet(path)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def iter_batches(self, size: int, groups: list[int], columns: list[str], **options: object) -> Iterator:
            asked.append(columns)
            return self.file.iter_batches(size, groups, columns, **options)

    list(run(Watched, PLAN, KEYS, threads=1))
    assert asked == [["time", "operator", "phone", "serial", "price", "plant"]]


def test_at_most_one_part_more_than_threads_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(machine_table(2_000), path, row_group_size=50)
    made: list[int] = []
    make = engine._part

    def counted(index: int, *arguments: object) -> engine.Part:
        made.append(index)
        return make(index, *arguments)

    monkeypatch.setattr(engine, "_part", counted)
    for taken, _part in enumerate(run(lambda: open_parquet(path), PLAN, KEYS, threads=2)):
        assert len(made) <= taken + 3
    assert len(made) == 40


def test_a_run_that_is_left_early_stops_and_closes_its_files(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(machine_table(2_000), path, row_group_size=50)
    opened: list[pq.ParquetFile] = []

    def source() -> pq.ParquetFile:
        opened.append(open_parquet(path))
        return opened[-1]

    parts = run(source, PLAN, KEYS, threads=2)
    next(parts)
    parts.close()
    assert 1 <= len(opened) <= 3
    assert all(file.closed for file in opened)


def test_sealed_sources_are_closed_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    data = _bytes(machine_table(2_000), row_group_size=500)
    with path.open("wb") as target, SealWriter(target, bytes(32)) as writer:
        writer.write(data)
    opened: list[io.BufferedReader] = []

    def source() -> pq.ParquetFile:
        opened.append(path.open("rb"))
        return open_parquet(OpenReader(opened[-1], bytes(32), close_source=True))

    assert len(list(run(source, PLAN, KEYS, threads=2))) == 4
    assert all(file.closed for file in opened)


def test_progress_counts_the_row_groups(source: Callable) -> None:
    seen: list[tuple[int, int]] = []
    list(run(source, PLAN, KEYS, threads=2, progress=lambda done, total: seen.append((done, total))))
    assert seen == [(n, 6) for n in range(1, 7)]


def test_a_damaged_source_is_refused_and_a_tampered_sealed_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(machine_table(5_000), path)
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"PAR1"):
        with pytest.raises(PlanError, match="complete Parquet"):
            list(run(lambda broken=broken: open_parquet(io.BytesIO(broken)), PLAN, KEYS, threads=1))
    altered = bytearray(data)
    altered[100:4000] = bytes(3900)
    with pytest.raises(PlanError, match="damaged"):
        list(run(lambda: open_parquet(io.BytesIO(bytes(altered))), PLAN, KEYS, threads=1))

    target = io.BytesIO()
    with SealWriter(target, bytes(32)) as writer:
        writer.write(data)
    sealed = bytearray(target.getvalue())
    intact = bytes(sealed)
    plain = [part.sha256 for part in run(lambda: open_parquet(path), PLAN, KEYS, threads=2)]
    through = run(lambda: open_parquet(OpenReader(io.BytesIO(intact), bytes(32))), PLAN, KEYS, threads=2)
    assert [part.sha256 for part in through] == plain
    sealed[1000] ^= 1
    with pytest.raises(SealingError):
        list(run(lambda: open_parquet(OpenReader(io.BytesIO(bytes(sealed)), bytes(32))), PLAN, KEYS, threads=2))


def test_a_preview_shows_the_same_rows_before_and_after() -> None:
    table = machine_table(200)
    before, after = preview(table, PLAN, KEYS, rows=10)
    assert before.num_rows == after.num_rows == 10
    assert before.column_names == table.column_names
    assert before["plant"].to_pylist() == after["plant"].to_pylist()
    assert all(value.startswith("CANARY") for value in before["operator"].to_pylist())
    assert not any("CANARY" in value for value in after["operator"].to_pylist())
    empty_before, empty_after = preview(table.slice(0, 0), PLAN, KEYS)
    assert (empty_before.num_rows, empty_after.num_rows) == (0, 0)


def test_two_thousand_columns_are_no_trouble() -> None:
    table = pa.table({f"c{n}": [n] for n in range(2_000)})
    data = _bytes(table)
    (part,) = run(lambda: open_parquet(pa.BufferReader(data)), rules(table.schema), KEYS, threads=1)
    assert pq.read_table(pa.BufferReader(part.data)).num_columns == 2_000
