"""Privacy models agree with their definitions, the lattice with ARX on Adult, and an attack finds what is to be found."""

import csv
import hashlib
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.desensitization.engine import apply, compile_plan
from contracts.desensitization.finding import Finding
from contracts.desensitization.keys import Keys
from contracts.desensitization.kinds import KINDS
from contracts.desensitization.plan import ColumnRule, Plan, RowFilter
from contracts.desensitization.risk import (
    Hierarchy,
    assess,
    attempt,
    closeness,
    compare,
    count,
    distinct_diversity,
    entropy_diversity,
    held_together,
    k_anonymity,
    presence,
    rare,
    recursive_diversity,
    risks,
    search,
)
from contracts.errors import PlanError

VECTORS = Path(os.environ.get("EXCHANGE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
KEYS = Keys(bytes(range(32)), "agreement-1")


def test_groups_of_tables_files_and_readers_are_the_same(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "x", None, None, "y"], 'q"b': [1, 1, 2, 2, None], "c": range(5)})
    for part in (0, 1):
        pq.write_table(table.slice(part * 3, 3), tmp_path / f"{part}.parquet")
    sources = [table, sorted(tmp_path.glob("*.parquet")), table.to_reader(2)]
    for source in sources:
        groups = count(source, ["a", 'q"b'])
        found = {tuple(row.values()): size for row, size in zip(groups.values.to_pylist(), groups.sizes, strict=True)}
        assert found == {("x", 1): 2, (None, 2): 2, ("y", None): 1}
        assert (groups.rows, k_anonymity(groups)) == (5, 1)
    for wrong in (["ghost"], ["a", "ghost"]):
        with pytest.raises(PlanError):
            count(table, wrong)
    assert k_anonymity(count(table.slice(0, 0), ["a"])) == 0


def test_grouping_spills_where_the_memory_does_not_do(tmp_path: Path) -> None:
    rows = 400_000
    table = pa.table({"a": [f"value {n:012d}" for n in range(rows)]})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=50_000)
    groups = count(path, ["a"], memory="60MB", folder=tmp_path)
    assert len(groups.sizes) == rows
    assert list(tmp_path.iterdir()) == [path]


def plain(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for quasi, sensitive in rows:
        groups[quasi].append(sensitive)
    return groups


PAIRS = st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("uvwxyz")), min_size=1, max_size=60)


@settings(deadline=None, max_examples=25)
@given(rows=PAIRS, c=st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_diversity_is_what_its_definition_says(rows: list[tuple[str, str]], c: float) -> None:
    table = pa.table({"q": [q for q, _ in rows], "s": [s for _, s in rows]})
    groups = count(table, ["q", "s"])
    classes = plain(rows)
    counts = [sorted(Counter(values).values(), reverse=True) for values in classes.values()]
    assert k_anonymity(count(table, ["q"])) == min(map(len, classes.values()))
    assert distinct_diversity(groups, ["q"], "s") == min(map(len, counts))
    entropies = [-sum(n / sum(each) * math.log(n / sum(each)) for n in each) for each in counts]
    assert entropy_diversity(groups, ["q"], "s") == pytest.approx(math.exp(min(entropies)))
    largest = min(
        max([0, *(size for size in range(1, len(each) + 1) if each[0] < c * sum(each[size - 1 :]))]) for each in counts
    )
    assert recursive_diversity(groups, ["q"], "s", c) == largest


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(-20, 20)), min_size=1, max_size=60))
def test_closeness_of_numbers_and_words_is_the_distance_of_the_paper(rows: list[tuple[str, int]]) -> None:
    for kind in (pa.int32(), pa.string()):
        values = [number if kind == pa.int32() else str(number) for _, number in rows]
        table = pa.table({"q": [q for q, _ in rows], "s": pa.array(values, kind)})
        support, expected = sorted(set(values)), 0.0
        whole = np.array([values.count(value) for value in support]) / len(values)
        for name in {q for q, _ in rows}:
            mine = [value for (q, _), value in zip(rows, values, strict=True) if q == name]
            apart = np.array([mine.count(value) for value in support]) / len(mine) - whole
            if kind == pa.string():
                distance = float(np.abs(apart).sum() / 2)
            else:
                distance = float(np.abs(np.cumsum(apart)).sum() / (len(support) - 1)) if len(support) > 1 else 0.0
            expected = max(expected, distance)
        assert closeness(count(table, ["q", "s"]), ["q"], "s") == pytest.approx(expected, abs=1e-9)


