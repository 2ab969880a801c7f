"""A buyer's mark in the last kept digit of numbers, and the search for it in a leaked copy.

A number x in units of its column's quantum is q; q and its partner q ^ 1 share h = q >> 1. A keyed function of the
column and h picks one pair in `every`, and for it a position of the buyer's code (2,048 keyed bits) and a mask; the
mark sets the last bit of q to code ^ mask. Nothing but the value decides, so rows may be dropped, added or
reordered and whole columns left out, and what remains still votes. (After Agrawal and Kiernan 2002 and Li, Swarup
and Jajodia 2005, with the value's own upper part in the place of a primary key.)

The score of a candidate is the vote vector times the candidate's code of ±1, divided by the vector's length. For a
buyer who is not the source the code is independent of the votes, whatever was done to the copy, so by Hoeffding's
inequality P(score > s) <= exp(-s² / 2): below 2.3e-11 at the seven where accusation begins.

What it does not survive: rounding the marked digit away, and erasing by someone who has found the marked pairs (in
a dense column of few distinct values their histogram shows them).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from contracts.desensitization.digits import last_digit
from contracts.desensitization.model import ColumnRule, Plan
from contracts.errors import FingerprintError

CODE_BITS = 2048
# The score from which a buyer is named.
ACCUSE_AT = 7.0
_DOMAIN = b"industrial-data-exchange/fingerprint/v1"
_EXACT = 2.0**52


@dataclass(frozen=True)
class MarkedColumn:
    """A column that carries marks and the size of its last kept digit, as decimal text such as "0.01".

    No mark moves a number past `low` or `high`, where they are given: a rate of 100 % never becomes 100.01 %.
    """

    name: str
    quantum: str
    low: str | None = None
    high: str | None = None

    def __post_init__(self) -> None:
        numbers = [_decimal(text) for text in (self.quantum, self.low or "0", self.high or "0")]
        if None in numbers or Decimal(self.quantum) <= 0:
            raise FingerprintError(
                f"The column {self.name!r} needs a last digit above zero and bounds that are numbers.",
                f"“{self.name}”列的最小单位应大于零，上下限应为数值。",
            )

    @property
    def step(self) -> Fraction:
        """The quantum as an exact fraction."""
        return Fraction(Decimal(self.quantum))

    def bounds(self) -> tuple[float, float]:
        """The bounds in quanta, infinite where none is given."""
        low, high = (None if text is None else Fraction(Decimal(text)) / self.step for text in (self.low, self.high))
        return (-math.inf if low is None else math.ceil(low), math.inf if high is None else math.floor(high))

    def to_json(self) -> dict[str, str]:
        """The column as a JSON object; `MarkedColumn(**document)` gives it back."""
        return {name: value for name, value in vars(self).items() if value is not None}


def _decimal(text: Any) -> Decimal | None:
    try:
        number = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return number if number.is_finite() else None


@dataclass(frozen=True)
class Fingerprint:
    """The provider's key (at least 32 random bytes), the buyer's name, and the columns that carry the mark.

    The key is the same for every buyer of a dataset. One pair of neighbouring values in `every` is marked, so
    about one number in `2 * every` changes, by one quantum.
    """

    key: bytes = field(repr=False)
    buyer: str
    columns: tuple[MarkedColumn, ...]
    every: int = 16

    def __post_init__(self) -> None:
        _check_key(self.key)
        if not isinstance(self.every, int) or self.every < 1:
            raise FingerprintError("One pair in a whole number of pairs is marked.", "标记间隔应为正整数。")
        object.__setattr__(self, "columns", tuple(self.columns))

    def code_digest(self) -> str:
        """`sha256:` and the digest of the buyer's code, to be committed before delivery and opened in a dispute."""
        return "sha256:" + hashlib.sha256(code_of(self.key, self.buyer)).hexdigest()


class Score(NamedTuple):
    """How well a copy fits one buyer's code; a buyer who is not the source scores like a standard normal."""

    buyer: str
    score: float

    @property
    def accused(self) -> bool:
        """Whether the score is high enough to name the buyer."""
        return self.score >= ACCUSE_AT

    @property
    def bound(self) -> float:
        """An upper bound of the probability that one given innocent buyer scores this high."""
        return math.exp(-(max(self.score, 0.0) ** 2) / 2)


def mark(batch: Any, fingerprint: Fingerprint) -> Any:
    """The batch with the buyer's mark, of the same schema; no value changes by more than one quantum.

    Nulls, NaN, infinities, and the values zero and one quantum stay as they are. Raises FingerprintError where a
    marked column is missing or holds other than floats or integers; decimals count as exact.
    """
    code = _bits(code_of(fingerprint.key, fingerprint.buyer))
    for column in fingerprint.columns:
        index = batch.schema.get_field_index(column.name)
        if index < 0 or not _can_be_marked(batch.schema.field(index).type):
            raise FingerprintError(
                f"The column {column.name!r} is missing or holds neither floats nor integers, so it carries no mark.",
                f"“{column.name}”列不存在，或不是浮点数或整数，无法加标记。",
            )
        units = _units(batch.column(index), column.step)
        chosen, position, flip = _choose(cell_key(fingerprint.key, column.name), units.pairs, fingerprint.every)
        rows, before = units.rows[chosen], units.whole[chosen]
        wanted = (before >> 1) * 2 + (code[position] ^ flip)
        low, high = column.bounds()
        leaves = ((before <= high) & (wanted > high)) | ((before >= low) & (wanted < low))
        changed = (wanted != before) & ~leaves
        marked = units.moved(rows[changed], wanted[changed], before[changed])
        batch = batch.set_column(index, batch.schema.field(index), _like(marked, batch.column(index)))
    return batch


