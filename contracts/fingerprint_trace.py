"""Finding the buyer of a leaked copy, and a report of it that somebody else can check.

Two layers speak independently. The marks in last digits score every candidate (see `fingerprint`). Pseudonyms that were
made for one agreement are a second mark that rounding does not touch: a single one of them in the copy names its
agreement, since 16 hexadecimal digits or more agree by chance with a probability of 2**-64 for each pair compared.

The report holds the votes, the code of each accused buyer and the keys that open the marks of the columns, but not the
provider's key: with the copy and the commitment of the code (an entry of the ledger from before the delivery) anybody
recomputes the score. After it is shown, the marks of these columns are known, so the next deliveries need another key.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.keys import Keys
from contracts.desensitization.methods import prepare
from contracts.desensitization.model import ColumnRule
from contracts.errors import FingerprintError
from contracts.fingerprint import ACCUSE_AT, CODE_BITS, MarkedColumn, cell_key, code_of, detect, score_of, votes_of

REPORT_VERSION = 1


@dataclass(frozen=True)
class Suspect:
    """A candidate with the evidence against it: the score of its marks, and how many of its own pseudonyms stand in the
    copy. `bound` is the most that the probability of so much evidence can be for all innocent candidates together."""

    buyer: str
    score: float
    tokens: int
    bound: float

    @property
    def accused(self) -> bool:
        """Whether the evidence names the buyer."""
        return self.score >= ACCUSE_AT or self.tokens > 0


@dataclass(frozen=True)
class Trace:
    """What a search found: the suspects, strongest first, and the report on those that are accused."""

    suspects: tuple[Suspect, ...]
    report: dict[str, Any]

    @property
    def accused(self) -> tuple[str, ...]:
        """The buyers that the evidence names."""
        return tuple(suspect.buyer for suspect in self.suspects if suspect.accused)


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms that candidates received in one column: its rule, and source values that are known to occur.

    `keys` gives each candidate's keys; a candidate without any received no pseudonyms of the column.
    """

    rule: ColumnRule
    known: Any
    keys: Mapping[str, Keys]

    def hits(self, copy: Any, buyer: str) -> int:
        """How many of the buyer's own pseudonyms stand in the copy's column (an Arrow array of text)."""
        keys = self.keys.get(buyer)
        prepared = None if keys is None else prepare(self.rule, self.known.type, keys)
        if prepared is None:
            return 0
        own = pc.unique(prepared.transform(self.known)).drop_null().cast(pa.string())
        return int(pc.sum(pc.is_in(own, copy)).as_py() or 0)

    def chance(self, copy: Any) -> float:
        """The most that one innocent candidate's pseudonyms can agree with the copy by chance."""
        return min(1.0, len(self.known) * len(copy) * 16.0 ** -int(self.rule.parameters["length"]))


def trace(
    table: Any,
    key: bytes,
    candidates: Iterable[str],
    columns: Sequence[MarkedColumn],
    *,
    every: int = 16,
    pseudonyms: Sequence[Pseudonyms] = (),
    file_digest: str = "",
) -> Trace:
    """Search a table for the marks and pseudonyms of every candidate.

    `columns` are the marked ones, `file_digest` the SHA-256 of the file that was found, for the report. Under a key and
    codes that the copier does not know, an innocent buyer is accused with probability `bound` at most: by Hoeffding's
    inequality for marks, times the number of candidates, and by the length of pseudonyms. Raises FingerprintError for a
    short key, or a column of pseudonyms without a pseudonymize rule.
    """
    names = sorted(set(candidates))
    scores = {score.buyer: score.score for score in detect(table, key, names, columns, every=every)}
    tokens, chance = dict.fromkeys(names, 0), 0.0
    for layer in pseudonyms:
        if layer.rule.method != "pseudonymize":
            raise FingerprintError("Only pseudonyms name their agreement.", "只有假名可以指向其协议。")
        index = table.schema.get_field_index(layer.rule.column)
        if index < 0 or not pa.types.is_string(table.schema.field(index).type):
            continue
        copy = pc.unique(table.column(index)).drop_null()
        chance += layer.chance(copy)
        for name in names:
            tokens[name] += layer.hits(copy, name)
    suspects = [
        Suspect(name, scores[name], tokens[name], _bound(scores[name], tokens[name], chance, len(names)))
        for name in names
    ]
    suspects.sort(key=lambda suspect: (-suspect.tokens, -suspect.score, suspect.buyer))
    return Trace(tuple(suspects), _report(table, key, suspects, columns, every, file_digest))


