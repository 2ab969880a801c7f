"""A copy names its buyer after heavy cutting, and never names anyone else."""

import io
import math
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.desensitization.engine import open_parquet, run
from contracts.desensitization.plan import ColumnRule, Plan
from contracts.errors import FingerprintError
from contracts.fingerprint import (
    Fingerprint,
    MarkedColumn,
    Score,
    choose_columns,
    detect,
    disclosed,
    last_digits,
    mark,
)

DATA = Path(os.environ.get("EXCHANGE_DATA", Path(__file__).parents[3] / "shared" / "data"))
KEY = bytes(range(32))
BUYERS = [f"buyer-{number:04d}" for number in range(1_000)]
ROWS = 100_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(20260101)
    return pa.table(
        {
            "temperature": np.round(random.normal(60, 8, ROWS), 2),
            "pressure": np.round(random.gamma(5, 3, ROWS), 3),
            "load": random.integers(0, 50_000, ROWS),
            "state": random.integers(0, 4, ROWS),
            "row": np.arange(ROWS),
        }
    )


@pytest.fixture(scope="module")
def columns(table: pa.Table) -> tuple[MarkedColumn, ...]:
    return choose_columns(table)


def marked(table: pa.Table, columns: tuple[MarkedColumn, ...], buyer: str = BUYERS[7]) -> pa.Table:
    fingerprint = Fingerprint(KEY, buyer, columns)
    return pa.Table.from_batches([mark(batch, fingerprint) for batch in table.combine_chunks().to_batches()])


def accused(copy: pa.Table, columns: tuple[MarkedColumn, ...]) -> list[str]:
    return [score.buyer for score in detect(copy, KEY, BUYERS, columns) if score.accused]


def test_the_columns_that_can_carry_a_mark_are_chosen_with_their_last_digit(
    columns: tuple[MarkedColumn, ...],
) -> None:
    assert [(column.name, column.quantum) for column in columns] == [
        ("temperature", "0.01"),
        ("pressure", "0.001"),
        ("load", "1"),
    ]


def test_a_whole_copy_names_its_buyer_alone(table: pa.Table, columns: tuple[MarkedColumn, ...]) -> None:
    for buyer in (BUYERS[0], BUYERS[500], BUYERS[999]):
        assert accused(marked(table, columns, buyer), columns) == [buyer]