def test_prosecutor_journalist_and_marketer_and_who_is_present() -> None:
    sample = pa.table({"q": ["a"] * 1 + ["b"] * 4 + ["c"] * 5})
    population = pa.table({"q": ["a"] * 10 + ["b"] * 8 + ["c"] * 5 + ["d"] * 7})
    found = risks(count(sample, ["q"]), count(population, ["q"]), threshold=0.2)
    assert (found.rows, found.groups, found.smallest) == (10, 3, 1)
    assert (found.unique, found.prosecutor_highest, found.prosecutor_average) == (0.1, 1.0, 0.3)
    assert found.journalist_highest == 0.2
    assert found.marketer == pytest.approx((1 / 10 + 4 / 8 + 5 / 5) / 10)
    assert found.at_risk == 0.5
    alone = risks(count(sample, ["q"]))
    assert alone.journalist_highest == alone.prosecutor_highest
    assert alone.marketer == alone.prosecutor_average
    assert presence(count(sample, ["q"]), count(population, ["q"])) == (0.0, 1.0)
    part = population.slice(0, 18)
    assert presence(count(sample, ["q"]), count(part, ["q"])) == (0.1, 0.5)
    assert risks(count(sample.slice(0, 0), ["q"])).smallest == 0


@pytest.fixture(scope="module")
def adult() -> tuple[pa.Table, list[Hierarchy]]:
    folder = VECTORS / "arx-adult"
    if not folder.exists():
        pytest.skip(f"no vectors at {folder}")
    with (folder / "adult.csv").open(newline="") as file:
        names, *rows = csv.reader(file, delimiter=";")
    hierarchies = []
    for name in names:
        with (folder / f"adult_hierarchy_{name}.csv").open(newline="") as file:
            hierarchies.append(Hierarchy(name, {line[0]: line[1:] for line in csv.reader(file, delimiter=";")}))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=names), hierarchies