def detect(
    table: Any,
    key: bytes,
    candidates: Iterable[str],
    columns: Sequence[MarkedColumn] | None = None,
    *,
    every: int = 16,
) -> list[Score]:
    """How well a table (or batch) that was found fits each candidate's code, best first.

    `columns` are those that were marked; those not in the table are passed over, and without them the numeric
    columns of the copy are read as they look. Raises FingerprintError for a short key.
    """
    _check_key(key)
    if columns is None:
        columns = choose_columns(table)
    keys = {column.name: cell_key(key, column.name) for column in columns}
    votes = votes_of(table, keys, columns, every)
    scores = [Score(buyer, score_of(votes, code_of(key, buyer))) for buyer in candidates]
    return sorted(scores, key=lambda score: (-score.score, score.buyer))


def votes_of(table: Any, keys: Mapping[str, bytes], columns: Sequence[MarkedColumn], every: int) -> NDArray[np.float64]:
    """For every position of a code, how many pieces of evidence in the table speak for one more than for zero.

    `keys` are the columns' cell keys; columns that the table lacks are passed over.
    """
    votes = np.zeros(CODE_BITS)
    for column in columns:
        index = table.schema.get_field_index(column.name)
        if index >= 0 and _is_number(table.schema.field(index).type):
            votes += _votes(table.column(index), keys[column.name], column, every)
    return votes


def score_of(votes: NDArray[np.float64], code: bytes) -> float:
    """The votes times the code of ±1, by the length of the votes; a code that has nothing to do with them gives about 0 ± 1."""
    norm = float(np.linalg.norm(votes)) or 1.0
    return float(votes @ (_bits(code) * 2.0 - 1.0)) / norm


def cell_key(key: bytes, column: str) -> bytes:
    """The key that chooses the marked pairs of one column: it opens that column's marks and nothing else."""
    return _derive(key, b"cell", column, 32)


