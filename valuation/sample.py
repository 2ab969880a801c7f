"""A synthetic machining cell: as many rows as wanted, and the same bytes on every machine.

Nothing here is measured and nobody named here exists. Eight machines of one cell report in turn, one row
for each part they finish; tools wear, worn tools vibrate and cut scrap, the coolant follows the hour of the
day, a coolant sensor drops out now and then. Operators, telephone numbers, resident identity numbers,
suppliers and prices are invented: the identifiers carry valid check characters so that detectors can be
tested on them, but the area code 99 belongs to no province, so that no issued identity number can be met.

Row `i` is a pure function of the seed and of `i`, in integer arithmetic only (a counter-based splitmix64),
so a longer table begins with the shorter one and neither the batch size nor the version of a library
changes a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from valuation.errors import ValuationError
from valuation.sample_people import MACHINES, OPERATORS, SUPPLIERS

BATCH_ROWS: Final = 65_536
START_MICROSECONDS: Final = 1_704_038_400_000_000  # 2024-01-01 00:00 in Shanghai.
TICK_SECONDS: Final = 5
TOOL_LIFE_PARTS: Final = 180
BATCH_PARTS: Final = 500

SCHEMA: Final = pa.schema(
    [
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("machine_id", pa.string(), nullable=False),
        pa.field("machine_serial", pa.string(), nullable=False),
        pa.field("spindle_speed_rpm", pa.float64()),
        pa.field("spindle_load_pct", pa.float64()),
        pa.field("feed_rate_mm_min", pa.float64()),
        pa.field("coolant_temperature_c", pa.float64()),
        pa.field("vibration_mm_s", pa.float64()),
        pa.field("tool_id", pa.string()),
        pa.field("tool_wear_mm", pa.float64()),
        pa.field("part_number", pa.string()),
        pa.field("operator_name", pa.string()),
        pa.field("operator_phone", pa.string()),
        pa.field("operator_resident_id", pa.string()),
        pa.field("supplier_name", pa.string()),
        pa.field("supplier_uscc", pa.string()),
        pa.field("material_batch", pa.string()),
        pa.field("unit_price_cny", pa.decimal128(12, 2)),
        pa.field("cycle_seconds", pa.float64()),
        pa.field("quality_result", pa.string()),
    ],
    metadata={"origin": "synthetic: a simulated machining cell, no real machine, person or firm"},
)

Integers = npt.NDArray[np.int64]

# part number, spindle speed (rpm), load (0.1 %), feed (mm/min), cycle (ms), price (fen)
PARTS: Final = (
    ("GX-1001", 8000, 420, 1800, 33_500, 4_250),
    ("GX-1002", 7600, 450, 1650, 34_800, 4_680),
    ("GX-1003", 9200, 380, 2100, 30_200, 3_990),
    ("ZC-2001", 5200, 610, 950, 37_900, 12_800),
    ("ZC-2002", 4800, 640, 900, 38_600, 13_450),
    ("ZC-2003", 5600, 590, 1020, 37_200, 11_900),
    ("FL-3001", 6400, 520, 1300, 35_600, 7_650),
    ("FL-3002", 6100, 540, 1240, 36_100, 8_020),
    ("FL-3003", 6800, 500, 1420, 34_900, 7_310),
    ("CL-4001", 10400, 330, 2600, 28_700, 2_880),
    ("CL-4002", 11000, 310, 2750, 27_900, 2_640),
    ("KT-5001", 4300, 690, 780, 38_900, 21_500),
)
QUALITY_RESULTS: Final = ("pass", "rework", "scrap")


def rows(n: int, seed: int = 7, *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """The first `n` rows of the cell of `seed`, in record batches of at most `batch_rows`, all of `SCHEMA`.

    Times are strictly increasing, five seconds apart. Raises ValuationError where `n` is negative,
    `batch_rows` is not positive, or `seed` is outside 0 to 2**63 - 1.
    """
    if n < 0 or batch_rows < 1 or not 0 <= seed < 2**63:
        raise ValuationError("A sample needs n >= 0, batch_rows >= 1 and a seed from 0 to 2**63 - 1.")
    return (_batch(start, min(batch_rows, n - start), seed) for start in range(0, n, batch_rows))


def _bits(seed: int, stream: int, index: Integers) -> npt.NDArray[np.uint64]:
    """64 pseudo-random bits for each index of one stream (splitmix64, Steele, Lea and Flood, 2014)."""
    origin = np.uint64((seed * 0xD1342543DE82EF95 + stream * 0x9E3779B97F4A7C15) & (2**64 - 1))
    z = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + origin
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _below(seed: int, stream: int, index: Integers, limit: int) -> Integers:
    """Integers from 0 to `limit` - 1; `limit` is small, so the remainder's bias is of no account."""
    return (_bits(seed, stream, index) % np.uint64(limit)).astype(np.int64)


