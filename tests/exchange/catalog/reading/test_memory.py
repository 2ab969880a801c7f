"""Memory is bounded by the limits: a file ten times as large takes hardly more, a giant cell is refused quickly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exchange.catalog.reading import Limits

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import json, sys, tempfile
from pathlib import Path
from exchange.catalog.reading import Limits, ReadingError, to_parquet
path = Path(sys.argv[1])
limits = Limits(row_group_rows=int(sys.argv[2]))
with tempfile.TemporaryDirectory(dir=path.parent) as target:
    try:
        outcome = to_parquet([(path, path.name)], Path(target), limits=limits).rows
    except ReadingError as error:
        outcome = error.code
    left = len(list(Path(target).iterdir()))
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([outcome, peak / 1024, left]))
"""


def read_apart(path, rows=131_072):
    """Return (rows or error code, peak memory in MiB, files left) of reading `path` in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(rows)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def rows_of(start, stop):
    for n in range(start, stop):
        yield [f"2024-01-05 {n % 24:02}:{n % 60:02}:00", f"M{n % 40:03}", n / 7, n, f"part {n * 7919 % 100003:08}"]


NAMES = ["time", "machine", "value", "count", "part"]


def csv_file(path, rows, times):
    lines = [",".join(map(str, row)) + "\n" for row in rows_of(0, rows)]
    with path.open("w") as stream:
        stream.write("time,machine,value,count,part\n")
        for _ in range(times):
            stream.writelines(lines)


def gb18030_file(path, rows, times):
    lines = "".join(",".join(map(str, row)) + "正常\n" for row in rows_of(0, rows)).encode("gb18030")
    path.write_bytes("时间,设备,数值,计数,备注\n".encode("gb18030") + lines * times)


def jsonl_file(path, rows, times):
    lines = "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows_of(0, rows))
    path.write_text(lines * times)


def parquet_file(path, rows, times):
    columns = [pa.array(column) for column in zip(*rows_of(0, rows), strict=True)]
    table = pa.concat_tables([pa.table(columns, names=NAMES)] * times).combine_chunks()
    # One row group, as many writers make: it must not be loaded as a whole.
    pq.write_table(table, path, row_group_size=rows * times)


def xlsx_file(path, rows, times):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(NAMES)
    for row in rows_of(0, rows * times):
        sheet.append(row)
    book.save(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "name", "rows", "group"),
    [
        (csv_file, "a.csv", 100_000, 65_536),
        (gb18030_file, "a.csv", 100_000, 65_536),
        (parquet_file, "a.parquet", 100_000, 65_536),
        (jsonl_file, "a.jsonl", 40_000, 16_384),
        (xlsx_file, "a.xlsx", 6_000, 4_096),
    ],
)
def test_ten_times_the_rows_take_less_than_a_third_more_memory(tmp_path, write, name, rows, group):
    peaks = []
    for factor in (1, 10):
        path = tmp_path / name
        write(path, rows, factor)
        outcome, peak, left = read_apart(path, group)
        assert (outcome, left) == (rows * factor, 1)
        peaks.append(peak)
    assert peaks[1] < 4 / 3 * peaks[0], peaks


@pytest.mark.slow
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(("name", "start"), [("a.csv", "x,y\n1,2\n3,{}"), ("a.jsonl", '{{"x":1}}\n{{"x":{}')])
def test_a_cell_of_200_megabytes_is_refused_quickly_and_in_little_memory(tmp_path, name, start, quoted):
    path = tmp_path / name
    with path.open("w") as stream:
        stream.write(start.format('"' if quoted else ""))
        for _ in range(200):
            stream.write("z" * (1 << 20))
        stream.write(('"' if quoted else "") + ("\n4,5\n" if name == "a.csv" else "}\n"))
    plain = tmp_path / "small.csv"
    plain.write_text("x,y\n1,2\n")
    base = read_apart(plain)[1]
    began = time.monotonic()
    outcome, peak, left = read_apart(path)
    assert (outcome, left) == ("row-too-long", 0)
    assert peak < base + 64
    # Generous, since other work may share the machine; it takes under a second alone.
    assert time.monotonic() - began < 20


def test_the_default_limits_are_those_of_the_documentation():
    limits = Limits()
    assert (limits.max_cell_bytes, limits.max_row_bytes, limits.row_group_rows) == (1 << 20, 4 << 20, 131_072)
