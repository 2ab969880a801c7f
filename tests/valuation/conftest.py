"""Tables on disk for the tests of the valuation package."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest

from valuation.profile import Profile, profile

DATA = Path(os.environ.get("EXCHANGE_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table, or columns by name, as a Parquet file of the test."""

    def _write(table: pa.Table | dict[str, object], name: str = "table.parquet", **options: object) -> Path:
        path = tmp_path / name
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, **options)
        return path

    return _write


@pytest.fixture
def profiled(tmp_path: Path) -> Callable[..., Profile]:
    """The profile of files, in little memory."""

    def _profiled(*paths: Path, **options: object) -> Profile:
        settings = {"memory_limit": "256MB", "temp_directory": tmp_path / "spill", **options}
        return profile(list(paths), **settings)

    return _profiled


def _csv(*parts: str) -> pa.Table:
    path = DATA.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"the real data is not here: {path}")
    table = pc_csv.read_csv(path)
    return table.rename_columns([name.strip() for name in table.column_names])


@pytest.fixture
def gas_turbine(write: Callable[..., Path]) -> Sequence[Path]:
    """Five years of a real gas turbine, a file each."""
    return [write(_csv("gas_turbine", f"gt_{year}.csv"), f"{year}.parquet") for year in range(2011, 2016)]


@pytest.fixture
def steel_energy(write: Callable[..., Path]) -> Path:
    """A year of a real steel plant, its day-first times read as times."""
    table = _csv("steel_energy", "steel_energy.csv")
    stamps = pc.strptime(table["date"], format="%d/%m/%Y %H:%M", unit="us")
    return write(table.set_column(0, "date", stamps), "steel.parquet")


@pytest.fixture
def machine_temperature(write: Callable[..., Path]) -> Path:
    """A real machine's temperature until it failed."""
    return write(_csv("machine_temperature", "nab_machine_temp.csv"), "machine.parquet")
