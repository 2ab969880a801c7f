"""Encodings: what is detected over the whole file, and what is refused with the offset of the byte."""

from __future__ import annotations

import codecs

import pytest

from exchange.catalog.reading import Hints

CHINESE = "设备,温度,备注\n一号车床,36.5,运行正常\n二号铣床,41.25,需要更换刀具\n"


@pytest.mark.parametrize(
    ("encoding", "mark", "label"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8 with BOM"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le with BOM"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be with BOM"),
        ("gb18030", b"", "gb18030"),
        ("gbk", b"", "gb18030"),
    ],
)
def test_the_same_rows_come_out_of_every_encoding(desk, encoding, mark, label):
    upload = desk.file("a.csv", mark + CHINESE.encode(encoding))
    assert desk.look(upload).encoding == label
    _, rows = desk.read(upload)
    assert rows.column_names == ["设备", "温度", "备注"]
    assert rows["温度"].to_pylist() == [36.5, 41.25]
    assert rows["备注"].to_pylist() == ["运行正常", "需要更换刀具"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_characters_at_the_borders_of_blocks_are_whole(desk, encoding):
    lines = [f"{'数' * (number % 7)}据{number},{number}\n" for number in range(200_000)]
    _, rows = desk.read(desk.file("big.csv", ("名称,值\n" + "".join(lines)).encode(encoding)))
    assert rows["值"].to_pylist() == list(range(200_000))
    assert rows["名称"].to_pylist() == [line.split(",")[0] for line in lines]


def test_rare_characters_of_gb18030_are_read(desk):
    text = "姓名,号\n" + "张伟,1\n" * 50 + "㐂𠮷,2\n"
    assert desk.read(desk.file("a.csv", text, "gb18030"))[1]["姓名"][50].as_py() == "㐂𠮷"


def test_an_undecodable_byte_is_named_with_its_offset(desk):
    error = desk.refuse(desk.file("a.csv", b"x,y\n1,2\n3,\xff\xff\n"))
    assert error.code == "undecodable"
    assert "0xFF" in error.reason_en
    assert "offset 10" in error.reason_en


def test_an_undecodable_byte_behind_the_first_megabyte_is_named(desk):
    head = "x,y\n" + "é,2\n" * 400_000
    error = desk.refuse(desk.file("a.csv", head.encode() + b"\xff,1\n"))
    assert f"offset {len(head.encode()):,}" in error.reason_en


def test_latin_letters_are_not_taken_for_chinese(desk):
    upload = desk.file("a.csv", "Name;Größe\nMüller;5\nJäger;6\nStraße;7\n", "cp1252")
    error = desk.refuse(upload)
    assert error.code == "undecodable"
    _, rows = desk.read(upload, hints=Hints(encoding="cp1252"))
    assert rows["Name"].to_pylist() == ["Müller", "Jäger", "Straße"]


def test_utf_16_without_a_mark_is_named_as_such(desk):
    error = desk.refuse(desk.file("a.csv", CHINESE.encode("utf-16-le")))
    assert error.code in ("nul-byte", "undecodable")


def test_utf_16_of_ascii_without_a_mark_gets_the_right_mend(desk):
    error = desk.refuse(desk.file("a.csv", "x,y\n1,2\n".encode("utf-16-le")))
    assert error.code == "nul-byte"
    assert "UTF-16" in error.mend_en


def test_a_cut_utf_16_file_is_refused(desk):
    error = desk.refuse(desk.file("a.csv", codecs.BOM_UTF16_LE + "x,y\n1,2\n".encode("utf-16-le")[:-1]))
    assert error.code == "undecodable"


def test_an_encoding_that_is_not_known_is_refused(desk):
    assert desk.refuse(desk.file("a.csv", CHINESE), hints=Hints(encoding="rot13")).code == "unknown-encoding"