@pytest.mark.parametrize("seed", range(10))
def test_one_row_in_a_hundred_is_enough(table: pa.Table, columns: tuple[MarkedColumn, ...], seed: int) -> None:
    rows = np.random.default_rng(seed).choice(ROWS, ROWS // 100, replace=False)
    assert accused(marked(table, columns).take(rows), columns) == [BUYERS[7]]


@pytest.mark.parametrize("left", ["temperature", "pressure", "load"])
def test_one_column_is_enough_in_any_order_of_rows(
    table: pa.Table, columns: tuple[MarkedColumn, ...], left: str
) -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    assert accused(marked(table, columns).select([left]).take(order), columns) == [BUYERS[7]]
    tenth = marked(table, columns).select([left]).take(order[: ROWS // 10])
    assert accused(tenth, columns) == [BUYERS[7]]


@pytest.mark.parametrize("seed", range(5))
def test_forty_five_in_a_hundred_last_digits_redrawn_leave_enough(
    table: pa.Table, columns: tuple[MarkedColumn, ...], seed: int
) -> None:
    random = np.random.default_rng(seed)
    copy = marked(table, columns)
    for index, column in enumerate(columns):
        values = copy[column.name].to_numpy().astype(float)
        flipped = (np.rint(values / float(column.quantum)).astype(np.int64) ^ 1) * float(column.quantum)
        attacked = np.where(random.random(ROWS) < 0.45, flipped, values)
        copy = copy.set_column(index, column.name, pa.array(attacked))
    assert accused(copy, columns) == [BUYERS[7]]


@pytest.mark.parametrize("colluders", [2, 3, 5])
def test_buyers_who_mix_their_copies_are_found_and_nobody_else(
    table: pa.Table, columns: tuple[MarkedColumn, ...], colluders: int
) -> None:
    copies = [marked(table, columns, buyer) for buyer in BUYERS[:colluders]]
    pick = np.random.default_rng(colluders).integers(0, colluders, ROWS)
    mixed = {column.name: np.choose(pick, [copy[column.name].to_numpy() for copy in copies]) for column in columns}
    named = accused(pa.table(mixed), columns)
    assert set(named) <= set(BUYERS[:colluders])
    assert len(named) >= 1


@pytest.mark.parametrize("seed", range(20))
def test_nobody_is_named_for_data_that_was_never_marked(seed: int) -> None:
    random = np.random.default_rng(seed)
    spread = random.uniform(0.1, 100)
    copy = pa.table({"temperature": np.round(random.normal(60, spread, 20_000), 2)})
    columns = (MarkedColumn("temperature", "0.01"),)
    scores = detect(copy, KEY, BUYERS, columns)
    assert len(scores) == len(BUYERS)
    assert scores[0].score < 5.5
    assert not any(score.accused for score in scores)


def test_scores_of_the_innocent_are_standard_normal(table: pa.Table, columns: tuple[MarkedColumn, ...]) -> None:
    scores = detect(marked(table, columns), KEY, BUYERS, columns)
    innocent = np.array([score.score for score in scores if score.buyer != BUYERS[7]])
    assert abs(innocent.mean()) < 0.15
    assert 0.9 < innocent.std() < 1.1


def test_marks_made_with_another_key_say_nothing(table: pa.Table, columns: tuple[MarkedColumn, ...]) -> None:
    scores = detect(marked(table, columns), bytes([9]) * 32, BUYERS, columns)
    assert not any(score.accused for score in scores)


def test_about_one_number_in_thirty_two_moves_by_one_last_digit(
    table: pa.Table, columns: tuple[MarkedColumn, ...]
) -> None:
    copy = marked(table, columns)
    assert copy.schema == table.schema
    for column in columns:
        moved = np.abs(copy[column.name].to_numpy() - table[column.name].to_numpy().astype(float))
        assert moved.max() <= float(column.quantum) * (1 + 1e-6)
        assert 0.02 < (moved > 0).mean() < 0.045
        texts = {repr(float(value)) for value in copy[column.name].to_numpy()[:2_000]}
        assert max(len(text.partition(".")[2]) for text in texts) <= 3
    assert copy["state"].equals(table["state"])
    assert copy["row"].equals(table["row"])


@settings(deadline=None, max_examples=150)
@given(
    values=st.lists(
        st.one_of(
            st.none(),
            st.floats(),
            st.integers(-(10**6), 10**6).map(lambda n: n / 100),
            st.sampled_from([0.0, -0.0, 0.01]),
        ),
        max_size=50,
    ),
    quantum=st.sampled_from(["0.01", "0.05", "1"]),
    kind=st.sampled_from([pa.float64(), pa.float32()]),
)
def test_no_number_moves_further_than_its_quantum_and_the_rest_not_at_all(
    values: list[float | None], quantum: str, kind: pa.DataType
) -> None:
    before = pa.array(values, pa.float64()).cast(kind, safe=False)
    batch = pa.RecordBatch.from_arrays([before], ["x"])
    fingerprint = Fingerprint(KEY, "buyer", (MarkedColumn("x", quantum),), every=1)
    after = mark(batch, fingerprint).column(0)
    after.validate(full=True)
    assert after.type == kind
    for old, new in zip(before.to_pylist(), after.to_pylist(), strict=True):
        if old is None or not math.isfinite(old) or old == 0:
            assert str(new) == str(old)
        else:
            slack = abs(old) * (1e-6 if kind == pa.float32() else 1e-14)
            assert abs(new - old) <= float(quantum) * (1 + 1e-6) + slack


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=50),
    st.sampled_from(["1", "5"]),
)
def test_marking_whole_numbers_twice_changes_nothing_more(values: list[int | None], quantum: str) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.int64())], ["x"])
    fingerprint = Fingerprint(KEY, "buyer", (MarkedColumn("x", quantum),), every=2)
    once = mark(batch, fingerprint)
    assert mark(once, fingerprint).equals(once)
    for old, new in zip(values, once.column(0).to_pylist(), strict=True):
        assert (old is None) == (new is None)
        if old is not None:
            assert abs(new - old) in (0, int(quantum))


