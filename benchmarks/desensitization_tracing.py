"""Attacks on a marked copy: how often its buyer is found among ten thousand, and whether anybody innocent is named.

Every attack has fifty trials with other buyers and other rows. A collusion counts as found where one of the colluders
is named. Where the last digit is taken away the marks promise nothing, and only the innocent count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figure
from contracts.fingerprint import ACCUSE_AT, Fingerprint, MarkedColumn, cell_key, code_of, mark, votes_of

ROWS, BUYERS, TRIALS = 200_000, 10_000, 50
_KEY = bytes(range(32))
COLUMNS = (MarkedColumn("temperature", "0.01"), MarkedColumn("pressure", "0.001"), MarkedColumn("load", "1"))
_KEYS = {column.name: cell_key(_KEY, column.name) for column in COLUMNS}
Copies = list[dict[str, np.ndarray]]
Attack = Callable[[Copies, np.random.Generator], dict[str, np.ndarray]]


def _rows(share: float) -> Attack:
    def keep(copies: Copies, random: np.random.Generator) -> dict[str, np.ndarray]:
        size = len(copies[0]["load"])
        rows = random.choice(size, int(size * share), replace=False)
        return {name: values[rows] for name, values in copies[0].items()}

    return keep


def _flip(copies: Copies, random: np.random.Generator) -> dict[str, np.ndarray]:
    attacked = {}
    for column in COLUMNS:
        quantum, values = float(column.quantum), copies[0][column.name]
        flipped = (np.rint(values / quantum).astype(np.int64) ^ 1) * quantum
        attacked[column.name] = np.where(random.random(len(values)) < 0.45, flipped, values)
    return attacked


def _one_column(copies: Copies, random: np.random.Generator) -> dict[str, np.ndarray]:
    name = COLUMNS[int(random.integers(3))].name
    return {name: copies[0][name]}


def _pick(copies: Copies, random: np.random.Generator) -> dict[str, np.ndarray]:
    which = random.integers(0, len(copies), len(copies[0]["load"]))
    return {name: np.choose(which, [copy[name] for copy in copies]) for name in copies[0]}


def _joined(combine: Callable[..., np.ndarray]) -> Attack:
    return lambda copies, _random: {name: combine([copy[name] for copy in copies], axis=0) for name in copies[0]}


def _middle(stack: list[np.ndarray], axis: int) -> np.ndarray:
    # An existing value, as a median of an even number of copies must stay on the grid.
    ordered: np.ndarray = np.sort(np.stack(stack), axis=axis)
    return ordered[len(stack) // 2]


def _rounded(copies: Copies, _random: np.random.Generator) -> dict[str, np.ndarray]:
    digits = {"temperature": 1, "pressure": 2, "load": -1}
    return {name: np.round(values, digits[name]) for name, values in copies[0].items()}


def _text(copies: Copies, _random: np.random.Generator) -> dict[str, np.ndarray]:
    """Write numbers as text with one decimal, as a spreadsheet does, and read them again; whole numbers stay."""
    return {
        name: values if name == "load" else np.array([f"{value:.1f}" for value in values]).astype(float)
        for name, values in copies[0].items()
    }


# The name, how many buyers act together, what they do, and whether the marks promise to find one of them.
ATTACKS: tuple[tuple[str, int, Attack, bool], ...] = (
    ("keep 1 % of the rows", 1, _rows(0.01), True),
    ("keep 0.5 % of the rows", 1, _rows(0.005), True),
    ("flip 45 % of the last digits", 1, _flip, True),
    ("drop two of three columns", 1, _one_column, True),
    ("shuffle the rows", 1, _rows(1.0), True),
    *((f"{count} mix their copies", count, _pick, True) for count in (2, 5, 10)),
    *((f"{count} take the median", count, _joined(_middle), True) for count in (2, 5, 10)),
    *((f"{count} take the least", count, _joined(np.min), count < 5) for count in (2, 5, 10)),
    *((f"{count} take the most", count, _joined(np.max), count < 5) for count in (2, 5, 10)),
    ("round one digit away", 1, _rounded, False),
    ("text with one decimal", 1, _text, True),
)


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Run every attack; the value is the share of trials in which a guilty buyer was named."""
    rows, buyers, trials = (20_000, 500, 2) if quick else (ROWS, BUYERS, TRIALS)
    names = [f"buyer {number:05d}" for number in range(buyers)]
    bits = np.unpackbits(np.frombuffer(b"".join(code_of(_KEY, name) for name in names), np.uint8))
    codes = bits.reshape(buyers, -1).astype(np.float32) * 2 - 1
    source = _source(rows)
    for name, together, attack, promised in ATTACKS:
        found = innocent = 0
        for trial in range(trials):
            random = np.random.default_rng(trial)
            guilty = random.choice(buyers, together, replace=False)
            attacked = attack([_copy(source, names[buyer]) for buyer in guilty], random)
            votes = votes_of(pa.table(attacked), _KEYS, COLUMNS, 16)
            scores = codes @ votes.astype(np.float32) / (float(np.linalg.norm(votes)) or 1.0)
            accused = set(np.flatnonzero(scores >= ACCUSE_AT))
            found += bool(accused & set(guilty))
            innocent += len(accused - set(guilty))
        share = found / trials
        yield Figure(
            name=f"tracing: {name}",
            value=share,
            unit=f"of {trials} trials named a guilty one of {buyers:,} buyers; {innocent} innocents were named",
            against="0.99 where the marks promise it" if promised else "no promise of the marks",
            target="no innocent, and >= 0.99" if promised else "no innocent",
            holds=innocent == 0 and (share >= 0.99 or not promised),
        )


def _source(rows: int) -> pa.RecordBatch:
    random = np.random.default_rng(20260101)
    return pa.RecordBatch.from_pydict(
        {
            "temperature": np.round(random.normal(60, 8, rows), 2),
            "pressure": np.round(random.gamma(5, 3, rows), 3),
            "load": random.integers(0, 50_000, rows),
        }
    )


def _copy(source: pa.RecordBatch, buyer: str) -> dict[str, np.ndarray]:
    marked = mark(source, Fingerprint(_KEY, buyer, COLUMNS))
    return {name: marked.column(name).to_numpy() for name in marked.schema.names}
