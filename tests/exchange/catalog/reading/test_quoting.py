"""What is said about a file names rows and columns and quotes no cell, since a cell can hold somebody's name."""

from __future__ import annotations

import datetime as dt

import openpyxl
import pytest

NAME = "张敏7431"
PLAIN = "\n".join(["x"] + ["1"] * 20)


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (PLAIN + f"\n{NAME}\n", "stray-text", "row 22"),
        (f"x\n={NAME}\nplain\n", "formula-like", "row 2"),
        (f'x\n"{NAME}\nnext"\nplain\n', "line-breaks", "row 2"),
        ("x\n1380000743100001234567\n12\n", "long-numbers", "row 2"),
        ("x\n07431\n12\n", "leading-zeros", "row 2"),
        ("x\n+8613800007431\n12\n", "plus-signs", "row 2"),
        ("x\n07/04/1931\n", "ambiguous-dates", "row 2"),
        ("x\n1931-04-07\n13/07/1931\n", "mixed-dates", "row 3"),
        ("x;y\n7,431;a\n1;b\n", "ambiguous-comma", "row 2"),
        ("x\n7431\n2024-01-05\n", "mixed-forms", "row 2"),
        ("x;y\n74,31;a\n1,25;b\n", "decimal-comma", "row 2"),
        ('x;y\n"1,007,431";a\n1;b\n', "thousands", "row 2"),
        ("x\n07.5\n7431.25\n", "padded-numbers", "row 2"),
        ("x\nNA\n7431\n", "missing-marks", "row 2"),
    ],
)
def test_a_remark_names_the_row_and_not_what_stands_there(desk, content, code, row):
    table, _ = desk.read(desk.file("a.csv", content))
    found = {warning.code: warning for warning in table.warnings}
    assert code in found, sorted(found)
    remark = found[code]
    assert row in remark.text_en
    assert f"第 {row.removeprefix('row ')} 行" in remark.text_zh
    cells = {cell for line in content.split("\n")[1:] for cell in (line, *line.split(";")) if len(cell) > 2}
    for text in (remark.text_en, remark.text_zh):
        assert not [cell for cell in cells if cell.strip('"=') in text]


def test_a_first_line_of_values_is_not_quoted(desk):
    table, _ = desk.read(desk.file("a.csv", f"1,{NAME},2024-01-01\n2,x,2024-01-02\n3,y,2024-01-03\n"))
    remark = next(warning for warning in table.warnings if warning.code == "no-header")
    assert NAME not in remark.text_en + remark.text_zh


def test_titles_above_a_sheets_table_are_not_quoted(desk):
    book = openpyxl.Workbook()
    for row in ([NAME], ["a", "b", "c"], [1, 2, 3], [4, 5, 6]):
        book.active.append(row)
    book.save(desk.root / "a.xlsx")
    table, _ = desk.read((desk.root / "a.xlsx", "a.xlsx"))
    remark = next(warning for warning in table.warnings if warning.code == "title-skipped")
    assert "row 1" in remark.text_en
    assert NAME not in remark.text_en + remark.text_zh


@pytest.mark.parametrize(
    ("content", "code", "options"),
    [
        (f"x,y\n1,{NAME}\n", "not-of-type", {"overrides": {"y": "date"}}),
        (f'x,y\n1,"{NAME}\n2,b\n', "open-quote", {}),
        (f"x,y\n1,2\n{NAME},1,2\n", "ragged-rows", {}),
        (f"x;{NAME}\n1;2\n", "wrong-delimiter", {"delimiter": ","}),
    ],
)
def test_a_refusal_names_the_row_and_not_what_stands_there(desk, content, code, options):
    from exchange.catalog.reading import Hints

    given = dict(options)
    if "delimiter" in given:
        given["hints"] = Hints(delimiter=given.pop("delimiter"))
    error = desk.refuse(desk.file("a.csv", content), **given)
    assert error.code == code
    assert NAME not in str(error) + error.reason_zh + error.mend_zh
    # What a log prints of an error is its whole chain.
    assert error.__cause__ is None or NAME not in str(error.__cause__)


def test_a_value_that_parquet_cannot_become_is_not_quoted(desk):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"s": ["1", NAME]}), desk.root / "a.parquet")
    error = desk.refuse((desk.root / "a.parquet", "a.parquet"), overrides={"s": "int64"})
    assert error.code == "not-of-type"
    assert NAME not in str(error) + error.reason_zh
    assert error.__cause__ is None


def test_the_publisher_still_sees_an_example_beside_the_type_to_correct(desk):
    found = desk.look(desk.file("a.csv", f"x,day\n{NAME},{dt.date(2024, 1, 13):%d/%m/%Y}\n"))
    assert found.columns[0].example == NAME