def _bound(score: float, tokens: int, chance: float, candidates: int) -> float:
    by_marks = math.exp(-(max(score, 0.0) ** 2) / 2)
    # The stronger of the two layers is enough, and either might have erred.
    one = min(by_marks, chance) if tokens else by_marks
    return min(1.0, 2 * candidates * one)


def _report(
    table: Any, key: bytes, suspects: Sequence[Suspect], columns: Sequence[MarkedColumn], every: int, digest: str
) -> dict[str, Any]:
    keys = {column.name: cell_key(key, column.name) for column in columns}
    votes = votes_of(table, keys, columns, every)
    accused = [suspect for suspect in suspects if suspect.score >= ACCUSE_AT]
    return {
        "version": REPORT_VERSION,
        "file": digest,
        "every": every,
        "columns": [column.to_json() for column in columns],
        "cell_keys": {name: value.hex() for name, value in keys.items()} if accused else {},
        "votes": votes.astype(np.int64).tolist(),
        "candidates": len(suspects),
        "accuse_at": ACCUSE_AT,
        "accused": [
            {
                "buyer": suspect.buyer,
                "score": round(suspect.score, 6),
                "bound": suspect.bound,
                "code": code_of(key, suspect.buyer).hex(),
                "commitment": "sha256:" + hashlib.sha256(code_of(key, suspect.buyer)).hexdigest(),
            }
            for suspect in accused
        ],
    }


def check_report(report: Mapping[str, Any], table: Any, commitments: Mapping[str, str]) -> tuple[str, ...]:
    """The buyers that a report rightly accuses of being the source of `table`, found without the provider's key.

    `commitments` are the code digests by buyer, as they were recorded before the deliveries. Raises FingerprintError,
    saying which step fails, where votes, codes, commitments or scores are not what they must be.
    """
    try:
        columns = tuple(MarkedColumn(**column) for column in report["columns"])
        keys = {name: bytes.fromhex(value) for name, value in report["cell_keys"].items()}
        accused = [(item["buyer"], bytes.fromhex(item["code"]), float(item["score"])) for item in report["accused"]]
        stated, every = np.array(report["votes"], np.float64), int(report["every"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FingerprintError("The report cannot be read.", "无法读取追溯报告。") from error
    if not accused:
        return ()
    if report.get("version") != REPORT_VERSION or set(keys) != {column.name for column in columns}:
        raise FingerprintError("The report lacks keys of its columns.", "追溯报告缺少各列的密钥。")
    if not np.array_equal(votes_of(table, keys, columns, every), stated):
        raise FingerprintError("The votes are not those of this file.", "报告中的票数与该文件不符。")
    for buyer, code, score in accused:
        if len(code) * 8 != CODE_BITS or commitments.get(buyer) != "sha256:" + hashlib.sha256(code).hexdigest():
            raise FingerprintError(
                f"The code of {buyer!r} is not the one that was committed before the delivery.",
                f"“{buyer}”的编码与交付前的承诺不符。",
            )
        if abs(score_of(stated, code) - score) > 1e-3 or score < ACCUSE_AT:
            raise FingerprintError(f"The score of {buyer!r} does not hold.", f"“{buyer}”的得分不成立。")
    return tuple(buyer for buyer, _, _ in accused)
