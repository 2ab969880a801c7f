"""The delivered bytes alone, read as a stranger would, hold nothing that any method took out."""

import base64
import datetime as dt
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.desensitization.engine import Part, open_parquet, run
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import ColumnRule, Plan

ROWS = 3_000
KEYS = Keys(bytes(range(32)), "agreement-1", {"chain": bytes([3]) * 32})
RULES = (
    ColumnRule("suppressed", "suppress"),
    ColumnRule("masked", "mask"),
    ColumnRule("beside", "mask", {"before": "@"}),
    ColumnRule("pseudonym", "pseudonymize"),
    ColumnRule("compatible", "pseudonymize", {"algorithm": "hmac-sha256"}),
    ColumnRule("joined", "pseudonymize", {}, "group:chain"),
    ColumnRule("token", "tokenize", {"alphabet": "mixed"}),
    ColumnRule("note", "redact", {"words": ["CANARY-WORD"]}),
    ColumnRule("word", "generalize", {"hierarchy": {"plain": "coarse"}}),
    ColumnRule("rare", "local_suppress", {"values": ["plain"]}),
    ColumnRule("prefix", "generalize", {"prefix": 1}),
)


def source_table() -> pa.Table:
    random = np.random.default_rng(1)
    canary = [f"CANARY{n:06d}" for n in range(ROWS)]
    days = [dt.date(2031, 1, 1) + dt.timedelta(days=n % 9) for n in range(ROWS)]
    return pa.table(
        {
            **{rule.column: canary for rule in RULES},
            "beside": [f"{value}@example.com" for value in canary],
            "note": [f"CANARY-WORD called 138{n:08d}, id 11010119900307{n:04d}" for n in range(ROWS)],
            "word": ["plain" if n % 2 else value for n, value in enumerate(canary)],
            "rare": pa.array(["plain" if n % 2 else value for n, value in enumerate(canary)]).dictionary_encode(),
            "day": days,
            "noisy": np.full(ROWS, 314159.265),
            "grouped": random.normal(0, 1, ROWS),
        }
    ).replace_schema_metadata({"author": "CANARY"})


PLAN = Plan(
    (
        *RULES,
        ColumnRule("day", "shift_dates", {"days": 300}),
        ColumnRule("noisy", "perturb", {"spread": 50.0}),
        ColumnRule("grouped", "aggregate"),
    )
)


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    sink = io.BytesIO()
    pq.write_table(source_table(), sink, row_group_size=1_000)
    return list(run(lambda: open_parquet(io.BytesIO(sink.getvalue())), PLAN, KEYS, threads=2))


def views(part: Part) -> list[bytes]:
    """The bytes themselves, the footer, the stored Arrow schema, and every page again without compression or encoding."""
    file = pq.ParquetFile(pa.BufferReader(part.data))
    plain = io.BytesIO()
    pq.write_table(file.read(), plain, compression="none", use_dictionary=False)
    metadata = file.metadata.metadata or {}
    stored = base64.b64decode(metadata.get(b"ARROW:schema", b""))
    statistics = []
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(column)
            shown = chunk.statistics
            statistics.append(f"{shown.min} {shown.max}" if shown is not None and shown.has_min_max else "")
            assert not chunk.has_offset_index
            assert not chunk.has_column_index
    return [part.data.to_pybytes(), stored, repr(metadata).encode(), " ".join(statistics).encode(), plain.getvalue()]


def test_no_value_that_was_taken_out_stands_anywhere_in_the_bytes(parts: list[Part]) -> None:
    assert len(parts) == 3
    for part in parts:
        assert any(b"called [mobile_phone], id [resident_id]" in view for view in views(part))
        for view in views(part):
            assert b"CANARY" not in view
            assert b"suppressed" not in view
            assert b"called 138" not in view
            assert b"id 110101" not in view


def test_numbers_and_dates_of_the_source_are_not_those_of_the_result(parts: list[Part]) -> None:
    source = source_table()
    result = pa.concat_tables(pq.read_table(pa.BufferReader(part.data)) for part in parts)
    assert not set(result["grouped"].to_pylist()) & set(source["grouped"].to_pylist())
    assert 314159.265 not in set(result["noisy"].to_pylist())
    moved = {new - old for new, old in zip(result["day"].to_pylist(), source["day"].to_pylist(), strict=True)}
    assert len(moved) == 1
    assert moved != {dt.timedelta(0)}
    assert result["token"].to_pylist() != source["token"].to_pylist()
