"""The type of a column holds every value of the file exactly; what no narrower type holds stays text."""

from __future__ import annotations

import datetime as dt
import math

import pyarrow as pa
import pytest

at = dt.datetime.fromisoformat
TEXT, INT, FLOAT = pa.string(), pa.int64(), pa.float64()


def column(desk, *cells, **options):
    """Return (schema type, values, warnings) of one column of CSV cells, written beside a constant column."""
    quoted = ['"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell for cell in cells]
    upload = desk.file("a.csv", "x,anchor\n" + "".join(f"{cell},y\n" for cell in quoted))
    table, rows = desk.read(upload, **options)
    return rows.schema.field("x").type, rows["x"].to_pylist(), {warning.code: warning for warning in table.warnings}


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", "0"], INT, [1, -2, 0]),
        (["+5", "-3"], INT, [5, -3]),
        (["1.5", "2", ".5", "-3."], FLOAT, [1.5, 2.0, 0.5, -3.0]),
        (["1.5e3", "1E-05", "2"], FLOAT, [1500.0, 1e-05, 2.0]),
        (["true", "FALSE", "True"], pa.bool_(), [True, False, True]),
        ([" 12", "7 "], INT, [12, 7]),
        (["9223372036854775807", "-9223372036854775807"], INT, [2**63 - 1, -(2**63) + 1]),
        (["1234567890123456789", "1234567890123456788"], INT, [1234567890123456789, 1234567890123456788]),
        (["13800138000", "13912345678"], INT, [13800138000, 13912345678]),
    ],
)
def test_numbers_and_truth_values_are_read(desk, cells, kind, values):
    assert column(desk, *cells)[:2] == (kind, values)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["00123", "00456"], "leading-zeros"),
        (["007", "12"], "leading-zeros"),
        (["01.04", "02.10"], "leading-zeros"),
        (["9223372036854775808", "1"], "long-numbers"),
        (["12345678901234567890123", "5"], "long-numbers"),
        (["+8613800138000", "13800138000"], "plus-signs"),
        (["1234567890123456", "0.5"], "mixed-forms"),
        (["1,500", "2"], "ambiguous-comma"),
        (["1,5", "1.5"], "mixed-forms"),
        (["2024-01-05", "17"], "mixed-forms"),
    ],
)
def test_what_a_number_would_lose_stays_text_and_is_remarked(desk, cells, code):
    kind, values, warnings = column(desk, *cells)
    assert (kind, values) == (TEXT, cells)
    assert code in warnings


@pytest.mark.parametrize("cells", [["12E5", "7E1"], ["1e999", "2"], ["1.2.3", "4.5.6"], ["0x10", "3"], ["1_000", "2"]])
def test_part_numbers_that_look_like_numbers_stay_text(desk, cells):
    assert column(desk, *cells)[:2] == (TEXT, cells)


def test_a_sample_of_integers_widens_when_late_rows_are_decimals_or_text(desk):
    lines = [str(number) for number in range(300_000)]
    upload = desk.file("late.csv", "n,t,s\n" + "".join(f"{n},{n},{n}\n" for n in lines) + "0.25,late,0005\n")
    table, rows = desk.read(upload)
    assert rows.schema.types == [FLOAT, TEXT, TEXT]
    assert rows["n"][-1].as_py() == 0.25
    assert rows["t"].to_pylist() == [*lines, "late"]
    assert rows["s"].to_pylist() == [*lines, "0005"]
    stray = next(warning for warning in table.warnings if warning.code == "stray-text")
    assert "row 300002" in stray.text_en
    assert stray.count == 1


def test_nan_and_infinity_are_kept_in_float_columns_and_counted(desk):
    kind, values, warnings = column(desk, "1", "NaN", "inf", "-Infinity", "2.5")
    assert kind == FLOAT
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2:4] == [math.inf, -math.inf]
    assert warnings["nan-or-infinity"].count == 3


def test_missing_value_marks_are_null_among_numbers_and_verbatim_in_text(desk):
    assert column(desk, "1", "NA", "", "-", "#DIV/0!", "3")[:2] == (INT, [1, None, None, None, None, 3])
    assert column(desk, "a", "NA", "-")[:2] == (TEXT, ["a", "NA", "-"])


def test_an_empty_quoted_text_is_no_missing_value(desk):
    _, rows = desk.read(desk.file("a.csv", 'x,y\n"",1\n,2\nz,3\n'))
    assert rows["x"].to_pylist() == ["", None, "z"]


def test_a_column_without_values_is_text_and_remarked(desk):
    kind, values, warnings = column(desk, "", "")
    assert (kind, values) == (TEXT, [None, None])
    assert "empty-column" in warnings


