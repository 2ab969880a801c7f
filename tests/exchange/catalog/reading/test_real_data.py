"""The real files: three of industry's, each with its own trap."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc


def uploads(folder: Path):
    return [(path, path.name) for path in sorted(folder.iterdir())]


def written_cells(folder: Path):
    """Return the cells of all files as Python's own csv module reads them, headers left out."""
    cells = []
    for path, _ in uploads(folder):
        with path.open(encoding="utf-8", newline="") as stream:
            cells += list(csv.reader(stream))[1:]
    return cells


def test_five_years_of_a_gas_turbine_are_one_table(desk, real_data):
    table, rows = desk.read(*uploads(real_data / "gas_turbine"))
    assert [file.rows for file in table.files] == [7411, 7628, 7152, 7158, 7384]
    assert (rows.num_rows, rows.num_columns) == (36_733, 11)
    assert set(rows.schema.types) == {pa.float64()}
    assert sum(column.null_count for column in rows.columns) == 0
    # One of the five files calls a column "AFDP ", with a blank.
    assert rows.column_names == ["AT", "AP", "AH", "AFDP", "GTEP", "TIT", "TAT", "TEY", "CDP", "CO", "NOX"]
    assert [(warning.code, warning.field) for warning in table.warnings] == [("name-mended", "AFDP")]
    assert [[float(cell) for cell in line] for line in written_cells(real_data / "gas_turbine")] == [
        list(row.values()) for row in rows.to_pylist()
    ]


def test_a_steel_plant_has_times_in_day_month_order(desk, real_data):
    table, rows = desk.read(*uploads(real_data / "steel_energy"))
    assert rows.num_rows == 35_040
    assert rows.schema.field("date").type == pa.timestamp("us")
    assert table.columns[0].type == "timestamp[dd/mm/yyyy]"
    assert len(pc.unique(rows["date"])) == 35_040
    written = written_cells(real_data / "steel_energy")
    times = [dt.datetime.strptime(line[0], "%d/%m/%Y %H:%M") for line in written]  # noqa: DTZ007 - none is written.
    assert rows["date"].to_pylist() == times
    assert sum(late < early for early, late in itertools.pairwise(times)) == 365
    kinds = dict(zip(rows.column_names, rows.schema.types, strict=True))
    assert kinds["Usage_kWh"] == pa.float64()
    assert kinds["NSM"] == pa.int64()
    assert kinds["Load_Type"] == pa.string()
    for place in (1, 2, 3, 4, 5, 6, 7):
        assert rows.column(place).to_pylist() == [float(line[place]) for line in written]
    for place in (8, 9, 10):
        assert rows.column(place).to_pylist() == [line[place] for line in written]
    assert {warning.code for warning in table.warnings} == {"padded-numbers"}


def test_a_machine_has_its_temperature_every_five_minutes(desk, real_data):
    table, rows = desk.read(*uploads(real_data / "machine_temperature"))
    assert rows.schema.types == [pa.timestamp("us"), pa.float64()]
    assert rows.num_rows == 22_695
    assert len(pc.unique(rows["timestamp"])) == 22_683
    written = written_cells(real_data / "machine_temperature")
    assert rows["timestamp"].to_pylist() == [dt.datetime.fromisoformat(line[0]) for line in written]
    assert rows["value"].to_pylist() == [float(line[1]) for line in written]
    assert table.warnings == ()


def test_inspection_agrees_with_the_table(desk, real_data):
    for folder in sorted(real_data.iterdir()):
        if folder.is_dir():
            upload = uploads(folder)[0]
            found = desk.look(upload)
            table, _ = desk.read(upload)
            assert found.columns == table.columns
            assert found.rows == table.rows
            assert found.warnings == table.warnings
