"""JSON lines: objects, their keys in order, numbers with all their digits."""

from __future__ import annotations

import datetime as dt
import json
import math

import pytest

from exchange.catalog.reading import NOT_A_TABLE, Limits


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_keys_union_in_order_of_first_appearance(desk, name):
    _, rows = desk.read(desk.file(name, '{"b":1,"a":"x"}\n{"a":"y","c":true}\n\n{"b":null}\n'))
    assert rows.column_names == ["b", "a", "c"]
    assert rows.to_pylist() == [
        {"b": 1, "a": "x", "c": None},
        {"b": None, "a": "y", "c": True},
        {"b": None, "a": None, "c": None},
    ]


def test_a_key_that_first_appears_late_is_missing_before(desk):
    lines = ['{"a":1}'] * 50_000 + ['{"a":2,"late":2.5}']
    _, rows = desk.read(desk.file("a.jsonl", "\n".join(lines)))
    assert rows["late"].null_count == 50_000
    assert rows["late"][50_000].as_py() == 2.5


def test_numbers_keep_their_digits(desk):
    _, rows = desk.read(desk.file("a.jsonl", '{"id":1234567890123456789,"f":0.1,"h":18446744073709551616}\n'))
    assert rows.to_pylist() == [{"id": 1234567890123456789, "f": 0.1, "h": "18446744073709551616"}]


def test_quoted_values_are_text_save_dates(desk):
    table, rows = desk.read(desk.file("a.jsonl", '{"part":"123","day":"2024-01-05","n":"NA"}\n{"part":"4","n":5}\n'))
    assert rows.to_pylist()[0] == {"part": "123", "day": dt.date(2024, 1, 5), "n": None}
    assert [warning.code for warning in table.warnings] == ["numbers-as-text", "missing-marks"]
    _, rows = desk.read(desk.file("a.jsonl", '{"part":"123"}\n'), overrides={"part": "int64"})
    assert rows["part"].to_pylist() == [123]


def test_nan_and_infinity_are_kept_and_counted(desk):
    table, rows = desk.read(desk.file("a.jsonl", '{"x":NaN}\n{"x":-Infinity}\n{"x":1}\n'))
    values = rows["x"].to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, 1.0]
    assert table.warnings[0].count == 2


def test_nested_values_are_kept_as_json_text_with_a_warning(desk):
    line = '{"id":1,"axes":[1.50,{"y":"ü"}],"empty":{}}\n'
    table, rows = desk.read(desk.file("a.jsonl", line))
    assert rows["axes"].to_pylist() == ['[1.50,{"y":"ü"}]']
    assert json.loads(rows["empty"][0].as_py()) == {}
    assert [warning.code for warning in table.warnings] == ["nested-values", "nested-values"]


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        ('{"a":1}\n{"a":\n', "invalid-json", "a.jsonl: line 2"),
        ('{"a":1}\n\n[1,2]\n', "not-an-object", "a.jsonl: line 3"),
        ('{"a":1,"a":2}\n', "repeated-name", "a.jsonl: line 1"),
        ('{"a":1,"":2}\n', "empty-name", "a.jsonl: column 2"),
        ('{"a":"\\ud800"}\n', "undecodable", "a.jsonl: line 1"),
        ('{"a":' + "[" * 100_000 + "\n", "invalid-json", "a.jsonl: line 1"),
        ('{"a":"' + "x" * 1_100_000 + '"}\n', "cell-too-long", "a.jsonl: row 1, a"),
        ('{"a":1}\n{"a":"' + "x" * 5_000_000 + '"}\n', "row-too-long", "a.jsonl: line 2"),
        ("\n\n", "empty-file", "a.jsonl"),
        ("", "empty-file", "a.jsonl"),
    ],
)
def test_what_is_not_an_object_a_line_is_refused(desk, content, code, field):
    error = desk.refuse(desk.file("a.jsonl", content))
    assert (error.code, error.field) == (code, field)


def test_more_keys_than_the_limit_are_refused(desk):
    lines = "\n".join(f'{{"k{number}":1}}' for number in range(9))
    assert desk.refuse(desk.file("a.jsonl", lines), limits=Limits(max_columns=5)).code == "too-many-columns"


@pytest.mark.parametrize("content", ['[{"a":1}]', '{\n "a": 1\n}\n', '{"a":1}', "true"])
def test_a_json_document_is_no_table(desk, content):
    assert desk.refuse(desk.file("a.json", content)).code == NOT_A_TABLE


def test_chinese_in_gb18030_is_read(desk):
    _, rows = desk.read(desk.file("a.jsonl", '{"设备":"一号车床"}\n', "gb18030"))
    assert rows.to_pylist() == [{"设备": "一号车床"}]