def test_decimals_padded_with_zeros_are_numbers_among_decimals(desk):
    kind, values, warnings = column(desk, "4.5", "04.03", "10")
    assert (kind, values) == (FLOAT, [4.5, 4.03, 10.0])
    assert warnings["padded-numbers"].count == 1


def test_a_decimal_comma_is_detected_with_a_warning(desk):
    upload = desk.file("a.csv", "Zeit;Wert\n1;3,25\n2;-0,5\n3;4\n")
    table, rows = desk.read(upload)
    assert rows["Wert"].to_pylist() == [3.25, -0.5, 4.0]
    assert [warning.code for warning in table.warnings] == ["decimal-comma"]


def test_thousands_separators_are_read_with_a_warning(desk):
    assert column(desk, "1,234,567", "1,500", "12")[:2] == (INT, [1234567, 1500, 12])
    kind, values, warnings = column(desk, "1,234,567", "1,234.5", "7")
    assert (kind, values) == (FLOAT, [1234567.0, 1234.5, 7.0])
    assert "thousands" in warnings


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["2024-01-05", "2024-12-31"], [dt.date(2024, 1, 5), dt.date(2024, 12, 31)]),
        (["2024-1-5", "2024-12-31"], [dt.date(2024, 1, 5), dt.date(2024, 12, 31)]),
        (["2024/01/05", "2024/1/6"], [dt.date(2024, 1, 5), dt.date(2024, 1, 6)]),
        (["2024年1月5日", "2024年12月31日"], [dt.date(2024, 1, 5), dt.date(2024, 12, 31)]),
        (["05/01/2024", "13/01/2024"], [dt.date(2024, 1, 5), dt.date(2024, 1, 13)]),
        (["01/05/2024", "01/13/2024"], [dt.date(2024, 1, 5), dt.date(2024, 1, 13)]),
        (["5.1.2024", "31.12.2024"], [dt.date(2024, 1, 5), dt.date(2024, 12, 31)]),
        (["2024-01-05", "", "NA"], [dt.date(2024, 1, 5), None, None]),
    ],
)
def test_dates_of_one_unambiguous_form_are_dates(desk, cells, values):
    assert column(desk, *cells)[:2] == (pa.date32(), values)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (
            ["2024-01-05 10:20", "2024-01-05 10:20:30.5"],
            [at("2024-01-05 10:20:00"), at("2024-01-05 10:20:30.500000")],
        ),
        (["2024-01-05T10:20:30"], [at("2024-01-05 10:20:30")]),
        (["2024/1/5 0:15", "2024/1/15 23:00"], [at("2024-01-05 00:15:00"), at("2024-01-15 23:00:00")]),
        (["01/01/2018 00:15", "31/12/2018 23:45"], [at("2018-01-01 00:15:00"), at("2018-12-31 23:45:00")]),
        (
            ["2024年1月5日 8:05", "2024年1月5日10:30:00"],
            [at("2024-01-05 08:05:00"), at("2024-01-05 10:30:00")],
        ),
    ],
)
def test_times_without_a_zone_stay_without_one(desk, cells, values):
    kind, found, _ = column(desk, *cells)
    assert kind == pa.timestamp("us")
    assert found == values


def test_times_with_offsets_become_instants_in_utc(desk):
    kind, values, warnings = column(desk, "2024-01-05T10:00:00+08:00", "2024-01-05 02:30:00Z")
    assert kind == pa.timestamp("us", "UTC")
    assert [value.isoformat() for value in values] == ["2024-01-05T02:00:00+00:00", "2024-01-05T02:30:00+00:00"]
    assert "offsets-to-utc" in warnings


def test_fractions_finer_than_a_microsecond_are_kept(desk):
    upload = desk.file("a.csv", "x,y\n2024-01-05 10:00:00.123456789,1\n2024-01-05 10:00:01,2\n")
    _, rows = desk.read(upload)
    assert rows.schema.field("x").type == pa.timestamp("ns")
    assert rows["x"].cast(pa.int64()).to_pylist() == [1704448800123456789, 1704448801000000000]


def test_an_order_that_one_late_row_decides_holds_for_the_whole_column(desk):
    cells = ["01/02/2024"] * 50_000 + ["25/02/2024"]
    kind, values, _ = column(desk, *cells)
    assert kind == pa.date32()
    assert (values[0], values[-1]) == (dt.date(2024, 2, 1), dt.date(2024, 2, 25))