def _noise(seed: int, stream: int, index: Integers, deviation: int) -> Integers:
    """Bell-shaped integers of mean 0 and the given deviation: the sum of four uniform 16-bit numbers."""
    bits = _bits(seed, stream, index)
    mask = np.uint64(0xFFFF)
    total = (bits & mask) + ((bits >> np.uint64(16)) & mask) + ((bits >> np.uint64(32)) & mask)
    centred = (total + (bits >> np.uint64(48))).astype(np.int64) - 131_070
    result: Integers = centred * deviation // 37_837
    return result


def _strings(values: Sequence[str], index: Integers) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(index))


def _numbered(prefix: str, width: int, numbers: Integers) -> pa.Array:
    """The strings `prefix` plus the zero-filled number, made once for each number that occurs."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    return _strings([f"{prefix}{int(number):0{width}d}" for number in distinct], inverse.astype(np.int64))


def _scaled(values: Integers, divisor: int, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Integers over a power of ten as floats: one correctly rounded division, the same everywhere."""
    return pa.array(values / float(divisor), pa.float64(), mask=missing)


def _fen(values: Integers) -> pa.Array:
    """Non-negative fen as decimals of yuan, straight from the little-endian 128-bit integers."""
    words = np.zeros((len(values), 2), dtype="<i8")
    words[:, 0] = values
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(values), [None, pa.py_buffer(words.tobytes())])


def _quality(seed: int, row: Integers, wear: Integers, vibration: Integers) -> Integers:
    """0 pass, 1 rework, 2 scrap; failing grows more likely with the square of the wear and with vibration."""
    scrap = 20 + wear * wear // 700 + np.maximum(vibration - 2_600, 0) // 4
    draw = _below(seed, 9, row, 10_000)
    return np.where(draw < scrap, 2, np.where(draw < 4 * scrap, 1, 0)).astype(np.int64)


def _batch(start: int, count: int, seed: int) -> pa.RecordBatch:
    row = np.arange(start, start + count, dtype=np.int64)
    machine, cycle = row % len(MACHINES), row // len(MACHINES)
    seconds = row * TICK_SECONDS
    order = cycle // 200 * len(MACHINES) + machine
    part = _below(seed, 1, order, len(PARTS))
    table = np.array([values[1:] for values in PARTS], dtype=np.int64)
    speed, load, feed, duration, price = (table[part, k] for k in range(5))

    tool = cycle // TOOL_LIFE_PARTS
    wear = (cycle % TOOL_LIFE_PARTS) * 280 // TOOL_LIFE_PARTS  # micrometres, 0 for a new tool
    wear = np.maximum(wear + _noise(seed, 2, row, 4), 0)
    load = load + wear * 2 // 5 + _noise(seed, 3, row, 14)
    second_of_day = (seconds + 6 * 3600) % 86_400
    warmth = np.abs(second_of_day - 43_200) * 3_000 // 43_200  # millikelvin, coolest at the end of the night
    coolant = 24_500 - warmth + load * 4 + _noise(seed, 4, row, 180)
    spike = (_below(seed, 5, row, 400) == 0) * 1_900
    vibration = np.maximum(1_150 + wear * wear // 60 + speed // 25 + spike + _noise(seed, 6, row, 110), 50)
    speed_tenths = speed * 10 + _noise(seed, 7, row, 180)
    feed_tenths = feed * (1_000 - wear // 4) // 100 + _noise(seed, 8, row, 45)
    duration = duration + duration * wear // 6_000 + _noise(seed, 10, row, 260)
    supply = cycle // BATCH_PARTS * len(MACHINES) + machine
    supplier = _below(seed, 11, supply, len(SUPPLIERS))
    price = price * (980 + 8 * supplier + _below(seed, 12, supply, 25)) // 1_000
    shift = seconds // 28_800
    operator = (shift % 6) * 4 + machine // 2
    dropout = _below(seed, 13, row // 24, 250) == 0  # the coolant sensor falls silent for two minutes
    unread = _below(seed, 14, row, 700) == 0  # a vibration reading that never arrived

    columns: list[Any] = [
        pa.array(START_MICROSECONDS + seconds * 1_000_000, pa.timestamp("us", tz="UTC")),
        _strings([m.name for m in MACHINES], machine),
        _strings([m.serial for m in MACHINES], machine),
        _scaled(speed_tenths, 10),
        _scaled(load, 10),
        _scaled(feed_tenths, 10),
        _scaled(coolant // 10, 100, dropout),
        _scaled(vibration, 1_000, unread),
        _numbered("T-", 7, tool * len(MACHINES) + machine),
        _scaled(wear, 1_000),
        _strings([values[0] for values in PARTS], part),
        _strings([o.name for o in OPERATORS], operator),
        _strings([o.phone for o in OPERATORS], operator),
        _strings([o.resident_id for o in OPERATORS], operator),
        _strings([s.name for s in SUPPLIERS], supplier),
        _strings([s.uscc for s in SUPPLIERS], supplier),
        _numbered("MB24-", 6, supply),
        _fen(price),
        _scaled(duration, 1_000),
        _strings(QUALITY_RESULTS, _quality(seed, row, wear, vibration)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
