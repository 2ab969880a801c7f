"""Parquet: types kept, copied in row groups of our own size, broken and nested files refused by name."""

from __future__ import annotations

import datetime as dt
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from exchange.catalog.reading import Limits


def written(desk, name, table, **options):
    path = desk.root / name
    pq.write_table(table, path, **options)
    return path, name


def test_types_and_values_are_kept(desk):
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int32()),
            "f": pa.array([0.1, 0.2, None], pa.float32()),
            "s": pa.array(["a", None, "ü"]),
            "d": pa.array([dt.date(2024, 1, 5)] * 3),
            "t": pa.array([dt.datetime.fromisoformat("2024-01-05 10:00")] * 3, pa.timestamp("ms")),
            "z": pa.array([dt.datetime(2024, 1, 5, 10, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "Asia/Shanghai")),
            "n": pa.array([1, 2, 3], pa.uint64()),
            "b": pa.array([True, None, False]),
        }
    )
    _, rows = desk.read(written(desk, "a.parquet", table))
    assert rows.equals(table)


def test_dictionaries_long_texts_and_null_columns_become_plain_texts(desk):
    table = pa.table(
        {
            "category": pa.array(["a", "b", "a"]).dictionary_encode(),
            "long": pa.array(["x", None, "z"], pa.large_string()),
            "nothing": pa.nulls(3),
        }
    )
    _, rows = desk.read(written(desk, "a.parquet", table))
    assert set(rows.schema.types) == {pa.string()}
    assert rows["category"].to_pylist() == ["a", "b", "a"]
    assert rows["nothing"].null_count == 3


def test_row_groups_have_the_agreed_size_whatever_the_source_has(desk):
    numbers = pa.table({"n": range(300_000)})
    table, rows = desk.read(written(desk, "a.parquet", numbers, row_group_size=50_000))
    metadata = pq.ParquetFile(table.files[0].path).metadata
    assert [metadata.row_group(group).num_rows for group in range(3)] == [131_072, 131_072, 37_856]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert rows["n"].to_pylist() == list(range(300_000))


def test_nan_and_infinity_are_counted(desk):
    table, rows = desk.read(written(desk, "a.parquet", pa.table({"x": [1.0, math.nan, math.inf, None]})))
    assert [(warning.code, warning.count) for warning in table.warnings] == [("nan-or-infinity", 2)]
    assert math.isnan(rows["x"][1].as_py())


def test_nested_columns_are_refused_by_name(desk):
    table = pa.table({"ok": [1], "list": [[1, 2]], "struct": [{"a": 1}]})
    error = desk.refuse(written(desk, "a.parquet", table))
    assert (error.code, error.field) == ("nested-columns", "list")
    assert "“list”, “struct”" in error.reason_en


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01])
def test_a_file_cut_short_is_refused(desk, kept):
    path, name = written(desk, "a.parquet", pa.table({"n": range(50_000)}))
    data = path.read_bytes()
    error = desk.refuse(desk.file(name, data[: int(len(data) * kept)]))
    assert error.code == "cut-short"


def test_a_damaged_page_is_refused(desk):
    path, name = written(desk, "a.parquet", pa.table({"n": range(200_000)}), use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[5_000:9_000] = bytes(4_000)
    assert desk.refuse(desk.file(name, bytes(data))).code == "damaged"


def test_a_damaged_footer_is_refused(desk):
    path, name = written(desk, "a.parquet", pa.table({"n": range(1_000)}))
    data = bytearray(path.read_bytes())
    data[-200:-20] = bytes(180)
    assert desk.refuse(desk.file(name, bytes(data))).code == "damaged"


def test_a_text_file_called_parquet_is_refused(desk):
    assert desk.refuse(desk.file("a.parquet", "x,y\n1,2\n")).code == "damaged"


def test_a_file_without_rows_is_refused(desk):
    assert desk.refuse(written(desk, "a.parquet", pa.table({"x": pa.array([], pa.int64())}))).code == "header-only"


class _Plain(pe.KmsClient):
    """A key service for the test: keys are wrapped by being written down."""

    def wrap_key(self, key_bytes, master_key_identifier):
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return bytes.fromhex(wrapped_key)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_an_encrypted_file_is_refused(desk, plaintext_footer):
    config = pe.EncryptionConfiguration(footer_key="k", column_keys={"k": ["x"]}, plaintext_footer=plaintext_footer)
    factory = pe.CryptoFactory(lambda _: _Plain())
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    path = desk.root / "a.parquet"
    with pq.ParquetWriter(path, pa.schema([("x", pa.int64())]), encryption_properties=properties) as writer:
        writer.write_table(pa.table({"x": [1, 2]}))
    error = desk.refuse((path, "a.parquet"))
    assert error.code == "encrypted"
    assert "without encryption" in error.mend_en


def test_one_huge_text_repeated_in_every_row_is_refused_before_it_is_unfolded(desk):
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 5_000_000]))
    upload = written(desk, "a.parquet", pa.table({"s": values}), compression="zstd", write_statistics=False)
    assert upload[0].stat().st_size < 100_000
    before = pa.default_memory_pool().max_memory()
    error = desk.refuse(upload)
    assert (error.code, error.field) == ("cell-too-long", "a.parquet: row 1, s")
    assert pa.default_memory_pool().max_memory() - before < 200 << 20


def test_types_can_be_corrected(desk):
    table = pa.table({"n": [1, 2], "s": ["7", "8"], "b": pa.array([b"ab", b"cd"])})
    upload = written(desk, "a.parquet", table)
    found, rows = desk.read(upload, overrides={"n": "text", "s": "int64", "b": "text"})
    assert rows.to_pylist() == [{"n": "1", "s": 7, "b": "ab"}, {"n": "2", "s": 8, "b": "cd"}]
    assert next(column for column in found.columns if column.name == "n").alternatives == ("int64",)
    assert desk.refuse(upload, overrides={"s": "date"}).code == "not-of-type"


def test_names_are_judged_as_in_every_format(desk):
    assert desk.refuse(written(desk, "a.parquet", pa.table([[1], [2]], names=["x", "x"]))).code == "repeated-name"
    assert desk.refuse(written(desk, "a.parquet", pa.table({"": [1]}))).code == "empty-name"
    many = pa.table({f"c{number}": [1] for number in range(9)})
    assert desk.refuse(written(desk, "a.parquet", many), limits=Limits(max_columns=8)).code == "too-many-columns"


def test_inspection_names_types_and_examples(desk):
    upload = written(desk, "a.parquet", pa.table({"x": pa.array([None, 1.5]), "i": pa.array([1, 2], pa.int32())}))
    found = desk.look(upload)
    assert (found.format, found.rows) == ("parquet", 2)
    assert [(column.type, column.example, column.nulls_in_sample) for column in found.columns] == [
        ("float64", "1.5", 1),
        ("int32", "1", 0),
    ]
