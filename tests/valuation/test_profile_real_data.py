"""The known defects of real data are found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from valuation.profile import Profile

Profiled = Callable[..., Profile]


def test_the_gas_turbine_repeats_seven_rows_over_five_years_and_fills_every_cell(
    gas_turbine: Sequence[Path], profiled: Profiled
) -> None:
    found = profiled(*gas_turbine)
    assert found.rows == 36_733
    assert found.files == 5
    assert found.duplicate_rows == 7
    assert sum(column.values for column in found.columns) == 404_063
    assert sum(column.nulls for column in found.columns) == 0


def test_the_steel_plant_steps_back_at_the_end_of_every_day_although_no_time_repeats(
    steel_energy: Path, profiled: Profiled
) -> None:
    found = profiled(steel_energy)
    order = found.time_column("date")
    assert (found.rows, order.distinct, order.repeats) == (35_040, 35_040, 0)
    assert order.backward_steps == 365
    assert order.cadence == "900"


def test_the_machine_repeats_twelve_times_and_steps_back_once(machine_temperature: Path, profiled: Profiled) -> None:
    order = profiled(machine_temperature).time_column("timestamp")
    assert (order.values, order.distinct, order.repeats) == (22_695, 22_683, 12)
    assert order.backward_steps == 1
    assert order.cadence == "300"
    assert (order.cadence_steps, order.steps) == (22_693, 22_694)


def test_the_order_of_the_files_is_the_order_of_the_rows(
    machine_temperature: Path, profiled: Profiled, write: Callable[..., Path]
) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(machine_temperature)
    early, late = write(table.slice(0, 10_000), "z.parquet"), write(table.slice(10_000), "a.parquet")
    assert profiled(early, late).time_column("timestamp").backward_steps == 1
    assert profiled(late, early).time_column("timestamp").backward_steps == 2
