"""An attack on the result, run before it is released by one who has the source: what an intruder could do at best.

Linkage: the intruder knows the quasi-identifiers of every person and the plan, so knows how they look in the result.
Dictionary: every hash without a key, and the plain value, of every source value is looked up in the result.
Frequency: pseudonyms keep how often a value stands; where a count is its own, it names its value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.model import Plan
from contracts.desensitization.risk.groups import count

_HASHES = ("md5", "sha1", "sha256", "sha512", "sm3")
# Values whose hashes are tried; a dictionary that fails on so many evenly spread ones fails on all.
_TRIED = 20_000
_REPLACED = frozenset({"pseudonymize", "tokenize"})
_CHANGED = _REPLACED | {"mask", "redact", "generalize"}


@dataclass(frozen=True)
class Attempt:
    """The shares of rows that were re-identified: `linked` by their quasi-identifiers alone (expected), and for each
    replaced column those whose value a `dictionary` of unkeyed hashes or a unique `frequency` gave away. `leaked` are
    columns that show a direct identifier as it was."""

    linked: float
    dictionary: dict[str, float]
    frequency: dict[str, float]
    leaked: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        """Whether anything was read back: a finding that stops a release, unlike a risk that is weighed."""
        return bool(self.leaked) or any(self.dictionary.values())


def attempt(before: Any, after: Any, plan: Plan, quasi: Sequence[str], direct: Iterable[str] = ()) -> Attempt:
    """Attack the delivered table `after` with the source `before`, row for row the same (both Arrow tables).

    `quasi` are the quasi-identifiers; those that are left out link nothing. `direct` are the columns found to identify
    people directly: in them a delivered value that stands in the source column is a leak, however it got there.
    """
    shown = [name for name in quasi if name in after.schema.names]
    groups = count(after, shown) if shown else None
    linked = len(groups.sizes) / groups.rows if groups is not None and groups.rows else 0.0
    dictionary, frequency, leaked = {}, {}, []
    for rule in plan.columns:
        if rule.column not in after.schema.names:
            continue
        if rule.method in _REPLACED:
            old, new = _text(before.column(rule.column)), _text(after.column(rule.column))
            dictionary[rule.column] = _by_dictionary(old, new)
            frequency[rule.column] = _by_frequency(old, new)
    for name in direct:
        rule_of = plan.rule(name)
        if name in after.schema.names and rule_of is not None and _shows(before, after, name, rule_of.method):
            leaked.append(name)
    return Attempt(linked, dictionary, frequency, tuple(leaked))


def _text(column: Any) -> Any:
    array = column.cast(pa.string()) if not pa.types.is_binary(column.type) else column
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _by_dictionary(old: Any, new: Any) -> float:
    values = pc.unique(old).drop_null()
    if len(values) > _TRIED:
        values = values.take(pa.array(np.linspace(0, len(values) - 1, _TRIED).astype(np.int64)))
    guesses: set[str] = set()
    for value in values.to_pylist():
        data = value if isinstance(value, bytes) else value.encode()
        guesses |= {hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in _HASHES if name in hashlib.algorithms_available}  # fmt: skip
    delivered = pc.unique(new).drop_null()
    length = pc.max(pc.utf8_length(delivered)).as_py() or 0
    # A shortened hash is a prefix of the whole one.
    known = pa.array(sorted({guess[:length] for guess in guesses}), pa.string())
    hits = pc.is_in(pc.utf8_lower(new), known)
    return float(pc.mean(pc.fill_null(hits, False)).as_py() or 0.0)


def _by_frequency(old: Any, new: Any) -> float:
    first, second = (np.array(pc.value_counts(column.drop_null()).field("counts"), np.int64) for column in (old, new))
    sizes, times = np.unique(first, return_counts=True)
    also, again = np.unique(second, return_counts=True)
    # A count that one source value and one pseudonym have alone ties the two together.
    alone = np.intersect1d(sizes[times == 1], also[again == 1])
    return float(alone.sum() / max(1, len(new)))


def _shows(before: Any, after: Any, name: str, method: str) -> bool:
    if method not in _CHANGED:
        return method in ("keep", "round", "local_suppress", "shuffle")
    old, new = _text(before.column(name)), _text(after.column(name))
    # Masks and prefixes of short values may equal another value; in its own row no value may stand as it was.
    same = pc.and_(pc.equal(old, new), pc.not_equal(old, ""))
    return bool(pc.any(pc.fill_null(same, False)).as_py())
