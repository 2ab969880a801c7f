"""Several files as one table, formats recognised, progress told, nothing left behind by a failure."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exchange.catalog.reading import NOT_A_TABLE, Limits, to_parquet


def test_files_become_one_table_in_the_order_of_their_names(desk):
    uploads = [desk.file(f"year_{year}.csv", f"year,n\n{year},1\n{year},2\n") for year in (2013, 2011, 2012)]
    table, rows = desk.read(*uploads)
    assert [file.source_name for file in table.files] == ["year_2011.csv", "year_2012.csv", "year_2013.csv"]
    assert [file.path.name for file in table.files] == [f"part-0000{number}.parquet" for number in range(3)]
    assert rows["year"].to_pylist() == [2011, 2011, 2012, 2012, 2013, 2013]
    assert table.rows == 6


def test_each_part_is_described_truly(desk):
    table, _ = desk.read(desk.file("a.csv", "x,y\n1,2\n"), desk.file("b.csv", "x,y\n3,4\n5,6\n"))
    for file, rows in zip(table.files, (1, 2), strict=True):
        data = file.path.read_bytes()
        assert (file.rows, file.bytes, file.sha256) == (rows, len(data), hashlib.sha256(data).hexdigest())
        assert pq.ParquetFile(file.path).schema_arrow.equals(table.schema)


def test_the_same_file_gives_the_same_bytes(desk):
    upload = desk.file("a.csv", "x,y\n" + "".join(f"{n},text {n % 7}\n" for n in range(200_000)))
    first = desk.read(upload)[0].files[0].sha256
    assert desk.read(upload)[0].files[0].sha256 == first


def test_types_are_widened_over_all_files(desk):
    uploads = [
        desk.file("a.csv", "n,day,empty,part\n1,01/02/2024,,12\n"),
        desk.file("b.csv", "n,day,empty,part\n2.5,25/02/2024,7,0012\n"),
    ]
    table, rows = desk.read(*uploads)
    assert rows.schema.types == [pa.float64(), pa.date32(), pa.int64(), pa.string()]
    assert rows["part"].to_pylist() == ["12", "0012"]
    assert "widened-to-text" in [warning.code for warning in table.warnings]


def test_formats_of_text_may_be_mixed(desk):
    _, rows = desk.read(desk.file("a.csv", "x,y\n1,a\n"), desk.file("b.jsonl", '{"y":"b","x":2}\n'))
    assert rows.to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


def test_another_order_of_columns_is_matched_by_name_with_a_warning(desk):
    table, rows = desk.read(desk.file("a.csv", "x,y\n1,a\n"), desk.file("b.csv", "y,x\nb,2\n"))
    assert rows.to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    assert "column-order" in [warning.code for warning in table.warnings]


@pytest.mark.parametrize("other", ["x,y,extra\n1,2,3\n", "x\n1\n"])
def test_files_with_other_columns_are_refused_by_name(desk, other):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,2\n"), desk.file("b.csv", other))
    assert error.code == "different-columns"
    assert error.field in ("b.csv: extra", "b.csv: y")
    assert "a.csv" in error.reason_en


def test_files_with_other_kinds_of_values_are_refused_by_file_column_and_row(desk):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,2\n"), desk.file("b.csv", "x,y\n1,2\n1,failed\n"))
    assert (error.code, error.field) == ("different-types", "b.csv: y")
    assert "int64 in a.csv" in error.reason_en
    assert "(row 3)" in error.reason_en
    assert "failed" not in error.reason_en + error.reason_zh


def test_an_override_settles_files_with_other_kinds_of_values(desk):
    uploads = [desk.file("a.csv", "x,y\n1,2\n"), desk.file("b.csv", "x,y\n1,failed\n")]
    assert desk.read(*uploads, overrides={"y": "text"})[1]["y"].to_pylist() == ["2", "failed"]


def test_parquet_files_of_other_types_are_refused_by_name(desk):
    for name, kind in (("a.parquet", pa.int64()), ("b.parquet", pa.string())):
        pq.write_table(pa.table({"x": pa.array([None], kind)}), desk.root / name)
    error = desk.refuse((desk.root / "a.parquet", "a.parquet"), (desk.root / "b.parquet", "b.parquet"))
    assert (error.code, error.field) == ("different-types", "b.parquet: x")


def test_parquet_and_text_are_not_mixed(desk):
    pq.write_table(pa.table({"x": [1]}), desk.root / "a.parquet")
    assert desk.refuse((desk.root / "a.parquet", "a.parquet"), desk.file("b.csv", "x\n1\n")).code == "mixed-formats"


def test_a_bad_file_among_good_ones_leaves_nothing(desk):
    good = [desk.file(f"{name}.csv", "x,y\n1,2\n") for name in "ab"]
    error = desk.refuse(*good, desk.file("c.csv", "x,y\n1,2\n1,2,3\n"))
    assert error.field == "c.csv: line 3"


def test_a_failure_takes_away_a_folder_that_it_made(desk):
    with pytest.raises(Exception, match="empty"):
        to_parquet([desk.file("a.csv", "")], desk.root / "made")
    assert not (desk.root / "made").exists()


def test_a_failure_leaves_what_was_in_the_folder_before(desk):
    desk.target.mkdir()
    (desk.target / "kept.txt").write_text("kept")
    with pytest.raises(Exception, match="empty"):
        to_parquet([desk.file("a.csv", "")], desk.target)
    assert [path.name for path in desk.target.iterdir()] == ["kept.txt"]


def test_an_interruption_leaves_nothing(desk):
    def stop(share: float, _: str) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_parquet([desk.file("a.csv", "x,y\n1,2\n" * 1)], desk.target, progress=stop)
    assert not desk.target.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("drawing.step", b"ISO-10303-21;\nHEADER;\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("readme.txt", b"Just a text.\nWith a few, well, commas.\n"),
        ("page.html", b"<table><tr><td>1</td></tr></table>"),
        ("archive.zip", b"PK\x03\x04" + bytes(200)),
        ("a.csv.gz", b"\x1f\x8b\x08" + bytes(50)),
        ("noname", bytes(range(256)) * 10),
        ("log.txt", "é".encode("latin-1") * 50),
    ],
)
def test_anything_else_is_said_to_be_no_table(desk, name, content):
    error = desk.refuse(desk.file(name, content))
    assert (error.code, error.field) == (NOT_A_TABLE, name)


@pytest.mark.parametrize("name", ["data.txt", "data.dat", "data"])
def test_an_even_table_of_another_name_is_read(desk, name):
    upload = desk.file(name, "time;value\n2024-01-05;1,5\n2024-01-06;2,25\n")
    assert desk.look(upload).format == "csv"
    assert desk.read(upload)[1].num_rows == 2


def test_progress_never_falls_and_ends_at_one(desk):
    told = []
    uploads = [
        desk.file("a.csv", "x,y\n" + "1,2\n" * 300_000),
        desk.file("b.jsonl", '{"x":1,"y":2}\n' * 9_000),
    ]
    desk.read(*uploads, progress=lambda share, name: told.append((share, name)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {name for _, name in told} == {"a.csv", "b.jsonl"}
    assert len(told) > 6


def test_a_wide_or_heavy_table_gets_smaller_row_groups(desk):
    upload = desk.file("a.csv", "x,y\n" + f"1,{'long text ' * 20}\n" * 60_000)
    table, _ = desk.read(upload, limits=Limits(row_group_bytes=1 << 20))
    assert pq.ParquetFile(table.files[0].path).metadata.num_row_groups > 3


def test_no_file_at_all_is_a_mistake_of_the_caller(desk):
    with pytest.raises(ValueError, match="at least one"):
        to_parquet([], desk.target)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document"), (b"%PDF-1.4\nplain text of a document\n" * 9, "a PDF document"),
        (b"\x89PNG\r\n\x1a\n\x00", "a PNG picture"), (b"PK\x03\x04 no workbook", "a ZIP archive"), (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"<!DOCTYPE html><p>Not found</p>\n", "a web page"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_file_that_is_not_what_its_name_says_is_refused_with_what_it_is(desk, content, what, name):
    error = desk.refuse(desk.file(name, content))
    kind = name.rpartition(".")[2]
    assert error.code == "wrong-format"
    assert error.reason_en == f"The file is named .{kind}, but it is {what}, not {kind.upper()}."
    assert error.field == name


def test_a_workbook_named_csv_is_still_read_as_a_workbook(desk):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, 2]):
        book.active.append(row)
    book.save(desk.root / "book.csv")
    assert desk.read((desk.root / "book.csv", "book.csv"))[0].rows == 1