@pytest.mark.parametrize("kind", [pa.int16(), pa.uint16(), pa.uint64(), pa.float16()])
def test_short_and_unsigned_types_keep_their_type(kind: pa.DataType) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(np.arange(2_000) % 2_000).cast(kind)], ["x"])
    after = mark(batch, Fingerprint(KEY, "b", (MarkedColumn("x", "1"),), every=1)).column(0)
    assert after.type == kind
    assert not after.equals(batch.column(0))
    assert np.abs(np.array(after.cast(pa.float64())) - np.arange(2_000)).max() == 1


def test_no_value_is_pushed_past_the_bounds_of_its_column() -> None:
    values = np.tile(np.round(np.linspace(90, 100, 1_001), 2), 3)
    for low, high in (("90", "100"), ("90.00", "99.5")):
        column = MarkedColumn("rate", "0.01", low, high)
        batch = pa.RecordBatch.from_pydict({"rate": values})
        for buyer in BUYERS[:20]:
            after = mark(batch, Fingerprint(KEY, buyer, (column,), every=1)).column(0).to_numpy()
            assert after.min() >= 90
            assert after.max() <= 100 or high != "100"
            assert not ((values <= float(high)) & (after > float(high))).any()


def test_a_column_of_zeros_stays_a_column_of_zeros() -> None:
    batch = pa.RecordBatch.from_pydict({"x": [0.0, 0.01] * 100})
    for buyer in BUYERS[:10]:
        assert mark(batch, Fingerprint(KEY, buyer, (MarkedColumn("x", "0.01"),), every=1)).equals(batch)


PLAN = Plan(
    (
        ColumnRule("temperature", "round", {"digits": 1}),
        ColumnRule("pressure", "keep", {"exact": True}),
        ColumnRule("load", "generalize", {"width": 10}),
        ColumnRule("state", "keep"),
        ColumnRule("row", "suppress"),
    )
)


def test_columns_that_the_plan_bins_hides_or_calls_exact_are_left_alone(table: pa.Table) -> None:
    plan = disclosed(PLAN, last_digits(table))
    assert [rule.column for rule in plan.columns if rule.mark is not None] == ["temperature"]
    assert [column.name for column in choose_columns(rounded(table), plan)] == ["temperature"]


def rounded(table: pa.Table) -> pa.Table:
    """The table as PLAN delivers the one column that can carry a mark."""
    index = table.schema.get_field_index("temperature")
    values = np.round(table.column(index).to_numpy(), 1)
    return table.set_column(index, "temperature", pa.array(values))


def test_a_column_whose_mark_the_plan_does_not_disclose_is_never_marked(table: pa.Table) -> None:
    kept = Plan(tuple(ColumnRule(name, "keep") for name in table.schema.names))
    assert choose_columns(table)
    assert choose_columns(table, kept) == ()
    digits = last_digits(table)
    named = disclosed(kept, digits)
    assert {rule.column: rule.mark for rule in named.columns if rule.mark} == digits
    assert choose_columns(table, named) == choose_columns(table)
    # A coarser last digit than was disclosed would be a larger change than was signed.
    finer = {name: str(Decimal(digit) / 10) for name, digit in digits.items()}
    assert choose_columns(table, disclosed(kept, finer)) == ()


