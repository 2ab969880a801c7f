"""The synthetic machining cell is the same everywhere, plausible, and recognisably invented."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from valuation.errors import ValuationError
from valuation.sample import SCHEMA, rows
from valuation.sample_people import OPERATORS, SUPPLIERS


def table(n: int, seed: int = 7, **options: int) -> pa.Table:
    return pa.Table.from_batches(rows(n, seed, **options), SCHEMA)


def fingerprint(data: pa.Table) -> str:
    digest = hashlib.sha256()
    stamps = data["timestamp"].cast(pa.int64())
    for row in data.set_column(0, "timestamp", stamps).to_pylist():
        digest.update(repr(sorted(row.items())).encode())
    return digest.hexdigest()


def test_the_values_are_those_of_every_other_machine() -> None:
    # This digest was computed once; integer arithmetic leaves no room for another.
    assert fingerprint(table(2_000)) == "e72e86a24b768572dca34a0cd6ec797f730cf32eb7e899bfcc4b3503e3cd8cf5"


def test_a_longer_table_begins_with_the_shorter_one_whatever_the_batches() -> None:
    assert table(5_000).slice(0, 1_234).equals(table(1_234, batch_rows=100))


def test_another_seed_makes_another_cell() -> None:
    assert not table(100).equals(table(100, seed=8))


def test_no_row_and_one_row_are_tables_too() -> None:
    assert table(0).num_rows == 0
    assert table(1).num_rows == 1


@pytest.mark.parametrize(("n", "seed"), [(-1, 7), (1, -1), (1, 2**63)])
def test_a_sample_that_cannot_be_made_is_refused(n: int, seed: int) -> None:
    with pytest.raises(ValuationError):
        rows(n, seed)


def test_times_move_forward_and_worn_tools_vibrate_and_spoil_parts() -> None:
    data = table(60_000)
    stamps = data["timestamp"].cast(pa.int64()).to_numpy()
    assert (stamps[1:] > stamps[:-1]).all()
    worn = pc.greater(data["tool_wear_mm"], 0.2)
    old, new = data.filter(worn), data.filter(pc.invert(worn))
    assert pc.mean(old["vibration_mm_s"]).as_py() > pc.mean(new["vibration_mm_s"]).as_py() + 0.2
    assert _spoiled(old) > 2 * _spoiled(new)


def _spoiled(data: pa.Table) -> float:
    return float(pc.mean(pc.cast(pc.not_equal(data["quality_result"], "pass"), pa.float64())).as_py())


def test_identity_numbers_have_valid_check_characters_and_an_area_nobody_was_issued() -> None:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    for operator in OPERATORS:
        number = operator.resident_id
        total = sum(w * int(c) for w, c in zip(weights, number[:17], strict=True))
        assert number[17] == "10X98765432"[total % 11]
        assert number.startswith("99")
    assert len({operator.resident_id for operator in OPERATORS}) == len(OPERATORS)
    assert len({operator.phone for operator in OPERATORS}) == len(OPERATORS)


def test_credit_codes_have_both_valid_check_characters() -> None:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    for supplier in SUPPLIERS:
        values = [alphabet.index(c) for c in supplier.uscc]
        weighted = sum(value * pow(3, k, 31) for k, value in enumerate(values[:17]))
        assert (weighted + values[17]) % 31 == 0
        organisation = supplier.uscc[8:17]
        total = sum(w * int(c) for w, c in zip((3, 7, 9, 10, 5, 8, 4, 2), organisation[:8], strict=True))
        expected = (11 - total % 11) % 11
        assert organisation[8] == ("X" if expected == 10 else str(expected))