def code_of(key: bytes, buyer: str) -> bytes:
    """The buyer's code; its SHA-256 is committed before delivery."""
    return _derive(key, b"code", buyer, CODE_BITS // 8)


def choose_columns(sample: Any, plan: Plan | None = None) -> tuple[MarkedColumn, ...]:
    """The columns of a desensitized sample that can carry marks, each with the last digit it keeps.

    Floats and integers with at least 200 distinct values over at least 200 quanta; not what runs in one direction or
    counts rows, since that is a time or an identifier. With a plan only columns whose mark it discloses (see
    `disclosed`), and whose last digit is no larger than it says: what was not signed is not changed.
    """
    allowed = dict.fromkeys(sample.schema.names) if plan is None else {rule.column: rule.mark for rule in plan.columns}
    chosen = []
    for index, column in enumerate(sample.schema):
        if column.name in allowed and _can_be_marked(column.type):
            values, present = _plain(sample.column(index))
            quantum = last_digit(values, present, short=column.type in (pa.float16(), pa.float32()))
            if quantum is not None and (plan is None or _is_disclosed(quantum, allowed[column.name])):
                low, high = (
                    str(Decimal(repr(bound.item()))) for bound in (values[present].min(), values[present].max())
                )
                chosen.append(MarkedColumn(column.name, quantum, low, high))
    return tuple(chosen)


def _is_disclosed(quantum: str, mark: str | None) -> bool:
    return mark is not None and Decimal(quantum) <= Decimal(mark)


def last_digits(sample: Any) -> dict[str, str]:
    """The columns of a table that could carry marks, with the last digit that each keeps; for `disclosed`."""
    return {column.name: column.quantum for column in choose_columns(sample)}


def disclosed(plan: Plan, digits: Mapping[str, str]) -> Plan:
    """The plan with every mark that it allows written into its rules: which columns, and by how much at most.

    `digits` are the last digits of the source's columns. A kept column changes by its last digit at most, a rounded one
    by what it is rounded to. A mark that a rule carried before is replaced, or dropped where there is none to disclose.
    """
    return replace(plan, columns=tuple(replace(rule, mark=_mark_of(rule, digits)) for rule in plan.columns))


def _mark_of(rule: ColumnRule, digits: Mapping[str, str]) -> str | None:
    digit = digits.get(rule.column)
    if digit is None or not rule.may_carry_mark:
        return None
    if rule.method == "round":
        unit = Decimal(1).scaleb(-int(rule.parameters["digits"]))
        return format(max(unit, Decimal(digit)), "f")
    return digit


def _votes(array: Any, key: bytes, column: MarkedColumn, every: int) -> NDArray[np.float64]:
    units = _units(array, column.step)
    chosen, position, flip = _choose(key, units.pairs, every)
    signs = ((units.whole[chosen] & 1) ^ flip) * 2 - 1
    # Rows of one value are one piece of evidence: the majority among them counts once.
    _, first, inverse = np.unique(units.pairs[chosen], return_index=True, return_inverse=True)
    majority = np.sign(np.bincount(inverse, signs, len(first)))
    votes: NDArray[np.float64] = np.bincount(position[first], majority, CODE_BITS).astype(np.float64)
    return votes


@dataclass(frozen=True)
class _Units:
    """The numbers of a column in units of its quantum, for the rows that can carry a mark."""

    values: NDArray[Any]
    step: Fraction
    rows: NDArray[np.int64]
    whole: NDArray[np.int64]

    @property
    def pairs(self) -> NDArray[np.int64]:
        return self.whole >> 1

    def moved(self, rows: NDArray[np.int64], wanted: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[Any]:
        """All values, with the given rows moved from `before` to `wanted` units."""
        values = self.values.copy()
        if values.dtype.kind != "f":
            values[rows] = values[rows] + ((wanted - before) * int(self.step)).astype(values.dtype)
            return values
        up, down = float(self.step.numerator), float(self.step.denominator)
        old = values[rows]
        # A value on the grid moves to the next clean decimal; one between keeps its distance from the grid.
        clean = wanted * up / down
        on_grid = np.abs(old * down / up - before) < 1e-6
        values[rows] = np.where(on_grid, clean, old + (wanted - before) * up / down)
        return values


def _units(array: Any, step: Fraction) -> _Units:
    values, present = _plain(array)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values * (step.denominator / step.numerator)
            present &= np.abs(scaled) < _EXACT
            # Half a unit is added before rounding down, so that numbers on the grid lie amid their unit.
            whole = np.floor(np.where(present, scaled, 0.0) + 0.5).astype(np.int64)
    else:
        if step.denominator != 1:
            raise FingerprintError("Whole numbers are marked by whole steps.", "整数列的最小单位应为整数。")
        whole = np.where(present, values // values.dtype.type(int(step)), 0).astype(np.int64)
    # Zero often means "off", and stays; its pair is never touched, in marking and detection alike.
    rows = np.flatnonzero(present & (whole >> 1 != 0))
    return _Units(values, step, rows, whole[rows])


def _plain(array: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The values as float64, int64 or uint64, and which of them are numbers."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    whole = pa.types.is_integer(array.type)
    kind = (pa.uint64() if pa.types.is_uint64(array.type) else pa.int64()) if whole else pa.float64()
    array = array.cast(kind, safe=False)
    present: NDArray[np.bool_] = np.array(array.is_valid(), dtype=np.bool_)
    values: NDArray[Any] = np.array(array.fill_null(0))
    if whole:
        # Beyond the exact range of a double a copy in another format may have lost the last digit.
        return values, present & (values < 2**52) & ((values > -(2**52)) if values.dtype.kind == "i" else True)
    return values, present & np.isfinite(values)


def _like(values: NDArray[Any], source: Any) -> Any:
    absent = None if source.null_count == 0 else np.array(source.is_null(), dtype=np.bool_)
    return pa.array(values, mask=absent).cast(source.type, safe=False)


def _can_be_marked(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_number(kind: Any) -> bool:
    return _can_be_marked(kind) or bool(pa.types.is_decimal(kind))


def _choose(
    key: bytes, pairs: NDArray[np.int64], every: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Which pairs are marked, and of each its position in the code and its mask bit (AES-256 is the keyed function)."""
    blocks = np.zeros((len(pairs), 2), np.int64)
    blocks[:, 0] = pairs
    # ECB only evaluates the block cipher; a pair always gives the same answer, as it must.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    answers = np.empty(blocks.size + 2, np.uint64)
    encryptor.update_into(blocks.data.cast("B") if len(pairs) else b"", answers.data.cast("B"))
    # A uniform 64-bit number lies below this for one pair in `every`.
    chosen = np.flatnonzero(answers[: blocks.size : 2] < np.uint64(2**64 // every - 1))
    second = answers[1 : blocks.size : 2][chosen]
    position = (second % np.uint64(CODE_BITS)).astype(np.int64)
    return chosen, position, (second >> np.uint64(63)).astype(np.int64)


def _bits(code: bytes) -> NDArray[np.int64]:
    return np.unpackbits(np.frombuffer(code, np.uint8)).astype(np.int64)


def _derive(key: bytes, use: bytes, name: str, size: int) -> bytes:
    return HKDF(SHA256(), size, None, _DOMAIN + b"\0" + use + b"\0" + name.encode()).derive(key)


def _check_key(key: bytes) -> None:
    if len(key) < 32:
        raise FingerprintError(
            f"A fingerprint key has at least 32 bytes; this one has {len(key)}.",
            f"指纹密钥至少 32 字节，此密钥为 {len(key)} 字节。",
        )