def test_what_is_disclosed_is_the_most_that_any_number_changes(table: pa.Table) -> None:
    plan = disclosed(Plan(tuple(ColumnRule(name, "keep") for name in table.schema.names)), last_digits(table))
    columns = choose_columns(table, plan)
    assert columns
    (batch,) = table.combine_chunks().to_batches()
    after = mark(batch, Fingerprint(KEY, "buyer", columns, every=1))
    for rule in plan.columns:
        index = batch.schema.get_field_index(rule.column)
        if rule.mark is None:
            assert after.column(index).equals(batch.column(index)), rule.column
        else:
            old, new = (item.column(index).to_numpy(zero_copy_only=False) for item in (batch, after))
            moved = np.abs(new.astype(float) - old.astype(float))
            assert 0 < moved.max() <= float(rule.mark) * (1 + 1e-9), rule.column


def test_a_rounded_column_discloses_its_rounding_unless_it_is_coarser_by_itself() -> None:
    plan = Plan((ColumnRule("a", "round", {"digits": 2}), ColumnRule("b", "round", {"digits": -2})))
    shown = {rule.column: rule.mark for rule in disclosed(plan, {"a": "0.5", "b": "0.001"}).columns}
    assert shown == {"a": "0.5", "b": "100"}
    assert [rule.mark for rule in disclosed(disclosed(plan, {"a": "1"}), {}).columns] == [None, None]


def test_identifiers_clocks_codes_and_money_are_never_chosen() -> None:
    rows = 5_000
    random = np.random.default_rng(3)
    table = pa.table(
        {
            "identifier": random.permutation(rows * 7)[:rows],
            "clock": np.cumsum(random.integers(1, 9, rows)),
            "elapsed": np.cumsum(random.random(rows)),
            "code": random.integers(0, 50, rows),
            "constant": np.ones(rows),
            "money": pa.array([Decimal(n) / 100 for n in random.integers(1, 10**6, rows).tolist()]),
            "text": [f"{n}" for n in range(rows)],
            "nothing": pa.nulls(rows, pa.float64()),
            "narrow": np.round(random.normal(5, 0.01, rows), 3),
        }
    )
    assert choose_columns(table) == ()
    assert choose_columns(table.slice(0, 0)) == ()


def test_coarse_grids_and_full_precision_are_recognised() -> None:
    random = np.random.default_rng(4)
    table = pa.table(
        {
            "fives": np.round(random.integers(1, 5_000, 9_000) * 0.05, 2),
            "full": random.normal(0, 1, 9_000),
            "short": random.normal(50, 9, 9_000).round(2).astype(np.float32),
            "hundreds": random.integers(1, 5_000, 9_000) * 100,
        }
    )
    quanta = {column.name: column.quantum for column in choose_columns(table)}
    assert quanta == {"fives": "0.05", "full": "0.001", "short": "0.01", "hundreds": "100"}
    columns = choose_columns(table)
    copy = marked(table, columns)
    on_grid = copy["fives"].to_numpy() / 0.05
    assert np.abs(on_grid - np.rint(on_grid)).max() < 1e-6
    assert set(np.unique(copy["hundreds"].to_numpy() % 100)) == {0}
    for name in table.column_names:
        assert accused(copy.select([name]), columns) == [BUYERS[7]], name


def test_a_copy_that_went_through_csv_is_read_as_it_looks(table: pa.Table, columns: tuple[MarkedColumn, ...]) -> None:
    text = io.BytesIO()
    pyarrow.csv.write_csv(marked(table, columns).slice(0, 20_000), text)
    copy = pyarrow.csv.read_csv(io.BytesIO(text.getvalue()))
    scores = detect(copy, KEY, BUYERS)
    assert [score.buyer for score in scores if score.accused] == [BUYERS[7]]


def test_rounding_the_digit_away_leaves_nobody_named(table: pa.Table, columns: tuple[MarkedColumn, ...]) -> None:
    copy = marked(table, columns)
    rounded = pa.table({"temperature": np.round(copy["temperature"].to_numpy(), 1)})
    assert accused(rounded, columns) == []


