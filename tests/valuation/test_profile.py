"""A profile counts exactly, whatever the table looks like."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ledger import canonical
from valuation import sample
from valuation.errors import ReportError, ResourceError, SourceError, ValuationError
from valuation.profile import Profile

Write = Callable[..., Path]
Profiled = Callable[..., Profile]


def test_numbers_that_are_no_numbers_are_counted_apart_and_kept_out_of_statistics(
    write: Write, profiled: Profiled
) -> None:
    values = [1.0, 2.0, 2.0, float("nan"), float("inf"), float("-inf"), None]
    column = profiled(write({"x": values})).column("x")
    assert (column.nulls, column.nan, column.positive_infinity, column.negative_infinity) == (1, 1, 1, 1)
    assert (column.values, column.distinct) == (3, 2)
    assert (column.minimum, column.maximum, column.mean) == ("1.0", "2.0", repr(float("1.66666666667")))
    assert column.histogram is not None
    assert sum(column.histogram.counts) == 3
    assert column.quantiles is not None
    assert column.quantiles.values["0.5"] == "2.0"
    assert [(top.value, top.count) for top in column.top] == [("2.0", 2)]


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_row_and_of_one_row_have_a_profile(rows: int, write: Write, profiled: Profiled) -> None:
    found = profiled(write(pa.Table.from_batches(sample.rows(rows), sample.SCHEMA)))
    assert found.rows == rows
    assert len(found.columns) == len(sample.SCHEMA)
    assert found.duplicate_rows == 0
    assert found.time_columns[0].steps == 0
    assert found.time_columns[0].cadence is None
    canonical.encode(found.to_json())


def test_columns_without_any_value_have_a_profile(write: Write, profiled: Profiled) -> None:
    empty = {"text": pa.nulls(3, pa.string()), "number": pa.nulls(3, pa.float64()), "nothing": pa.nulls(3)}
    found = profiled(write({**empty, "when": pa.nulls(3, pa.timestamp("us"))}))
    for column in found.columns:
        assert (column.nulls, column.values, column.distinct, column.minimum) == (3, 0, 0, None)
    assert found.duplicate_rows == 2


def test_distinct_values_are_exact_where_an_estimate_is_some_percent_off(write: Write, profiled: Profiled) -> None:
    serial = pa.array(np.char.add("SN", np.arange(300_000).astype(str)))
    assert profiled(write({"serial": serial, "x": np.arange(300_000)})).column("serial").distinct == 300_000


def test_means_of_integers_and_decimals_are_exact(write: Write, profiled: Profiled) -> None:
    big = [2**62, 2**62 + 1, 2**62 + 3]
    money = pa.array([Decimal("0.10"), Decimal("0.20"), Decimal("0.60")], pa.decimal128(12, 2))
    wide = pa.array([Decimal("1.5"), Decimal("2.5"), None], pa.decimal128(38, 10))
    found = profiled(write({"big": big, "money": money, "wide": wide}))
    assert found.column("big").mean == "4611686018427387905.333333333333333"
    assert found.column("big").maximum == str(2**62 + 3)
    assert found.column("money").mean == "0.3"
    assert found.column("wide").mean == "2.0"
    assert found.column("wide").minimum == "1.5000000000"
    canonical.encode(found.to_json())


def test_times_with_and_without_a_zone_and_of_every_unit(write: Write, profiled: Profiled) -> None:
    moments = [dt.datetime(2024, 1, 1, 8, tzinfo=dt.UTC), dt.datetime(2024, 1, 1, 8, 0, 0, 250_000, dt.UTC)]
    columns: dict[str, object] = {
        unit: pa.array([int(m.timestamp()) for m in moments], pa.timestamp(unit)) for unit in ("s", "ms")
    }
    columns["plain"] = pa.array(moments, pa.timestamp("us"))
    columns["nanoseconds"] = pa.array([10**18, 10**18 + 1], pa.timestamp("ns"))
    columns["zoned"] = pa.array(moments, pa.timestamp("us", tz="Asia/Shanghai"))
    columns["day"] = pa.array([dt.date(2024, 2, 28), dt.date(2024, 2, 29)])
    found = profiled(write(columns))
    assert found.time_column("plain").cadence == "0.25"
    assert found.time_column("plain").first == "2024-01-01T08:00:00"
    assert found.time_column("zoned").first == "2024-01-01T08:00:00Z"
    assert found.time_column("nanoseconds").cadence == "0.000000001"
    assert found.time_column("nanoseconds").distinct == 2
    assert found.time_column("day").cadence == "86400"
    assert found.time_column("s").repeats == 1


def test_dates_far_beyond_the_calendar_do_not_stop_a_profile(write: Write, profiled: Profiled) -> None:
    days = pa.array([0, 2**31 - 2, -(2**31) + 3, 1, 2], pa.int32()).cast(pa.date32())
    assert profiled(write({"day": days})).time_column("day").steps >= 2


def test_gaps_are_counted_with_the_times_they_leave_out(write: Write, profiled: Profiled) -> None:
    minutes = [0, 1, 2, 3, 6, 7, 7, 5, 8]
    stamps = pa.array([60_000_000 * m for m in minutes], pa.timestamp("us"))
    order = profiled(write({"t": stamps})).time_column("t")
    assert (order.steps, order.cadence, order.cadence_steps) == (8, "60", 4)
    assert (order.backward_steps, order.standing_steps, order.repeats) == (1, 1, 1)
    assert (order.gaps, order.missing, order.longest_gap) == (1, 1, "120")


def test_long_texts_are_compared_whole_and_shown_short(write: Write, profiled: Profiled) -> None:
    million = "数" * 350_000
    texts = [million, million, million + "x", *(f"{k}" * 1_000_000 for k in range(8))]
    column = profiled(write({"t": texts}), memory_limit="128MB").column("t")
    assert column.distinct == 10
    assert column.lengths is not None
    assert column.lengths.longest == 1_050_001
    assert column.top[0].count == 2
    assert column.top[0].truncated
    assert len(column.top[0].value) == 200
    assert len(column.minimum or "") == 200


def test_equal_rows_of_long_texts_are_duplicates(write: Write, profiled: Profiled) -> None:
    assert profiled(write({"t": ["a" * 400_000] * 3 + ["a" * 399_999 + "b"]})).duplicate_rows == 2


def test_rows_are_duplicates_only_when_every_cell_is_equal(write: Write, profiled: Profiled) -> None:
    columns = {"a": [1, 1, 1, 1, None, None], "b": ["x", "x", "y", None, None, None]}
    assert profiled(write(columns)).duplicate_rows == 2


def test_two_thousand_columns_are_measured(write: Write, profiled: Profiled) -> None:
    wide = {f"column {k} 'x' \"y\".z": pa.array([k, k + 1, None][:3]) for k in range(1_000)}
    wide |= {f"文本{k}": pa.array(["a", "b", "b"]) for k in range(1_000)}
    found = profiled(write(wide))
    assert len(found.columns) == 2_000
    assert found.columns[999].name == "column 999 'x' \"y\".z"
    assert found.columns[999].maximum == "1000"
    assert all(column.distinct == 2 for column in found.columns)


def test_columns_may_be_called_anything_twice_or_nothing(write: Write, profiled: Profiled) -> None:
    names = ["a", "A", "a", "", 'quo"te', "dot.ted", "列；--", "file_row_number", "c0", "r", "rowid"]
    table = pa.Table.from_arrays([pa.array([k, k + 1]) for k in range(len(names))], names=names)
    found = profiled(write(table))
    assert [column.name for column in found.columns] == names
    assert [column.minimum for column in found.columns] == [str(k) for k in range(len(names))]


def test_nested_binary_and_other_types_are_counted(write: Write, profiled: Profiled) -> None:
    columns = {
        "list": pa.array([[1, 2], [1, 2], None]),
        "struct": pa.array([{"a": 1}, {"a": 2}, {"a": 2}]),
        "bytes": pa.array([b"\x00\xff", b"", b"\x00\xff"]),
        "time": pa.array([dt.time(1), dt.time(2), dt.time(2)]),
        "flag": pa.array([True, False, None]),
        "half": pa.array([1.5, 2.5, None], pa.float32()),
    }
    found = profiled(write(columns))
    assert [column.distinct for column in found.columns] == [1, 2, 2, 2, 2, 2]
    assert found.column("bytes").lengths is not None
    assert found.column("flag").maximum == "true"
    canonical.encode(found.to_json())


def test_blank_cells_and_words_that_stand_for_nothing_are_told_apart(write: Write, profiled: Profiled) -> None:
    texts = ["", "  ", "\t\u3000", "\u3000", "N/A", "无", "null", " x ", "na ïve", "ok", "caf\ufffd", None]
    column = profiled(write({"t": texts})).column("t")
    assert (column.nulls, column.blank, column.placeholders, column.undecodable) == (1, 4, 3, 1)


def test_the_form_of_texts_is_recognised(write: Write, profiled: Profiled) -> None:
    column = profiled(write({"t": ["01/02/2018 00:15", "31/12/2018 23:45", "=SUM(A1)", None]})).column("t")
    assert {form.format: form.matched for form in column.formats} == {
        "day-first timestamp": 2,
        "formula": 1,
    }
    assert column.formats[0].tested == 3


def test_extreme_numbers_do_not_break_means_and_histograms(write: Write, profiled: Profiled) -> None:
    found = profiled(write({"x": [1.7e308, -1.7e308, 0.0], "y": [5e-324, 0.0, -0.0], "z": [3, 3, 3]}))
    assert found.column("x").histogram is None
    assert found.column("y").maximum == "5e-324"
    assert found.column("z").histogram is not None
    assert found.column("z").histogram.counts == (3,)  # type: ignore[union-attr]


def test_types_that_differ_between_files_are_widened_and_the_difference_is_named(
    write: Write, profiled: Profiled
) -> None:
    one = write({"a": [1, 2], "b": ["x", "y"]}, "one.parquet")
    two = write({"b": ["z"], " a ": [2.5]}, "two.parquet")
    found = profiled(one, two)
    assert found.column("a").maximum == "2.5"
    assert found.column("b").distinct == 3
    assert any("two.parquet" in difference for difference in found.schema_differences)


def test_files_that_do_not_belong_together_are_refused_with_the_columns(write: Write, profiled: Profiled) -> None:
    with pytest.raises(SourceError, match=r"two.parquet does not belong to one.parquet.*'b'.*'c'"):
        profiled(write({"a": [1], "b": [1]}, "one.parquet"), write({"a": [1], "c": [1]}, "two.parquet"))


def test_paths_with_patterns_and_keys_name_one_file(tmp_path: Path, profiled: Profiled) -> None:
    folder = tmp_path / "year=2024" / "a*b'[1]"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"x": [1, 2]}), folder / "?.parquet")
    pq.write_table(pa.table({"x": [1, 2]}), folder / "z.parquet")
    found = profiled(folder / "?.parquet")
    assert found.rows == 2
    assert [column.name for column in found.columns] == ["x"]


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "missing", "inside"])
def test_a_damaged_file_is_refused_in_one_sentence(
    damage: str, tmp_path: Path, write: Write, profiled: Profiled
) -> None:
    whole = write({"x": np.arange(50_000), "y": np.arange(50_000).astype(str)}).read_bytes()
    middle = len(whole) // 2
    contents = {
        "cut": whole[:middle],
        "text": b"a,b\n1,2\n",
        "empty": b"",
        "inside": whole[:200] + bytes(middle) + whole[200 + middle :],
    }
    path = tmp_path / "bad.parquet"
    if damage in contents:
        path.write_bytes(contents[damage])
    with pytest.raises(SourceError) as caught:
        profiled(path)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_column_are_refused(write: Write, profiled: Profiled) -> None:
    with pytest.raises(SourceError):
        profiled()
    with pytest.raises(SourceError, match="no columns"):
        profiled(write(pa.table({"x": [1, 2]}).select([])))


def test_too_little_memory_is_an_error_that_says_so(write: Write, profiled: Profiled) -> None:
    path = write({"x": [str(k) * 3_000_000 for k in range(10)]}, compression="none")
    with pytest.raises(ResourceError, match="memory limit"):
        profiled(path, memory_limit="5MB")
    with pytest.raises(ValuationError, match="settings"):
        profiled(path, memory_limit="a lot")


def test_what_does_not_fit_in_memory_is_spilled_and_still_counted_exactly(write: Write, profiled: Profiled) -> None:
    numbers = pa.concat_arrays([pa.array(np.arange(600_000)), pa.array(np.arange(5))]).cast(pa.string())
    path = write({"text": pc.binary_join_element_wise("a serial number of some length", numbers, ", ")})
    found = profiled(path, memory_limit="40MB")
    assert found.column("text").distinct == 600_000
    assert found.duplicate_rows == 5


def test_a_spill_folder_that_cannot_be_used_is_an_error_that_says_so(
    write: Write, profiled: Profiled, tmp_path: Path
) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    with pytest.raises(ResourceError, match="spill folder"):
        profiled(write({"a": [1]}), temp_directory=occupied)


def test_progress_moves_forward_to_one_and_nothing_is_left_behind(
    write: Write, profiled: Profiled, tmp_path: Path
) -> None:
    told: list[tuple[float, str]] = []
    profiled(write({"a": [1], "b": ["x"]}), progress=lambda d, t: told.append((d, t)), temp_directory=tmp_path / "s")
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    assert list((tmp_path / "s").iterdir()) == []


def test_the_profile_is_the_same_whatever_the_number_of_threads(write: Write, profiled: Profiled) -> None:
    path = write(pa.Table.from_batches(sample.rows(250_000)), row_group_size=20_000)
    assert profiled(path, threads=1) == profiled(path, threads=4)


def test_a_profile_survives_being_written_as_json(write: Write, profiled: Profiled) -> None:
    found = profiled(write(pa.Table.from_batches(sample.rows(500))))
    assert Profile.from_json(json.loads(canonical.encode(found.to_json()))) == found
    with pytest.raises(ReportError):
        Profile.from_json({"format": "valuation-profile/1", "rows": 3})
    with pytest.raises(ReportError):
        Profile.from_json({})


def test_a_profile_can_be_shown_without_the_values_of_sensitive_columns(write: Write, profiled: Profiled) -> None:
    found = profiled(write(pa.Table.from_batches(sample.rows(500))))
    shown = json.dumps(found.without_values(["operator_name", "operator_phone"]).to_json(), ensure_ascii=False)
    assert found.column("operator_name").top[0].value not in shown
    assert found.column("operator_phone").top[0].value not in shown
    assert found.column("part_number").top[0].value in shown
