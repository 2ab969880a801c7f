"""XLSX: cells as a person sees them, checked against openpyxl's own reader; hostile archives refused unopened."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import zipfile

import openpyxl
import pyarrow as pa
import pytest
from openpyxl.styles.numbers import BUILTIN_FORMATS

from exchange.catalog.reading import NOT_A_TABLE, Hints, Limits

at = dt.datetime.fromisoformat
SHEET = "xl/worksheets/sheet1.xml"


def workbook(desk, *rows, name="a.xlsx", sheets=None):
    """Return an upload with `rows` on its first sheet, and further sheets by name."""
    book = openpyxl.Workbook()
    book.active.title = "First"
    for row in rows:
        book.active.append(row)
    for title, lines in (sheets or {}).items():
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(line)
    book.save(desk.root / name)
    return desk.root / name, name


def rewritten(upload, part, change, name="b.xlsx"):
    """Return a copy of the upload in which the bytes of one part went through `change`."""
    target = upload[0].with_name(name)
    with zipfile.ZipFile(upload[0]) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as sink:
        for entry in source.infolist():
            data = source.read(entry)
            sink.writestr(entry.filename, change(data) if entry.filename == part else data)
    return target, name


def part_of(upload, part):
    with zipfile.ZipFile(upload[0]) as archive:
        return archive.read(part)


def with_shared_texts(upload, name="shared.xlsx"):
    """Return a copy as Excel writes it: texts in a table of their own (openpyxl writes them into the cells)."""
    texts: list[bytes] = []

    def refer(match):
        texts.append(match[1])
        return b't="s"><v>%d</v>' % (len(texts) - 1)

    cells = re.compile(rb't="inlineStr"><is>(<t.*?</t>)</is>', re.DOTALL)
    copy = rewritten(upload, SHEET, lambda data: cells.sub(refer, data), name)
    relation = b'<Relationship Id="s" Type="http://x/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    change = lambda data: data.replace(b"</Relationships>", relation)  # noqa: E731
    copy = rewritten(copy, "xl/_rels/workbook.xml.rels", change, f"2{name}")
    with zipfile.ZipFile(copy[0], "a") as archive:
        table = b"".join(b"<si>" + text + b"</si>" for text in texts)
        space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        archive.writestr("xl/sharedStrings.xml", b'<sst xmlns="' + space + b'">' + table + b"</sst>")
    return copy


def test_cells_of_every_kind_are_read(desk):
    upload = workbook(
        desk,
        ["n", "f", "text", "ok", "day", "time", "part"],
        [1, 1.5, '车床 <1> & "2"', True, at("2024-01-05"), at("2024-01-05 10:20:30"), "007"],
        [-2, 1e-7, " kept ", False, at("1999-12-31"), at("2024-01-06 00:00:00"), "012"],
        [None, 2, None, None, None, None, None],
    )
    _, rows = desk.read(upload)
    assert rows.schema.types == [
        *(pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.string())
    ]
    assert rows.to_pylist() == [
        {
            "n": 1,
            "f": 1.5,
            "text": '车床 <1> & "2"',
            "ok": True,
            "day": dt.date(2024, 1, 5),
            "time": at("2024-01-05 10:20:30"),
            "part": "007",
        },
        {
            "n": -2,
            "f": 1e-7,
            "text": " kept ",
            "ok": False,
            "day": dt.date(1999, 12, 31),
            "time": at("2024-01-06"),
            "part": "012",
        },
        {"n": None, "f": 2.0, "text": None, "ok": None, "day": None, "time": None, "part": None},
    ]


def test_the_values_are_those_that_openpyxl_reads(desk):
    chance = random.Random(7)
    kinds = [
        lambda: chance.randrange(-(10**12), 10**12),
        lambda: chance.uniform(-1e6, 1e6),
        lambda: f"text {chance.random()} ü数<&>",
        lambda: at("2020-01-01") + dt.timedelta(seconds=chance.randrange(10**8)),
    ]
    lines = [[kind() if chance.random() > 0.1 else None for kind in kinds] for _ in range(2_000)]
    upload = workbook(desk, ["i", "f", "s", "t"], [1, 0.5, "x", at("2020-01-01 10:00")], *lines)
    _, rows = desk.read(upload)
    book = openpyxl.load_workbook(upload[0], read_only=True, data_only=True)
    expected = [
        dict(zip(rows.column_names, line, strict=True)) for line in book.active.iter_rows(min_row=2, values_only=True)
    ]
    book.close()
    while not any(expected[-1].values()):
        expected.pop()
    assert rows.to_pylist() == expected


def test_shared_texts_are_looked_up(desk):
    lines = [[f"text {n % 40_000}", n] for n in range(60_000)]
    upload = workbook(desk, ["a", "b"], *lines)
    shared = with_shared_texts(upload)
    assert b"inlineStr" not in part_of(shared, SHEET)
    _, rows = desk.read(shared)
    assert rows["a"].to_pylist() == [line[0] for line in lines]


def test_rich_and_escaped_texts_are_read_without_pronunciation(desk):
    upload = with_shared_texts(workbook(desk, ["x", "y"], ["PLACE", 1]))
    rich = b'<si><r><t>one_x000D_</t></r><r><t xml:space="preserve"> two</t></r><rPh><t>no</t></rPh></si>'
    changed = rewritten(upload, "xl/sharedStrings.xml", lambda data: data.replace(b"<si><t>PLACE</t></si>", rich))
    assert desk.read(changed)[1]["x"].to_pylist() == ["one\r two"]


def test_elements_with_a_prefix_are_read(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])

    def prefixed(data):
        data = data.replace(b'xmlns="', b'xmlns:x="')
        return re.sub(rb"<(/?)(?=[a-zA-Z])", rb"<\1x:", data)

    assert desk.read(rewritten(upload, SHEET, prefixed))[1].to_pylist() == [{"x": 1, "y": 2}]


def test_formulas_are_read_as_their_stored_results_with_a_warning(desk):
    upload = workbook(desk, ["x", "y"], [1, "=A2*2"], [2, "=A3*2"])
    stored = rewritten(upload, SHEET, lambda data: data.replace(b"<f>A2*2</f><v />", b"<f>A2*2</f><v>2</v>"))
    table, rows = desk.read(stored)
    assert rows["y"].to_pylist() == [2, None]
    found = {warning.code: warning.count for warning in table.warnings}
    assert found["formulas"] == 2
    assert found["formulas-without-result"] == 1


def test_a_text_that_looks_like_a_formula_is_kept(desk):
    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    book.active.append(["placeholder", 1])
    book.active["A2"].value = "=1+1"
    book.active["A2"].data_type = "s"
    book.save(desk.root / "a.xlsx")
    table, rows = desk.read((desk.root / "a.xlsx", "a.xlsx"))
    assert rows["x"].to_pylist() == ["=1+1"]
    assert "formula-like" in [warning.code for warning in table.warnings]


def test_errors_are_missing_values_among_numbers(desk):
    upload = workbook(desk, ["x", "y"], [1, 1], ["#DIV/0!", 2], ["-", 3])
    assert desk.read(upload)[1]["x"].to_pylist() == [1, None, None]


def test_numbers_stored_as_text_stay_text_with_a_warning(desk):
    table, rows = desk.read(workbook(desk, ["x", "y"], ["5", 1], ["6", 2]))
    assert rows["x"].to_pylist() == ["5", "6"]
    assert "numbers-as-text" in [warning.code for warning in table.warnings]
    assert desk.read(workbook(desk, ["x", "y"], ["5", 1]), overrides={"x": "int64"})[1]["x"].to_pylist() == [5]


def test_numbers_beyond_fifteen_digits_are_exact_where_stored_and_warned_of(desk):
    upload = workbook(desk, ["x", "y"], [17, "1234567890123456789"])
    exact = rewritten(upload, SHEET, lambda data: data.replace(b"<v>17</v>", b"<v>1234567890123456789</v>"))
    table, rows = desk.read(exact)
    assert rows.to_pylist() == [{"x": 1234567890123456789, "y": "1234567890123456789"}]
    assert "rounded-by-spreadsheet" in [warning.code for warning in table.warnings]
    rounded = rewritten(upload, SHEET, lambda data: data.replace(b"<v>17</v>", b"<v>1.2345678901234E+18</v>"))
    assert desk.read(rounded)[1]["x"].to_pylist() == [1.2345678901234e18]


def test_the_calendar_of_1904_is_respected(desk):
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(["day", "n"])
    book.active.append([at("2024-01-05"), 1])
    book.save(desk.root / "a.xlsx")
    assert desk.read((desk.root / "a.xlsx", "a.xlsx"))[1]["day"].to_pylist() == [dt.date(2024, 1, 5)]


def test_times_of_day_and_durations_are_text(desk):
    upload = workbook(
        desk, ["at", "lasted", "n"], [dt.time(8, 5), dt.timedelta(hours=30, minutes=1), 1], [dt.time(23, 59), None, 2]
    )
    _, rows = desk.read(upload)
    assert rows["at"].to_pylist() == ["08:05:00", "23:59:00"]
    assert rows["lasted"].to_pylist() == ["1 day, 6:01:00", None]


def test_progress_of_a_sheet_is_told(desk):
    told = []
    upload = workbook(desk, ["x", "y"], *([n, f"text {n}"] for n in range(20_000)))
    desk.read(upload, progress=lambda share, _: told.append(share))
    assert len([share for share in told if 0.02 < share < 0.29]) >= 3


def test_chinese_built_in_date_formats_are_dates(desk):
    assert 31 not in BUILTIN_FORMATS
    upload = workbook(desk, ["day", "n"], [at("2024-01-05"), 1])
    changed = rewritten(
        upload, "xl/styles.xml", lambda data: re.sub(rb'numFmtId="(164|14|22)"', b'numFmtId="31"', data)
    )
    assert desk.read(changed)[1]["day"].to_pylist() == [dt.date(2024, 1, 5)]


def test_the_first_sheet_with_data_is_read_and_the_others_named(desk):
    upload = workbook(desk, sheets={"Data": [["x", "y"], [1, 2]], "Empty": [], "More": [["z"], [3]]})
    table, rows = desk.read(upload)
    assert rows.to_pylist() == [{"x": 1, "y": 2}]
    other = next(warning for warning in table.warnings if warning.code == "other-sheets")
    assert "“Data” was read" in other.text_en
    assert "“More”" in other.text_en
    assert "Empty" not in other.text_en
    assert desk.read(upload, hints=Hints(sheet="More"))[1].to_pylist() == [{"z": 3}]


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(desk):
    error = desk.refuse(workbook(desk, ["x"], [1]), hints=Hints(sheet="Daten"))
    assert error.code == "unknown-sheet"
    assert "“First”" in error.reason_en


def test_titles_above_and_empty_columns_beside_the_table_are_left_out(desk):
    upload = workbook(
        desk, ["Report 2024"], [], [None, "x", "y", "z"], [None, 1, 2, 3], [], [None, 4, 5, 6], [None, None], []
    )
    table, rows = desk.read(upload)
    assert rows.to_pylist() == [
        {"x": 1, "y": 2, "z": 3},
        {"x": None, "y": None, "z": None},
        {"x": 4, "y": 5, "z": 6},
    ]
    assert [warning.code for warning in table.warnings] == ["title-skipped", "empty-rows"]


def test_a_sheet_without_a_header_gets_numbered_columns(desk):
    _, rows = desk.read(workbook(desk, [1, "a"], [2, "b"]))
    assert rows.to_pylist() == [{"column_1": 1, "column_2": "a"}, {"column_1": 2, "column_2": "b"}]


def test_merged_cells_are_remarked(desk):
    book = openpyxl.Workbook()
    for row in (["a", "b"], ["x", 1], [None, 2]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(desk.root / "a.xlsx")
    table, _ = desk.read((desk.root / "a.xlsx", "a.xlsx"))
    assert "merged-cells" in [warning.code for warning in table.warnings]


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "empty-file"),
        ([["x", "y"]], "header-only"),
        ([["x", "x"], [1, 2]], "repeated-name"),
        ([["x", None, "z"], [1, 2, 3]], "empty-name"),
        ([["x"], [1, 2]], "empty-name"),
        ([["x", "n" * 300], [1, 2]], "long-name"),
    ],
)
def test_tables_that_are_none_are_refused(desk, rows, code):
    assert desk.refuse(workbook(desk, *rows)).code == code


def test_more_columns_than_the_limit_are_refused(desk):
    error = desk.refuse(workbook(desk, list("abcd"), [1, 2, 3, 4]), limits=Limits(max_columns=3))
    assert error.code == "too-many-columns"


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.05])
def test_a_workbook_cut_short_is_refused(desk, kept):
    data = workbook(desk, ["x", "y"], *([n, n] for n in range(500)))[0].read_bytes()
    assert desk.refuse(desk.file("b.xlsx", data[: int(len(data) * kept)])).code == "damaged"


def test_damaged_bytes_inside_are_refused(desk):
    data = bytearray(workbook(desk, ["x", "y"], *([n, n] for n in range(5_000)))[0].read_bytes())
    place = data.find(b"xl/worksheets/sheet1.xml") + 2_000
    data[place : place + 200] = bytes(200)
    assert desk.refuse(desk.file("b.xlsx", bytes(data))).code == "damaged"


def test_a_workbook_without_its_sheet_is_refused(desk):
    upload = workbook(desk, ["x"], [1])
    target = desk.root / "b.xlsx"
    with zipfile.ZipFile(upload[0]) as source, zipfile.ZipFile(target, "w") as sink:
        for entry in source.infolist():
            if entry.filename != SHEET:
                sink.writestr(entry.filename, source.read(entry))
    assert desk.refuse((target, "b.xlsx")).code == "damaged"


def test_a_zip_bomb_is_refused_by_its_ratio(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])
    bomb = rewritten(upload, SHEET, lambda data: data + b" " * (300 << 20))
    assert bomb[0].stat().st_size < 1 << 20
    error = desk.refuse(bomb)
    assert error.code == "archive-bomb"
    assert "grow" in error.reason_en


def test_a_zip_bomb_is_refused_by_its_size(desk):
    upload = workbook(desk, ["x", "y"], *([n, f"text {n}"] for n in range(3_000)))
    error = desk.refuse(upload, limits=Limits(archive_bytes=100_000))
    assert error.code == "archive-bomb"
    assert "unpack to" in error.reason_en


def test_a_zip_bomb_is_refused_by_its_entries(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])
    with zipfile.ZipFile(upload[0], "a") as archive:
        for number in range(300):
            archive.writestr(f"xl/media/{number}.bin", b"")
    assert desk.refuse(upload, limits=Limits(archive_entries=200)).code == "archive-bomb"


def test_a_table_of_contents_too_large_to_load_is_refused(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])
    with zipfile.ZipFile(upload[0], "a") as archive:
        for number in range(3_000):
            archive.writestr(f"xl/media/{'n' * 400}{number}.bin", b"")
    error = desk.refuse(upload, limits=Limits(archive_entries=1_000))
    assert "table of contents" in error.reason_en


def test_entries_that_share_their_bytes_are_refused(desk):
    upload = workbook(desk, ["x", "y"], *([n, n] for n in range(20_000)))
    with zipfile.ZipFile(upload[0], "a") as archive:
        sheet = archive.getinfo(SHEET)
        for number in range(50):
            copy = zipfile.ZipInfo(f"xl/copy{number}.xml")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(copy, field, getattr(sheet, field))
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
        archive._didModify = True
    error = desk.refuse(upload)
    assert error.code == "archive-bomb"
    assert "overlap" in error.reason_en


def test_entities_are_refused(desk):
    upload = with_shared_texts(workbook(desk, ["x", "y"], [1, 2]))
    declaration = b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    for part in (SHEET, "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"):
        hostile = rewritten(upload, part, lambda data: re.sub(rb"(<\?xml.*?\?>)?", rb"\1" + declaration, data, count=1))
        error = desk.refuse(hostile)
        assert (error.code, "document type" in error.reason_en) == ("archive-bomb", True)


def test_a_cell_of_megabytes_is_refused(desk):
    upload = workbook(desk, ["x", "y"], ["PLACE", 1])
    text = os.urandom(1_500_000).hex().encode()
    for book, part in ((upload, SHEET), (with_shared_texts(upload), "xl/sharedStrings.xml")):
        error = desk.refuse(rewritten(book, part, lambda data: data.replace(b"PLACE", text)))
        assert error.code == "cell-too-long"


def test_a_token_of_megabytes_is_refused(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])
    value = os.urandom(3_000_000).hex().encode()
    for hostile in (b'<row note="' + value + b'" r="1"', b"<!--" + value + b'--><row r="1"'):
        error = desk.refuse(rewritten(upload, SHEET, lambda data, tag=hostile: data.replace(b'<row r="1"', tag, 1)))
        assert error.code == "archive-bomb"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'r="A2"', b'r="ZZZZ2"'),
        (b'<row r="2"', b'<row r="2000000"'),
        (b"<v>17</v>", b"<v>abc</v>"),
        (b'<c r="A2" t="n"><v>17</v>', b'<c r="A2" t="s"><v>99999</v>'),
    ],
)
def test_impossible_cells_are_refused(desk, old, new):
    upload = workbook(desk, ["x", "y"], [17, 2])
    assert old in part_of(upload, SHEET)
    assert desk.refuse(rewritten(upload, SHEET, lambda data: data.replace(old, new))).code == "damaged"


def test_old_and_encrypted_workbooks_are_no_tables(desk):
    error = desk.refuse(desk.file("a.xlsx", bytes.fromhex("D0CF11E0A1B11AE1") + bytes(5_000)))
    assert error.code == NOT_A_TABLE
    assert ".xlsx" in error.mend_en


def test_a_workbook_of_another_name_is_recognised(desk):
    upload = workbook(desk, ["x", "y"], [1, 2])
    assert desk.look((upload[0], "export.bin")).format == "xlsx"
    assert desk.look((upload[0], "export.csv")).format == "xlsx"