def test_an_order_that_no_row_decides_stays_text_and_both_readings_are_named(desk):
    kind, values, warnings = column(desk, "01/02/2024", "03/04/2024")
    assert (kind, values) == (TEXT, ["01/02/2024", "03/04/2024"])
    for text in (warnings["ambiguous-dates"].text_en, warnings["ambiguous-dates"].text_zh):
        assert "dd/mm/yyyy" in text
        assert "mm/dd/yyyy" in text
    chosen, values, _ = column(desk, "01/02/2024", "03/04/2024", overrides={"x": "date[mm/dd/yyyy]"})
    assert (chosen, values) == (pa.date32(), [dt.date(2024, 1, 2), dt.date(2024, 3, 4)])


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (["2024-01-05", "13/02/2024"], ("yyyy-mm-dd", "dd/mm/yyyy")),
        (["13/02/2024", "02/13/2024"], ("dd/mm/yyyy", "mm/dd/yyyy")),
        (["2024/01/05", "2024年1月6日"], ("yyyy/mm/dd", "yyyy年m月d日")),
        (["2024-01-05", "2024-01-05 10:00"], ("yyyy-mm-dd", "yyyy-mm-dd hh:mm")),
        (["2024-01-05 10:00", "2024-01-05 10:00Z"], ("yyyy-mm-dd hh:mm", "±zone")),
    ],
)
def test_dates_of_mixed_forms_stay_text_and_both_forms_are_named(desk, cells, named):
    kind, values, warnings = column(desk, *cells)
    assert (kind, values) == (TEXT, cells)
    for form in named:
        assert form in warnings["mixed-dates"].text_en
        assert form in warnings["mixed-dates"].text_zh


def test_a_day_that_no_calendar_has_keeps_the_column_text(desk):
    cells = ["2024-02-28"] * 9 + ["2023-02-29"]
    kind, values, warnings = column(desk, *cells)
    assert (kind, values) == (TEXT, cells)
    assert "row 11" in warnings["stray-text"].text_en


@pytest.mark.parametrize("cell", ["=1+1", '=cmd|" /C calc"!A0', "+A1", "-SUM(1)", "@x", " =2"])
def test_formula_looking_cells_are_kept_verbatim_and_remarked(desk, cell):
    kind, values, warnings = column(desk, cell, "plain", "-", "+49 151 000", "-5")
    assert kind == TEXT
    assert values[0] == cell
    assert warnings["formula-like"].count in (1, 2)
    assert "row 2" in warnings["formula-like"].text_en


def test_the_publisher_corrects_a_type(desk):
    assert column(desk, "007", "012", overrides={"x": "int64"})[:2] == (INT, [7, 12])
    assert column(desk, "1", "2", overrides={"x": "text"})[:2] == (TEXT, ["1", "2"])
    assert column(desk, "1", "2", overrides={"x": "float64"})[:2] == (FLOAT, [1.0, 2.0])
    assert column(desk, "1,500", "2", overrides={"x": "float64[decimal-comma]"})[:2] == (FLOAT, [1.5, 2.0])
    moments = [at("2024-01-13 00:00:00"), at("2024-01-05 00:00:00")]
    assert column(desk, "13/01/2024", "05/01/2024", overrides={"x": "timestamp"})[:2] == (pa.timestamp("us"), moments)


@pytest.mark.parametrize(
    ("overrides", "code", "field"),
    [
        ({"x": "int64"}, "not-of-type", "a.csv: row 4, x"),
        ({"x": "date"}, "not-of-type", "a.csv: row 2, x"),
        ({"x": "number"}, "unknown-type", "x"),
        ({"x": "date[yy]"}, "unknown-type", "x"),
        ({"z": "text"}, "unknown-column", "z"),
    ],
)
def test_an_override_that_cannot_hold_names_the_cell(desk, overrides, code, field):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,1\n2,1\nthree,1\n"), overrides=overrides)
    assert (error.code, error.field) == (code, field)


def test_inspection_shows_type_example_missing_values_and_alternatives(desk):
    found = desk.look(desk.file("a.csv", "n,when,part\n,01/02/2024,0007\n5,13/02/2024,0008\n"))
    n, when, part = found.columns
    assert (n.type, n.example, n.nulls_in_sample) == ("int64", "5", 1)
    assert set(n.alternatives) == {"float64", "text"}
    assert (when.type, when.alternatives) == ("date[dd/mm/yyyy]", ("text",))
    assert (part.type, part.example, part.alternatives) == ("text", "0007", ("int64",))
    assert found.rows == 2


def test_every_alternative_that_is_shown_can_be_chosen(desk):
    text = 'a,b,c,d,e\n1,01/02/2024,"1,500",true,0007\n2,03/04/2024,12,false,1\n'
    upload = desk.file("a.csv", text)
    tried = 0
    for guess in desk.look(upload).columns:
        for alternative in guess.alternatives:
            table, _ = desk.read(upload, overrides={guess.name: alternative})
            chosen = next(column for column in table.columns if column.name == guess.name)
            assert chosen.type == alternative
            tried += 1
    assert tried >= 8
