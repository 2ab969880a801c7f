"""Delimited text: layouts that are read, and layouts that are refused with the line and the mend."""

from __future__ import annotations

import pyarrow as pa
import pytest

from exchange.catalog.reading import Hints, Limits

PLAIN = "time,value,note\n2024-01-05,1.5,a\n2024-01-06,2.5,b\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_detected(desk, delimiter):
    upload = desk.file("a.csv", PLAIN.replace(",", delimiter))
    assert desk.look(upload).delimiter == delimiter
    assert desk.read(upload)[1].to_pylist()[1]["value"] == 2.5


def test_a_tab_separated_file_may_hold_commas(desk):
    upload = desk.file("a.tsv", "x\ty\n1,5\tone, two\n2,5\tthree, four\n")
    assert desk.look(upload).delimiter == "\t"
    assert desk.read(upload)[1].to_pylist()[0] == {"x": 1.5, "y": "one, two"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(desk, end):
    assert desk.read(desk.file("a.csv", PLAIN.replace("\n", end)))[1].num_rows == 2


def test_a_last_line_without_an_end_is_a_row(desk):
    assert desk.read(desk.file("a.csv", "x,y\n1,2\n3,4"))[1].to_pylist() == [{"x": 1, "y": 2}, {"x": 3, "y": 4}]


def test_quoted_cells_hold_delimiters_quotation_marks_and_line_breaks(desk):
    table, rows = desk.read(desk.file("a.csv", 'x,y\n"a, b","say ""no"""\n"two\nlines","c;d"\n'))
    assert [(warning.code, warning.field) for warning in table.warnings] == [("line-breaks", "x")]
    assert rows.to_pylist() == [{"x": "a, b", "y": 'say "no"'}, {"x": "two\nlines", "y": "c;d"}]


def test_blank_lines_between_rows_are_nothing(desk):
    assert desk.read(desk.file("a.csv", "\nx,y\n\n1,2\n\n\n3,4\n\n"))[1].num_rows == 2


def test_in_a_single_column_a_blank_line_is_a_missing_value(desk):
    assert desk.read(desk.file("a.csv", "x\n1\n\n3\n"))[1]["x"].to_pylist() == [1, None, 3]


def test_a_file_without_a_header_gets_numbered_columns_and_keeps_its_first_row(desk):
    upload = desk.file("a.csv", "2024-01-05,1.5,a\n2024-01-06,2.5,b\n")
    table, rows = desk.read(upload)
    assert rows.column_names == ["column_1", "column_2", "column_3"]
    assert rows.num_rows == 2
    assert "no-header" in [warning.code for warning in table.warnings]
    assert desk.look(upload).header is False


def test_years_as_column_names_are_a_header(desk):
    _, rows = desk.read(desk.file("a.csv", "machine,2023,2024\nM1,17,18\nM2,19,20\n"))
    assert rows.column_names == ["machine", "2023", "2024"]


@pytest.mark.parametrize("header", ["0,1,2,3", ",0,1,2"])
def test_numbers_counted_from_zero_are_a_header(desk, header):
    upload = desk.file("a.csv", f"{header}\n1,2,3,4\n5,6,7,8\n")
    if header.startswith(","):
        assert desk.refuse(upload).code == "empty-name"
    else:
        assert desk.read(upload)[1].to_pylist() == [{"0": 1, "1": 2, "2": 3, "3": 4}, {"0": 5, "1": 6, "2": 7, "3": 8}]


def test_one_row_without_header_and_line_end_is_a_table(desk):
    assert desk.read(desk.file("a.csv", "1,2,3"))[1].to_pylist() == [{"column_1": 1, "column_2": 2, "column_3": 3}]


def test_the_publisher_may_name_delimiter_and_header(desk):
    upload = desk.file("a.csv", "a;b,c\nd;e,f\n")
    _, rows = desk.read(upload, hints=Hints(delimiter=";", header=False))
    assert rows.to_pylist() == [{"column_1": "a", "column_2": "b,c"}, {"column_1": "d", "column_2": "e,f"}]


def test_names_are_trimmed_and_put_on_one_line_with_a_warning(desk):
    table, rows = desk.read(desk.file("a.csv", '"Temp\n(°C)", AFDP ,z\n1,2,3\n'))
    assert rows.column_names == ["Temp (°C)", "AFDP", "z"]
    assert [warning.code for warning in table.warnings] == ["name-mended", "name-mended"]


def test_names_that_differ_in_case_only_are_remarked(desk):
    table, _ = desk.read(desk.file("a.csv", "Temp,temp\n1,2\n"))
    assert [warning.code for warning in table.warnings] == ["names-differ-by-case"]


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n\r\n"])
def test_an_empty_file_is_refused(desk, content):
    assert desk.refuse(desk.file("a.csv", content)).code == "empty-file"


@pytest.mark.parametrize("content", ["x,y\n", "x,y", "x,y\n\n\n", "\ufeffx,y\r\n"])
def test_a_header_without_rows_is_refused(desk, content):
    assert desk.refuse(desk.file("a.csv", content)).code == "header-only"


def test_ragged_rows_are_refused_and_the_first_lines_named(desk):
    content = 'x,y\n1,2\n\n"two\nlines",3\n1,2,3\n4\n' + "5,6\n" * 100 + "7,8,9\n"
    error = desk.refuse(desk.file("a.csv", content))
    assert (error.code, error.field) == ("ragged-rows", "a.csv: line 6")
    assert "line 6, 7, 108" in error.reason_en
    assert "第 6, 7, 108 行" in error.reason_zh
    assert "3, 1" in error.reason_en


def test_a_ragged_row_far_down_is_named(desk):
    error = desk.refuse(desk.file("a.csv", "x,y\n" + "1,2\n" * 400_000 + "1,2,3\n"))
    assert error.field == "a.csv: line 400002"


def test_a_title_above_the_header_is_named_as_ragged(desk):
    error = desk.refuse(desk.file("a.csv", "Report 2024\nx;y\n1;2\n3;4\n5;6\n7;8\n"))
    assert error.code == "ragged-rows"
    assert "remove lines above the header" in error.mend_en


def test_a_header_cut_by_another_delimiter_than_the_rows_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", "x;y;z\n1\n2\n3\n"))
    assert error.code == "wrong-delimiter"
    assert "semicolon" in error.reason_en
    assert "分号" in error.reason_zh


def test_a_named_delimiter_that_leaves_one_column_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", "x;y\n1;2\n"), hints=Hints(delimiter=","))
    assert error.code == "wrong-delimiter"


@pytest.mark.parametrize("delimiter", [":", "^", "，"])
def test_a_delimiter_that_is_not_known_is_refused(desk, delimiter):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,2\n3,4\n".replace(",", delimiter)))
    assert error.code == "wrong-delimiter"


def test_a_single_column_is_a_table(desk):
    assert desk.read(desk.file("a.csv", "note: free\nfirst\nsecond\n"))[1].column_names == ["note: free"]


@pytest.mark.parametrize(("content", "named"), [("x,x\n1,2\n", "x"), ("x, x\n1,2\n", "x")])
def test_duplicate_names_are_refused(desk, content, named):
    error = desk.refuse(desk.file("a.csv", content))
    assert (error.code, error.field) == ("repeated-name", named)
    assert "columns 1 and 2" in error.reason_en


@pytest.mark.parametrize("header", ["x,,z", ",y,z", "x,y,", 'x," ",z', "x,\u200b,z"])
def test_empty_names_are_refused(desk, header):
    error = desk.refuse(desk.file("a.csv", f"{header}\n1,2,3\n"))
    assert error.code == "empty-name"
    assert "column" in error.field


@pytest.mark.parametrize("mark", ["\x07", "\x1b", "\x7f", "\u202e"])
def test_control_characters_in_names_are_refused(desk, mark):
    error = desk.refuse(desk.file("a.csv", f"x,te{mark}mp\n1,2\n"))
    assert error.code == "unprintable-name"
    assert f"U+{ord(mark):04X}" in error.reason_en
    assert mark not in error.reason_en + error.reason_zh


def test_a_very_long_name_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", f"x,{'n' * 5_000}\n1,2\n"))
    assert error.code == "long-name"
    assert "5,000" in error.reason_en
    assert len(error.reason_en) < 300


def test_a_header_longer_than_a_row_may_be_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", f"x,{'n' * 3_000_000}\n1,2\n"))
    assert error.code in ("row-too-long", "long-name")


def test_two_thousand_columns_are_a_table(desk):
    names = ",".join(f"sensor_{number}" for number in range(2_000))
    line = ",".join(str(number / 4) for number in range(2_000))
    _, rows = desk.read(desk.file("wide.csv", f"{names}\n" + f"{line}\n" * 200))
    assert (rows.num_columns, rows.num_rows) == (2_000, 200)
    assert set(rows.schema.types) == {pa.float64()}
    assert rows["sensor_1999"][199].as_py() == 499.75


def test_more_columns_than_the_limit_are_refused(desk):
    error = desk.refuse(desk.file("a.csv", "a,b,c,d\n1,2,3,4\n"), limits=Limits(max_columns=3))
    assert error.code == "too-many-columns"
    assert "4" in error.reason_en
    assert "limit is 3" in error.reason_en


def test_a_cell_beyond_the_limit_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", f"x,y\n1,2\n3,{'z' * 1_100_000}\n"))
    assert (error.code, error.field) == ("cell-too-long", "a.csv: row 3, y")
    assert "1,100,000" in error.reason_en


def test_rows_longer_than_a_block_are_read_once_and_in_order(desk):
    lines = [f"{n},small\n" for n in range(100_000)]
    lines[70_000] = f"70000,{'l' * 700_000}\n"
    lines[70_001] = f"70001,{'m' * 1_000_000}\n"
    _, rows = desk.read(desk.file("a.csv", "x,y\n" + "".join(lines)))
    assert rows["x"].to_pylist() == list(range(100_000))
    assert rows["y"][70_000].as_py() == "l" * 700_000
    assert rows["y"][70_001].as_py() == "m" * 1_000_000


def test_a_row_beyond_the_limit_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,2\n" + f"3,{'z' * 10_000_000}\n" + "4,5\n"))
    assert error.code == "row-too-long"
    assert "4 MiB" in error.reason_en


def test_an_open_quotation_mark_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", 'x,y\n1,2\n3,"open\n5,6\n7,8\n'))
    assert error.code == "open-quote"
    assert "row 3" in error.field


def test_inches_written_with_a_quotation_mark_are_no_open_quotation(desk):
    _, rows = desk.read(desk.file("a.csv", 'x,y\n5" pipe,1\n6" pipe,2\n7" pipe,3\n'))
    assert rows["x"].to_pylist() == ['5" pipe', '6" pipe', '7" pipe']


def test_a_nul_byte_is_refused_with_its_offset(desk):
    error = desk.refuse(desk.file("a.csv", b"x,y\n1,\x002\n"))
    assert error.code == "nul-byte"
    assert "offset 6" in error.reason_en