@pytest.mark.parametrize(
    "path", sorted(DATA.glob("*/*.csv")) or [pytest.param(None, marks=pytest.mark.skip(reason=f"no data at {DATA}"))]
)
def test_real_sensor_data_is_traced_from_a_tenth_of_its_rows(path: Path) -> None:
    table = pyarrow.csv.read_csv(path)
    columns = choose_columns(table)
    assert columns
    copy = marked(table, columns)
    rows = np.random.default_rng(5).choice(len(copy), len(copy) // 10, replace=False)
    assert accused(copy.take(rows), columns) == [BUYERS[7]]
    assert accused(table, columns) == []


def test_the_engine_marks_what_it_delivers_and_stays_deterministic(
    table: pa.Table, columns: tuple[MarkedColumn, ...]
) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=13_000)
    data = sink.getvalue()
    plan = Plan(tuple(ColumnRule(name, "keep") for name in table.column_names))
    fingerprint = Fingerprint(KEY, BUYERS[7], columns)

    def digests(threads: int, mark: Fingerprint | None) -> list[str]:
        parts = run(lambda: open_parquet(pa.BufferReader(data)), plan, None, mark, threads=threads)
        return [part.sha256 for part in parts]

    assert digests(1, fingerprint) == digests(3, fingerprint)
    assert digests(1, fingerprint) != digests(1, None)
    parts = list(run(lambda: open_parquet(pa.BufferReader(data)), plan, None, fingerprint, threads=2))
    assert len(parts) == 8
    fifth = pq.read_table(pa.BufferReader(parts[4].data))
    assert accused(fifth, columns) == [BUYERS[7]]


def test_what_cannot_be_marked_is_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"x": ["a"], "y": [1]})
    for columns in (
        (MarkedColumn("x", "1"),),
        (MarkedColumn("ghost", "1"),),
        (MarkedColumn("y", "0.5"),),
    ):
        with pytest.raises(FingerprintError):
            mark(batch, Fingerprint(KEY, "b", columns))
    for quantum in ("0", "-1", "x", "NaN", "Infinity", ""):
        with pytest.raises(FingerprintError):
            MarkedColumn("x", quantum)
    with pytest.raises(FingerprintError):
        MarkedColumn("x", "1", low="many")
    with pytest.raises(FingerprintError):
        Fingerprint(b"short", "b", ())
    with pytest.raises(FingerprintError):
        Fingerprint(KEY, "b", (), every=0)
    with pytest.raises(FingerprintError):
        detect(pa.table({"x": [1]}), b"short", ["b"])


def test_columns_read_back_from_json_and_the_code_is_committed_without_showing_key_or_buyer() -> None:
    column = MarkedColumn("x", "0.05", "1", "2")
    assert MarkedColumn(**column.to_json()) == column
    assert MarkedColumn("y", "1").to_json() == {"name": "y", "quantum": "1"}
    fingerprint = Fingerprint(KEY, "buyer-a", (column,))
    assert fingerprint.code_digest() == Fingerprint(KEY, "buyer-a", ()).code_digest()
    assert fingerprint.code_digest() != Fingerprint(KEY, "buyer-b", ()).code_digest()
    assert repr(KEY) not in repr(fingerprint)


def test_an_empty_copy_names_nobody_and_the_bound_is_as_stated() -> None:
    empty = pa.table({"x": pa.array([], pa.float64())})
    assert detect(empty, KEY, ["a", "b"], (MarkedColumn("x", "1"),)) == [Score("a", 0.0), Score("b", 0.0)]
    assert detect(empty, KEY, [], None) == []
    assert Score("a", 7.0).bound < 2.3e-11
    assert Score("a", -3.0).bound == 1.0
    assert Score("a", 7.0).accused
    assert not Score("a", 6.99).accused