@pytest.mark.parametrize(
    ("suppression", "levels", "loss"),
    [(0.04, (1, 0, 1, 1, 3, 2, 2, 0, 1), 255559.854557311), (0.0, (1, 2, 1, 1, 3, 2, 2, 1, 1), 407289.5388925293)],
)
def test_the_optimum_of_arx_on_adult(
    adult: tuple[pa.Table, list[Hierarchy]], suppression: float, levels: tuple[int, ...], loss: float
) -> None:
    table, hierarchies = adult
    node = search(count(table, table.column_names), hierarchies, 5, suppression=suppression)
    assert node is not None
    assert node.levels == levels
    assert node.loss == pytest.approx(loss, abs=1e-5)
    assert node.suppressed <= suppression * table.num_rows
    # What the plan delivers at that node is as anonymous as the search said.
    rules = tuple(
        ColumnRule(item.column, "generalize", {"hierarchy": item.rule(level)})
        if level
        else ColumnRule(item.column, "keep")
        for item, level in zip(hierarchies, levels, strict=True)
    )
    delivered = apply(table.combine_chunks().to_batches()[0], compile_plan(Plan(rules), table.schema, None))
    sizes = count(pa.Table.from_batches([delivered]), table.column_names).sizes
    assert sizes[sizes < 5].sum() == node.suppressed


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.0, 0.1]), st.sampled_from(["entropy", "precision"]))
def test_no_node_with_less_loss_would_do(seed: int, k: int, suppression: float, loss: str) -> None:
    random = np.random.default_rng(seed)
    table = pa.table({name: [str(n) for n in random.integers(0, 8, 40)] for name in "ab"})
    hierarchies = [Hierarchy(name, {str(n): [str(n // 2), str(n // 4), "*"] for n in range(8)}) for name in "ab"]
    node = search(count(table, ["a", "b"]), hierarchies, k, suppression=suppression, loss=loss)  # type: ignore[arg-type]
    assert node is not None
    for first in range(4):
        for second in range(4):
            words = [
                [value if level == 0 else item.words[value][level - 1] for value in table[item.column].to_pylist()]
                for item, level in zip(hierarchies, (first, second), strict=True)
            ]
            small = sum(size for size in Counter(zip(*words, strict=True)).values() if size < k)
            cost = (
                (first + second) / 3
                if loss == "precision"
                else sum(_bits(table[item.column].to_pylist(), w) for item, w in zip(hierarchies, words, strict=True))
            )
            if small <= suppression * 40:
                assert node.loss <= cost + 1e-9


def _bits(values: list[str], words: list[str]) -> float:
    fine, coarse = Counter(zip(values, words, strict=True)), Counter(words)
    return -sum(n * math.log2(n / coarse[word]) for (_, word), n in fine.items())


def test_a_lattice_without_an_answer_or_a_hierarchy_with_a_hole_says_so() -> None:
    groups = count(pa.table({"a": ["1", "2"]}), ["a"])
    assert search(groups, [Hierarchy("a", {"1": ["x"], "2": ["y"]})], 2) is None
    with pytest.raises(PlanError, match="lacks"):
        search(groups, [Hierarchy("a", {"1": ["x"]})], 2)
    for words in ({}, {"1": ["x"], "2": []}):
        with pytest.raises(PlanError, match="levels"):
            Hierarchy("a", words)


def delivered(table: pa.Table, plan: Plan) -> pa.Table:
    compiled = compile_plan(plan, table.schema, KEYS)
    return pa.Table.from_batches([apply(batch, compiled) for batch in table.combine_chunks().to_batches()])


def people(rows: int = 2_000) -> pa.Table:
    random = np.random.default_rng(5)
    return pa.table(
        {
            "name": [f"name {n}" for n in range(rows)],
            "age": random.integers(20, 60, rows),
            "town": [f"town {n}" for n in np.minimum(random.geometric(0.4, rows), 9)],
            "price": np.round(random.normal(100, 9, rows), 2),
        }
    )


def found(column: str, kind: str) -> Finding:
    return Finding(column, kind, KINDS[kind].category, 0.9, 1, 1, "shown", "可见")


FINDINGS = [found("name", "person_name"), found("age", "age"), found("town", "address"), found("price", "unit_price")]


def plan_of(age: int, name: ColumnRule | None = None, **more: ColumnRule) -> Plan:
    return Plan(
        (
            name or ColumnRule("name", "suppress"),
            more.get("age_rule", ColumnRule("age", "generalize", {"width": age})),
            more.get("town", ColumnRule("town", "suppress")),
            ColumnRule("price", "round", {"digits": 0}),
        )
    )


def test_the_grade_of_the_standard_follows_from_what_is_delivered() -> None:
    table = people()
    for plan, grade in (
        (plan_of(5, ColumnRule("name", "keep")), 1),
        (plan_of(1, town=ColumnRule("town", "keep")), 2),
        (plan_of(20), 3),
    ):
        report = assess(delivered(table, plan), plan, FINDINGS)
        assert report.grade == grade
        assert report.reason_zh != report.reason_en
        assert report.to_json()["grade"] == grade
    assert "price" in report.sensitive
    assert report.sensitive["price"]["distinct"] > 10
    assert 0 < report.sensitive["price"]["t"] < 0.2
    assert assess(delivered(table, plan_of(20)), plan_of(20), FINDINGS, aggregated=True).grade == 4
    assert assess(delivered(table, plan_of(20)), plan_of(20), []).risks.smallest == 2_000


def test_rare_values_are_left_out_by_local_suppression() -> None:
    table = people()
    kept = rare(table, ["town"], 50)["town"]
    plan = Plan(
        tuple(
            ColumnRule(name, "keep") if name != "town" else ColumnRule("town", "local_suppress", {"values": list(kept)})
            for name in table.column_names
        )
    )
    towns = Counter(delivered(table, plan)["town"].to_pylist())
    assert set(towns) == {*kept, None}
    assert min(size for town, size in towns.items() if town is not None) >= 50


def test_utility_falls_with_what_is_taken_out() -> None:
    table = people()
    fine, coarse = (compare(table, delivered(table, plan_of(width))) for width in (2, 20))
    assert fine.information["name"] == fine.kept["name"] == 0
    assert 1 > fine.information["age"] > coarse.information["age"] > 0
    assert fine.error["age"] < coarse.error["age"]
    assert fine.loss < coarse.loss
    assert compare(table, table).loss == pytest.approx(0)
    assert compare(table, table).correlation == 0
    assert compare(table, delivered(table, plan_of(20)), {"price": 1.0}).loss < 0.55
    with pytest.raises(PlanError):
        compare(table, table.slice(1))
    for weights in ({"ghost": 1.0}, {"age": 0.0}, {"age": -1.0}):
        with pytest.raises(PlanError):
            compare(table, table, weights)


def test_keyed_pseudonyms_stand_the_attack_and_plain_hashes_do_not() -> None:
    table = people()
    plan = plan_of(10, ColumnRule("name", "pseudonymize"), town=ColumnRule("town", "pseudonymize"))
    result = delivered(table, plan)
    safe = attempt(table, result, plan, ["age", "town"], ["name"])
    assert not safe.succeeded
    assert safe.dictionary == {"name": 0.0, "town": 0.0}
    assert 0 < safe.linked < 0.05
    # How often a town stands survives its pseudonym, and the attack says so.
    assert safe.frequency["town"] > 0.5 > safe.frequency["name"]
    hashed = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in table["name"].to_pylist()]
    unkeyed = attempt(table, result.set_column(0, "name", pa.array(hashed)), plan, ["age"], ["name"])
    assert unkeyed.dictionary["name"] == 1.0
    assert unkeyed.succeeded


def test_a_direct_identifier_that_shows_is_a_leak_however_it_got_there() -> None:
    table = people()
    kept = plan_of(5, ColumnRule("name", "keep"))
    assert attempt(table, delivered(table, kept), kept, ["age"], ["name"]).leaked == ("name",)
    masked = plan_of(5, ColumnRule("name", "mask", {"keep_first": 1}))
    assert not attempt(table, delivered(table, masked), masked, ["age"], ["name"]).succeeded
    wrong = delivered(table, masked).set_column(0, "name", table["name"])
    assert attempt(table, wrong, masked, ["age"], ["name"]).leaked == ("name",)


def test_two_deliveries_together_say_more_than_each_of_them() -> None:
    table = people()
    batches = table.combine_chunks().to_batches(max_chunksize=300)
    shifted = Plan(
        (
            *(ColumnRule(name, "suppress") for name in ("name", "town")),
            ColumnRule("age", "generalize", {"ranges": [25, 35, 45, 55]}),
            ColumnRule("price", "keep"),
        )
    )
    tens = plan_of(10)
    alone = [k_anonymity(held_together(batches, table.schema, [(plan, KEYS)], ["age"])) for plan in (tens, shifted)]
    both = held_together(batches, table.schema, [(tens, KEYS), (shifted, None)], ["age"])
    assert k_anonymity(both) < min(alone)
    ages = Counter(math.floor(age / 5) for age in table["age"].to_pylist())
    assert sorted(both.sizes) == sorted(ages.values())
    again = held_together(batches, table.schema, [(tens, KEYS), (tens, KEYS)], ["age"])
    assert k_anonymity(again) == alone[0]
    # A filter tells who was left out.
    some = Plan(tens.columns, (RowFilter("age", "gteq", 33),))
    filtered = held_together(batches, table.schema, [(tens, KEYS), (some, KEYS)], ["age"])
    assert len(filtered.sizes) == 5
    with pytest.raises(PlanError, match="No delivery"):
        held_together(batches, table.schema, [(tens, KEYS)], ["name"])
