"""A leaked copy names its buyer by digits or by pseudonyms, and a third party can check the report without the key."""

import copy as copying
import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from contracts.desensitization.engine import apply, compile_plan
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import ColumnRule, Plan
from contracts.errors import FingerprintError
from contracts.fingerprint import Fingerprint, choose_columns, code_of, mark
from contracts.fingerprint_trace import Pseudonyms, check_report, trace

KEY, SECRET = bytes(range(32)), bytes([5]) * 32
BUYERS = [f"agreement-{number:03d}" for number in range(300)]
ROWS = 40_000
RULE = ColumnRule("serial", "pseudonymize", {"length": 16})
PLAN = Plan((RULE, ColumnRule("temperature", "keep"), ColumnRule("load", "keep")))
COMMITTED = {buyer: "sha256:" + hashlib.sha256(code_of(KEY, buyer)).hexdigest() for buyer in BUYERS}


@pytest.fixture(scope="module")
def source() -> pa.Table:
    random = np.random.default_rng(20260101)
    return pa.table(
        {
            "serial": [f"SN-{n % 5_000:05d}" for n in range(ROWS)],
            "temperature": np.round(random.normal(60, 8, ROWS), 2),
            "load": random.integers(0, 50_000, ROWS),
        }
    )


def bought(source: pa.Table, buyer: str) -> pa.Table:
    compiled = compile_plan(PLAN, source.schema, Keys(SECRET, buyer))
    fingerprint = Fingerprint(KEY, buyer, choose_columns(source.select(["temperature", "load"])))
    return pa.Table.from_batches([mark(apply(source.combine_chunks().to_batches()[0], compiled), fingerprint)])


def layer(source: pa.Table) -> Pseudonyms:
    return Pseudonyms(RULE, source["serial"].combine_chunks()[:500], {buyer: Keys(SECRET, buyer) for buyer in BUYERS})


def test_the_report_on_a_copy_is_checked_by_somebody_without_the_key(source: pa.Table) -> None:
    columns = choose_columns(source.select(["temperature", "load"]))
    rows = np.random.default_rng(2).choice(ROWS, ROWS // 10, replace=False)
    leaked = bought(source, BUYERS[7]).take(rows)
    found = trace(leaked, KEY, BUYERS, columns, file_digest="sha256:00")
    assert found.accused == (BUYERS[7],)
    assert found.suspects[0].bound < 300 * 2.3e-11 * 2 * 1.01
    report = json.loads(json.dumps(found.report))
    assert KEY.hex() not in json.dumps(report)
    assert check_report(report, leaked, COMMITTED) == (BUYERS[7],)
    assert check_report(report, leaked.take(np.random.default_rng(3).permutation(len(rows))), COMMITTED) == (BUYERS[7],)


def test_a_report_that_was_bent_does_not_hold(source: pa.Table) -> None:
    columns = choose_columns(source.select(["temperature", "load"]))
    leaked = bought(source, BUYERS[7])
    report = trace(leaked, KEY, BUYERS, columns).report

    def bent(change: object) -> dict:
        document = copying.deepcopy(report)
        change(document)  # type: ignore[operator]
        return document

    other = code_of(KEY, BUYERS[8]).hex()
    for change, said in (
        (lambda d: d["votes"].__setitem__(0, d["votes"][0] + 1), "votes"),
        (lambda d: d["accused"][0].__setitem__("code", other), "committed"),
        (lambda d: d["accused"][0].__setitem__("buyer", BUYERS[8]), "committed"),
        (lambda d: d["accused"][0].update(buyer=BUYERS[8], code=other), "score"),
        (lambda d: d["accused"][0].__setitem__("score", 99.0), "score"),
        (lambda d: d["cell_keys"].clear(), "lacks keys"),
        (lambda d: d.pop("columns"), "cannot be read"),
    ):
        with pytest.raises(FingerprintError, match=said):
            check_report(bent(change), leaked, COMMITTED)
    with pytest.raises(FingerprintError, match="votes"):
        check_report(report, bought(source, BUYERS[9]), COMMITTED)
    with pytest.raises(FingerprintError, match="committed"):
        check_report(report, leaked, {})


def test_pseudonyms_name_their_buyer_where_the_digits_were_rounded_away(source: pa.Table) -> None:
    columns = choose_columns(source.select(["temperature", "load"]))
    leaked = bought(source, BUYERS[7])
    rounded = pa.table({"serial": leaked["serial"], "temperature": np.round(leaked["temperature"].to_numpy(), 0)})
    assert trace(rounded, KEY, BUYERS, columns).accused == ()
    found = trace(rounded, KEY, BUYERS, columns, pseudonyms=[layer(source)])
    assert found.accused == (BUYERS[7],)
    assert found.suspects[0].tokens == 500
    assert found.suspects[0].bound < 1e-9
    # The digits say nothing here, so there is nothing in the report that opens them.
    assert found.report["accused"] == []
    assert found.report["cell_keys"] == {}
    assert check_report(found.report, rounded, COMMITTED) == ()


def test_every_colluder_whose_pseudonyms_remain_is_named_and_nobody_else(source: pa.Table) -> None:
    columns = choose_columns(source.select(["temperature", "load"]))
    copies = [bought(source, buyer) for buyer in BUYERS[:3]]
    mixed = pa.concat_tables([part.slice(number * 9_000, 9_000) for number, part in enumerate(copies)])
    found = trace(mixed, KEY, BUYERS, columns, pseudonyms=[layer(source)])
    assert set(found.accused) == set(BUYERS[:3])


def test_nobody_is_named_for_the_source_itself_or_for_other_pseudonyms(source: pa.Table) -> None:
    columns = choose_columns(source.select(["temperature", "load"]))
    assert trace(source, KEY, BUYERS, columns, pseudonyms=[layer(source)]).accused == ()
    stranger = bought(source, "agreement of another exchange")
    assert trace(stranger.select(["serial"]), KEY, BUYERS, columns, pseudonyms=[layer(source)]).accused == ()
    masked = Pseudonyms(ColumnRule("serial", "mask"), source["serial"].combine_chunks(), {})
    with pytest.raises(FingerprintError, match="Only pseudonyms"):
        trace(source, KEY, BUYERS, columns, pseudonyms=[masked])
